package dialog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/term"

	"mohur/agent/words"
)

// Terminal asks on a terminal. The PIN is not echoed.
type Terminal struct {
	language words.Language
	tty      io.ReadWriter
	raw      func() (restore func(), err error)
}

// NewTerminal uses a terminal that is open for reading and writing; fd is its
// file descriptor or console handle.
func NewTerminal(l words.Language, tty io.ReadWriter, fd int) *Terminal {
	return &Terminal{l, tty, func() (func(), error) {
		before, err := term.MakeRaw(fd)
		if err != nil {
			return nil, err
		}
		return func() { _ = term.Restore(fd, before) }, nil
	}}
}

// Confirm implements Dialog.
func (t *Terminal) Confirm(ctx context.Context, p Page) error {
	for {
		answer, err := t.ask(ctx, p, t.language.Say(words.Question)+" ", true)
		if err != nil {
			return err
		}
		switch strings.ToLower(strings.TrimSpace(string(answer))) {
		case "y", "yes", "b", "bəli", "д", "да":
			return nil
		case "n", "no", "x", "xeyr", "н", "нет":
			return ErrCancelled
		}
	}
}

// PIN implements Dialog.
func (t *Terminal) PIN(ctx context.Context, p Page) ([]byte, error) {
	pin, err := t.ask(ctx, p, "PIN: ", false)
	if err == nil && len(pin) == 0 {
		return nil, ErrCancelled
	}
	return pin, err
}

// Choose implements Dialog.
func (t *Terminal) Choose(ctx context.Context, p Page, choices []string) (int, error) {
	for i, c := range choices {
		p.Lines = append(p.Lines, words.Line{Label: fmt.Sprintf("%d", i+1), Value: c})
	}
	for {
		answer, err := t.ask(ctx, p, fmt.Sprintf("1-%d: ", len(choices)), true)
		if err != nil {
			return 0, err
		}
		text := strings.TrimSpace(string(answer))
		if text == "" {
			return 0, ErrCancelled
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(choices) {
			return n - 1, nil
		}
	}
}

// Tell implements Dialog.
func (t *Terminal) Tell(_ context.Context, p Page) error {
	_, err := io.WriteString(t.tty, "\n"+p.Title+"\n\n"+p.body()+"\n")
	return err
}

// ask shows the page and reads one line.
func (t *Terminal) ask(ctx context.Context, p Page, prompt string, echo bool) ([]byte, error) {
	if err := t.Tell(ctx, p); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(t.tty, prompt); err != nil {
		return nil, err
	}
	restore, err := t.raw()
	if err != nil {
		return nil, err
	}
	defer restore()
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := t.line(echo)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// line reads up to the end of a line into memory that never moves, so that no
// beginning of a PIN stays behind.
func (t *Terminal) line(echo bool) ([]byte, error) {
	text := make([]byte, 0, maxPIN)
	one := make([]byte, 1)
	defer clear(one)
	for {
		if _, err := t.tty.Read(one); err != nil {
			clear(text)
			if errors.Is(err, io.EOF) {
				return nil, ErrCancelled
			}
			return nil, err
		}
		switch c := one[0]; {
		case c == '\r' || c == '\n':
			_, err := io.WriteString(t.tty, "\r\n")
			return text, err
		case c == 3 || c == 4 || c == 27: // ^C, ^D, Esc
			clear(text)
			_, _ = io.WriteString(t.tty, "\r\n")
			return nil, ErrCancelled
		case c == 127 || c == 8:
			if len(text) > 0 {
				text[len(text)-1] = 0
				text = text[:len(text)-1]
				if echo {
					_, _ = io.WriteString(t.tty, "\b \b")
				}
			}
		case c < 32 || len(text) == maxPIN:
		default:
			text = append(text, c)
			if echo {
				_, _ = t.tty.Write(one)
			}
		}
	}
}
