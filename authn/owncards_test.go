package authn_test

import (
	"testing"

	"mohur/authn"
	"mohur/authn/card"
	"mohur/banktest"
	"mohur/ca"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens"
)

// ownHolder is a customer with an E-token of the bank's, whose key its authority
// certified.
func ownHolder(t *testing.T, b *banktest.Bank, serial string) (parties.Customer, *banktest.Card, ca.Certificate) {
	t.Helper()
	who := b.Customer()
	tk := b.EToken(serial, who.ID)
	c, issued := b.Certify(tk.ID, "P-256")
	var err error
	if c.Token, err = c.Give(b.BeginCard(who.ID, tokens.UseLogin, tk.ID)); err != nil {
		t.Fatal(err)
	}
	return who, c, issued
}

// Clause 4.3.2: E-tokens under the bank's own authority, which is made while the bank
// is at work; the authority's records are asked at every log-in, over no network.
func TestClause4_3_2_TokensOfTheBanksOwnAuthority(t *testing.T) {
	b := banktest.New(t)
	b.AllowOwnCards()
	early := b.Customer()
	sent := b.BeginCard(early.ID, tokens.UseLogin, "")
	stranger := b.AllowCards().NewCard("AZ1") // of a state that the own profile knows nothing of
	b.AllowOwnCards()
	if _, err := stranger.Give(sent); err == nil || b.Count("token.activation", "refused", string(card.NotTrusted)) != 1 {
		t.Fatalf("before there is an authority: %v", err)
	}
	b.MakeAuthority()
	who, c, _ := ownHolder(t, b, "0001")
	v, err := loginByCard(t, b, who.ID, c)
	if err != nil || v.Attempt.ACR != authn.Strong {
		t.Fatalf("%+v, %v", v.Attempt, err)
	}
}

// Revoked means refused at once, and the log says why.
func TestClause4_3_2_ARevokedETokenIsRefusedAtOnce(t *testing.T) {
	b := banktest.New(t)
	b.AllowOwnCards()
	b.MakeAuthority()
	who, c, _ := ownHolder(t, b, "0001")
	v := begin(t, b, who.ID) // with the card in hand
	nonce := cardOffer(t, v, authn.Card).Nonce
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: c.Token.ID, Move: tokens.Revoke, Reason: "stolen"}); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.Card, string(c.Answer(nonce))); !refused(err) || b.Count("authentication.answered", "refused", "token-revoked") != 1 {
		t.Errorf("after the token's end: %v", err)
	}
}

// The card its customer logs in with stays good until he has enrolled the next
// certificate: one operator does not take it from him. Then it is revoked, and nothing
// is held against its owner.
func TestClause4_3_2_RenewedAtTheBranch(t *testing.T) {
	b := banktest.New(t)
	b.AllowOwnCards()
	b.MakeAuthority()
	who, old, _ := ownHolder(t, b, "0001")
	next, _ := b.Certify(old.Token.ID, "P-384")
	if _, err := loginByCard(t, b, who.ID, old); err != nil {
		t.Errorf("the old certificate, while nobody has the new one: %v", err)
	}
	if tk, err := b.Enrollment.Token(t.Context(), old.Token.ID); err != nil || tk.State != tokens.Active || b.Count("credential.revoked", "", "") != 0 {
		t.Errorf("the token is %s, %v", tk.State, err)
	}
	if _, err := loginByCard(t, b, who.ID, next); !refused(err) {
		t.Errorf("the new one, which nobody has enrolled: %v", err)
	}
	if _, err := next.Give(b.BeginCard(who.ID, tokens.UseLogin, old.Token.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := loginByCard(t, b, who.ID, next); err != nil {
		t.Errorf("the new one: %v", err)
	}
	if _, err := loginByCard(t, b, who.ID, old); !refused(err) {
		t.Errorf("the old one afterwards: %v", err)
	}
	all, err := b.CA.Store.CertificatesOf(t.Context(), old.Token.ID)
	if err != nil || len(all) != 2 || all[0].RevokedAt.IsZero() || !all[1].RevokedAt.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
}

// Clause 5.20: what is enrolled on a token of the bank's is the certificate that was
// issued for it: not another token's, not a revoked one, not another authority's.
func TestClause5_20_OnlyTheIssuedCertificate(t *testing.T) {
	b := banktest.New(t)
	b.AllowOwnCards()
	b.MakeAuthority()
	who, other := b.Customer(), b.Customer()
	mine, his := b.EToken("0001", who.ID), b.EToken("0002", other.ID)
	replaced, _ := b.Certify(mine.ID, "P-256")
	right, _ := b.Certify(mine.ID, "P-256")
	foreign, _ := b.Certify(his.ID, "P-256")
	for reason, c := range map[string]*banktest.Card{"subject-is-not-the-token": foreign, string(card.Revoked): replaced} {
		if _, err := c.Give(b.BeginCard(who.ID, tokens.UseLogin, mine.ID)); err == nil || b.Count("token.activation", "refused", reason) != 1 {
			t.Errorf("%s: %v", reason, err)
		}
	}
	// His own token's certificate, on a card that is said to be one he brought along.
	if _, err := right.Give(b.BeginCard(who.ID, tokens.UseLogin, "")); err == nil || b.Count("token.activation", "refused", "subject-is-not-the-token") != 2 {
		t.Errorf("on another card: %v", err)
	}
	state := b.AllowCards()
	if _, err := state.NewCard("AZ1").Give(b.BeginCard(who.ID, tokens.UseLogin, mine.ID)); err == nil || b.Count("token.activation", "refused", "not-the-issued-certificate") != 1 {
		t.Errorf("a certificate of the state's: %v", err)
	}
	b.AllowOwnCards()
	if _, err := right.Give(b.BeginCard(who.ID, tokens.UseLogin, mine.ID)); err != nil {
		t.Errorf("the right one: %v", err)
	}
	if _, err := loginByCard(t, b, who.ID, right); err != nil {
		t.Error(err)
	}
}
