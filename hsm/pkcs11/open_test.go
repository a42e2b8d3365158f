package pkcs11_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

// allKeys are those without which the server does not start; beside them there is
// one to spare.
var allKeys = []hsm.Key{hsm.SeedKEK, hsm.RowMAC, hsm.IdempotencyMAC, hsm.PINSeal, hsm.DataKEK,
	hsm.TokenSigning, hsm.AuthorizationSigning, hsm.AuditSigning}

// TestMissingKey deletes each key in turn. The server must refuse to start, say
// which key it is and what to run; making it again must be enough, even where
// the public half of a key pair was left behind.
func TestMissingKey(t *testing.T) {
	cfg := provisioned(t)
	for _, key := range allKeys {
		m := open(t, cfg)
		th := newThief(t, cfg)
		for _, class := range []uint{p11.CKO_SECRET_KEY, p11.CKO_PRIVATE_KEY} {
			for _, handle := range th.find(t, key, class) {
				if err := th.DestroyObject(th.session, handle); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := pkcs11.Open(t.Context(), cfg)
		f := want(t, hsm.ClassConfig, err)
		if f.Key != key || !strings.Contains(err.Error(), string(key)) || !strings.Contains(err.Error(), "mohur init") {
			t.Errorf("the error does not name %s and the cure: %v", key, err)
		}
		if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	open(t, cfg)
}

// A token of an earlier build has no key for the authority. The server starts, and
// what needs the key says what to run; `mohur init` makes it.
func TestSpareKey(t *testing.T) {
	cfg := provisioned(t)
	m, th := open(t, cfg), newThief(t, cfg)
	for _, handle := range th.find(t, hsm.CASigning, p11.CKO_PRIVATE_KEY) {
		if err := th.DestroyObject(th.session, handle); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, cfg)
	_, err := m.Sign(t.Context(), hsm.CASigning, make([]byte, 32))
	want(t, hsm.ClassInput, err)
	_, err = m.Public(t.Context(), hsm.CASigning)
	want(t, hsm.ClassInput, err)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, cfg).Sign(t.Context(), hsm.CASigning, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
}

// TestWrongPIN counts log-ins: tokens lock after a few, and a locked HSM is a
// bank without log-ins.
func TestWrongPIN(t *testing.T) {
	cfg := shimmed(t)
	wrong := cfg
	wrong.PIN = "not the PIN"
	before := theShim.count(login)
	_, err := pkcs11.Open(t.Context(), wrong)
	f := want(t, hsm.ClassPIN, err)
	if f.Code != p11.CKR_PIN_INCORRECT {
		t.Errorf("code %#x", f.Code)
	}
	if n := theShim.count(login) - before; n != 1 {
		t.Errorf("%d log-ins with a wrong PIN", n)
	}
	open(t, cfg)
}

func TestRefusals(t *testing.T) {
	good := provisioned(t)
	notALibrary := filepath.Join(t.TempDir(), "text.so")
	write(t, notALibrary, "no library", 0o600)
	for name, change := range map[string]func(*pkcs11.Config){
		"no module":     func(c *pkcs11.Config) { c.Module = "" },
		"absent module": func(c *pkcs11.Config) { c.Module = "/no/such/module.so" },
		"no library":    func(c *pkcs11.Config) { c.Module = notALibrary },
		"no label":      func(c *pkcs11.Config) { c.TokenLabel = "" },
		"long label":    func(c *pkcs11.Config) { c.TokenLabel = strings.Repeat("x", 33) },
		"other label":   func(c *pkcs11.Config) { c.TokenLabel = "another token" },
		"no PIN":        func(c *pkcs11.Config) { c.PIN = "" },
		"sessions":      func(c *pkcs11.Config) { c.Sessions = -1 },
		"wait":          func(c *pkcs11.Config) { c.Wait = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			change(&cfg)
			_, err := pkcs11.Open(t.Context(), cfg)
			want(t, hsm.ClassConfig, err)
			_, err = pkcs11.Provision(t.Context(), cfg)
			want(t, hsm.ClassConfig, err)
		})
	}
	open(t, good)
}

func TestOpenNoKeys(t *testing.T) {
	_, err := pkcs11.Open(t.Context(), newToken(t))
	f := want(t, hsm.ClassConfig, err)
	if f.Key != hsm.SeedKEK {
		t.Errorf("missing key %q", f.Key)
	}
}

func TestOpenTwice(t *testing.T) {
	cfg := provisioned(t)
	one, two := open(t, cfg), open(t, cfg)
	w, err := one.WrapSeed(t.Context(), []byte("12345678901234567890"))
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	// The library is initialised once for both, and lives as long as either.
	if _, err := two.HMAC(t.Context(), w, hsm.SHA1, []byte("x")); err != nil {
		t.Error(err)
	}
	want(t, hsm.ClassDevice, one.Check(t.Context()))
	if err := one.Close(); err != nil {
		t.Error("closing twice:", err)
	}
}

func TestOpenHung(t *testing.T) {
	cfg := shimmed(t)
	theShim.hang(login)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := pkcs11.Open(ctx, cfg)
	want(t, hsm.ClassDevice, err)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	theShim.release(login)
	eventually(t, 10*time.Second, "the late log-in is closed", func() bool { return pkcs11.Connected() == 0 })
	open(t, cfg)
}

// TestTwoKeysOfOneName adds a second row-mac, as someone would who wants records
// of his own making to pass.
func TestTwoKeysOfOneName(t *testing.T) {
	cfg := provisioned(t)
	m := open(t, cfg)
	th := newThief(t, cfg)
	_, err := th.GenerateKey(th.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_GENERIC_SECRET_KEY_GEN, nil)}, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET),
		p11.NewAttribute(p11.CKA_VALUE_LEN, 64),
		p11.NewAttribute(p11.CKA_TOKEN, true),
		p11.NewAttribute(p11.CKA_LABEL, "mohur/row-mac"),
		p11.NewAttribute(p11.CKA_ID, "row-mac/1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = pkcs11.Open(t.Context(), cfg)
	want(t, hsm.ClassConfig, err)
	if !strings.Contains(err.Error(), "two keys row-mac/1") {
		t.Error(err)
	}
}

func TestConfigHidesPIN(t *testing.T) {
	cfg := pkcs11.Config{Module: "m", TokenLabel: "l", PIN: "the secret PIN"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg)
	for _, s := range []string{fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg), log.String()} {
		if strings.Contains(s, cfg.PIN) {
			t.Errorf("the PIN shows in %q", s)
		}
	}
}

func TestObserve(t *testing.T) {
	type seen struct {
		op    string
		class hsm.Class
	}
	var all []seen
	cfg := provisioned(t)
	cfg.Observe = func(op string, class hsm.Class, d time.Duration) {
		if d < 0 || d > time.Minute {
			t.Errorf("%s took %v", op, d)
		}
		all = append(all, seen{op, class})
	}
	m := open(t, cfg)
	_, _ = m.MAC(t.Context(), hsm.RowMAC, "l")
	_, _ = m.Sign(t.Context(), hsm.RowMAC, nil)
	_, _ = m.Open(t.Context(), hsm.DataKEK, "p", nil)
	wanted := []seen{{"MAC", 0}, {"Sign", hsm.ClassInput}, {"Open", hsm.ClassBlob}}
	if fmt.Sprint(all) != fmt.Sprint(wanted) {
		t.Errorf("observed %v, want %v", all, wanted)
	}
}

// TestObserveCPU: what is told comes to what the calls cost, whichever of them
// are read.
func TestObserveCPU(t *testing.T) {
	cfg := provisioned(t)
	var told, reads atomic.Int64
	cfg.ObserveCPU = func(op string, d time.Duration) {
		if op != "MAC" && op != "Sign" || d <= 0 {
			t.Errorf("%s cost %v", op, d)
		}
		told.Add(int64(d))
		reads.Add(1)
	}
	m := open(t, cfg)
	const pairs = 400
	began := cpu()
	for range pairs { // two calls in a fixed order
		_, _ = m.MAC(t.Context(), hsm.RowMAC, "l")
		_, _ = m.Sign(t.Context(), hsm.TokenSigning, make([]byte, 32))
	}
	whole := cpu() - began
	if n := reads.Load(); n < pairs/8 || n > pairs {
		t.Errorf("%d of %d calls were read", n, 2*pairs)
	}
	// The process does little else; what another test left to the collector may be in it.
	if got := float64(told.Load()) / 1e3; got < whole/10 || got > 1.5*whole {
		t.Errorf("told of %.0f µs in calls, the process had %.0f", got, whole)
	}
}
