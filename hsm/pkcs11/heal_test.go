package pkcs11_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

var rfcSeed = []byte("12345678901234567890")

// uses makes one call of every kind and fails the test if one fails.
func uses(t *testing.T, m *pkcs11.Module, w hsm.WrappedSeed) {
	t.Helper()
	for name, call := range everyCall(t.Context(), m, w) {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func everyCall(ctx context.Context, m *pkcs11.Module, w hsm.WrappedSeed) map[string]func() error {
	return map[string]func() error{
		"Check":    func() error { return m.Check(ctx) },
		"HMAC":     func() error { _, err := m.HMAC(ctx, w, hsm.SHA1, make([]byte, 8)); return err },
		"MAC":      func() error { _, err := m.MAC(ctx, hsm.RowMAC, "l", []byte("x")); return err },
		"Seal":     func() error { _, err := m.Seal(ctx, hsm.PINSeal, "p", []byte("x")); return err },
		"Sign":     func() error { _, err := m.Sign(ctx, hsm.AuditSigning, make([]byte, 32)); return err },
		"Random":   func() error { _, err := m.Random(ctx, 8); return err },
		"WrapSeed": func() error { _, err := m.WrapSeed(ctx, bytes.Clone(rfcSeed)); return err },
		"Keys":     func() error { _, err := m.Keys(ctx); return err },
	}
}

func wrapped(t testing.TB, m *pkcs11.Module) hsm.WrappedSeed {
	t.Helper()
	w, err := m.WrapSeed(context.Background(), bytes.Clone(rfcSeed))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestSessionLoss takes the sessions, the log-in or the whole library away under
// the module. No caller may notice: the call is made again on a new generation.
func TestSessionLoss(t *testing.T) {
	for name, lose := range map[string]func(thief) error{
		"CloseAllSessions": func(th thief) error { return th.CloseAllSessions(th.slot) },
		"Logout":           func(th thief) error { return th.Logout(th.session) },
		"Finalize":         func(th thief) error { return th.Finalize() },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := provisioned(t)
			m := open(t, cfg)
			w := wrapped(t, m)
			box, err := m.Seal(t.Context(), hsm.DataKEK, "p", []byte("before"))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				time.Sleep(10 * time.Millisecond) // nobody is inside: see below
				if err := lose(newThief(t, cfg)); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				uses(t, m, w)
				if took := time.Since(start); took > time.Second {
					t.Errorf("recovered after %v", took)
				}
				if text, err := m.Open(t.Context(), hsm.DataKEK, "p", box); err != nil || string(text) != "before" {
					t.Errorf("an older box: %q, %v", text, err)
				}
			}
		})
	}
}

// TestSessionLossUnderLoad does it while calls are in flight. The shim plays the
// loss: SoftHSM itself crashes when sessions are closed under running calls,
// which is why a generation is only closed after its last call.
func TestSessionLossUnderLoad(t *testing.T) {
	m := open(t, shimmed(t))
	w := wrapped(t, m)
	want, err := m.HMAC(t.Context(), w, hsm.SHA1, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	var failed, served atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for ctx.Err() == nil {
				got, err := m.HMAC(context.Background(), w, hsm.SHA1, []byte("x"))
				switch {
				case err == nil && !bytes.Equal(got[0], want[0]):
					t.Error("a wrong HMAC")
				case err != nil && (hsm.ClassOf(err) == hsm.ClassBlob || hsm.ClassOf(err) == hsm.ClassConfig):
					t.Errorf("a lost session passes for %v", err)
				case err != nil:
					failed.Add(1)
				default:
					served.Add(1)
				}
			}
		})
	}
	for _, code := range []uint64{p11.CKR_SESSION_HANDLE_INVALID, p11.CKR_USER_NOT_LOGGED_IN, p11.CKR_KEY_HANDLE_INVALID,
		p11.CKR_OBJECT_HANDLE_INVALID, p11.CKR_KEY_TYPE_INCONSISTENT} {
		for _, function := range []int{unwrapping, signInit, signing} {
			time.Sleep(20 * time.Millisecond)
			theShim.fail(function, code, 3)
		}
	}
	time.Sleep(50 * time.Millisecond)
	stop()
	all.Wait()
	if served.Load() == 0 {
		t.Error("nothing was served")
	}
	t.Logf("%d served, %d failed", served.Load(), failed.Load())
	theShim.reset()
	eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
	uses(t, m, w)
}

// TestDeviceFault lets device errors come once, a maker's own among them. None may
// pass for a bad blob or a bad input, and the module must come back by itself.
func TestDeviceFault(t *testing.T) {
	m := open(t, shimmed(t))
	w := wrapped(t, m)
	for _, code := range []uint64{p11.CKR_GENERAL_ERROR, p11.CKR_DEVICE_ERROR, p11.CKR_TOKEN_NOT_PRESENT, 0x80000001} {
		theShim.fail(signing, code, 1)
		f := want(t, hsm.ClassDevice, m.Check(t.Context()))
		if f.Code != uint(code) || f.Op != "Check" {
			t.Errorf("code %#x comes back as %+v", code, f)
		}
		eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
	}
	uses(t, m, w)
}

// TestOutage keeps the device away. Calls must fail at once, log-ins be tried
// with pauses, and all be well when it is back.
func TestOutage(t *testing.T) {
	m := open(t, shimmed(t))
	w := wrapped(t, m)
	for _, f := range []int{signing, unwrapping, opening} {
		theShim.fail(f, p11.CKR_DEVICE_ERROR, forever)
	}
	want(t, hsm.ClassDevice, m.Check(t.Context()))
	before := theShim.count(opening)
	for start := time.Now(); time.Since(start) < 700*time.Millisecond; {
		one := time.Now()
		want(t, hsm.ClassDevice, m.Check(t.Context()))
		_, err := m.HMAC(t.Context(), w, hsm.SHA1, []byte("x"))
		want(t, hsm.ClassDevice, err)
		if took := time.Since(one); took > 500*time.Millisecond {
			t.Fatalf("a call took %v while the device is away", took)
		}
		time.Sleep(time.Millisecond)
	}
	if n := theShim.count(opening) - before; n > 20 {
		t.Errorf("%d attempts in 0.7 s", n)
	}
	if _, err := m.Public(t.Context(), hsm.TokenSigning); err != nil {
		t.Error("public keys are known without the device:", err)
	}
	theShim.reset()
	eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
	uses(t, m, w)
}

// TestGeneralErrorIsNoVerdict makes the module answer every unwrapping and every
// opening with the code that SoftHSM uses for a damaged blob. Were that believed,
// an outage would quarantine every token of the bank.
func TestGeneralErrorIsNoVerdict(t *testing.T) {
	m := open(t, shimmed(t))
	w := wrapped(t, m)
	box, err := m.Seal(t.Context(), hsm.PINSeal, "p", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	theShim.fail(unwrapping, p11.CKR_GENERAL_ERROR, forever)
	_, err = m.HMAC(t.Context(), w, hsm.SHA1, []byte("x"))
	want(t, hsm.ClassDevice, err)
	theShim.heal(unwrapping)
	eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })

	theShim.fail(decrypting, p11.CKR_GENERAL_ERROR, forever)
	_, err = m.Open(t.Context(), hsm.PINSeal, "p", box)
	want(t, hsm.ClassDevice, err)
	theShim.heal(decrypting)
	eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })

	// Once only: the good blob still unwraps, so this one was bad.
	theShim.fail(unwrapping, p11.CKR_GENERAL_ERROR, 1)
	_, err = m.HMAC(t.Context(), w, hsm.SHA1, []byte("x"))
	want(t, hsm.ClassBlob, err)
	theShim.fail(unwrapping, p11.CKR_WRAPPED_KEY_INVALID, 1)
	_, err = m.HMAC(t.Context(), w, hsm.SHA1, []byte("x"))
	want(t, hsm.ClassBlob, err)
	uses(t, m, w)
}

// TestPINChanged changes the PIN under a running server and takes its sessions.
// One log-in is refused; no second may follow, or the token locks.
func TestPINChanged(t *testing.T) {
	cfg := shimmed(t)
	m := open(t, cfg)
	w := wrapped(t, m)
	th := newThief(t, cfg)
	if err := th.SetPIN(th.session, cfg.PIN, "another PIN"); err != nil {
		t.Fatal(err)
	}
	before := theShim.count(login)
	if err := th.CloseAllSessions(th.slot); err != nil {
		t.Fatal(err)
	}
	want(t, hsm.ClassPIN, m.Check(t.Context()))
	for range 50 {
		want(t, hsm.ClassPIN, m.Check(t.Context()))
		_, err := m.HMAC(t.Context(), w, hsm.SHA1, []byte("x"))
		want(t, hsm.ClassPIN, err)
		time.Sleep(10 * time.Millisecond)
	}
	if n := theShim.count(login) - before; n != 1 {
		t.Errorf("%d log-ins with a PIN that was refused", n)
	}
}

// TestOtherKeys changes a key while the module is away, as a failover to a
// device that was never synchronised does. Every record's MAC would be wrong.
func TestOtherKeys(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	th := newThief(t, cfg)
	for _, h := range th.find(t, hsm.RowMAC, p11.CKO_SECRET_KEY) {
		if err := th.DestroyObject(th.session, h); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := th.CloseAllSessions(th.slot); err != nil {
		t.Fatal(err)
	}
	f := want(t, hsm.ClassConfig, m.Check(t.Context()))
	if !errors.Is(f, pkcs11.ErrOtherKeys) {
		t.Error(f)
	}
}
