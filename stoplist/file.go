package stoplist

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"mohur/seal"
)

// write adds a line and has the disk confirm it. A line that was not confirmed
// is not acknowledged, and the file is made anew before the next.
func (l *List) write(b []byte) error {
	if l.end+int64(len(b)) > l.space {
		return ErrFull
	}
	if _, err := l.file.WriteAt(b, l.end); err != nil {
		l.broken = true
		return fmt.Errorf("stoplist: write: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		l.broken = true
		return fmt.Errorf("stoplist: the disk did not confirm: %w", err)
	}
	l.end += int64(len(b))
	return nil
}

// rewrite begins a new file with the keys that are needed and the reports that
// wait, and puts it in the place of the old one: until then the old one is whole.
func (l *List) rewrite() error {
	text, err := l.text()
	if err != nil {
		return err
	}
	next := l.options.Path + ".new"
	f, err := os.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("stoplist: %w", err)
	}
	space := max(l.options.Limit, int64(len(text)))
	if err := errors.Join(f.Chmod(0o600), fill(f, text, space), f.Sync()); err != nil {
		return fmt.Errorf("stoplist: %w", errors.Join(err, f.Close()))
	}
	if err := errors.Join(os.Rename(next, l.options.Path), syncDir(l.options.Path)); err != nil {
		return fmt.Errorf("stoplist: %w", errors.Join(err, f.Close()))
	}
	if l.file != nil {
		_ = l.file.Close() // nothing reads the old one any more
	}
	l.file, l.end, l.space, l.broken, l.stale = f, int64(len(text)), space, false, false
	return nil
}

// text is the beginning of a new file.
func (l *List) text() ([]byte, error) {
	used := map[string]bool{l.held.Key.Person: true}
	for _, e := range l.pending {
		used[e.Key] = true
	}
	keys, text := map[string]seal.Key{}, []byte(nil)
	add := func(n line) error {
		b, err := n.encode()
		text = append(text, b...)
		return err
	}
	for name, key := range l.keys {
		if !used[name] {
			continue
		}
		keys[name] = key
		if err := add(line{Key: &key}); err != nil {
			return nil, fmt.Errorf("stoplist: %w", err)
		}
	}
	for _, e := range l.pending {
		if err := add(line{Entry: &e}); err != nil {
			return nil, fmt.Errorf("stoplist: %w", err)
		}
	}
	l.keys = keys
	return text, nil
}

// fill writes the text and zeros up to space. They are really written, so that
// the disk has given the blocks and a disk that is full later takes nothing back.
func fill(f *os.File, text []byte, space int64) error {
	if _, err := f.Write(text); err != nil {
		return err
	}
	zeros := make([]byte, 1<<16)
	for left := space - int64(len(text)); left > 0; {
		n, err := f.Write(zeros[:min(left, int64(len(zeros)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// syncDir makes the name of a file durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
