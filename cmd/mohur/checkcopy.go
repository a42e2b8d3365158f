package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"mohur/store/bolt"
)

// copyRate is how many bytes a second a copy takes at most: a copy that takes the
// whole disk makes everybody wait for his log-in.
const copyRate = 64 << 20

// serveBackup is the route of the socket: a copy of the store as it is at this
// moment. What the copy holds is as sealed and bound as the store itself.
func (s *server) serveBackup(w http.ResponseWriter, r *http.Request) {
	by, ok := hostCaller(r, s.config.Development)
	if !ok {
		http.Error(w, "the socket does not say who is calling", http.StatusUnauthorized)
		return
	}
	// The entry comes before the copy, which thereby tells of itself.
	if err := s.note(r.Context(), by, "store.backup", nil); err != nil {
		s.logger.ErrorContext(r.Context(), "no backup: it could not be recorded", "error", err)
		http.Error(w, "the backup could not be recorded", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if _, err := s.store.WriteTo(r.Context(), &slow{w: stream{w}, rate: copyRate, began: time.Now()}); err != nil {
		s.logger.ErrorContext(r.Context(), "a backup was broken off", "error", err)
		panic(http.ErrAbortHandler) // so that whoever receives it knows that it is not whole
	}
}

// slow writes no faster than at a rate, in bytes a second.
type slow struct {
	w     io.Writer
	rate  int64
	began time.Time
	n     int64
}

func (s *slow) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	due := time.Duration(float64(s.n) / float64(s.rate) * float64(time.Second))
	time.Sleep(due - time.Since(s.began))
	return n, err
}

// backup writes a copy to a file that is not there yet, and looks at it before it
// gets its name: a backup by that name is whole.
func backup(path string, write func(io.Writer) error) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, fmt.Errorf("%s is there already; a backup replaces nothing", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".mohur-backup-*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name()) // gone under this name once all is well
	if err := errors.Join(write(f), f.Sync()); err != nil {
		return 0, errors.Join(fmt.Errorf("the backup is not whole and was removed: %w", err), f.Close())
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	if err := bolt.CheckFile(f.Name()); err != nil {
		return 0, fmt.Errorf("the backup is not whole and was removed: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return 0, err
	}
	return info.Size(), syncDir(filepath.Dir(path))
}

// backupRunning receives a copy of the running server's store.
func (c *client) backupRunning(ctx context.Context, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodPost, backupPath, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}

// backupOwn copies a store that no server holds. The HSM is not needed for it,
// and may be what is lost.
func backupOwn(ctx context.Context, c *Config, w io.Writer) (err error) {
	store, err := bolt.Open(bolt.Options{Path: c.Store.Path, Node: c.Audit.Node, MustExist: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	_, err = store.WriteTo(ctx, w)
	return err
}
