package card_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

const (
	origin = "https://login.bank.example"
	person = "PNOAZ-5AB12CD"
	policy = "1.3.6.1.4.1.99999.1.1"
)

var today = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// bank is a bank that takes the cards of one state: a root, an authority below
// it, and that authority's OCSP responder.
type bank struct {
	root, middle *pkitest.Pair
	responder    *pkitest.Responder
	address      string
}

// shared is one bank for the tests that only add certificates to it.
var shared struct {
	sync.Once
	bank *bank
}

func fix(t testing.TB) *bank {
	t.Helper()
	shared.Do(func() { shared.bank = newBank(t) })
	return shared.bank
}

func newBank(t testing.TB, changes ...pkitest.Change) *bank {
	t.Helper()
	return bankBelow(t, pkitest.Root(t, "State Root"), changes...)
}

func bankBelow(t testing.TB, root *pkitest.Pair, changes ...pkitest.Change) *bank {
	t.Helper()
	b := &bank{root: root}
	b.middle = b.root.Authority(t, "State Cards", changes...)
	b.responder = b.middle.OCSP()
	b.responder.Clock(func() time.Time { return today })
	b.address = httptest.NewServer(b.responder).URL // for as long as the tests run
	return b
}

func (b *bank) profile() card.Issuer {
	return card.Issuer{
		Name: "state", Roots: certificates(b.root), Intermediates: certificates(b.middle), Subject: "serialNumber", LogIn: true,
		Revocation: revocation.Rules{OCSP: true, Responders: []string{b.address}},
	}
}

func certificates(pairs ...*pkitest.Pair) (list []*x509.Certificate) {
	for _, p := range pairs {
		list = append(list, p.Certificate)
	}
	return list
}

func (b *bank) settings(changes ...func(*card.Issuer)) card.Settings {
	p := b.profile()
	for _, change := range changes {
		change(&p)
	}
	return card.Settings{Origins: []string{origin}, Issuers: []card.Issuer{p}, Status: &revocation.Checker{Now: func() time.Time { return today }}}
}

func (b *bank) verifier(t testing.TB, changes ...func(*card.Issuer)) *card.Verifier {
	t.Helper()
	return verifier(t, b.settings(changes...))
}

func verifier(t testing.TB, s card.Settings) *card.Verifier {
	t.Helper()
	v, err := card.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func nonce(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// logIn has the card answer a log-in.
func logIn(t testing.TB, v *card.Verifier, p *pkitest.Pair, changes ...func(*pkitest.Token)) card.Verdict {
	t.Helper()
	n := nonce("a log-in")
	return v.VerifyToken(context.Background(), card.TokenInput{Token: p.Token(t, origin, n, changes...), Nonce: n, At: today})
}

// expect holds a verdict against a reason, "" for a good one. A refusal carries
// nothing that could be taken for evidence.
func expect(t testing.TB, got card.Verdict, reason card.Reason) {
	t.Helper()
	switch {
	case got.Reason != reason, got.OK != (reason == ""):
		t.Errorf("got %t %q (%s), not %q", got.OK, got.Reason, got.Detail, reason)
	case got.OK && (got.Record.Subject == "" || got.Record.Issuer == "" || got.Shown == "" || !got.Status.Good()):
		t.Errorf("good without evidence: %+v", got)
	case !got.OK && (got.Record.Subject != "" || got.Record.Certificate != nil || got.Shown != "" || got.CMS != nil || got.Algorithm != "" || got.Origin != ""):
		t.Errorf("refused with evidence: %+v", got)
	case !got.OK && got.Detail == "":
		t.Errorf("%s without a detail", reason)
	}
}

const sha = crypto.SHA256

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
