package pkcs11

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	p11 "github.com/miekg/pkcs11"
)

// Files of a SoftHSM made by InitSoftHSM.
const (
	softHSMConf  = "softhsm2.conf"
	softHSMPIN   = "hsm.pin"
	softHSMSOPIN = "hsm-so.pin"
)

// softHSMPaths is where distributions put the library.
var softHSMPaths = []string{
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/lib64/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
}

// FindSoftHSM returns the path of SoftHSM's library.
func FindSoftHSM() (string, error) {
	for _, path := range softHSMPaths {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errors.New("SoftHSM is not installed: the Debian package is softhsm2")
}

// UseSoftHSM makes SoftHSM read its configuration from the file when this
// process initialises it. One process has one configuration: while a token is
// open, another one is refused.
func UseSoftHSM(conf string) error {
	conf, err := filepath.Abs(conf)
	if err != nil {
		return err
	}
	if _, err := os.Stat(conf); err != nil {
		return err
	}
	const variable = "SOFTHSM2_CONF"
	if used := os.Getenv(variable); used != conf && connected.Load() > 0 {
		return fmt.Errorf("this process already uses a token with %s=%s", variable, used)
	}
	// With cgo, Setenv sets the variable for C as well.
	return os.Setenv(variable, conf)
}

// InitSoftHSM makes a software token for development and tests: its
// configuration, its directory, two random PINs in files of their own, and the
// token itself, without keys. A directory that has one is refused, never wiped.
// SoftHSM guards its keys with nothing but file modes and the PIN.
func InitSoftHSM(dir, label string) (Config, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Config{}, err
	}
	path, err := FindSoftHSM()
	if err != nil {
		return Config{}, err
	}
	cfg := Config{Module: path, TokenLabel: label, PIN: rand.Text()}
	if _, err := cfg.checked(); err != nil {
		return Config{}, err
	}
	soPIN := rand.Text()
	if err := writeSoftHSM(dir, cfg.PIN, soPIN); err != nil {
		return Config{}, fmt.Errorf("no new token is made in %s: %w", dir, err)
	}
	if err := UseSoftHSM(filepath.Join(dir, softHSMConf)); err != nil {
		return Config{}, err
	}
	return cfg, initToken(cfg, soPIN)
}

func writeSoftHSM(dir, pin, soPIN string) error {
	tokens := filepath.Join(dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return err
	}
	conf := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	for _, f := range []struct{ name, text string }{
		{softHSMPIN, pin + "\n"}, {softHSMSOPIN, soPIN + "\n"}, {softHSMConf, conf},
	} {
		if err := writeNew(filepath.Join(dir, f.name), f.text); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that nobody else reads, and that does not exist yet.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// initToken initialises a free slot. The library may be in use by an open token
// of the same configuration; otherwise it is finalised again.
func initToken(cfg Config, soPIN string) error {
	lib, err := load(cfg)
	if err != nil {
		return err
	}
	switch err := lib.ctx.Initialize(); codeOf(err) {
	case p11.CKR_OK:
		defer func() { _ = lib.ctx.Finalize() }()
	case p11.CKR_CRYPTOKI_ALREADY_INITIALIZED:
	default:
		return err
	}
	slot, err := freeSlot(lib.ctx)
	if err != nil {
		return err
	}
	if err := lib.ctx.InitToken(slot, soPIN, cfg.TokenLabel); err != nil {
		return err
	}
	session, err := lib.ctx.OpenSession(slot, readWrite)
	if err != nil {
		return err
	}
	defer func() { _ = lib.ctx.CloseSession(session) }()
	if err := lib.ctx.Login(session, p11.CKU_SO, soPIN); err != nil {
		return err
	}
	defer func() { _ = lib.ctx.Logout(session) }()
	return lib.ctx.InitPIN(session, cfg.PIN)
}

func freeSlot(ctx *p11.Ctx) (uint, error) {
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		return 0, err
	}
	for _, slot := range slots {
		info, err := ctx.GetTokenInfo(slot)
		if err != nil {
			return 0, err
		}
		if info.Flags&p11.CKF_TOKEN_INITIALIZED == 0 {
			return slot, nil
		}
	}
	return 0, errors.New("SoftHSM offers no free slot")
}
