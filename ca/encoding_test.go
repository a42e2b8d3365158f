package ca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"mohur/settle"
)

// The same key in another encoding is the same key.
func TestOneKeyInTwoEncodingsIsCertifiedOnce(t *testing.T) {
	b := newBank(t)
	b.create()
	key := ecKey(t, elliptic.P256())
	if _, outcome, err := b.issue("tk_1", request(t, key)); err != nil || outcome != settle.Done {
		t.Fatal(outcome, err)
	}
	// SubjectPublicKeyInfo with one more element at its end, which encoding/asn1 passes over.
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(spki, &inner); err != nil {
		t.Fatal(err)
	}
	seq := func(parts ...[]byte) []byte {
		var body []byte
		for _, p := range parts {
			body = append(body, p...)
		}
		der, err := asn1.Marshal(asn1.RawValue{Class: 0, Tag: 16, IsCompound: true, Bytes: body})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	longer := seq(inner.Bytes, []byte{5, 0})
	tbs := seq([]byte{2, 1, 0}, []byte{0x30, 0}, longer, []byte{0xa0, 0})
	sum := sha256.Sum256(tbs)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	alg, _ := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2})
	bits, _ := asn1.Marshal(asn1.BitString{Bytes: sig, BitLength: len(sig) * 8})
	der := seq(tbs, seq(alg), bits)
	if _, outcome, err := b.issue("tk_2", der); err == nil && outcome == settle.Done {
		t.Error("one key was certified for two tokens")
	} else {
		t.Log(outcome, err)
	}
}
