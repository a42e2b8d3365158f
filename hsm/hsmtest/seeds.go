package hsmtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"testing"

	"mohur/hsm"
)

var goHashes = map[hsm.Hash]func() hash.Hash{hsm.SHA1: sha1.New, hsm.SHA256: sha256.New, hsm.SHA512: sha512.New}

func goHMAC(h hsm.Hash, seed, message []byte) []byte {
	mac := hmac.New(goHashes[h], seed)
	mac.Write(message)
	return mac.Sum(nil)
}

func testRFC4226(t *testing.T, m hsm.Module) {
	var v hotp
	load(t, "rfc4226.json", &v)
	seed := wrap(t, m, []byte(v.Seed))
	for _, row := range v.Rows {
		macs, err := m.HMAC(t.Context(), seed, hsm.SHA1, moving(row.Counter))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(macs[0]); got != row.HMAC {
			t.Errorf("counter %d: HMAC %s, want %s", row.Counter, got, row.HMAC)
		}
		if got := code(macs[0], 6); got != row.Code {
			t.Errorf("counter %d: code %s, want %s", row.Counter, got, row.Code)
		}
	}
}

func testRFC6238(t *testing.T, m hsm.Module) {
	var v totp
	load(t, "rfc6238.json", &v)
	for _, h := range hashes {
		seed := wrap(t, m, []byte(v.Seeds[h.String()]))
		for _, row := range v.Rows {
			macs, err := m.HMAC(t.Context(), seed, h, moving(row.Time/30))
			if err != nil {
				t.Fatal(err)
			}
			wanted := map[hsm.Hash]string{hsm.SHA1: row.SHA1, hsm.SHA256: row.SHA256, hsm.SHA512: row.SHA512}[h]
			if got := code(macs[0], 8); got != wanted {
				t.Errorf("%v at %d: code %s, want %s", h, row.Time, got, wanted)
			}
		}
	}
}

// testSeedLengths checks the claim behind the padding: it changes no HMAC, and
// makes all blobs alike.
func testSeedLengths(t *testing.T, m hsm.Module) {
	message := []byte("any message")
	for n := 1; n <= hsm.MaxSeed; n++ {
		seed := random(n)
		seed[0] |= 1 // not all zeros
		w := wrap(t, m, seed)
		if len(w.Blob) != hsm.MaxSeed+8 || w.KEK == "" {
			t.Fatalf("a seed of %d bytes makes a blob of %d under %q", n, len(w.Blob), w.KEK)
		}
		for _, h := range hashes {
			macs, err := m.HMAC(t.Context(), w, h, message)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(macs[0], goHMAC(h, seed, message)) {
				t.Errorf("HMAC-%v under a seed of %d bytes differs from Go's", h, n)
			}
		}
	}
}

func testSeedCleared(t *testing.T, m hsm.Module) {
	seed := random(20)
	if _, err := m.WrapSeed(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(seed, make([]byte, 20)) {
		t.Error("the seed is still in the caller's buffer")
	}
	// Whoever uses the buffer again by mistake must not get a token whose
	// seed everyone knows.
	_, err := m.WrapSeed(t.Context(), seed)
	want(t, hsm.ClassInput, err)
}

func testSeedRefused(t *testing.T, m hsm.Module) {
	for _, n := range []int{0, hsm.MaxSeed + 1, 1000} {
		seed := random(n)
		before := bytes.Clone(seed)
		_, err := m.WrapSeed(t.Context(), seed)
		want(t, hsm.ClassInput, err)
		if !bytes.Equal(seed, before) {
			t.Error("a call that failed changed the seed")
		}
	}
	_, err := m.WrapSeed(t.Context(), nil)
	want(t, hsm.ClassInput, err)
}

// testSeedDamaged changes blobs in every way. Each is the fault of the blob, and
// the module goes on serving others.
func testSeedDamaged(t *testing.T, m hsm.Module) {
	seed := random(20)
	good := wrap(t, m, seed)
	other := wrap(t, m, random(20))
	blobs := map[string][]byte{
		"empty":    {},
		"nil":      nil,
		"short":    good.Blob[:8],
		"cut":      good.Blob[:len(good.Blob)-8],
		"odd":      good.Blob[:len(good.Blob)-1],
		"long":     append(bytes.Clone(good.Blob), make([]byte, 8)...),
		"zeros":    make([]byte, len(good.Blob)),
		"random":   random(len(good.Blob)),
		"spliced":  append(bytes.Clone(good.Blob[:32]), other.Blob[32:]...),
		"reversed": append(bytes.Clone(good.Blob[8:]), good.Blob[:8]...),
	}
	for i := range good.Blob {
		b := bytes.Clone(good.Blob)
		b[i] ^= 1 << (i % 8)
		blobs[fmt.Sprintf("a bit of byte %d", i)] = b
	}
	for name, b := range blobs {
		_, err := m.HMAC(t.Context(), hsm.WrappedSeed{KEK: good.KEK, Blob: b}, hsm.SHA1, moving(0))
		if hsm.ClassOf(err) != hsm.ClassBlob || err == nil {
			t.Errorf("%s: want a blob fault, got %v", name, err)
		}
		macs, err := m.HMAC(t.Context(), good, hsm.SHA1, moving(0))
		if err != nil || !bytes.Equal(macs[0], goHMAC(hsm.SHA1, seed, moving(0))) {
			t.Fatalf("%s: the good blob no longer works: %v", name, err)
		}
	}
}

// testUnknownKEK names a KEK that the module does not have. That is no damage to
// the token, which must not be quarantined for it.
func testUnknownKEK(t *testing.T, m hsm.Module) {
	good := wrap(t, m, random(20))
	for _, kek := range []string{"", "seed-kek", "seed-kek/0", "seed-kek/99", "data-kek/1", "row-mac/1"} {
		_, err := m.HMAC(t.Context(), hsm.WrappedSeed{KEK: kek, Blob: good.Blob}, hsm.SHA1, moving(0))
		want(t, hsm.ClassConfig, err)
	}
}

func testMessages(t *testing.T, m hsm.Module) {
	seed := random(32)
	w := wrap(t, m, seed)
	messages := [][]byte{moving(7), {}, random(1), random(200), moving(7)}
	for _, h := range hashes {
		macs, err := m.HMAC(t.Context(), w, h, messages...)
		if err != nil {
			t.Fatal(err)
		}
		if len(macs) != len(messages) {
			t.Fatalf("%d HMACs for %d messages", len(macs), len(messages))
		}
		for i, message := range messages {
			if !bytes.Equal(macs[i], goHMAC(h, seed, message)) {
				t.Errorf("HMAC-%v of message %d differs from Go's", h, i)
			}
		}
	}
	for stop, n := range map[bool]int{true: 1, false: len(messages)} {
		macs, err := m.HMACUnless(t.Context(), w, hsm.SHA256, func(first []byte) bool {
			if !bytes.Equal(first, goHMAC(hsm.SHA256, seed, messages[0])) {
				t.Errorf("enough was asked of %x", first)
			}
			return stop
		}, messages...)
		if err != nil || len(macs) != n {
			t.Fatalf("stopping %v: %d HMACs, %v", stop, len(macs), err)
		}
		for i := range macs {
			if !bytes.Equal(macs[i], goHMAC(hsm.SHA256, seed, messages[i])) {
				t.Errorf("stopping %v: HMAC of message %d differs from Go's", stop, i)
			}
		}
	}
	_, err := m.HMAC(t.Context(), w, hsm.SHA1)
	want(t, hsm.ClassInput, err)
	for _, h := range []hsm.Hash{0, 4, 255} {
		_, err := m.HMAC(t.Context(), w, h, moving(0))
		want(t, hsm.ClassInput, err)
	}
}
