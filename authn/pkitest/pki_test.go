package pkitest_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"mohur/authn/pkitest"
)

// What is made here is what another reader says it is.
func TestMade(t *testing.T) {
	root := pkitest.Root(t, "Root", pkitest.Kind("RSA-2048"))
	middle := root.Authority(t, "Middle", pkitest.Kind("P-384"))
	card := middle.Card(t, "AZE1", pkitest.Policies("1.2.3.4"))
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root.Certificate)
	between.AddCert(middle.Certificate)
	chains, err := card.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil || len(chains) != 1 || len(chains[0]) != 3 {
		t.Fatal(chains, err)
	}
	if card.Subject.SerialNumber != "AZE1" || card.KeyUsage != x509.KeyUsageDigitalSignature || card.Policies[0].String() != "1.2.3.4" {
		t.Errorf("%+v", card.Subject)
	}
}

func ask(t *testing.T, address string, card, issuer *pkitest.Pair) (*ocsp.Response, error) {
	t.Helper()
	q, err := ocsp.CreateRequest(card.Certificate, issuer.Certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(address, "application/ocsp-request", bytes.NewReader(q))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	der, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return ocsp.ParseResponseForCert(der, card.Certificate, issuer.Certificate)
}

func TestResponder(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "P-521", "RSA-2048"} {
		root := pkitest.Root(t, "Root", pkitest.Kind(kind))
		card, other := root.Card(t, "AZE1"), root.Card(t, "AZE2")
		r := root.OCSP()
		s := httptest.NewServer(r)
		defer s.Close()
		if got, err := ask(t, s.URL, card, root); err != nil || got.Status != ocsp.Good || time.Since(got.ThisUpdate) > time.Minute {
			t.Fatalf("%s: %+v, %v", kind, got, err)
		}
		r.Revoke(card)
		if got, err := ask(t, s.URL, card, root); err != nil || got.Status != ocsp.Revoked || got.RevocationReason != ocsp.KeyCompromise {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
		delegate := root.Responding(t, "Responder")
		r.Change(func(a *pkitest.Answer) {
			a.Status, a.Signer, a.With, a.Next = 2, delegate, []*pkitest.Pair{delegate}, time.Time{}
		})
		if got, err := ask(t, s.URL, other, root); err != nil || got.Status != ocsp.Unknown || got.Certificate == nil || !got.NextUpdate.IsZero() {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
		r.Change(func(a *pkitest.Answer) { a.Failure = 3 })
		if got, err := ask(t, s.URL, other, root); err == nil {
			t.Errorf("%s: tryLater read as %+v", kind, got)
		}
		if r.Asked() != 4 {
			t.Errorf("asked %d times", r.Asked())
		}
	}
}

func TestList(t *testing.T) {
	root := pkitest.Root(t, "Root")
	l := root.CRL()
	l.Revoke(root.Card(t, "AZE1"))
	s := httptest.NewServer(l)
	defer s.Close()
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	der, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	read := func(der []byte) (*x509.RevocationList, error) {
		got, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		return got, got.CheckSignatureFrom(root.Certificate)
	}
	if got, err := read(der); err != nil || len(got.RevokedCertificateEntries) != 1 || got.Number.Int64() != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	l.SignedBy(pkitest.Root(t, "Root"))
	if got, err := read(l.DER(t)); err == nil {
		t.Errorf("signed by another: %+v", got)
	}
}
