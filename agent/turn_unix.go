//go:build unix

package agent

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the file for this process, if no other has it. Closing it lets go.
func lock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
