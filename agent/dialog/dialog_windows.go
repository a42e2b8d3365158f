package dialog

import (
	"io"
	"os"

	"golang.org/x/term"

	"mohur/agent/words"
)

// System returns the dialogs of the console. The error is ErrNone.
func System(l words.Language, _ bool) (Dialog, error) {
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil, ErrNone
	}
	out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil || !term.IsTerminal(int(in.Fd())) {
		_ = in.Close()
		return nil, ErrNone
	}
	return NewTerminal(l, struct {
		io.Reader
		io.Writer
	}{in, out}, int(in.Fd())), nil
}
