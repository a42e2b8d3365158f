package dialog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"time"
)

// started runs a program of the desktop and returns what it writes, at most one
// PIN's length, and its exit code.
func started(ctx context.Context, path string, args ...string) (out []byte, code int, err error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	// Read into memory that never moves: what comes may be a PIN.
	buf := make([]byte, maxPIN+2)
	n, err := io.ReadFull(pipe, buf)
	if err == nil {
		_, _ = io.Copy(io.Discard, pipe)
	}
	wait := cmd.Wait()
	if ctx.Err() != nil {
		clear(buf)
		return nil, 0, ctx.Err()
	}
	if err == nil { // longer than any answer
		clear(buf)
		return nil, 0, errors.New("the answer is too long")
	}
	var exit *exec.ExitError
	if wait != nil && !errors.As(wait, &exit) {
		clear(buf)
		return nil, 0, wait
	}
	return bytes.TrimRight(buf[:n], "\r\n"), cmd.ProcessState.ExitCode(), nil
}

// verdict reads exit codes as zenity and kdialog give them.
func verdict(code int) error {
	switch code {
	case 0:
		return nil
	case 1, 2, 5:
		return ErrCancelled
	}
	return errors.New("the dialog could not be shown")
}

// secret is a PIN as such a program prints it.
func secret(out []byte, code int, err error) ([]byte, error) {
	if err == nil {
		err = verdict(code)
	}
	if err == nil && len(out) == 0 {
		err = ErrCancelled
	}
	if err != nil {
		clear(out)
		return nil, err
	}
	return out, nil
}
