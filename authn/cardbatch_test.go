package authn_test

import (
	"fmt"
	"slices"
	"testing"

	"mohur/agent/linked"
	"mohur/agent/words"
	"mohur/authn"
	"mohur/banktest"
	"mohur/ident"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// batch begins a file of n payments of one manat each.
func (p *payer) batch(n int, holder string) payment.View {
	p.t.Helper()
	cmd := payment.CreateCommand{
		Caller: p.Front(), Session: p.session, Reference: "B-" + ident.Text(8), Channel: parties.Internet, Service: "transactional", Holder: holder,
		Amount: payment.Money{Value: fmt.Sprint(n, ".00"), Currency: "AZN"}, Purpose: "salaries",
		Payer:   payment.Party{Name: "Nigar MMC", Account: "AZ21NABZ00000000137010001944", Bank: "Bank A"},
		Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "test", DeviceID: "d-1", Country: "AZ"},
	}
	for i := range n {
		cmd.Batch = append(cmd.Batch, payment.Line{Amount: payment.Money{Value: "1", Currency: "AZN"}, Reference: fmt.Sprint("L-", i),
			Payee: payment.Party{Name: fmt.Sprint("Payee ", i), Account: fmt.Sprintf("AZ77VTBA0000000000%010d", i), Bank: "Bank B", Country: "AZ"}})
	}
	v, err := p.Payments.Create(p.t.Context(), cmd)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// The agent understands what the server writes, and shows every payee of a batch that it
// can; of a longer one it shows the hash, and its answer does not say that the payees
// were seen (RTS Art. 5(3)(b)).
func TestClause5_18_TheAgentShowsABatch(t *testing.T) {
	b := banktest.New(t)
	p := newPayer(t, b, b.AllowCards())
	p.card.Format = "mohur:1"
	for n, want := range map[int]string{1: tokens.ShownAgent, 50: tokens.ShownAgent, 51: tokens.ShownNone} {
		v := p.batch(n, "")
		text, err := linked.Parse(v.Authentication.Text)
		if err != nil {
			t.Fatalf("%d payees: %v", n, err)
		}
		lines := text.Lines(words.EN)
		listed := slices.ContainsFunc(lines, func(l words.Line) bool { return l.Value == fmt.Sprint("Payee ", n-1) })
		counted := slices.ContainsFunc(lines, func(l words.Line) bool { return l.Value == fmt.Sprint(n) })
		if listed != (want == tokens.ShownAgent) || !counted {
			t.Errorf("%d payees: %v", n, lines)
		}
		got, err := answer(t, b, v.Authentication.Attempt.ID, authn.Card, string(p.card.Answer(cardOffer(t, *v.Authentication, authn.Card).Nonce)))
		if err != nil || got.Attempt.ACR != authn.Linked || got.Attempt.Shown != want || got.Transaction.State != string(payment.Approved) {
			t.Errorf("%d payees: shown %q, %v", n, got.Attempt.Shown, err)
		}
	}
	b.Rules.PaymentShown = tokens.ShownAgent
	if v := p.batch(51, ""); len(v.Authentication.Attempt.Ways) != 0 {
		t.Errorf("a hash is to be seen: %+v", v.Authentication.Attempt.Offers)
	}
	if v := p.batch(50, ""); len(v.Authentication.Attempt.Ways) != 1 {
		t.Error("what can be seen cannot be proven")
	}
}

// Of a company's payment each card's signature is kept, over its signer's own text.
func TestClause4_3_2_EverySignersSignatureIsKept(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	people := []*payer{newPayer(t, b, state), newPayer(t, b, state)}
	cmd := parties.HolderCommand{Caller: b.Staff(), ID: "H-1", Name: "Nigar MMC", Rules: []parties.SigningRule{{Required: 2}}}
	for _, p := range people {
		cmd.Signers = append(cmd.Signers, p.customer.ID)
	}
	if _, _, err := b.Parties.PutHolder(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	first := people[0].batch(3, "H-1")
	id := first.Transaction.ID
	second, err := b.Payments.Ask(t.Context(), b.Front(), id, accessToken(t, b, people[1].session), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	texts := [][]byte{first.Authentication.Text, second.Authentication.Text}
	var signers []*banktest.Card
	for i, p := range people {
		s := state.NewSigner(p.card.Subject.SerialNumber)
		b.EnrolCard(s, p.customer.ID, tokens.UseSign)
		signers = append(signers, s)
		asked, err := b.Payments.Ask(t.Context(), b.Front(), id, accessToken(t, b, p.session), nil, "")
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = asked.Authentication.Text
		if i == 1 { // the other one's signature over his own text
			if _, err := answer(t, b, asked.Authentication.Attempt.ID, authn.CardSign, string(signers[0].Confirm(texts[0]))); !refused(err) {
				t.Errorf("a colleague's signature: %v", err)
			}
			if asked, err = b.Payments.Ask(t.Context(), b.Front(), id, accessToken(t, b, p.session), nil, ""); err != nil {
				t.Fatal(err)
			}
			texts[i] = asked.Authentication.Text
		}
		got, err := answer(t, b, asked.Authentication.Attempt.ID, authn.CardSign, string(s.Confirm(texts[i])))
		if err != nil || (got.Transaction.State == string(payment.Approved)) != (i == 1) {
			t.Fatalf("%+v, %v", got.Transaction, err)
		}
	}
	for i, p := range people {
		cms, err := b.Payments.Signature(t.Context(), b.Front(), id, p.customer.ID)
		if err != nil {
			t.Fatal(err)
		}
		verifyCMS(t, state, cms, texts[i])
	}
	if _, err := b.Payments.Signature(t.Context(), b.Front(), id, ""); !problem.Is(err, problem.NotFound) {
		t.Errorf("nobody is named: %v", err)
	}
}

// An authorization claims no more than the weakest of its signatures.
func TestClause5_18_TheWeakestSignatureIsClaimed(t *testing.T) {
	b := banktest.New(t)
	byCard := newPayer(t, b, b.AllowCards())
	byCard.card.Format = "mohur:1"
	byCode, device := b.Person(pskc.HOTP, pskc.OCRA)
	if _, _, err := b.Parties.PutHolder(t.Context(), parties.HolderCommand{
		Caller: b.Staff(), ID: "H-1", Name: "Nigar MMC", Signers: []string{byCard.customer.ID, byCode.ID}, Rules: []parties.SigningRule{{Required: 2}},
	}); err != nil {
		t.Fatal(err)
	}
	v := byCard.batch(3, "H-1")
	got, err := answer(t, b, v.Authentication.Attempt.ID, authn.Card, string(byCard.card.Answer(cardOffer(t, *v.Authentication, authn.Card).Nonce)))
	if err != nil || got.Attempt.Shown != tokens.ShownAgent {
		t.Fatalf("%+v, %v", got.Attempt, err)
	}
	in, err := login(t, b, byCode.ID, authn.OTP, device.HOTP(), banktest.PIN)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := b.Payments.Ask(t.Context(), b.Front(), v.Transaction.ID, in.Session.AccessToken, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, asked.Authentication.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(asked.Authentication.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.OCRA })
	got, err = answer(t, b, asked.Authentication.Attempt.ID, authn.OCRA, device.OCRA(asked.Authentication.Attempt.Offers[i].Question))
	if err != nil || got.Transaction.State != string(payment.Approved) {
		t.Fatalf("%+v, %v", got.Transaction, err)
	}
	tx, err := b.Store.Transaction(t.Context(), v.Transaction.ID)
	if err != nil || tx.ACR != string(authn.Linked) || tx.Shown != tokens.ShownNone || !slices.Equal(tx.AMR, []string{"mfa", "pin"}) {
		t.Errorf("%s, %s, %v, %v", tx.ACR, tx.Shown, tx.AMR, err)
	}
}
