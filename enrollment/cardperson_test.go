package enrollment_test

import (
	"testing"

	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/tokens"
)

// revoke ends a card as the bank does when it is lost.
func revoke(t *testing.T, b *banktest.Bank, c *banktest.Card) {
	t.Helper()
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: c.Token.ID, Move: tokens.Revoke, Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
}

// A person stays one customer's while any certificate of his is in use there, not only
// the one that was enrolled last.
func TestAttack10_APersonIsNotTwoCustomersAfterOneRevocation(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	for name, use := range map[string]string{"log-in": tokens.UseLogin, "documents": tokens.UseSign} {
		t.Run(name, func(t *testing.T) {
			person := "AZ100" + use
			who, first, second := b.Customer(), state.NewCard(person), state.NewCard(person)
			if use == tokens.UseSign {
				second = state.NewSigner(person)
			}
			b.EnrolCard(first, who.ID, tokens.UseLogin)
			b.EnrolCard(second, who.ID, use)
			revoke(t, b, second)
			if !cardLogsIn(t, b, who.ID, first) {
				t.Fatal("the first card does not log in")
			}
			thief, had := b.Customer(), b.Count("token.activation", "refused", "subject-of-another")
			if _, err := first.Give(b.BeginCard(thief.ID, "", "")); !oneRefusal(err) || b.Count("token.activation", "refused", "subject-of-another") != had+1 {
				t.Errorf("one certificate for two customers: %v", err)
			}
			if cardLogsIn(t, b, thief.ID, first) {
				t.Error("one certificate logs in as two customers")
			}
			revoke(t, b, first)
			next := state.NewCard(person)
			b.EnrolCard(next, thief.ID, tokens.UseLogin)
			if !cardLogsIn(t, b, thief.ID, next) {
				t.Error("all are revoked, and the person is still kept")
			}
		})
	}
}

// A key that signs documents signs any hash a page asks for, so it does not log in under
// another certificate either.
func TestAttack08_OneKeyUnderTwoCertificates(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := b.Customer(), state.NewCard("AZ100")
	b.EnrolCard(c, who.ID, tokens.UseLogin)
	signer := state.NewSigner("AZ100", func(x *pkitest.Template) { x.With = c.Key })
	if _, err := signer.Give(b.BeginCard(who.ID, tokens.UseSign, "")); !oneRefusal(err) || b.Count("token.activation", "refused", "key-of-another-use") != 1 {
		t.Errorf("the key of a log-in certificate for documents, too: %v", err)
	}
	other := state.NewSigner("AZ100")
	b.EnrolCard(other, who.ID, tokens.UseSign)
	login := state.NewCard("AZ100", func(x *pkitest.Template) { x.With = other.Key })
	if _, err := login.Give(b.BeginCard(who.ID, "", "")); !oneRefusal(err) || b.Count("token.activation", "refused", "key-of-another-use") != 2 {
		t.Errorf("the key of a certificate for documents for log-in, too: %v", err)
	}
}

// A certificate that is revoked because the next one is enrolled has its entry.
func TestClause5_21_ASupersededCertificateHasAnEntry(t *testing.T) {
	b := banktest.New(t)
	b.AllowOwnCards()
	b.MakeAuthority()
	who := b.Customer()
	tk := b.EToken("0001", who.ID)
	first, _ := b.Certify(tk.ID, "P-256")
	if _, err := first.Give(b.BeginCard(who.ID, tokens.UseLogin, tk.ID)); err != nil {
		t.Fatal(err)
	}
	next, _ := b.Certify(tk.ID, "P-256")
	had := b.Count("certificate.revoke", "revoked", "")
	if _, err := next.Give(b.BeginCard(who.ID, tokens.UseLogin, tk.ID)); err != nil {
		t.Fatal(err)
	}
	if n := b.Count("certificate.revoke", "revoked", "") - had; n != 1 {
		t.Errorf("%d entries", n)
	}
}
