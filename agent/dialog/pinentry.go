package dialog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"mohur/agent/words"
)

// Pinentry asks with a graphical pinentry of GnuPG, over its Assuan protocol.
type Pinentry struct {
	Language words.Language
	Path     string
}

// Confirm implements Dialog.
func (e Pinentry) Confirm(ctx context.Context, p Page) error {
	_, err := e.run(ctx, p, "CONFIRM")
	return err
}

// PIN implements Dialog.
func (e Pinentry) PIN(ctx context.Context, p Page) ([]byte, error) {
	pin, err := e.run(ctx, p, "GETPIN")
	if err == nil && len(pin) == 0 {
		err = ErrCancelled
	}
	return pin, err
}

// Choose implements Dialog: one choice after the other, since pinentry has no list.
func (e Pinentry) Choose(ctx context.Context, p Page, choices []string) (int, error) {
	for i, c := range choices {
		page := p
		page.Lines = append(page.Lines[:len(page.Lines):len(page.Lines)], words.Line{Label: fmt.Sprintf("%d/%d", i+1, len(choices)), Value: c})
		switch err := e.Confirm(ctx, page); {
		case err == nil:
			return i, nil
		case !errors.Is(err, ErrCancelled):
			return 0, err
		}
	}
	return 0, ErrCancelled
}

// Tell implements Dialog.
func (e Pinentry) Tell(ctx context.Context, p Page) error {
	_, err := e.run(ctx, p, "MESSAGE")
	return err
}

func (e Pinentry) run(ctx context.Context, p Page, command string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, e.Path)
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pin, err := e.talk(p, command, in, out)
	_ = in.Close()
	if e := cmd.Wait(); ctx.Err() != nil {
		err = ctx.Err()
	} else if err == nil && e != nil {
		err = e
	}
	if err != nil {
		clear(pin)
		return nil, err
	}
	return pin, nil
}

// talk sets the page and asks. Options that a pinentry does not know it refuses,
// which is no harm; a text that it refuses is: nothing is asked about what was not
// shown.
func (e Pinentry) talk(p Page, command string, in io.Writer, out io.Reader) ([]byte, error) {
	if _, err := reply(out); err != nil {
		return nil, err
	}
	for _, line := range []string{
		"OPTION lc-ctype=C.UTF-8", "SETPROMPT PIN:",
		"SETTITLE " + assuan(p.Title), "SETOK " + assuan(e.Language.Say(words.Yes)), "SETCANCEL " + assuan(e.Language.Say(words.Cancel)),
	} {
		if _, err := say(in, out, line); err != nil && !errors.Is(err, errAssuan) {
			return nil, err
		}
	}
	parts := split(p.body())
	for i, part := range parts {
		if _, err := say(in, out, "SETDESC "+part); err != nil {
			return nil, err
		}
		if i < len(parts)-1 {
			if _, err := say(in, out, "CONFIRM"); err != nil {
				return nil, cancelled(err)
			}
		}
	}
	pin, err := say(in, out, command)
	return pin, cancelled(err)
}

func cancelled(err error) error {
	if errors.Is(err, errAssuan) {
		return ErrCancelled
	}
	return err
}

func say(in io.Writer, out io.Reader, line string) ([]byte, error) {
	if _, err := io.WriteString(in, line+"\n"); err != nil {
		return nil, err
	}
	return reply(out)
}

// errAssuan is an ERR of pinentry, most of all that of a person who cancels.
var errAssuan = errors.New("pinentry refuses")

// maxAssuan is the longest line of the protocol, in bytes.
const maxAssuan = 1000

// assuan escapes a parameter.
func assuan(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// split escapes a text in as many parts as the protocol's lines need, between
// lines where it can, so that every word of it is shown. Each of several begins with
// a line of ours, as one does that could have a tag in its first line: Qt takes all for
// HTML then, and a payee's name could be in that line.
func split(s string) []string {
	parts := pieces(s)
	if len(parts) == 1 && !strings.ContainsAny(s, "<&") {
		return parts
	}
	for i, part := range parts {
		parts[i] = assuan(fmt.Sprintf("(%d/%d)\n", i+1, len(parts))) + part
	}
	return parts
}

func pieces(s string) (parts []string) {
	const most = maxAssuan - 100
	part := ""
	for _, line := range strings.SplitAfter(s, "\n") {
		if next := assuan(line); len(part)+len(next) <= most {
			part += next
			continue
		}
		if part != "" {
			parts, part = append(parts, part), ""
		}
		for _, r := range line {
			next := assuan(string(r))
			if len(part)+len(next) > most {
				parts, part = append(parts, part), ""
			}
			part += next
		}
	}
	return append(parts, part)
}

// reply reads lines up to OK or ERR and returns the data between, byte by byte into
// memory that never moves.
func reply(out io.Reader) ([]byte, error) {
	data := make([]byte, 0, maxPIN)
	line := make([]byte, 0, maxAssuan+2)
	defer func() { clear(line[:cap(line)]) }()
	one := make([]byte, 1)
	defer clear(one)
	for {
		line = line[:0]
		for {
			if _, err := io.ReadFull(out, one); err != nil {
				clear(data)
				return nil, err
			}
			if one[0] == '\n' {
				break
			}
			if len(line) > maxAssuan {
				clear(data)
				return nil, errors.New("a line of pinentry is too long")
			}
			line = append(line, one[0])
		}
		switch {
		case len(line) >= 2 && line[0] == 'O' && line[1] == 'K':
			return data, nil
		case len(line) >= 3 && string(line[:3]) == "ERR":
			clear(data)
			return nil, errAssuan
		case len(line) >= 2 && line[0] == 'D' && line[1] == ' ':
			var err error
			if data, err = unescape(data, line[2:]); err != nil {
				return nil, err
			}
		}
	}
}

// unescape appends a line of data.
func unescape(data, line []byte) ([]byte, error) {
	for i := 0; i < len(line); i++ {
		c := line[i]
		if c == '%' && i+2 < len(line) {
			high, low := digit(line[i+1]), digit(line[i+2])
			if high < 16 && low < 16 {
				c, i = high<<4|low, i+2
			}
		}
		if len(data) == maxPIN {
			clear(data)
			return nil, errors.New("the answer is too long")
		}
		data = append(data, c)
	}
	return data, nil
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
