package ca_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"mohur/ca"
)

// What was being revoked while a list was made is in the next one.
func TestARevocationBesideAListIsInTheNext(t *testing.T) {
	b := newBank(t)
	root := b.create()
	c, _, err := func() (ca.Certificate, int, error) {
		c, o, err := b.issue("tk_1", request(t, ecKey(t, elliptic.P256())))
		return c, int(o), err
	}()
	if err != nil {
		t.Fatal(err)
	}
	effects, events, err := b.ca.Revoke(t.Context(), b.admin, "tk_1", ca.CessationOfOperation) // the HSM is slow: not settled yet
	if err != nil {
		t.Fatal(err)
	}
	b.Clock.Forward(2 * time.Second)
	if _, err := b.authority().CRL(t.Context()); err != nil { // somebody asks meanwhile, another node
		t.Fatal(err)
	}
	b.settle(effects, events)
	b.Clock.Forward(2 * time.Minute)
	der, err := b.authority().CRL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil || list.CheckSignatureFrom(root) != nil {
		t.Fatal(err)
	}
	if len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("two minutes after %s was revoked the list has %d entries", c.Serial, len(list.RevokedCertificateEntries))
	}
}
