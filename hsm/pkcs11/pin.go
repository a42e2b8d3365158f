package pkcs11

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	p11 "github.com/miekg/pkcs11"
	"golang.org/x/crypto/argon2"
)

const maxPIN = 255

// CheckPINFile says whether the PIN of a token can be read from a file of one
// line. Only its owner may read the file, and the owner is this user or root:
// whoever else could read or replace it could use every key of the bank.
func CheckPINFile(path string) error {
	buffer := make([]byte, maxPIN+3)
	defer clear(buffer)
	_, err := readPIN(path, buffer)
	return err
}

// PINMark tells whether a PIN file holds what it held before: two bytes of Argon2id
// (RFC 9106) over the PIN, salted with what the caller gives. That is too little to
// find a PIN by, and one file in 65,536 looks like another.
func PINMark(path string, salt []byte) ([]byte, error) {
	buffer := make([]byte, maxPIN+3)
	defer clear(buffer)
	pin, err := readPIN(path, buffer)
	if err != nil {
		return nil, err
	}
	return argon2.IDKey(pin, salt, 2, 19*1024, 1, 16)[:2], nil
}

// readPIN reads the PIN into buffer, of which it returns a part. No other copy
// is made.
func readPIN(path string, buffer []byte) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// Of the open file, not of the path, which may change in between.
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkPINFile(info); err != nil {
		return nil, fmt.Errorf("the PIN file %s %w", path, err)
	}
	n, err := io.ReadFull(file, buffer)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	pin := bytes.TrimRight(buffer[:n], "\r\n")
	if len(pin) == 0 || len(pin) > maxPIN || bytes.ContainsAny(pin, "\r\n\x00") {
		return nil, fmt.Errorf("the PIN file %s must hold one line of 1 to %d bytes", path, maxPIN)
	}
	return pin, nil
}

// login logs the session in, and with it every session of the process.
func (s *session) login(cfg Config) error {
	buffer := make([]byte, maxPIN+3)
	defer clear(buffer)
	pin := buffer[:copy(buffer, cfg.PIN)]
	if cfg.PINFile != "" {
		var err error
		if pin, err = readPIN(cfg.PINFile, buffer); err != nil {
			return configFault(err.Error())
		}
	}
	err := s.plain.login(s.handle, pin)
	if codeOf(err) == p11.CKR_USER_ALREADY_LOGGED_IN {
		return nil // another log-in of this process still lives
	}
	return err
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
