package revocation

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"mohur/authn/pkitest"
)

var fuzzAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// FuzzResponse: what is accepted has its nonce, its certificate, a known signer
// and a state on which x/crypto/ocsp, which is not ours, agrees.
func FuzzResponse(f *testing.F) {
	ca := pkitest.Root(f, "CA")
	card, delegate := ca.Card(f, "PNOAZ-1"), ca.Responding(f, "r")
	c := &Checker{}
	c.start()
	q := question{leaf: card.Certificate, issuer: ca.Certificate, at: fuzzAt, nonce: make([]byte, nonceSize)}
	var err error
	if q.id, err = newCertID(card.Certificate, ca.Certificate, 0); err != nil {
		f.Fatal(err)
	}
	request, err := q.marshal()
	if err != nil {
		f.Fatal(err)
	}
	r := ca.OCSP()
	r.Clock(func() time.Time { return fuzzAt })
	for _, change := range []func(*pkitest.Answer){
		nil,
		func(a *pkitest.Answer) { a.Status, a.RevokedAt, a.Reason = 1, fuzzAt, 1 },
		func(a *pkitest.Answer) { a.Status = 2 },
		func(a *pkitest.Answer) { a.Signer, a.With = delegate, []*pkitest.Pair{delegate} },
		func(a *pkitest.Answer) { a.Copies = 2 },
		func(a *pkitest.Answer) { a.Failure = 3 },
		func(a *pkitest.Answer) { a.Nonce, a.Next = nil, time.Time{} },
	} {
		r.Change(change)
		der, _, err := r.Answer(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := c.judge(t.Context(), der, q)
		if err != nil {
			if s != (Status{}) {
				t.Fatalf("an error and a status: %v", s)
			}
			return
		}
		theirs, err := ocsp.ParseResponseForCert(der, card.Certificate, nil)
		if err != nil {
			t.Fatalf("x/crypto/ocsp does not read it: %v", err)
		}
		want := map[int]State{ocsp.Good: Good, ocsp.Revoked: Revoked, ocsp.Unknown: Unknown}[theirs.Status]
		if s.State != want || !s.ThisUpdate.Equal(theirs.ThisUpdate) || !s.NextUpdate.Equal(theirs.NextUpdate) {
			t.Fatalf("%+v, x/crypto/ocsp says %+v", s, theirs)
		}
	})
}

// FuzzParseResponse mutates what no signature guards.
func FuzzParseResponse(f *testing.F) {
	ca := pkitest.Root(f, "CA")
	r := ca.OCSP()
	q := question{leaf: ca.Card(f, "PNOAZ-1").Certificate, issuer: ca.Certificate, nonce: make([]byte, nonceSize)}
	q.id, _ = newCertID(q.leaf, q.issuer, 0)
	request, _ := q.marshal()
	der, _, err := r.Answer(request)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := parseResponse(der)
		if (r == nil) == (err == nil) {
			t.Fatal("a response and an error, or neither")
		}
		if err == nil && (r.state == "" || r.id.serial == nil || r.algorithm == 0 || r.thisUpdate.IsZero() && r.thisUpdate.Year() != 1) {
			t.Fatalf("%+v is accepted", r)
		}
	})
}

// FuzzList: a list that is accepted is the issuer's and answers for a serial.
func FuzzList(f *testing.F) {
	ca := pkitest.Root(f, "CA")
	card := ca.Card(f, "PNOAZ-1")
	l := ca.CRL()
	f.Add(l.DER(f))
	l.Revoke(card)
	f.Add(l.DER(f))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.DER(f)}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := parseList(raw, ca.Certificate)
		if (l == nil) == (err == nil) {
			t.Fatal("a list and an error, or neither")
		}
		// What the signature guards, too.
		if crl, fault := x509.ParseRevocationList(raw); fault == nil {
			u := &list{number: crl.Number, thisUpdate: crl.ThisUpdate, nextUpdate: crl.NextUpdate}
			if u.readExtensions(crl.Extensions) == nil && u.readEntries(crl.RevokedCertificateEntries) == nil {
				u.covers(card.Certificate)
				if u.older(u) {
					t.Fatal("a list is older than itself")
				}
			}
		}
	})
}

// FuzzScope reads issuing distribution points, which the list's signature guards.
func FuzzScope(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Add([]byte{0x30, 3, 0x81, 1, 0xff})
	f.Add([]byte("\x30\x0e\xa0\x0c\xa0\x0a\x86\x08http://a"))
	f.Fuzz(func(t *testing.T, value []byte) {
		var s scope
		if s.read(value) == nil && s.hash == [32]byte{} {
			t.Fatal("a scope without its hash")
		}
	})
}
