package pkcs11_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/hsm/pkcs11"
)

// newToken makes a SoftHSM token without keys. It is the token of this process
// until the next call, so modules of another must be closed before.
func newToken(t testing.TB) pkcs11.Config {
	t.Helper()
	cfg, err := pkcs11.InitSoftHSM(t.TempDir(), "mohur-test")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger = quiet()
	cfg.Wait, cfg.CallTimeout = 5*time.Second, 10*time.Second // the race detector is slow
	return cfg
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// provisioned makes a token with all keys.
func provisioned(t testing.TB) pkcs11.Config {
	t.Helper()
	cfg := newToken(t)
	if _, err := pkcs11.Provision(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// shimmed makes a token with all keys behind the shim.
func shimmed(t testing.TB) pkcs11.Config {
	t.Helper()
	t.Cleanup(theShim.reset)
	cfg := provisioned(t)
	cfg.Module = theShim.path
	return cfg
}

func open(t testing.TB, cfg pkcs11.Config) *pkcs11.Module {
	t.Helper()
	m, err := pkcs11.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		theShim.reset()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// want fails unless err is a fault of the class, and returns it.
func want(t testing.TB, class hsm.Class, err error) *hsm.Fault {
	t.Helper()
	f, ok := err.(*hsm.Fault)
	if !ok || f.Class != class {
		t.Fatalf("want a fault of class %v, got %v", class, err)
	}
	return f
}

// thief is somebody else's use of the same library in this process: he shares
// the log-in, as whoever gets into the server does.
type thief struct {
	*p11.Ctx
	slot    uint
	session p11.SessionHandle
}

func newThief(t testing.TB, cfg pkcs11.Config) thief {
	t.Helper()
	th := thief{Ctx: p11.New(cfg.Module)}
	slots, err := th.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		if info, err := th.GetTokenInfo(s); err == nil && info.Label == cfg.TokenLabel {
			th.slot = s
		}
	}
	th.session, err = th.OpenSession(th.slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// find returns the handles of all keys with the label of key, and of a class.
func (th thief) find(t testing.TB, key hsm.Key, class uint) []p11.ObjectHandle {
	t.Helper()
	template := []*p11.Attribute{p11.NewAttribute(p11.CKA_LABEL, "mohur/"+string(key)), p11.NewAttribute(p11.CKA_CLASS, class)}
	if err := th.FindObjectsInit(th.session, template); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = th.FindObjectsFinal(th.session) }()
	found, _, err := th.FindObjects(th.session, 10)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSuite(t *testing.T) {
	m := open(t, provisioned(t))
	hsmtest.Run(t, func(*testing.T) hsm.Module { return m })
}

// TestSuiteOneSession runs everything through a single slot.
func TestSuiteOneSession(t *testing.T) {
	cfg := provisioned(t)
	cfg.Sessions, cfg.Wait = 1, 30*time.Second
	m := open(t, cfg)
	hsmtest.Run(t, func(*testing.T) hsm.Module { return m })
}
