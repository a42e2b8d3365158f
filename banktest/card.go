package banktest

import (
	"crypto/x509"
	"net/http/httptest"

	"mohur/authn"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
	"mohur/enrollment"
	"mohur/ident"
	"mohur/parties"
	"mohur/tokens"
)

// State issues cards: a root, an authority below it, and that authority's OCSP
// responder over HTTP.
type State struct {
	Root, Middle *pkitest.Pair
	Responder    *pkitest.Responder
	Server       *httptest.Server
	Status       *revocation.Checker

	bank *Bank
}

// CardProfile is the issuer profile of the bank's cards.
const CardProfile = "state"

// AllowCards makes the bank take the cards of a state, for log-ins and for signing
// documents, by a profile that a test may change, and asks for their status each time.
func (b *Bank) AllowCards(changes ...func(*card.Issuer)) *State {
	b.T.Helper()
	s := &State{bank: b, Root: pkitest.Root(b.T, "State Root")}
	s.Middle = s.Root.Authority(b.T, "State Cards")
	s.Responder = s.Middle.OCSP()
	s.Responder.Clock(b.Clock.Now)
	s.Server = httptest.NewServer(s.Responder)
	b.T.Cleanup(s.Server.Close)
	s.Status = &revocation.Checker{Now: b.Clock.Now}
	p := card.Issuer{
		Name: CardProfile, Roots: []*x509.Certificate{s.Root.Certificate}, Intermediates: []*x509.Certificate{s.Middle.Certificate},
		Subject: "serialNumber", LogIn: true, Signing: true,
		Revocation: revocation.Rules{OCSP: true, Responders: []string{s.Server.URL}, Keep: -1},
	}
	for _, change := range changes {
		change(&p)
	}
	v, err := card.New(card.Settings{Origins: []string{Issuer}, Issuers: []card.Issuer{p}, Status: s.Status})
	b.must(err)
	b.TakeCards(v)
	return s
}

// TakeCards makes the bank judge cards by a verifier, at its own address.
func (b *Bank) TakeCards(v *card.Verifier) {
	b.Cards = &authn.Cards{Verifier: v, Origin: Issuer, Codes: b.Store}
	b.Authn.Cards = b.Cards
	b.CardRules = enrollment.Cards{Verifier: v, Origin: Issuer, Issuer: Issuer, Texts: b.Store}
	b.Enrollment.Cards = b.CardRules
}

// Card is a certificate with its key.
type Card struct {
	*pkitest.Pair
	Token  tokens.Token
	Format string // of its log-in tokens; "": that of the stock application
	Origin string // that the browser tells it

	bank *Bank
}

// NewCard makes a person's card for logging in.
func (s *State) NewCard(person string, changes ...pkitest.Change) *Card {
	s.bank.T.Helper()
	return &Card{Pair: s.Middle.Card(s.bank.T, person, changes...), Origin: Issuer, bank: s.bank}
}

// NewSigner makes a person's certificate for signing documents.
func (s *State) NewSigner(person string, changes ...pkitest.Change) *Card {
	s.bank.T.Helper()
	return &Card{Pair: s.Middle.SigningCard(s.bank.T, person, changes...), Origin: Issuer, bank: s.bank}
}

// Answer answers a nonce.
func (c *Card) Answer(nonce string, changes ...func(*pkitest.Token)) []byte {
	c.bank.T.Helper()
	return c.Pair.Token(c.bank.T, c.Origin, nonce, append([]func(*pkitest.Token){func(t *pkitest.Token) {
		if c.Format != "" {
			t.Format = c.Format
		}
	}}, changes...)...)
}

// Confirm signs a text, as a document.
func (c *Card) Confirm(text []byte, changes ...func(*pkitest.Response)) []byte {
	c.bank.T.Helper()
	return c.Signature(c.bank.T, text, changes...)
}

// BeginCard begins an enrolment by way of an activation secret.
func (b *Bank) BeginCard(customer, use, token string) enrollment.PendingCard {
	b.T.Helper()
	sent, err := b.Enrollment.SendSecret(b.T.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: customer, Purpose: "enroll", Channel: "email"})
	b.must(err)
	p, err := b.Enrollment.BeginCard(b.T.Context(), enrollment.CardCommand{
		Caller: b.Front(), Customer: customer, Use: use, Token: token, Proof: enrollment.Proof{ActivationSecret: sent.Text}, Data: []byte("{}"),
	})
	b.must(err)
	return p
}

// Give answers an enrolment with the card.
func (c *Card) Give(p enrollment.PendingCard) (tokens.Token, error) {
	c.bank.T.Helper()
	answer := c.Answer(p.Nonce)
	if p.Use == tokens.UseSign {
		answer = c.Confirm(p.Text)
	}
	return c.bank.Enrollment.FinishCard(c.bank.T.Context(), enrollment.CardAnswer{Caller: c.bank.Front(), ID: p.ID, Token: answer})
}

// EnrolCard binds a card to a customer; use is tokens.UseLogin or tokens.UseSign.
func (b *Bank) EnrolCard(c *Card, customer, use string) {
	b.T.Helper()
	var err error
	c.Token, err = c.Give(b.BeginCard(customer, use, ""))
	b.must(err)
}

// CardHolder is a customer with a card to log in, and nothing else.
func (s *State) CardHolder(changes ...pkitest.Change) (parties.Customer, *Card) {
	s.bank.T.Helper()
	who, c := s.bank.Customer(), s.NewCard("AZ"+ident.Text(8), changes...)
	s.bank.EnrolCard(c, who.ID, tokens.UseLogin)
	return who, c
}
