package hsmtest

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"mohur/hsm/pkcs11"
)

// shared is the one token of this test process: SoftHSM reads one configuration
// in a process.
var shared struct {
	sync.Mutex
	module   *pkcs11.Module
	config   pkcs11.Config
	lifeline io.Closer
	err      error
	done     bool
}

// SoftHSM returns a module on a SoftHSM token with all keys of the house, in a
// temporary directory. All tests of a process share it, so none may close it or
// break it for the others; it stays open until the process ends. Without SoftHSM
// the test fails: it stands in for the HSM, and nothing stands in for it.
func SoftHSM(t testing.TB) *pkcs11.Module {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.done {
		shared.done = true
		shared.module, shared.config, shared.err = openSoftHSM()
	}
	if shared.err != nil {
		t.Fatalf("SoftHSM (Debian package softhsm2): %v", shared.err)
	}
	return shared.module
}

// SoftHSMConfig returns the configuration of SoftHSM's token, for tests that
// open it a second time or break it on purpose.
func SoftHSMConfig(t testing.TB) pkcs11.Config {
	t.Helper()
	SoftHSM(t)
	return shared.config
}

func openSoftHSM() (*pkcs11.Module, pkcs11.Config, error) {
	dir, err := os.MkdirTemp("", "mohur-softhsm-")
	if err != nil {
		return nil, pkcs11.Config{}, err
	}
	if shared.lifeline, err = removeAtExit(dir); err != nil {
		return nil, pkcs11.Config{}, err
	}
	cfg, err := pkcs11.InitSoftHSM(dir, "mohur-test")
	if err != nil {
		return nil, cfg, err
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	// Tests run many at once on few processors, with the race detector.
	cfg.Wait, cfg.CallTimeout = 10*time.Second, 20*time.Second
	if _, err := pkcs11.Provision(context.Background(), cfg); err != nil {
		return nil, cfg, err
	}
	m, err := pkcs11.Open(context.Background(), cfg)
	return m, cfg, err
}

// removeAtExit removes dir once this process has ended, however it ends: nothing
// in it knows which test is its last. The child's standard input is a pipe that
// this process holds open, as long as the lifeline is not collected.
func removeAtExit(dir string) (lifeline io.Closer, err error) {
	child := exec.Command("sh", "-c", `read -r _; rm -rf -- "$0"`, dir)
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt ends the tests, not the child
	lifeline, err = child.StdinPipe()
	if err != nil {
		return nil, err
	}
	return lifeline, child.Start()
}
