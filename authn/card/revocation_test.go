package card_test

import (
	"context"
	"testing"
	"time"

	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

// What the issuer says of a certificate decides, before its signature is looked at.
func TestRevocation(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(*pkitest.Answer)
		want   card.Reason
		state  revocation.State
	}{
		{"good", nil, "", revocation.Good},
		{"unknown", func(a *pkitest.Answer) { a.Status = 2 }, card.StatusUnknown, revocation.Unknown},
		{"stale", func(a *pkitest.Answer) { a.This = today.Add(-time.Hour) }, card.StatusUnavailable, revocation.Unavailable},
		{"another's nonce", func(a *pkitest.Answer) { a.Nonce = append([]byte{4, 32}, make([]byte, 32)...) }, card.StatusUnavailable, revocation.Unavailable},
		{"away", func(a *pkitest.Answer) { a.Code = 503 }, card.StatusUnavailable, revocation.Unavailable},
		{"try later", func(a *pkitest.Answer) { a.Failure = 3 }, card.StatusUnavailable, revocation.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBank(t)
			b.responder.Change(c.answer)
			got := logIn(t, b.verifier(t), b.middle.Card(t, person))
			expect(t, got, c.want)
			if got.Status.State != c.state {
				t.Errorf("%+v", got.Status)
			}
		})
	}
}

// A card is revoked the moment its issuer says so, for whatever it is used. Of one that
// did not sign nobody is asked: its certificate is public.
func TestClause4_3_2_ARevokedCardIsRefused(t *testing.T) {
	b := newBank(t)
	p, signing := b.middle.Card(t, person), b.middle.SigningCard(t, person)
	b.responder.Revoke(p)
	b.responder.Revoke(signing)
	v := b.verifier(t, func(i *card.Issuer) { i.Signing = true })
	got := logIn(t, v, p)
	expect(t, got, card.Revoked)
	if got.Status.RevocationReason != "keyCompromise" {
		t.Errorf("%+v", got.Status)
	}
	unsigned := logIn(t, v, p, func(k *pkitest.Token) { k.Signature = make([]byte, 64) })
	expect(t, unsigned, card.WrongSignature)
	if unsigned.Status.State != "" {
		t.Errorf("asked: %+v", unsigned.Status)
	}
	expect(t, v.VerifyClient(context.Background(), card.ClientInput{Chain: certificates(p), At: today}), card.Revoked)
	text := []byte("a payment")
	expect(t, v.VerifySignature(context.Background(), card.SignatureInput{Response: signing.Signature(t, text), Text: text, At: today}), card.Revoked)
	unsigned = v.VerifySignature(context.Background(), card.SignatureInput{Response: signing.Signature(t, text), Text: []byte("another payment"), At: today})
	expect(t, unsigned, card.WrongSignature)
	if unsigned.Status.State != "" {
		t.Errorf("asked: %+v", unsigned.Status)
	}
}

// Nobody is there: refused, but for a grace that the profile states.
func TestAwayAndGrace(t *testing.T) {
	b := newBank(t)
	b.responder.Clock(func() time.Time { return today })
	p := b.middle.Card(t, person)
	in := func(at time.Time) card.TokenInput {
		return card.TokenInput{Token: p.Token(t, origin, nonce("x")), Nonce: nonce("x"), At: at}
	}
	strict := b.verifier(t)
	lenient := b.verifier(t, func(i *card.Issuer) { i.Revocation.Grace = time.Hour })
	for _, v := range []*card.Verifier{strict, lenient} {
		expect(t, v.VerifyToken(context.Background(), in(today)), "")
	}
	b.responder.Change(func(a *pkitest.Answer) { a.Code = 500 })
	expect(t, strict.VerifyToken(context.Background(), in(today.Add(10*time.Minute))), card.StatusUnavailable)
	got := lenient.VerifyToken(context.Background(), in(today.Add(10*time.Minute)))
	if expect(t, got, ""); !got.Status.InGrace {
		t.Errorf("%+v", got.Status)
	}
	expect(t, lenient.VerifyToken(context.Background(), in(today.Add(2*time.Hour))), card.StatusUnavailable)
}

// A context that has ended is not a reason to take a card.
func TestACancelledContextRefuses(t *testing.T) {
	b := newBank(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got := b.verifier(t).VerifyToken(ctx, card.TokenInput{Token: b.middle.Card(t, person).Token(t, origin, nonce("x")), Nonce: nonce("x"), At: today})
	expect(t, got, card.StatusUnavailable)
}

// Lists do as well.
func TestRevokedByAList(t *testing.T) {
	b := newBank(t)
	list := b.middle.CRL()
	list.Clock(func() time.Time { return today })
	address := serve(t, list)
	good, bad := b.middle.Card(t, person), b.middle.Card(t, person)
	list.Revoke(bad)
	v := b.verifier(t, func(i *card.Issuer) { i.Revocation = revocation.Rules{CRLs: []string{address}} })
	expect(t, logIn(t, v, good), "")
	expect(t, logIn(t, v, bad), card.Revoked)
}
