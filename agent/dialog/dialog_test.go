//go:build unix

package dialog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/agent/words"
)

var page = Page{Title: "Pay", Lines: []words.Line{{Label: "Payee", Value: `<b>A_B</b> \n %41`}}, Warnings: []string{"last try"}, Ask: "Enter the PIN"}

// typed is a terminal at which somebody types.
type typed struct {
	io.Reader
	bytes.Buffer
}

func (t *typed) Read(p []byte) (int, error) { return t.Reader.Read(p) }

func terminalWith(keys string) (*Terminal, *typed) {
	tty := &typed{Reader: strings.NewReader(keys)}
	return &Terminal{language: words.EN, tty: tty, raw: func() (func(), error) { return func() {}, nil }}, tty
}

func TestTerminal(t *testing.T) {
	term, tty := terminalWith("129\x7f34\r")
	pin, err := term.PIN(t.Context(), page)
	if err != nil || string(pin) != "1234" {
		t.Fatalf("%q, %v", pin, err)
	}
	if out := tty.String(); strings.Contains(out, "12") || strings.Contains(out, "34") || !strings.Contains(out, `<b>A_B</b> \n %41`) || !strings.Contains(out, "last try") {
		t.Errorf("the terminal shows %q", out)
	}
	for _, keys := range []string{"\r", "12\x03", "12\x1b", "12", "\x04"} {
		term, _ := terminalWith(keys)
		if pin, err := term.PIN(t.Context(), page); !errors.Is(err, ErrCancelled) {
			t.Errorf("%q: %q, %v", keys, pin, err)
		}
	}
	for keys, want := range map[string]error{"y\r": nil, "what\rbəli\r": nil, "n\r": ErrCancelled, "\r\rд\n": nil, "": ErrCancelled} {
		term, _ := terminalWith(keys)
		if err := term.Confirm(t.Context(), page); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%q: %v, want %v", keys, err, want)
		}
	}
	term, tty = terminalWith("3\r0\rx\r2\r")
	if n, err := term.Choose(t.Context(), page, []string{"one", "two"}); n != 1 || err != nil || !strings.Contains(tty.String(), "2: two") {
		t.Errorf("%d, %v: %q", n, err, tty)
	}
	silent, w := io.Pipe()
	defer w.Close()
	term, tty = terminalWith("")
	tty.Reader = silent
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := term.PIN(ctx, page); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody types: %v", err)
	}
}

// fake is a program of the desktop that keeps its arguments and does as told.
func fake(t *testing.T, does string) (path, args string) {
	t.Helper()
	dir := t.TempDir()
	path, args = filepath.Join(dir, "fake"), filepath.Join(dir, "args")
	script := "#!/bin/sh\nfor a in \"$@\"; do printf '%s\\n' \"$a\"; done > " + args + "\n" + does + "\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, args
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDesktopPrograms(t *testing.T) {
	zenity := func(path string) Dialog { return Zenity{words.EN, path} }
	kdialog := func(path string) Dialog { return KDialog{words.EN, path} }
	apple := func(path string) Dialog { return AppleScript{words.EN, path} }
	for name, use := range map[string]func(string) Dialog{"zenity": zenity, "kdialog": kdialog, "osascript": apple} {
		t.Run(name, func(t *testing.T) {
			path, args := fake(t, "printf '2468\\n'")
			pin, err := use(path).PIN(t.Context(), page)
			if err != nil || string(pin) != "2468" {
				t.Errorf("PIN: %q, %v", pin, err)
			}
			got := read(t, args)
			if name == "zenity" && !strings.Contains(got, `<b>A__B</b> \\n %41`) || name == "kdialog" && !strings.Contains(got, `&lt;b&gt;A_B&lt;/b&gt; \n %41<br/>`) {
				t.Errorf("the text is given as %q", got)
			}
			// What a stranger wrote is an argument of the script, not a part of it.
			if script, text, ok := strings.Cut(got, "\n--\n"); name == "osascript" && (!ok || strings.Contains(script, "A_B") || !strings.HasPrefix(text, `Payee: <b>A_B</b> \n %41`)) {
				t.Errorf("osascript is given %q", got)
			}
			path, _ = fake(t, "printf '2\\n'")
			if n, err := use(path).Choose(t.Context(), page, []string{"one", "two"}); n != 1 || err != nil {
				t.Errorf("a choice: %d, %v", n, err)
			}
			if err := use(path).Confirm(t.Context(), page); err != nil {
				t.Errorf("yes: %v", err)
			}
			path, _ = fake(t, "exit 1")
			if err := use(path).Confirm(t.Context(), page); !errors.Is(err, ErrCancelled) {
				t.Errorf("no: %v", err)
			}
			if _, err := use(path).PIN(t.Context(), page); !errors.Is(err, ErrCancelled) {
				t.Errorf("no PIN: %v", err)
			}
			path, _ = fake(t, "printf 12; exit 1")
			if pin, err := use(path).PIN(t.Context(), page); err == nil {
				t.Errorf("a PIN of a dialog that was cancelled: %q", pin)
			}
			path, _ = fake(t, "exit 127")
			if err := use(path).Confirm(t.Context(), page); err == nil || errors.Is(err, ErrCancelled) {
				t.Errorf("a dialog that cannot be shown: %v", err)
			}
			path, _ = fake(t, "head -c 1000 /dev/zero | tr '\\0' 1")
			if _, err := use(path).PIN(t.Context(), page); err == nil {
				t.Error("an endless PIN is taken")
			}
			path, _ = fake(t, "exec sleep 60")
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := use(path).PIN(ctx, page); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a dialog that stays: %v", err)
			}
		})
	}
}

// pinentrySays is a pinentry that keeps what it hears and answers the last command.
func pinentrySays(t *testing.T, pin, confirm, desc string) (path, heard string) {
	t.Helper()
	dir := t.TempDir()
	heard = filepath.Join(dir, "heard")
	path, _ = fake(t, `echo 'OK Pleased to meet you'
while read -r line; do
  printf '%s\n' "$line" >> `+heard+`
  case $line in
    GETPIN) `+pin+` ;;
    CONFIRM*) `+confirm+` ;;
    SETDESC*) `+desc+` ;;
    OPTION*) echo 'ERR 1 unknown option' ;;
    *) echo OK ;;
  esac
done`)
	return path, heard
}

func TestPinentry(t *testing.T) {
	path, heard := pinentrySays(t, `printf 'D 12%%2534\nOK\n'`, "echo OK", "echo OK")
	pin, err := Pinentry{words.EN, path}.PIN(t.Context(), page)
	if err != nil || string(pin) != "12%34" {
		t.Errorf("PIN: %q, %v", pin, err)
	}
	if got := read(t, heard); !strings.Contains(got, `SETDESC (1/1)%0APayee: <b>A_B</b> \n %2541%0A%0Alast try%0A%0AEnter the PIN`) {
		t.Errorf("it heard %q", got)
	}
	// A page longer than the protocol's line is shown in parts, every word of it.
	long := page
	for range 60 {
		long.Lines = append(long.Lines, words.Line{Label: "Получатель", Value: strings.Repeat("ж", 60)})
	}
	path, heard = pinentrySays(t, `printf 'D 1234\nOK\n'`, "echo OK", "echo OK")
	if _, err := (Pinentry{words.EN, path}).PIN(t.Context(), long); err != nil {
		t.Errorf("a long page: %v", err)
	}
	got := read(t, heard)
	if n := strings.Count(got, "ж"); n != 60*60 || strings.Count(got, "CONFIRM") != strings.Count(got, "SETDESC")-1 {
		t.Errorf("%d letters of 3600 were shown", n)
	}
	for line := range strings.Lines(got) {
		if len(line) > 1001 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	for name, p := range map[string][3]string{
		"no PIN":   {"echo 'ERR 83886179 cancelled'", "echo OK", "echo OK"},
		"refusing": {`printf 'D 1234\nOK\n'`, "echo OK", "echo 'ERR 1 no'"},
		"dying":    {"exit 1", "echo OK", "echo OK"},
		"too long": {`printf 'D ` + strings.Repeat("1", 200) + `\nOK\n'`, "echo OK", "echo OK"},
	} {
		path, _ := pinentrySays(t, p[0], p[1], p[2])
		if pin, err := (Pinentry{words.EN, path}).PIN(t.Context(), page); err == nil {
			t.Errorf("%s: %q", name, pin)
		}
	}
	path, _ = pinentrySays(t, "", "echo 'ERR 83886194 not confirmed'", "echo OK")
	if err := (Pinentry{words.EN, path}).Confirm(t.Context(), page); !errors.Is(err, ErrCancelled) {
		t.Errorf("no: %v", err)
	}
	path, heard = pinentrySays(t, "", "if [ -e \"$0.second\" ]; then echo OK; else touch \"$0.second\"; echo 'ERR 83886194 no'; fi", "echo OK")
	if n, err := (Pinentry{words.EN, path}).Choose(t.Context(), page, []string{"one", "two"}); n != 1 || err != nil {
		t.Errorf("the second choice: %d, %v after %q", n, err, read(t, heard))
	}
}

// A label of Qt reads a text as HTML when a tag stands before its first line break.
func TestPartsForPinentryAreNoMarkup(t *testing.T) {
	for _, before := range []int{0, 104, 200} {
		parts := split(Page{Lines: []words.Line{
			{Label: "Bank", Value: "<b>"}, {Label: "Site", Value: "https://login.bank.example"}, {Label: "Amount", Value: "9 500.00 AZN"},
			{Label: "Payee", Value: strings.Repeat("[U+0301]", before) + "<b><!--&lt;"}, {Label: "Account", Value: "AZ77VTBA00000000001234567890"},
		}}.body())
		if before > 0 && len(parts) < 2 {
			t.Fatal("the text is too short")
		}
		for _, part := range parts {
			if first, rest, _ := strings.Cut(part, "%0A"); strings.ContainsAny(first, "<&") || rest == "" || len(part) > maxAssuan-20 {
				t.Errorf("%d bytes, …%s", len(part), first[max(0, len(first)-60):])
			}
		}
	}
}

// The text of zenity's list is markup. A name in a certificate is a stranger's.
func TestListsHaveNeitherMarkupNorOptions(t *testing.T) {
	evil := Page{Title: "Card", Lines: []words.Line{{Label: "Reader", Value: `<span foreground="white">a & b</span>`}}, Ask: "Which?"}
	for name, use := range map[string]func(string) Dialog{
		"zenity": func(path string) Dialog { return Zenity{words.EN, path} }, "kdialog": func(path string) Dialog { return KDialog{words.EN, path} },
	} {
		path, args := fake(t, "printf '1\\n'")
		if n, err := use(path).Choose(t.Context(), evil, []string{"--text=other", "two"}); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		got := read(t, args)
		if strings.Contains(got, "<span") || !strings.Contains(got, "&lt;span") || !strings.Contains(got, "Which?") || strings.Contains(got, "\n--text=other") || !strings.Contains(got, "\n1. --text=other\n2\n2. two\n") {
			t.Errorf("%s is given\n%s", name, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("OK hello\n"))
	f.Add([]byte("S x\nD 12%25\nOK\n"))
	f.Add([]byte("D %zz%2\nERR 1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		data, err := reply(bytes.NewReader(raw))
		if len(data) > maxPIN || err != nil && len(bytes.Trim(data, "\x00")) > 0 {
			t.Fatalf("%q: %q, %v", raw, data, err)
		}
	})
}
