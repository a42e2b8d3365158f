package pkcs11

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

const maxPIN = 255

// ReadPINFile reads the PIN of a token from a file of one line. Only its owner
// may read the file, and the owner is this user or root: whoever else could read
// or replace it could use every key of the bank.
func ReadPINFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	// Of the open file, not of the path, which may change in between.
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if err := checkPINFile(info); err != nil {
		return "", fmt.Errorf("the PIN file %s %w", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(file, maxPIN+3))
	if err != nil {
		return "", err
	}
	pin := strings.TrimRight(string(b), "\r\n")
	if pin == "" || len(pin) > maxPIN || strings.ContainsAny(pin, "\r\n\x00") {
		return "", fmt.Errorf("the PIN file %s must hold one line of 1 to %d bytes", path, maxPIN)
	}
	return pin, nil
}

func checkPINFile(info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("is not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("has mode %04o: it may be readable by its owner alone, chmod 0600", info.Mode().Perm())
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return errors.New("belongs to another user")
	}
	return nil
}
