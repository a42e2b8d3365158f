package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// RuntimeDir is a directory of the user's own for Agent.Runtime: that of his session
// on Linux ($XDG_RUNTIME_DIR), else the one for caches. The error is that he has none.
func RuntimeDir() (string, error) {
	dir := ""
	if runtime.GOOS == "linux" {
		dir = os.Getenv("XDG_RUNTIME_DIR")
	}
	if !filepath.IsAbs(dir) {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, configDir), nil
}

// The turns. A page that is not the bank's has one of its own, and cannot keep the
// bank's pages waiting.
const (
	turnOurs    = "turn"
	turnForeign = "turn-foreign"
)

// How long a command waits for its turn: as long as a page that was loaded anew takes
// to lose its first dialog, and not so long that the customer wonders.
const (
	turnTime = 3 * time.Second
	turnStep = 50 * time.Millisecond
)

var errBusy = errors.New("another request is before the customer")

// turn waits until no other process or command of this user has a dialog before the
// customer. The system gives the turn back for a process that dies. The error is
// errBusy, that of ctx, or that there can be no lock.
func (a *Agent) turn(ctx context.Context, name string, wait time.Duration) (end func(), err error) {
	if a.Runtime == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(a.Runtime, 0o700); err != nil {
		return nil, fmt.Errorf("a lock cannot be made: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(a.Runtime, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("a lock cannot be made: %w", err)
	}
	for over := time.Now().Add(wait); ; {
		held, err := lock(file)
		switch {
		case err != nil:
			_ = file.Close()
			return nil, fmt.Errorf("a lock cannot be made: %w", err)
		case held:
			return func() { _ = file.Close() }, nil
		case time.Now().After(over):
			_ = file.Close()
			return nil, errBusy
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(turnStep):
		}
	}
}
