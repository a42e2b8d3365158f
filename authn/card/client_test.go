package card_test

import (
	"context"
	"crypto/x509"
	"testing"

	"mohur/authn/card"
	"mohur/authn/pkitest"
)

func client(v *card.Verifier, stored *card.Record, pairs ...*pkitest.Pair) card.Verdict {
	return v.VerifyClient(context.Background(), card.ClientInput{Chain: certificates(pairs...), At: today, Stored: stored})
}

// A client's certificate is held against all that a token's is.
func TestClients(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	p := b.middle.Card(t, person)
	got := client(v, nil, p, b.middle)
	expect(t, got, "")
	if got.Shown != card.ShownNone || got.Algorithm != "" || got.Record.Algorithm != "" || got.Record.Subject != person {
		t.Errorf("%+v", got)
	}
	expect(t, client(v, &got.Record, p), "")
	expect(t, client(v, &got.Record, b.middle.Card(t, person)), card.WrongCertificate)
	expect(t, client(v, nil, b.middle.SigningCard(t, person)), card.SigningOnly)
	expect(t, client(v, nil, b.middle.Card(t, person, pkitest.Kind("RSA-1024"))), card.WeakKey)
	expect(t, client(v, nil, b.middle.Card(t, person, pkitest.Dates(pkitest.From, pkitest.From))), card.Expired)
	expect(t, client(v, nil, b.middle.Card(t, person, pkitest.Extended(x509.ExtKeyUsageServerAuth))), card.ExtendedKeyUsage)
	expect(t, client(b.verifier(t, func(i *card.Issuer) { i.Algorithms = []string{"RS256"} }), nil, p), card.WrongAlgorithm)
	expect(t, client(b.verifier(t, func(i *card.Issuer) { i.LogIn, i.Signing = false, true }), nil, p), card.ProfileUse)
}

// What a client brings beside its own certificate counts for nothing: not to reach
// a root over an authority that the bank took out, and not as a root.
func TestClientsBringNoAuthorities(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	taken := b.root.Authority(t, "Taken out")
	expect(t, client(v, nil, taken.Card(t, person), taken, b.root), card.NotTrusted)
	other := pkitest.Root(t, "Other")
	expect(t, client(v, nil, other.Card(t, person), other), card.NotTrusted)
}

// The bytes are judged: a certificate that was changed after it was parsed is what
// its bytes are.
func TestClientsAreJudgedByTheirBytes(t *testing.T) {
	b := fix(t)
	forged := *b.middle.SigningCard(t, person).Certificate
	forged.KeyUsage = x509.KeyUsageDigitalSignature
	got := b.verifier(t).VerifyClient(context.Background(), card.ClientInput{Chain: []*x509.Certificate{&forged}, At: today})
	expect(t, got, card.SigningOnly)
}
