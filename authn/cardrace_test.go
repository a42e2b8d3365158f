package authn_test

import (
	"bytes"
	"testing"

	"mohur/authn"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/problem"
	"mohur/tokens"
)

// One answer sent many times at once grants once, and each grant is a use.
func TestClause5_3_6_OneTokenGrantsOnce(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	v := begin(t, b, who.ID)
	token := string(c.Answer(cardOffer(t, v, authn.Card).Nonce))
	const n = 8
	granted := make(chan bool, n)
	for range n {
		go func() {
			got, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.Card, Secret: token})
			granted <- err == nil && got.Session != nil
		}()
	}
	total := 0
	for range n {
		if <-granted {
			total++
		}
	}
	if total != 1 {
		t.Errorf("%d were granted", total)
	}
	if _, err := loginByCard(t, b, who.ID, c); err != nil {
		t.Fatal(err)
	}
	rows, err := b.Store.Hot(t.Context(), c.Token.Credentials[0])
	if err != nil || rows[0].Hot.Counter != 2 {
		t.Errorf("%d uses, %v", rows[0].Hot.Counter, err)
	}
}

// An issuer that does not answer holds up as many cards as are judged at once, and no
// more: the others are told to come back, and nothing of theirs is judged or spent.
func TestAttack03_AnIssuerThatHangsHoldsUpABoundedNumber(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	_, stranger := state.CardHolder()
	const most, more = 64, 16
	var attempts []authn.View
	for len(attempts) < most+more {
		who, _ := state.CardHolder()
		for range 16 { // a customer has no more than twenty open
			attempts = append(attempts, begin(t, b, who.ID))
		}
	}
	free := make(chan struct{})
	state.Responder.Change(func(*pkitest.Answer) { <-free })
	type outcome struct {
		attempt string
		err     error
	}
	done := make(chan outcome, len(attempts))
	for _, v := range attempts {
		token := string(stranger.Answer(cardOffer(t, v, authn.Card).Nonce))
		go func() {
			_, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.Card, Secret: token})
			done <- outcome{v.Attempt.ID, err}
		}()
	}
	for range more {
		o := <-done
		if !problem.Is(o.err, problem.TooMany) {
			t.Fatalf("%v", o.err)
		}
		if a, err := b.Store.Attempt(t.Context(), o.attempt); err != nil || a.State != authn.Pending || len(a.Offers) != 1 || a.Answers != 0 {
			t.Errorf("%+v, %v", a, err)
		}
	}
	close(free)
	for range most {
		if o := <-done; !refused(o.err) {
			t.Errorf("%v", o.err)
		}
	}
}

// Clause 5.27: a thief's certificate in the record of a victim's credential is found,
// and logs nobody in.
func TestClause5_27_AThiefsCertificateInTheStore(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	victim, c := state.CardHolder()
	_, thief := state.CardHolder()
	id, theirs := c.Token.Credentials[0], thief.Token.Credentials[0]
	put(b, "credential", id, bytes.ReplaceAll(row(b, "credential", theirs), []byte(theirs), []byte(id)))
	for range 2 {
		v := begin(t, b, victim.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.Card, string(thief.Answer(cardOffer(t, v, authn.Card).Nonce))); !refused(err) {
			t.Fatalf("%v", err)
		}
	}
	if q, i := b.Count("credential.quarantined", "", ""), b.Count("incident.opened", "", ""); q != 1 || i != 1 {
		t.Errorf("%d quarantines and %d incidents", q, i)
	}
	// Nor does a certificate for documents that is made one for logging in.
	who, login := state.CardHolder()
	signer := state.NewSigner(login.Subject.SerialNumber)
	b.EnrolCard(signer, who.ID, tokens.UseSign)
	id = signer.Token.Credentials[0]
	put(b, "credential", id, bytes.ReplaceAll(row(b, "credential", id), []byte(`"card_use":"sign"`), []byte(`"card_use":"login"`)))
	v := begin(t, b, who.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.Card, string(signer.Answer(cardOffer(t, v, authn.Card).Nonce))); !refused(err) {
		t.Errorf("%v", err)
	}
}
