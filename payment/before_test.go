package payment_test

import (
	"context"
	"errors"
	"testing"

	"mohur/authn"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// blind is a store that cannot say how much of the exemption is used up.
type blind struct{ payment.Store }

func (blind) Hot(context.Context, ...string) ([]settle.HotRead, error) {
	return nil, errors.New("away")
}

// Clause 5.24: suspicious operations are found before anything is authorised.
// The decision, its score and its policy stand in the entry that precedes every
// approval, and where it cannot be made nothing is let through.
func TestClause5_24_TheRiskIsJudgedBeforeAnythingIsAuthorised(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("400.00"))
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
		t.Fatal(err)
	}
	decided, approved := -1, -1
	for i, h := range p.b.Entries() {
		switch {
		case h.Event == "transaction.created" && h.Outcome == string(payment.PendingProof):
			decided = i
			if h.Policy != 1 {
				t.Errorf("the decision names policy %d", h.Policy)
			}
		case h.Event == "transaction.approved":
			approved = i
		}
	}
	if decided < 0 || approved <= decided {
		t.Fatalf("decided at entry %d, approved at %d", decided, approved)
	}
	whole := p.b.Payments.Store
	p.b.Payments.Store = blind{whole}
	for _, value := range []string{"1.00", "400.00", "30000.00"} {
		if _, err := p.b.Payments.Create(t.Context(), p.command(value)); !problem.Is(err, problem.Unavailable) {
			t.Errorf("%s AZN without the figures the decision rests on: %v", value, err)
		}
	}
	p.b.Payments.Store = whole
	if n := p.b.Count("transaction.created", "", ""); n != 1 {
		t.Errorf("%d transactions", n)
	}
}

// A policy that asks for a proof nobody can give approves nothing, and one that
// rejects leaves nothing to prove.
func TestClause5_24_NoDecisionIsNoApproval(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = risk.Policy{Version: 9, PaymentACR: string(authn.Linked)} // every band is empty
	v := p.pay(p.command("1.00"))
	if v.Transaction.State != payment.Held || v.Authorization != "" || v.Transaction.Policy != 9 {
		t.Fatalf("%+v", v.Transaction)
	}
	if got, err := p.b.Payments.Get(t.Context(), parties.Caller{ID: "cl_other", Roles: []parties.Role{parties.Frontend}, Channels: parties.Channels()}, v.Transaction.ID); !problem.Is(err, problem.NotFound) {
		t.Fatalf("another front end sees it: %+v, %v", got, err)
	}
}
