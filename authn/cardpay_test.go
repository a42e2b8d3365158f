package authn_test

import (
	"bytes"
	"crypto/sha512"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mohur/authn"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/tokens"
)

// payer is a customer with a card who is logged in.
type payer struct {
	*banktest.Bank
	t        *testing.T
	customer parties.Customer
	card     *banktest.Card
	session  string
}

func newPayer(t *testing.T, b *banktest.Bank, state *banktest.State) *payer {
	t.Helper()
	p := &payer{Bank: b, t: t}
	p.customer, p.card = state.CardHolder()
	v, err := loginByCard(t, b, p.customer.ID, p.card)
	if err != nil {
		t.Fatal(err)
	}
	p.session = v.Session.Session.ID
	return p
}

func (p *payer) pay(ref, value, payee string) payment.View {
	p.t.Helper()
	v, err := p.Payments.Create(p.t.Context(), payment.CreateCommand{
		Caller: p.Front(), Session: p.session, Reference: ref, Channel: parties.Internet, Service: "transactional",
		Amount: payment.Money{Value: value, Currency: "AZN"}, Purpose: "invoice 7",
		Payer:   payment.Party{Name: "Aygün Məmmədova", Account: "AZ21NABZ00000000137010001944", Bank: "Bank A"},
		Payee:   payment.Party{Name: payee, Account: "AZ77VTBA00000000001234567890", Bank: "Bank B", Country: "AZ"},
		Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "test", DeviceID: "d-1", Country: "AZ"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if v.Authentication == nil {
		p.t.Fatalf("no proof is asked for: %+v", v)
	}
	return v
}

func TestClause5_18_ACardProvesAmountAndPayee(t *testing.T) {
	b := banktest.New(t)
	p := newPayer(t, b, b.AllowCards())
	first, changed := p.pay("r-1", "150.00", "Rəşad Əliyev"), p.pay("r-2", "9500.00", "Rəşad Əliyev")
	token := string(p.card.Answer(cardOffer(t, *first.Authentication, authn.Card).Nonce))
	if _, err := answer(t, b, changed.Authentication.Attempt.ID, authn.Card, token); !refused(err) || b.Count("authentication.answered", "refused", string(card.WrongSignature)) != 1 {
		t.Errorf("a changed amount: %v", err)
	}
	login := begin(t, b, p.customer.ID)
	third := p.pay("r-3", "150.00", "Rəşad Əliyev")
	if _, err := answer(t, b, third.Authentication.Attempt.ID, authn.Card, string(p.card.Answer(cardOffer(t, login, authn.Card).Nonce))); !refused(err) {
		t.Errorf("a log-in's answer: %v", err)
	}
	got, err := answer(t, b, first.Authentication.Attempt.ID, authn.Card, token)
	if err != nil || got.Attempt.ACR != authn.Linked || got.Transaction == nil || got.Transaction.Authorization == "" {
		t.Fatalf("%+v, %v", got.Attempt, err)
	}
	// The nonce of the changed one is spent: it is asked for again, and proven.
	again, err := b.Payments.Ask(t.Context(), b.Front(), changed.Transaction.ID, accessToken(t, b, p.session), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err = answer(t, b, again.Authentication.Attempt.ID, authn.Card, string(p.card.Answer(cardOffer(t, *again.Authentication, authn.Card).Nonce)))
	if err != nil || got.Transaction == nil || got.Transaction.State != string(payment.Approved) {
		t.Errorf("%+v, %v", got.Attempt, err)
	}
	if _, err := b.Payments.Signature(t.Context(), b.Front(), first.Transaction.ID, ""); !problem.Is(err, problem.NotFound) {
		t.Errorf("a proof that is no signature: %v", err)
	}
}

// accessToken returns a fresh token of a session.
func accessToken(t *testing.T, b *banktest.Bank, session string) string {
	t.Helper()
	g, err := b.Authn.Touch(t.Context(), b.Front(), session, "", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g.AccessToken
}

// Where policy asks that the customer has seen what he pays, only the bank's own agent
// proves it.
func TestClause5_18_WhatTheAgentShowed(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	p := newPayer(t, b, state)
	signer := state.NewSigner(p.card.Subject.SerialNumber)
	b.EnrolCard(signer, p.customer.ID, tokens.UseSign)
	b.Rules.PaymentShown = tokens.ShownAgent
	v := p.pay("r-1", "150.00", "Rəşad Əliyev")
	if slices.ContainsFunc(v.Authentication.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.CardSign }) {
		t.Error("what shows nothing is offered")
	}
	if _, err := answer(t, b, v.Authentication.Attempt.ID, authn.Card, string(p.card.Answer(cardOffer(t, *v.Authentication, authn.Card).Nonce))); !refused(err) ||
		b.Count("authentication.answered", "refused", "not-shown") != 1 {
		t.Errorf("the stock application: %v", err)
	}
	v = p.pay("r-2", "150.00", "Rəşad Əliyev")
	p.card.Format = "mohur:1"
	got, err := answer(t, b, v.Authentication.Attempt.ID, authn.Card, string(p.card.Answer(cardOffer(t, *v.Authentication, authn.Card).Nonce)))
	if err != nil || got.Attempt.ACR != authn.Linked || got.Attempt.Shown != tokens.ShownAgent || got.Transaction == nil {
		t.Fatalf("the agent: %+v, %v", got.Attempt, err)
	}
	tx, err := b.Store.Transaction(t.Context(), v.Transaction.ID)
	if err != nil || tx.Shown != tokens.ShownAgent || tx.State != payment.Approved {
		t.Errorf("%+v, %v", tx, err)
	}
}

// A certificate for documents confirms a payment, and what it signed is kept as
// evidence that others can check.
func TestClause4_3_2_APaymentIsSigned(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	p := newPayer(t, b, state)
	signer := state.NewSigner(p.card.Subject.SerialNumber, pkitest.Kind("RSA-2048"))
	b.EnrolCard(signer, p.customer.ID, tokens.UseSign)

	login := begin(t, b, p.customer.ID)
	if slices.ContainsFunc(login.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.CardSign || len(o.Credentials) != 1 }) {
		t.Errorf("a certificate for documents is offered for a log-in: %+v", login.Attempt.Offers)
	}
	first, changed := p.pay("r-1", "150.00", "Rəşad Əliyev"), p.pay("r-2", "9500.00", "Rəşad Əliyev")
	if _, err := answer(t, b, changed.Authentication.Attempt.ID, authn.CardSign, string(signer.Confirm(first.Authentication.Text))); !refused(err) ||
		b.Count("authentication.answered", "refused", string(card.WrongSignature)) != 1 {
		t.Errorf("a changed amount: %v", err)
	}
	if a, err := b.Store.Attempt(t.Context(), changed.Authentication.Attempt.ID); err != nil || a.State != authn.Denied {
		t.Errorf("%+v, %v", a, err)
	}
	got, err := answer(t, b, first.Authentication.Attempt.ID, authn.CardSign, string(signer.Confirm(first.Authentication.Text)))
	if err != nil || got.Attempt.ACR != authn.Linked || got.Attempt.Shown != tokens.ShownNone || got.Transaction == nil || got.Transaction.State != string(payment.Approved) {
		t.Fatalf("%+v, %v", got.Attempt, err)
	}
	cms, err := b.Payments.Signature(t.Context(), b.Front(), first.Transaction.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := b.Engine.Transaction(t.Context(), first.Transaction.ID)
	if err != nil || bytes.Contains(kept.Signature, signer.Raw[100:200]) {
		t.Errorf("a person's certificate lies on the disk unsealed: %v", err)
	}
	verifyCMS(t, state, cms, first.Authentication.Text)

	// An agent finds the text by the hash that goes with the card's key, of whichever size.
	long, longest := sha512.Sum384(first.Authentication.Text), sha512.Sum512(first.Authentication.Text)
	for _, sum := range [][]byte{first.Authentication.Attempt.SHA256, long[:], longest[:]} {
		if text, err := b.Authn.ChallengeText(t.Context(), sum); err != nil || !bytes.Equal(text, first.Authentication.Text) {
			t.Errorf("by %d bytes: %s, %v", len(sum), text, err)
		}
	}
	strong := state.NewSigner(p.card.Subject.SerialNumber, pkitest.Kind("P-384"))
	if strong.Token, err = strong.Give(b.BeginCard(p.customer.ID, tokens.UseSign, signer.Token.ID)); err != nil {
		t.Fatal(err)
	}
	v := p.pay("r-384", "150.00", "Rəşad Əliyev")
	if got, err := answer(t, b, v.Authentication.Attempt.ID, authn.CardSign, string(strong.Confirm(v.Authentication.Text))); err != nil || got.Transaction == nil {
		t.Errorf("P-384: %v", err)
	}

	weak := state.NewSigner("AZWEAK", pkitest.Kind("RSA-1024"))
	v = p.pay("r-3", "150.00", "Rəşad Əliyev")
	if _, err := answer(t, b, v.Authentication.Attempt.ID, authn.CardSign, string(weak.Confirm(v.Authentication.Text))); !refused(err) {
		t.Errorf("another's: %v", err)
	}
}

// verifyCMS has openssl check the kept signature.
func verifyCMS(t *testing.T, state *banktest.State, cms, text []byte) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cas := write("ca.pem", append(pem("CERTIFICATE", state.Root.Raw), pem("CERTIFICATE", state.Middle.Raw)...))
	check := func(text []byte) ([]byte, error) {
		return exec.CommandContext(t.Context(), "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", write("s.p7s", cms),
			"-content", write("text", text), "-CAfile", cas, "-purpose", "any", "-out", filepath.Join(dir, "out")).CombinedOutput()
	}
	if out, err := check(text); err != nil {
		t.Fatalf("openssl: %s", out)
	}
	if out, err := check([]byte(strings.Replace(string(text), ".00", ".01", 1))); err == nil {
		t.Errorf("openssl takes another text: %s", out)
	}
}
