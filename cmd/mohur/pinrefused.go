package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

// A module locks after a few wrong PINs, most after three, and a supervisor that
// starts a server again at once would use them up within seconds. So a start whose
// PIN is refused leaves a mark beside the store, and ends with a code of its own
// (exitPIN) by which the supervisor leaves it. While the mark is there and the PIN
// file holds the same PIN for the same token, nothing logs in to the HSM.

// pinMark is what the file holds. It says nothing by which the PIN could be found.
type pinMark struct {
	Refused time.Time `json:"refused"`
	Fault   string    `json:"fault"`
	Salt    []byte    `json:"salt"`
	Mark    []byte    `json:"mark"`
}

// errPINRefused says that a PIN is not tried, because it was refused before.
var errPINRefused = errors.New("the HSM has refused the PIN in hsm.pin_file before; it is not tried again")

func isPINRefused(err error) bool {
	var f *hsm.Fault
	return errors.Is(err, errPINRefused) || errors.As(err, &f) && f.Class == hsm.ClassPIN
}

// pinMarkFile is where the mark lies: in the directory of the store.
func (c *Config) pinMarkFile() string {
	return filepath.Join(filepath.Dir(c.Store.Path), "hsm-pin-refused")
}

// mark is the mark of the PIN file as it is now, for the token that is configured.
func (c *Config) mark(salt []byte) ([]byte, error) {
	place := fmt.Appendf(nil, "%x\x00%s\x00%s", salt, c.HSM.Module, c.HSM.TokenLabel)
	return pkcs11.PINMark(c.HSM.PINFile, place)
}

// checkRefusedPIN returns errPINRefused for a PIN that the HSM has refused, and for
// a mark that cannot be read. One that belongs to another PIN is no hindrance.
func (c *Config) checkRefusedPIN() error {
	path := c.pinMarkFile()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("whether the HSM has refused the PIN cannot be read: %w", err)
	}
	was := pinMark{Fault: "the mark is damaged"}
	if json.Unmarshal(text, &was) == nil && len(was.Salt) > 0 && len(was.Mark) > 0 {
		now, err := c.mark(was.Salt)
		if err != nil {
			return fmt.Errorf("hsm.pin_file: %w", err)
		}
		if !bytes.Equal(now, was.Mark) {
			return nil
		}
	}
	return fmt.Errorf("%w (%s, at %s): put the right PIN into %s, or remove %s if the HSM was put right instead",
		errPINRefused, was.Fault, was.Refused.Format(time.RFC3339), c.HSM.PINFile, path)
}

// noteRefusedPIN leaves a mark if that is why the HSM did not open, and removes an
// old one if it did. It returns the error it is given, with its own.
func (c *Config) noteRefusedPIN(open error, now time.Time) error {
	path := c.pinMarkFile()
	if open == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the HSM takes the PIN, and what says that it does not cannot be removed: %w", err)
		}
		return nil
	}
	if !isPINRefused(open) {
		return open
	}
	if err := c.leaveMark(path, open, now); err != nil {
		return fmt.Errorf("%w; and it could not be written down, so every start costs another try: %w", open, err)
	}
	return fmt.Errorf("%w; it is not tried again until %s holds another or %s is removed", open, c.HSM.PINFile, path)
}

func (c *Config) leaveMark(path string, open error, now time.Time) error {
	m := pinMark{Refused: now.UTC(), Fault: open.Error(), Salt: make([]byte, 16)}
	rand.Read(m.Salt)
	var err error
	if m.Mark, err = c.mark(m.Salt); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(path, append(text, '\n')); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// refusedPIN is what the doctor says of it.
func (x *examination) refusedPIN() {
	switch err := x.config.checkRefusedPIN(); {
	case errors.Is(err, errPINRefused):
		x.bad(failing, "hsm pin", "see what the line says; nothing logs in to the HSM before", "%v", err)
	case err != nil:
		x.bad(failing, "hsm pin", "see what the line says", "%v", err)
	default:
		x.ok("hsm pin", "no start has found it refused")
	}
}
