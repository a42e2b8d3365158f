package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what a person sees and types, and what the
// program has for it.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

// echoing waits until the terminal shows what is typed, or does not.
func echoing(t *testing.T, f *os.File, is bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); echoes(t, f) != is; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the terminal never came to show what is typed: %v", is)
		}
	}
}

const typedHalf = "8F3A 1C5E 7092 B4D6 F80A 1B2C 3D4E 5F60"

// A half that is typed is not shown, in no way, and goes nowhere unless the person
// says that its check value is that of the letter.
func TestClause5_3_6_AHalfIsTypedUnseen(t *testing.T) {
	for answer, sent := range map[string]bool{"yes": true, "no": false, "": false, "YES": false, "yess": false} {
		person, in := terminal(t)
		var out, told bytes.Buffer
		p := &program{in: in, out: &out, err: &told}
		done := make(chan error)
		var key []byte
		go func() {
			var err error
			if key, err = p.transportKey(t.Context(), "acme", true, transportFlags{form: "cmac"}); err == nil {
				err = p.confirmHalf(t.Context(), key, transportFlags{form: "cmac"})
			}
			done <- err
		}()
		echoing(t, in, false)
		fmt.Fprintln(person, typedHalf)
		echoing(t, in, true)
		fmt.Fprintln(person, answer)
		if err := <-done; (err == nil) != sent {
			t.Errorf("answered %q: %v", answer, err)
		}
		if want := "8f3a1c5e7092b4d6f80a1b2c3d4e5f60"; hex.EncodeToString(key) != want {
			t.Errorf("read %x", key)
		}
		if !strings.Contains(told.String(), "CB4C11 (AES-CMAC), 0E1A6F (AES-ECB)") {
			t.Errorf("told %q", told.String())
		}
		shown := make([]byte, 4096)
		n, err := person.Read(shown)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(shown[:n]), out.String(), told.String()} {
			if strings.Contains(strings.ToLower(text), "8f3a") {
				t.Errorf("the half is shown: %q", text)
			}
		}
	}
}

// Whoever breaks the command off has a terminal that shows what he types.
func TestATerminalIsLeftAsItWas(t *testing.T) {
	_, in := terminal(t)
	ctx, leave := context.WithCancel(t.Context())
	p := &program{in: in, out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	done := make(chan error)
	go func() {
		_, err := p.transportKey(ctx, "acme", true, transportFlags{})
		done <- err
	}()
	echoing(t, in, false)
	leave()
	if err := <-done; err == nil {
		t.Error("a half was read from nobody")
	}
	echoing(t, in, true)
}

// FuzzDecodeKey: what is taken for a key has 16 or 32 bytes and is what was
// written, but for blanks and case.
func FuzzDecodeKey(f *testing.F) {
	for _, text := range []string{typedHalf, "8f3a1c5e7092b4d6f80a1b2c3d4e5f60\r\n", "", "8f", strings.Repeat("0", 64), strings.Repeat("0", 66), strings.Repeat("é", 32), "\x00", "0x" + strings.Repeat("0", 32)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := decodeKey(bytes.Clone(text))
		if err != nil {
			if key != nil {
				t.Errorf("%q is refused and read", text)
			}
			return
		}
		digits := strings.ToLower(strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(string(text)))
		if hex.EncodeToString(key) != digits || len(key) != 16 && len(key) != 32 {
			t.Errorf("%q is read as %x", text, key)
		}
	})
}
