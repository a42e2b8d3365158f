package hsmtest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"mohur/hsm"
)

// The keys of the house by what they do.
var (
	macKeys     = []hsm.Key{hsm.RowMAC, hsm.IdempotencyMAC}
	sealingKeys = []hsm.Key{hsm.PINSeal, hsm.DataKEK}
	signingKeys = []hsm.Key{hsm.TokenSigning, hsm.AuthorizationSigning, hsm.AuditSigning, hsm.CASigning}
)

// Run holds a module to the contract of package hsm. open returns a module with
// all keys of the house; it may be the same one each time.
func Run(t *testing.T, open func(t *testing.T) hsm.Module) {
	for _, part := range []struct {
		name string
		test func(*testing.T, hsm.Module)
	}{
		{"seeds/RFC4226", testRFC4226},
		{"seeds/RFC6238", testRFC6238},
		{"seeds/lengths", testSeedLengths},
		{"seeds/cleared", testSeedCleared},
		{"seeds/refused", testSeedRefused},
		{"seeds/damaged", testSeedDamaged},
		{"seeds/unknownKEK", testUnknownKEK},
		{"seeds/messages", testMessages},
		{"mac/framing", testFraming},
		{"mac/many", testManyMACs},
		{"mac/separation", testMACSeparation},
		{"mac/refused", testMACRefused},
		{"seal/roundTrip", testSeal},
		{"seal/place", testSealPlace},
		{"seal/damaged", testSealDamaged},
		{"seal/refused", testSealRefused},
		{"sign/verifies", testSign},
		{"sign/refused", testSignRefused},
		{"transport/decrypts", testTransport},
		{"transport/refused", testTransportRefused},
		{"transport/RFC3394", testRFC3394},
		{"transport/wrapped", testWrapped},
		{"transport/RSA", testRSA},
		{"transport/RSAWrong", testRSAWrong},
		{"transport/RSAKeys", testRSAKeys},
		{"random", testRandom},
		{"keys", testKeys},
		{"cancelled", testCancelled},
		{"buffers", testBuffers},
		{"load", testLoad},
	} {
		t.Run(part.name, func(t *testing.T) {
			m := open(t)
			part.test(t, m)
			if err := m.Check(t.Context()); err != nil {
				t.Fatalf("the module is not well afterwards: %v", err)
			}
		})
	}
}

// want fails unless err is a fault of the class.
func want(t *testing.T, class hsm.Class, err error) {
	t.Helper()
	if _, ok := errors.AsType[*hsm.Fault](err); !ok || hsm.ClassOf(err) != class {
		t.Errorf("want a fault of class %v, got %v", class, err)
	}
}

// random returns n bytes that have nothing to do with the module.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func wrap(t *testing.T, m hsm.Module, seed []byte) hsm.WrappedSeed {
	t.Helper()
	w, err := m.WrapSeed(t.Context(), append([]byte(nil), seed...))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// testCancelled calls every method with a context that has ended.
func testCancelled(t *testing.T, m hsm.Module) {
	seed := wrap(t, m, random(20))
	box, err := m.Seal(t.Context(), hsm.DataKEK, "a place", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Sign":     func() error { _, err := m.Sign(ctx, hsm.TokenSigning, random(32)); return err },
		"Public":   func() error { _, err := m.Public(ctx, hsm.TokenSigning); return err },
		"MAC":      func() error { _, err := m.MAC(ctx, hsm.RowMAC, "x"); return err },
		"MACs":     func() error { _, err := m.MACs(ctx, hsm.RowMAC, hsm.Input{Label: "x"}); return err },
		"Seal":     func() error { _, err := m.Seal(ctx, hsm.DataKEK, "a place", []byte("x")); return err },
		"Open":     func() error { _, err := m.Open(ctx, hsm.DataKEK, "a place", box); return err },
		"WrapSeed": func() error { _, err := m.WrapSeed(ctx, random(20)); return err },
		"HMAC":     func() error { _, err := m.HMAC(ctx, seed, hsm.SHA1, moving(0)); return err },
		"Random":   func() error { _, err := m.Random(ctx, 16); return err },
		"Check":    func() error { return m.Check(ctx) },
		"Keys":     func() error { _, err := m.Keys(ctx); return err },
	} {
		start := time.Now()
		err := call()
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if _, ok := errors.AsType[*hsm.Fault](err); !ok || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: want a fault that wraps context.Canceled, got %v", name, err)
		}
	}
}

// testKeys wants every key of the house in the list, once, and a thumbprint with
// those that sign.
func testKeys(t *testing.T, m hsm.Module) {
	infos, err := m.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[hsm.Key][]hsm.KeyInfo{}
	for _, info := range infos {
		byKey[info.Key] = append(byKey[info.Key], info)
	}
	check := func(keys []hsm.Key, kind string, id bool) {
		for _, key := range keys {
			found := byKey[key]
			if len(found) == 0 {
				t.Errorf("%s is not listed", key)
				continue
			}
			if i := found[0]; i.Version < 1 || i.Type != kind || i.Use == "" || (i.ID != "") != id {
				t.Errorf("%s is listed as %+v", key, i)
			}
		}
	}
	check([]hsm.Key{hsm.SeedKEK}, "AES-256", false)
	check(macKeys, "HMAC-SHA256", false)
	check(sealingKeys, "AES-256", false)
	check(signingKeys, "EC P-256", true)
}

func testRandom(t *testing.T, m hsm.Module) {
	seen := map[string]bool{}
	for _, n := range []int{1, 16, 20, 32, 64, 1000} {
		b, err := m.Random(t.Context(), n)
		if err != nil || len(b) != n {
			t.Fatalf("Random(%d): %d bytes, %v", n, len(b), err)
		}
		if n >= 16 && (seen[string(b[:16])] || string(b[:16]) == string(make([]byte, 16))) {
			t.Errorf("Random(%d) is not random", n)
		}
		if n >= 16 {
			seen[string(b[:16])] = true
		}
	}
	for _, n := range []int{0, -1, 1 << 30} {
		_, err := m.Random(t.Context(), n)
		want(t, hsm.ClassInput, err)
	}
}
