package dialog

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"

	"mohur/agent/words"
)

// System returns windows of the desktop; with preferTerminal those of the console,
// if there is one: for a command that somebody typed.
func System(l words.Language, preferTerminal bool) (Dialog, error) {
	if preferTerminal {
		if d := console(l); d != nil {
			return d, nil
		}
	}
	return Window{l}, nil
}

func console(l words.Language) Dialog {
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil || !term.IsTerminal(int(in.Fd())) {
		_ = in.Close()
		return nil
	}
	return NewTerminal(l, struct {
		io.Reader
		io.Writer
	}{in, out}, int(in.Fd()))
}

// Window asks with windows of its own, before all others on the desktop. The system
// has none that shows a long text and takes a PIN.
type Window struct{ Language words.Language }

// Confirm implements Dialog.
func (w Window) Confirm(ctx context.Context, p Page) error {
	return (&window{page: p, ok: w.Language.Say(words.Yes), cancel: w.Language.Say(words.Cancel)}).show(ctx)
}

// PIN implements Dialog.
func (w Window) PIN(ctx context.Context, p Page) ([]byte, error) {
	win := &window{page: p, ok: w.Language.Say(words.Yes), cancel: w.Language.Say(words.Cancel), secret: true}
	if err := win.show(ctx); err != nil {
		clear(win.pin)
		return nil, err
	}
	return win.pin, nil
}

// Choose implements Dialog.
func (w Window) Choose(ctx context.Context, p Page, choices []string) (int, error) {
	win := &window{page: p, ok: w.Language.Say(words.Yes), cancel: w.Language.Say(words.Cancel), choices: choices}
	err := win.show(ctx)
	return win.chosen, err
}

// Tell implements Dialog.
func (w Window) Tell(ctx context.Context, p Page) error {
	return (&window{page: p, ok: w.Language.Say(words.OK)}).show(ctx)
}
