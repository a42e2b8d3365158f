package hsmtest

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"math/big"
	"testing"

	"mohur/hsm"
)

func testSign(t *testing.T, m hsm.Module) {
	for _, key := range signingKeys {
		public, err := m.Public(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		// Often enough that an r or s with a leading zero comes up, which must
		// not shorten the signature.
		for i := range 300 {
			digest := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
			sig, err := m.Sign(t.Context(), key, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			if len(sig) != 64 || !verifies(public, digest[:], sig) {
				t.Fatalf("%s: signature %d of %d bytes does not verify", key, i, len(sig))
			}
			digest[0] ^= 1
			if verifies(public, digest[:], sig) {
				t.Fatal("a signature verifies for another digest")
			}
		}
		for _, other := range signingKeys {
			if p, err := m.Public(t.Context(), other); err != nil || (other != key && p.Equal(public)) {
				t.Errorf("%s and %s are one key (%v)", key, other, err)
			}
		}
	}
}

func verifies(public *ecdsa.PublicKey, digest, sig []byte) bool {
	return ecdsa.Verify(public, digest, new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

func testSignRefused(t *testing.T, m hsm.Module) {
	for _, n := range []int{0, 20, 31, 33, 64} {
		_, err := m.Sign(t.Context(), hsm.TokenSigning, random(n))
		want(t, hsm.ClassInput, err)
	}
	for _, key := range []hsm.Key{"", "no-such-key", hsm.SeedKEK, hsm.RowMAC, hsm.DataKEK, hsm.Transport("x")} {
		_, err := m.Sign(t.Context(), key, random(32))
		want(t, hsm.ClassInput, err)
		_, err = m.Public(t.Context(), key)
		want(t, hsm.ClassInput, err)
	}
}
