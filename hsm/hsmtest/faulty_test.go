package hsmtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/hsm/hsmtest"
)

var (
	_ hsm.Module = (*hsmtest.Faulty)(nil)

	away = &hsm.Fault{Class: hsm.ClassDevice, Err: errors.New("away")}
)

// methods calls every method of the contract.
func methods(ctx context.Context, m hsm.Module) map[string]func() error {
	return map[string]func() error{
		"Sign":       func() error { _, err := m.Sign(ctx, hsm.TokenSigning, make([]byte, 32)); return err },
		"Public":     func() error { _, err := m.Public(ctx, hsm.TokenSigning); return err },
		"MAC":        func() error { _, err := m.MAC(ctx, hsm.RowMAC, "l"); return err },
		"Seal":       func() error { _, err := m.Seal(ctx, hsm.DataKEK, "p", nil); return err },
		"Open":       func() error { _, err := m.Open(ctx, hsm.DataKEK, "p", nil); return err },
		"WrapSeed":   func() error { _, err := m.WrapSeed(ctx, []byte("seed")); return err },
		"HMAC":       func() error { _, err := m.HMAC(ctx, hsm.WrappedSeed{}, hsm.SHA1); return err },
		"DecryptCBC": func() error { _, err := m.DecryptCBC(ctx, hsm.Transport("x"), nil, nil); return err },
		"DecryptKW":  func() error { _, err := m.DecryptKW(ctx, hsm.Transport("x"), nil); return err },
		"DecryptRSA": func() error { _, err := m.DecryptRSA(ctx, hsm.Transport("x"), hsm.OAEP, nil); return err },
		"Random":     func() error { _, err := m.Random(ctx, 8); return err },
		"Check":      func() error { return m.Check(ctx) },
		"Keys":       func() error { _, err := m.Keys(ctx); return err },
	}
}

func TestFaultyMethods(t *testing.T) {
	f := &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}
	all := methods(t.Context(), f)
	for method, call := range all {
		f.FailIn(method, away)
		fault, ok := errors.AsType[*hsm.Fault](call())
		if !ok || fault.Class != hsm.ClassDevice || fault.Op != method || !errors.Is(fault, away.Err) {
			t.Errorf("%s fails with %v", method, fault)
		}
		for other, call := range all {
			if other != method && errors.Is(call(), away.Err) {
				t.Errorf("%s fails with %s", other, method)
			}
		}
		f.Heal()
		if errors.Is(call(), away.Err) {
			t.Errorf("%s still fails", method)
		}
	}
	f.FailAll(away)
	for method, call := range all {
		if !errors.Is(call(), away.Err) {
			t.Errorf("%s does not fail", method)
		}
	}
}

func TestFaultyNth(t *testing.T) {
	f := &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}
	if err := f.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.FailAt(2, away)
	for n, wanted := range []bool{true, false, true} {
		if err := f.Check(t.Context()); (err == nil) != wanted {
			t.Errorf("call %d: %v", n+1, err)
		}
	}
	if f.Calls() != 4 {
		t.Errorf("%d calls", f.Calls())
	}
}

func TestFaultyHang(t *testing.T) {
	f := &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}
	f.Hang("HMAC")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := f.HMAC(ctx, hsm.WrappedSeed{}, hsm.SHA1, nil)
	if hsm.ClassOf(err) != hsm.ClassDevice || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := f.Check(ctx); err == nil {
		t.Error("a context that has ended was not noticed")
	}
}
