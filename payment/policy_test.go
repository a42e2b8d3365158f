package payment_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/payment"
	"mohur/risk"
	"mohur/risk/policy"
)

// rules is the shipped policy with rules of the bank's own.
func rules(t *testing.T, yaml string) risk.Policy {
	t.Helper()
	text := strings.NewReplacer("rules: []", "rules:\n"+yaml, "version: 1", "version: 2").Replace(string(policy.Default().Source))
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Clause 5.18: the bank's own rules decide payments, over sums of the day (splitting),
// the bank's clock and the service.
func TestClause5_18_ABanksOwnRulesDecide(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = rules(t, `
  - {code: splitting, text: the day is too full, decision: held, when: 'day_sum + amount > azn("60.00")'}
  - {code: midnight, text: the hour after midnight, when: 'hour == 0'}
  - {code: no-money, text: an information service moves no money, decision: rejected, when: 'service == "information"'}
`)
	now := p.b.Clock.Now().UTC()
	minutes := now.Hour()*60 + now.Minute()
	p.b.Payments.Zone = time.FixedZone("before midnight", (23*60+30-minutes)*60)
	if v := p.pay(p.command("40.00")); v.Transaction.State != payment.Approved || v.Transaction.Exemption != "low_value" || v.Transaction.Policy != 2 {
		t.Fatalf("a small payment: %+v", v.Transaction)
	}
	if v := p.pay(p.command("20.00")); v.Transaction.State != payment.Approved {
		t.Errorf("up to the edge: %+v", v.Transaction)
	}
	v := p.pay(p.command("0.01"))
	if v.Transaction.State != payment.Held || !slices.Equal(v.Transaction.Reasons, []string{"splitting"}) || v.Reasons[0].Text != "the day is too full" || v.Authorization != "" {
		t.Errorf("a part of a split payment: %+v, %+v", v.Transaction, v.Reasons)
	}
	p.b.Payments.Zone = time.FixedZone("after midnight", (24*60-minutes)*60)
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.PendingProof || !slices.Equal(v.Transaction.Reasons, []string{"midnight", "proof-needed"}) {
		t.Errorf("after midnight, on a new day: %+v", v.Transaction)
	}
	cmd := p.command("1.00")
	cmd.Service = "information"
	v = p.pay(cmd)
	if v.Transaction.State != payment.Rejected || v.Authentication != nil || v.Authorization != "" || len(v.Transaction.Reserved) != 0 {
		t.Errorf("rejected: %+v", v.Transaction)
	}
	if _, err := p.b.Payments.Ask(t.Context(), p.b.Front(), v.Transaction.ID, "", nil, ""); err == nil {
		t.Error("a proof is taken for a rejected payment")
	}
}

// Clause 5.18: what a payment's proof has to show is decided with the payment and
// kept; a policy that is loosened or tightened meanwhile lowers nothing.
func TestClause5_18_WhatWasDecidedIsAskedAtTheVerdict(t *testing.T) {
	p := newPayer(t)
	seen := rules(t, `
  - {code: large, text: the customer has to have seen it, shown: agent, when: 'amount > azn("1000.00")'}
`)
	p.b.Rules = seen
	v := p.pay(p.command("1000.01"))
	if a := v.Authentication.Attempt; a.Shown != "agent" || len(a.Ways) != 0 || !slices.Contains(v.Transaction.Reasons, "no-suitable-credential") {
		t.Fatalf("a token that shows nothing is offered: %+v", a)
	}
	proven := func(v payment.View, shown string) error {
		t.Helper()
		_, err := p.b.Payments.Proven(t.Context(), v.Authentication.Attempt, authn.Proof{ACR: authn.Linked, Shown: shown, At: p.b.Clock.Now(), By: p.b.Front()}, false)
		return err
	}
	if err := proven(v, "none"); !errors.Is(err, authn.ErrNotPending) {
		t.Errorf("a proof that showed nothing: %v", err)
	}
	p.b.Rules = policy.Default()
	if err := proven(v, "none"); !errors.Is(err, authn.ErrNotPending) {
		t.Errorf("after the policy was loosened: %v", err)
	}
	if err := proven(v, "agent"); err != nil {
		t.Errorf("a proof that showed it: %v", err)
	}
	low := p.pay(p.command("100.00"))
	if err := proven(low, "none"); err != nil {
		t.Errorf("an ordinary proof: %v", err)
	}
	p.b.Rules.PaymentShown = "device"
	if err := proven(low, "agent"); !errors.Is(err, authn.ErrNotPending) {
		t.Errorf("after the policy was tightened: %v", err)
	}
}

// spy is a condition that remembers what it was asked about.
type spy struct{ facts risk.Facts }

func (s *spy) Holds(f risk.Facts) (bool, error) {
	s.facts = maps.Clone(f)
	return false, nil
}

// The server knows of every payment what risk.Terms says it does, and of one that comes
// without context, from an account that is no IBAN, no more: `mohur policy check` goes by it.
func TestTheServerGivesTheFactsItPromises(t *testing.T) {
	p := newPayer(t)
	eye := &spy{}
	p.b.Rules.Rules = []risk.Rule{{Code: "spy", When: eye}}
	p.pay(p.command("10.00"))
	p.b.Clock.Forward(90 * time.Second)
	cmd := p.command("20.00")
	cmd.Signals, cmd.Payer.Account = risk.Signals{}, "1234567890"
	p.pay(cmd)
	for _, term := range risk.Terms() {
		if _, known := eye.facts[term.Name]; known != term.Given {
			t.Errorf("%s: known %v, promised %v", term.Name, known, term.Given)
		}
	}
	if f := eye.facts; f["amount"] != int64(20_00) || f["day_sum"] != int64(10_00) || f["service"] != "transactional" || f["channel"] != "internet" || f["payee_country"] != "AZ" || f["session_age"].(int64) < 90 {
		t.Errorf("%v", f)
	}
	cmd = p.command("1.00")
	cmd.Amount.Currency = "USD"
	p.pay(cmd)
	if f := eye.facts; f["day_sum"] != int64(30_00) {
		t.Errorf("the sum of the day is %v where the payment is in another currency", f["day_sum"])
	}
}
