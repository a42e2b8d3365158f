package card_test

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

// own is an authority's records, which say what they are told to.
type own struct {
	root   *x509.Certificate
	away   error
	status revocation.State
	asked  int
}

func (o *own) Authority(context.Context) (*x509.Certificate, error) { return o.root, o.away }

func (o *own) Status(_ context.Context, _ *x509.Certificate, at time.Time) revocation.Status {
	o.asked++
	return revocation.Status{State: o.status, Source: revocation.SourceOwn, CheckedAt: at}
}

// The bank's own authority is found as soon as it is there, and says itself what is in
// force; whatever it does not say refuses.
func TestTheBanksOwnAuthority(t *testing.T) {
	root, other := pkitest.Root(t, "Own"), pkitest.Root(t, "Other")
	person, stranger := root.Card(t, "tk_1"), other.Card(t, "tk_1")
	o := &own{status: revocation.Good}
	v, err := card.New(card.Settings{Origins: []string{origin}, Status: &revocation.Checker{}, Issuers: []card.Issuer{
		{Name: "bank", Own: o, Subject: "serialNumber", LogIn: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	judge := func(p *pkitest.Pair) card.Verdict {
		return v.VerifyToken(t.Context(), card.TokenInput{Token: p.Token(t, origin, nonce("x")), Nonce: nonce("x"), At: time.Now()})
	}
	if got := judge(person); got.OK || got.Reason != card.NotTrusted || !strings.Contains(got.Detail, "has not made its authority") {
		t.Errorf("before there is one: %+v", got)
	}
	o.away = errors.New("disk")
	if got := judge(person); got.OK || got.Reason != card.StatusUnavailable {
		t.Errorf("its records away: %+v", got)
	}
	o.away, o.root = nil, person.Certificate
	if got := judge(person); got.OK || got.Reason != card.WeakChain {
		t.Errorf("no authority's certificate: %+v", got)
	}
	o.root = root.Certificate
	if got := judge(stranger); got.OK || got.Reason != card.NotTrusted || o.asked != 0 {
		t.Errorf("another authority's: %+v", got)
	}
	got := judge(person)
	if !got.OK || got.Record.Issuer != "bank" || got.Record.Subject != "tk_1" || got.Status.Source != revocation.SourceOwn || o.asked != 1 {
		t.Errorf("its own: %+v", got)
	}
	for state, want := range map[revocation.State]card.Reason{
		revocation.Revoked: card.Revoked, revocation.Unknown: card.StatusUnknown, revocation.Unavailable: card.StatusUnavailable, "": card.StatusUnavailable,
	} {
		o.status = state
		if got := judge(person); got.OK || got.Reason != want {
			t.Errorf("%q: %+v", state, got)
		}
	}
	// A renewed authority counts at once, and the one before no longer.
	o.status, o.root = revocation.Good, other.Certificate
	if got := judge(stranger); !got.OK {
		t.Errorf("of the renewed authority: %+v", got)
	}
	if got := judge(person); got.OK || got.Reason != card.NotTrusted {
		t.Errorf("of the one before: %+v", got)
	}
	o.away = errors.New("disk")
	if got := judge(stranger); got.OK || got.Reason != card.StatusUnavailable {
		t.Errorf("its records away later: %+v", got)
	}
	_, err = card.New(card.Settings{Origins: []string{origin}, Status: &revocation.Checker{}, Issuers: []card.Issuer{
		{Name: "bank", Own: o, Roots: []*x509.Certificate{root.Certificate}, Subject: "serialNumber", LogIn: true},
	}})
	if err == nil || !strings.Contains(err.Error(), "leave roots") {
		t.Errorf("with roots: %v", err)
	}
}
