package authn_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// cardOffer returns what an attempt asks of cards by a method.
func cardOffer(t *testing.T, v authn.View, m authn.Method) authn.Offer {
	t.Helper()
	i := slices.IndexFunc(v.Attempt.Offers, func(o authn.Offer) bool { return o.Method == m })
	if i < 0 {
		t.Fatalf("no %s is offered: %+v", m, v.Attempt.Offers)
	}
	return v.Attempt.Offers[i]
}

func loginByCard(t *testing.T, b *banktest.Bank, customer string, c *banktest.Card, changes ...func(*pkitest.Token)) (authn.View, error) {
	t.Helper()
	v := begin(t, b, customer)
	return answer(t, b, v.Attempt.ID, authn.Card, string(c.Answer(cardOffer(t, v, authn.Card).Nonce, changes...)))
}

func TestClause5_18_ACardIsTwoFactors(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	v := begin(t, b, who.ID)
	o := cardOffer(t, v, authn.Card)
	if len(v.Attempt.Ways) != 1 || len(v.Attempt.Ways[0]) != 1 || o.Nonce != base64.StdEncoding.EncodeToString(v.Attempt.SHA256) || o.Origin != banktest.Issuer || len(o.Credentials) != 1 {
		t.Fatalf("offered: %v %+v", v.Attempt.Ways, o)
	}
	got, err := answer(t, b, v.Attempt.ID, authn.Card, string(c.Answer(o.Nonce)))
	if err != nil || got.Attempt.ACR != authn.Strong || got.Session == nil || strings.Join(got.Attempt.AMR, " ") != "hwk mfa pin sc" || got.Attempt.Shown != tokens.ShownNone {
		t.Fatalf("%+v, %v", got.Attempt, err)
	}
	c.Format = "mohur:1"
	if got, err := loginByCard(t, b, who.ID, c); err != nil || got.Attempt.Shown != tokens.ShownAgent {
		t.Errorf("by the agent: %+v, %v", got.Attempt, err)
	}
	// Of an act's data the agent shows a fingerprint: nobody has seen what it is.
	act, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: who.ID, Purpose: authn.Action, Action: &authn.NamedAction{Name: "customer.pin", Data: []byte("{}")}, Channel: parties.Internet,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err = answer(t, b, act.Attempt.ID, authn.Card, string(c.Answer(cardOffer(t, act, authn.Card).Nonce)))
	if err != nil || got.Attempt.State != authn.Granted || got.Attempt.Shown != tokens.ShownNone {
		t.Errorf("an act: %+v, %v", got.Attempt, err)
	}
}

// Every kind of key that cards have.
func TestClause4_3_2_CardsOfEveryKind(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	for _, kind := range []string{"RSA-2048", "RSA-3072", "P-256", "P-384"} {
		who, c := state.CardHolder(pkitest.Kind(kind))
		if _, err := loginByCard(t, b, who.ID, c); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A nonce is spent by a good and by a bad answer alike. What else the customer has
// serves on in the same attempt.
func TestAttack08_ANonceServesOneAnswer(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()

	v := begin(t, b, who.ID)
	token := string(c.Answer(cardOffer(t, v, authn.Card).Nonce))
	if _, err := answer(t, b, v.Attempt.ID, authn.Card, token); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.Card, token); !refused(err) {
		t.Errorf("the same token again: %v", err)
	}
	other := begin(t, b, who.ID)
	if _, err := answer(t, b, other.Attempt.ID, authn.Card, token); !refused(err) || b.Count("authentication.answered", "refused", string(card.WrongSignature)) != 1 {
		t.Errorf("for another attempt: %v", err)
	}
	good := string(c.Answer(cardOffer(t, other, authn.Card).Nonce))
	if _, err := answer(t, b, other.Attempt.ID, authn.Card, good); !refused(err) || b.Count("authentication.answered", "refused", "attempt-closed") != 2 {
		t.Errorf("a good answer after a bad one: %v", err)
	}
	if a, err := b.Store.Attempt(t.Context(), other.Attempt.ID); err != nil || a.State != authn.Denied || len(a.Offers) != 0 || len(a.Ways) != 0 {
		t.Errorf("no way is left: %+v, %v", a, err)
	}

	person, device := b.Person(pskc.HOTP)
	second := state.NewCard("AZSECOND")
	b.EnrolCard(second, person.ID, tokens.UseLogin)
	v = begin(t, b, person.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.Card, "{}"); !refused(err) {
		t.Fatal(err)
	}
	a, err := b.Store.Attempt(t.Context(), v.Attempt.ID)
	if err != nil || a.State != authn.Pending || slices.ContainsFunc(a.Offers, func(o authn.Offer) bool { return o.Method == authn.Card }) {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.Card, string(second.Answer(cardOffer(t, v, authn.Card).Nonce))); !refused(err) || b.Count("authentication.answered", "refused", "not-offered") != 1 {
		t.Errorf("the spent nonce: %v", err)
	}
	if got, err := answer(t, b, v.Attempt.ID, authn.OTP, device.HOTP()); err != nil || got.Session == nil {
		t.Errorf("the other way: %v", err)
	}
}

// Whatever is wrong, the caller is told the one refusal and the log the cause; and
// nothing of it locks the card: there is nothing to guess.
func TestAttack08_WhatACardIsRefusedFor(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	other := pkitest.Root(t, "Another State")
	stranger := state.NewCard(c.Subject.SerialNumber)
	signing := state.NewSigner(c.Subject.SerialNumber)
	weak := state.NewCard(c.Subject.SerialNumber, pkitest.Kind("RSA-1024"))
	foreign := other.Card(t, c.Subject.SerialNumber)
	for name, try := range map[string]struct {
		answer func(nonce string) []byte
		cause  card.Reason
	}{
		"another origin":     {func(n string) []byte { return c.Pair.Token(t, "https://bank.test.evil.example", n) }, card.WrongSignature},
		"another nonce":      {func(string) []byte { return c.Answer(base64.StdEncoding.EncodeToString(make([]byte, 32))) }, card.WrongSignature},
		"another's card":     {func(n string) []byte { return stranger.Answer(n) }, card.WrongCertificate},
		"another key":        {func(n string) []byte { return stranger.Answer(n, func(k *pkitest.Token) { k.Certificate = c.Raw }) }, card.WrongSignature},
		"a signing-only one": {func(n string) []byte { return signing.Answer(n) }, card.SigningOnly},
		"a weak key":         {func(n string) []byte { return weak.Answer(n) }, card.WeakKey},
		"another authority":  {func(n string) []byte { return foreign.Token(t, banktest.Issuer, n) }, card.NotTrusted},
		"no token":           {func(string) []byte { return []byte(`{"no":"token"}`) }, card.MalformedToken},
		"a bare format":      {func(n string) []byte { return c.Answer(n, func(k *pkitest.Token) { k.Format = "web-eid:10" }) }, card.WrongFormat},
	} {
		t.Run(name, func(t *testing.T) {
			had := b.Count("authentication.answered", "refused", string(try.cause))
			v := begin(t, b, who.ID)
			_, err := answer(t, b, v.Attempt.ID, authn.Card, string(try.answer(cardOffer(t, v, authn.Card).Nonce)))
			if !refused(err) || b.Count("authentication.answered", "refused", string(try.cause)) != had+1 {
				t.Errorf("%v; the log: %v", err, b.Entries()[len(b.Entries())-1].Reason)
			}
		})
	}
	for range 12 { // more than any lock takes
		if _, err := loginByCard(t, b, who.ID, stranger); !refused(err) {
			t.Fatal(err)
		}
	}
	if _, err := loginByCard(t, b, who.ID, c); err != nil {
		t.Errorf("the card is as good as before: %v", err)
	}
}

// A certificate is judged anew at every answer: what was enrolled does not stay good.
func TestAttack10_AnEnrolledCardExpires(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	soon := b.Clock.Now().Add(time.Hour)
	who, c := state.CardHolder(pkitest.Dates(pkitest.From, soon))
	if _, err := loginByCard(t, b, who.ID, c); err != nil {
		t.Fatal(err)
	}
	b.Clock.Forward(2 * time.Hour)
	if _, err := loginByCard(t, b, who.ID, c); !refused(err) || b.Count("authentication.answered", "refused", string(card.Expired)) != 1 {
		t.Errorf("expired: %v", err)
	}
}

// A card that its issuer has revoked is suspended here by the first answer, with an
// incident and a notice, and its sessions end.
func TestAttack10_ARevokedCardIsSuspended(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	session, err := loginByCard(t, b, who.ID, c)
	if err != nil {
		t.Fatal(err)
	}
	state.Responder.Revoke(c.Pair)
	if _, err := loginByCard(t, b, who.ID, c); !refused(err) || b.Count("authentication.answered", "refused", string(card.Revoked)) != 1 {
		t.Fatalf("revoked: %v", err)
	}
	suspended(t, b, &banktest.Key{Token: c.Token}, "credential.revoked")
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), session.Session.AccessToken, nil); err == nil {
		t.Error("the session outlives its card")
	}
	if _, err := loginByCard(t, b, who.ID, c); !refused(err) || b.Count("authentication.answered", "refused", "token-suspended") != 1 {
		t.Errorf("suspended: %v", err)
	}
	// Somebody else's revoked card does nothing to this one.
	victim, mine := state.CardHolder()
	if _, err := loginByCard(t, b, victim.ID, c); !refused(err) || b.Count("token.suspend", "", "") != 1 {
		t.Errorf("a stranger's revoked card: %v", err)
	}
	if _, err := loginByCard(t, b, victim.ID, mine); err != nil {
		t.Errorf("the victim's: %v", err)
	}
}

// An issuer who does not answer is a refusal, not an outage of the bank, and nothing
// is suspended by it.
func TestAttack10_AnIssuerThatIsAway(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	state.Server.CloseClientConnections()
	state.Responder.Change(func(a *pkitest.Answer) { a.Failure = 3 }) // tryLater
	if _, err := loginByCard(t, b, who.ID, c); !refused(err) || b.Count("authentication.answered", "refused", string(card.StatusUnavailable)) != 1 {
		t.Fatalf("away: %v", err)
	}
	state.Responder.Change(func(a *pkitest.Answer) { a.Status = 2 }) // unknown
	if _, err := loginByCard(t, b, who.ID, c); !refused(err) || b.Count("authentication.answered", "refused", string(card.StatusUnknown)) != 1 {
		t.Errorf("unknown: %v", err)
	}
	state.Responder.Change(nil)
	if _, err := loginByCard(t, b, who.ID, c); err != nil || b.Count("token.suspend", "", "") != 0 {
		t.Errorf("back: %v", err)
	}
}

// What is not a customer's is judged like what is: the issuer is asked about a
// stranger's card for a decoy as for a customer, so neither time nor his log tells.
func TestClause5_22_DecoysAreAskedForCards(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	real := shape(begin(t, b, who.ID).Attempt)
	found := 0
	for i := range 200 {
		id := "nobody-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		v := begin(t, b, id)
		if shape(v.Attempt) != real {
			continue
		}
		if found++; found > 3 {
			break
		}
		if again := begin(t, b, id); !slices.Equal(again.Attempt.Offers[0].Credentials, v.Attempt.Offers[0].Credentials) {
			t.Fatalf("%s is not stable", id)
		}
		asked := state.Responder.Asked()
		if _, err := answer(t, b, v.Attempt.ID, authn.Card, string(c.Answer(cardOffer(t, v, authn.Card).Nonce))); !refused(err) {
			t.Fatal(err)
		}
		if state.Responder.Asked() != asked+1 {
			t.Errorf("the issuer was asked %d times", state.Responder.Asked()-asked)
		}
		if a, err := b.Store.Attempt(t.Context(), v.Attempt.ID); err != nil || a.State != authn.Denied {
			t.Errorf("the nonce is not spent: %+v, %v", a, err)
		}
	}
	if found < 3 {
		t.Errorf("%d of 200 unknown ids look like a customer with a card", found)
	}
}
