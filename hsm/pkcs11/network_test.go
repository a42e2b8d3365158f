package pkcs11_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/hsm/pkcs11"
)

// apart runs the test again in a process of its own: p11-kit's client takes its
// address once in a process.
func apart(t *testing.T, f func(t *testing.T)) {
	const variable = "MOHUR_TEST_APART"
	if os.Getenv(variable) == t.Name() {
		f(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatal(err)
	}
}

// networked makes a token with all keys, and a network HSM over it.
func networked(t *testing.T) (*hsmtest.Network, pkcs11.Config) {
	t.Helper()
	dir := t.TempDir()
	cfg, err := pkcs11.InitSoftHSM(dir, "mohur-test")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger = quiet()
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	n := hsmtest.NewNetwork(t, filepath.Join(dir, "softhsm2.conf"))
	setEnv(n.Env())
	cfg.Module, cfg.CallTimeout = n.Module, 400*time.Millisecond
	if cfg.Profile, err = pkcs11.ProfileNamed("p11-kit"); err != nil {
		t.Fatal(err)
	}
	return n, cfg
}

func setEnv(env []string) {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		os.Setenv(name, value) // with cgo, for C as well
	}
}

// faultWithin wants a fault of the class within the second that a caller of the
// server waits.
func faultWithin(t *testing.T, class hsm.Class, call func() error) {
	t.Helper()
	start := time.Now()
	want(t, class, call())
	if took := time.Since(start); took > time.Second {
		t.Errorf("told after %v", took)
	}
}

// TestClause5_3_5_NetworkHSMSuite passes the whole contract over the network, so
// that what fails in the tests below fails because of the fault.
func TestClause5_3_5_NetworkHSMSuite(t *testing.T) {
	apart(t, func(t *testing.T) {
		_, cfg := networked(t)
		cfg.Wait, cfg.CallTimeout = 20*time.Second, 20*time.Second
		m := open(t, cfg)
		hsmtest.Run(t, func(*testing.T) hsm.Module { return m })
	})
}

// TestClause5_3_5_NetworkHSMHangs stops the HSM for five seconds, longer than a
// call may stay inside: the process is told to restart, and once the HSM goes on
// so does the module, whether somebody listened or not.
func TestClause5_3_5_NetworkHSMHangs(t *testing.T) {
	apart(t, func(t *testing.T) {
		n, cfg := networked(t)
		var stuck atomic.Int64
		cfg.Stuck = func(error) { stuck.Add(1) }
		m := open(t, cfg)
		w := wrapped(t, m)
		n.Hang()
		stopped := time.Now()
		for time.Since(stopped) < 5*time.Second {
			faultWithin(t, hsm.ClassDevice, func() error { return m.Check(t.Context()) })
			faultWithin(t, hsm.ClassDevice, func() error { _, err := m.HMAC(t.Context(), w, hsm.SHA1, []byte("x")); return err })
			time.Sleep(50 * time.Millisecond)
		}
		if stuck.Load() == 0 {
			t.Error("nobody was told to restart the process")
		}
		n.Resume()
		resumed := time.Now()
		eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
		t.Logf("back %v after the HSM", time.Since(resumed))
		uses(t, m, w)
	})
}

// TestClause5_3_5_NetworkHSMLost kills the HSM, and starts it again.
func TestClause5_3_5_NetworkHSMLost(t *testing.T) {
	apart(t, func(t *testing.T) {
		n, cfg := networked(t)
		m := open(t, cfg)
		w := wrapped(t, m)
		n.Kill()
		for lost := time.Now(); time.Since(lost) < 2*time.Second; time.Sleep(20 * time.Millisecond) {
			start := time.Now()
			err := m.Check(t.Context())
			if class := hsm.ClassOf(err); err == nil || class != hsm.ClassDevice && class != hsm.ClassBusy {
				t.Fatalf("a lost HSM is told as %v", err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("told after %v", took)
			}
		}
		n.Start()
		started := time.Now()
		eventually(t, time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
		t.Logf("back %v after the HSM", time.Since(started))
		uses(t, m, w)
	})
}

// TestClause5_3_5_NetworkHSMLacks opens a module that hides key wrapping. The
// fault names the mechanism and the setting that would help.
func TestClause5_3_5_NetworkHSMLacks(t *testing.T) {
	apart(t, func(t *testing.T) {
		n, cfg := networked(t)
		setEnv(n.Lacking())
		_, err := pkcs11.Open(t.Context(), cfg)
		f := want(t, hsm.ClassConfig, err)
		if !strings.Contains(f.Error(), "0x2109") || !strings.Contains(f.Error(), "hsm.wrap_mechanism") {
			t.Errorf("does not say what is missing: %v", f)
		}
		t.Log(f)
		cfg.Module = n.Client
		_, err = pkcs11.Open(t.Context(), cfg)
		if f := want(t, hsm.ClassConfig, err); !strings.Contains(f.Error(), "another function list") {
			t.Errorf("a module that cannot be shared is told as %v", f)
		}
	})
}

// TestClause5_3_5_NetworkHSMOtherPIN changes the PIN while the HSM is away. It is
// tried once.
func TestClause5_3_5_NetworkHSMOtherPIN(t *testing.T) {
	apart(t, func(t *testing.T) {
		n, cfg := networked(t)
		m := open(t, cfg)
		n.Kill()
		changePIN(t, cfg.PIN, "another PIN")
		n.Start()
		eventually(t, 5*time.Second, "the PIN is refused", func() bool { return hsm.ClassOf(m.Check(t.Context())) == hsm.ClassPIN })
		for range 20 {
			faultWithin(t, hsm.ClassPIN, func() error { return m.Check(t.Context()) })
		}
		changePIN(t, "another PIN", cfg.PIN)
		time.Sleep(time.Second)
		want(t, hsm.ClassPIN, m.Check(context.Background())) // only people end it
	})
}

// TestClause5_3_5_NetworkHSMOtherKeys lets the HSM come back without a key. It is
// away then, not wrong about anybody, and serves again when the key is back.
func TestClause5_3_5_NetworkHSMOtherKeys(t *testing.T) {
	apart(t, func(t *testing.T) {
		n, cfg := networked(t)
		m := open(t, cfg)
		w := wrapped(t, m)
		conf := os.Getenv("SOFTHSM2_CONF")
		tokens := filepath.Join(filepath.Dir(conf), "tokens")
		n.Kill()
		if err := os.CopyFS(tokens+".kept", os.DirFS(tokens)); err != nil {
			t.Fatal(err)
		}
		tokenTool(t, cfg.PIN, "--delete-object", "--type", "secrkey", "--label", "mohur/row-mac")
		n.Start()
		eventually(t, 5*time.Second, "the key is missed", func() bool {
			err := m.Check(t.Context())
			f, ok := errors.AsType[*hsm.Fault](err)
			return ok && f.Class == hsm.ClassDevice && strings.Contains(err.Error(), "the key is missing")
		})
		n.Kill()
		if err := errors.Join(os.RemoveAll(tokens), os.Rename(tokens+".kept", tokens)); err != nil {
			t.Fatal(err)
		}
		n.Start()
		eventually(t, 2*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
		uses(t, m, w)
	})
}

func changePIN(t *testing.T, from, to string) {
	t.Helper()
	tokenTool(t, from, "--change-pin", "--new-pin", to)
}

// tokenTool works on the token beside the HSM, as its operator does.
func tokenTool(t *testing.T, pin string, args ...string) {
	t.Helper()
	path, err := pkcs11.FindSoftHSM()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--module", path, "--token-label", "mohur-test", "--login", "--pin", pin}, args...)
	if out, err := exec.CommandContext(t.Context(), "pkcs11-tool", args...).CombinedOutput(); err != nil {
		t.Fatalf("pkcs11-tool (Debian package opensc): %v %s", err, out)
	}
}
