//go:build !windows

package dialog

import (
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/term"

	"mohur/agent/words"
)

// System returns the dialogs of this desktop or, without one, of the terminal.
// With preferTerminal it is the other way round: for a command that somebody
// typed. The error is ErrNone.
func System(l words.Language, preferTerminal bool) (Dialog, error) {
	order := []func(words.Language) Dialog{desktop, terminal}
	if preferTerminal {
		order[0], order[1] = order[1], order[0]
	}
	for _, find := range order {
		if d := find(l); d != nil {
			return d, nil
		}
	}
	return nil, ErrNone
}

func desktop(l words.Language) Dialog {
	if runtime.GOOS == "darwin" {
		return AppleScript{l, "/usr/bin/osascript"}
	}
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return nil
	}
	if path := program("zenity"); path != "" {
		return Zenity{l, path}
	}
	if path := program("kdialog"); path != "" {
		return KDialog{l, path}
	}
	for _, name := range []string{"pinentry-gnome3", "pinentry-qt", "pinentry-qt5", "pinentry-gtk-2", "pinentry-fltk"} {
		if path := program(name); path != "" {
			return Pinentry{l, path}
		}
	}
	return nil
}

// program looks in the system's directories only: a program of that name in PATH
// could be anybody's, and it would be told the PIN.
func program(name string) string {
	for _, dir := range []string{"/usr/bin", "/usr/local/bin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

func terminal(l words.Language) Dialog {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	if !term.IsTerminal(int(tty.Fd())) {
		_ = tty.Close()
		return nil
	}
	return NewTerminal(l, tty, int(tty.Fd()))
}
