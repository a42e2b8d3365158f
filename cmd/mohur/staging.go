package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stagingPrefix begins the name of the directory in which `mohur init` makes an
// installation. It is beside the one that is to come, and has its name only until
// that one is whole.
const stagingPrefix = ".mohur-init-"

// stagingAge is how old a directory without a lock is before nobody can be about to
// take it.
const stagingAge = time.Minute

// makeStaging makes such a directory and holds it until release is called. Whoever
// finds one that nobody holds knows that its init is dead.
func makeStaging(parent string) (dir string, release func(), err error) {
	if dir, err = os.MkdirTemp(parent, stagingPrefix); err != nil {
		return "", nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return "", nil, errors.Join(fmt.Errorf("%s cannot be locked: %w", dir, err), f.Close())
	}
	return dir, func() { f.Close() }, nil
}

// leftBehind lists what inits that were killed have left in a directory: their
// names, of this user, held by nobody, and not of this moment.
func leftBehind(parent string, now time.Time) ([]string, error) {
	entries, err := os.ReadDir(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		path := filepath.Join(parent, e.Name())
		if strings.HasPrefix(e.Name(), stagingPrefix) && e.IsDir() && abandoned(path, now) {
			found = append(found, path)
		}
	}
	return found, nil
}

func abandoned(dir string, now time.Time) bool {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Mode().Perm() != 0o700 || now.Sub(info.ModTime()) < stagingAge {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// clearStaging removes what was left behind. Nothing of it was ever in use: an
// installation is used under its own name. Keys that an init has made in an HSM of
// its own stay there.
func (p *program) clearStaging(parent string) error {
	found, err := leftBehind(parent, time.Now())
	if err != nil {
		return err
	}
	for _, dir := range found {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("%s, which an init that was killed has left behind: %w", dir, err)
		}
		p.notef("removed %s, which an init that was killed had left behind", dir)
	}
	return nil
}

// leftovers is what the doctor says of them.
func (x *examination) leftovers() {
	found, err := leftBehind(filepath.Dir(x.config.Dir), time.Now())
	if err != nil {
		return // another user's directory: what is in it is not ours
	}
	for _, dir := range found {
		x.bad(doubt, "leftover", "rm -r "+dir, "%s was left behind by a `mohur init` that was killed, and may hold keys that nobody uses", dir)
	}
}
