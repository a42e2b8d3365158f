package browser

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
)

// What was done, or would be, with one manifest.
const (
	Written   = "written"
	Updated   = "updated"
	Unchanged = "unchanged"
	Replaced  = "replaced" // another program's; it is kept and comes back with Uninstall
	Refused   = "refused"  // another program's; nothing was changed
	Removed   = "removed"
	Restored  = "restored" // ours is gone, and what it had replaced is back
)

// Action is one of them.
type Action struct {
	Browser Browser `json:"browser"`
	Host    string  `json:"host"`
	Where   string  `json:"where"`
	Done    string  `json:"done"`
	Other   string  `json:"other,omitempty"` // the other program
}

// Order is what to install.
type Order struct {
	Program string // the agent's executable, an absolute path
	Hosts   []Host
	System  bool // for everybody on this machine, else for this user
	Replace bool // also where another program is registered
	DryRun  bool // only tell
}

// ErrRefused: other programs' manifests were left as they are.
var ErrRefused = errors.New("another program is registered under the name, and nothing of it was changed; --replace takes its place until mohur-card uninstall")

// Install registers the agent with every browser. Where another program is
// registered under a name, for this user or for everybody, it is left there unless
// the order says Replace; the error is ErrRefused then, and the rest is done.
func (m *Machine) Install(o Order) ([]Action, error) {
	if !filepath.IsAbs(o.Program) {
		return nil, fmt.Errorf("the program needs to be named with its directory, not %q", o.Program)
	}
	var done []Action
	var refused error
	for _, b := range All {
		for _, h := range o.Hosts {
			want := h.write(b, o.Program)
			if want == nil {
				continue
			}
			a, err := m.install(o, b, h.Name, want)
			if err != nil {
				return done, err
			}
			if a.Done == Refused {
				refused = ErrRefused
			}
			done = append(done, a)
		}
	}
	return done, refused
}

func (m *Machine) install(o Order, b Browser, name string, want []byte) (Action, error) {
	s := m.scope(o.System)
	now, err := s.get(b, name)
	if err != nil {
		return Action{}, err
	}
	a := Action{Browser: b, Host: name, Where: now.where}
	other := now
	// The user's own comes before the machine's: it would hide what is registered there.
	if now.text == nil && !o.System {
		if other, err = m.system.get(b, name); err != nil {
			return Action{}, err
		}
	}
	foreign := other.text != nil && !other.ours()
	if foreign {
		a.Other = read(b, name, other, false).Program
	}
	switch {
	case bytes.Equal(now.text, want):
		a.Done = Unchanged
		return a, nil
	case foreign && !o.Replace:
		a.Done = Refused
		return a, nil
	case foreign:
		a.Done = Replaced
	case now.text != nil:
		a.Done = Updated
	default:
		a.Done = Written
	}
	if o.DryRun {
		return a, nil
	}
	if now.text != nil && !now.ours() {
		if err := s.keep(b, name); err != nil {
			return a, err
		}
	}
	return a, s.put(b, name, want)
}

// Uninstall removes every manifest of ours, whatever its name, and puts back what
// it had replaced.
func (m *Machine) Uninstall(system, dryRun bool) ([]Action, error) {
	s := m.scope(system)
	var done []Action
	for _, b := range All {
		names, err := s.names(b)
		if err != nil {
			return done, err
		}
		for _, name := range names {
			now, err := s.get(b, name)
			if err != nil {
				return done, err
			}
			if now.text != nil && !now.ours() {
				// The other program was installed anew since: what was kept is its past.
				if s.kept(b, name) && !dryRun {
					err = s.forget(b, name)
				}
				if err != nil {
					return done, err
				}
				continue
			}
			a := Action{Browser: b, Host: name, Where: now.where, Done: Removed}
			if s.kept(b, name) {
				a.Done = Restored
			} else if now.text == nil {
				continue
			}
			if !dryRun {
				if err := undo(s, b, name, a.Done == Restored); err != nil {
					return done, err
				}
			}
			done = append(done, a)
		}
	}
	return done, nil
}

func undo(s store, b Browser, name string, restore bool) error {
	if restore {
		return s.restore(b, name)
	}
	return s.drop(b, name)
}
