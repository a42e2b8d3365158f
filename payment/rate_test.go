package payment_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/rulebook"
	"mohur/settle"
)

func (p *payer) rates(pairs ...string) {
	p.t.Helper()
	cmd := rulebook.RatesCommand{
		Caller: parties.Caller{Kind: "client", ID: "core"}, Date: p.b.Clock.Now().In(p.b.Book.Zone).Format(time.DateOnly), Rates: map[string]string{}, Source: "CBAR", TwoSaid: true,
	}
	for i := 0; i < len(pairs); i += 2 {
		cmd.Rates[pairs[i]] = pairs[i+1]
	}
	if _, err := p.b.Book.SetRates(p.t.Context(), cmd); err != nil {
		p.t.Fatal(err)
	}
}

func (p *payer) foreign(value, currency string) payment.CreateCommand {
	cmd := p.command(value)
	cmd.Amount.Currency = currency
	return cmd
}

// Clause 5.18: an amount in another currency is placed in the bands by the rate of the
// day, rounded up, and held where there is none.
func TestClause5_18_BandsByTheRateOfTheDay(t *testing.T) {
	p := newPayer(t)
	p.rates("USD", "1.7000", "EUR", "1.836001", "JPY", "0.0113")
	for _, c := range []struct {
		value, currency string
		home            int64
		state           payment.State
	}{
		{"11764.70", "USD", 19_999_99, payment.PendingProof},
		{"11764.71", "USD", 20_000_01, payment.Held}, // 20,000.007, rounded up
		{"0.01", "USD", 2, payment.PendingProof},
		{"1.00", "EUR", 1_84, payment.PendingProof},
		{"1", "JPY", 2, payment.PendingProof},
		{"1769911", "JPY", 19_999_99 + 1, payment.PendingProof}, // 19,999.9943
		{"1769912", "JPY", 20_000_01, payment.Held},
		{"10.00", "GBP", 0, payment.Held},
	} {
		v := p.pay(p.foreign(c.value, c.currency))
		if v.Transaction.State != c.state || v.Transaction.Home != c.home || v.Transaction.Exemption != "" {
			t.Errorf("%s %s: %s, %d qəpik, %q", c.value, c.currency, v.Transaction.State, v.Transaction.Home, v.Transaction.Exemption)
		}
		if none := c.home == 0; slices.Contains(v.Transaction.Reasons, "currency-without-rate") != none {
			t.Errorf("%s %s: %v", c.value, c.currency, v.Transaction.Reasons)
		}
	}
}

// A payment that was held for want of a rate goes on by the rate of today, once there
// is one, and not before; a rate that has grown old is none.
func TestClause5_26_AReleaseNeedsARate(t *testing.T) {
	p := newPayer(t)
	held := p.pay(p.foreign("100.00", "USD"))
	release := func() (payment.View, error) {
		return p.b.Payments.Release(t.Context(), p.b.Staff(), held.Transaction.ID, "looked at")
	}
	if _, err := release(); !problem.Is(err, problem.Conflict) || !strings.Contains(err.Error(), "set the rate of the day") {
		t.Fatalf("without a rate: %v", err)
	}
	p.rates("USD", "1.7000")
	old := p.b.Book.Until(p.b.Clock.Now().In(p.b.Book.Zone).Format(time.DateOnly)).Sub(p.b.Clock.Now())
	v, err := release()
	if err != nil || v.Transaction.State != payment.PendingProof || v.Transaction.Home != 170_00 || v.Authorization != "" {
		t.Fatalf("with a rate: %+v, %v", v.Transaction, err)
	}
	p.b.Clock.Forward(old + time.Second)
	p.login()
	if v := p.pay(p.foreign("1.00", "USD")); v.Transaction.State != payment.Held || v.Transaction.Home != 0 {
		t.Errorf("by an old rate: %+v", v.Transaction)
	}
}

// Nothing is authorised of which nobody knows what it is worth.
func TestClause5_18_NothingWithoutARateIsApproved(t *testing.T) {
	p := newPayer(t)
	p.rates("USD", "1.7000")
	v := p.pay(p.foreign("100.00", "USD"))
	tx, err := p.b.Store.Transaction(t.Context(), v.Transaction.ID)
	if err != nil {
		t.Fatal(err)
	}
	tx.Home, tx.Version = 0, tx.Version+1
	r, err := settle.Write(t.Context(), p.b.Store, p.b.Audit, []settle.Effect{payment.SaveTransaction{Transaction: tx}}, []audit.Event{{Name: "test", Outcome: "done", Detail: 1}})
	if err != nil || r.Outcome != settle.Done {
		t.Fatalf("%s, %v", r.Outcome, err)
	}
	if _, err := p.b.Payments.Proven(t.Context(), v.Authentication.Attempt, authn.Proof{ACR: authn.Linked, Shown: "none", At: p.b.Clock.Now(), By: p.b.Front()}, false); err == nil {
		t.Error("it was authorised")
	}
	if p.state(tx.ID) != payment.PendingProof {
		t.Errorf("it is %s", p.state(tx.ID))
	}
}
