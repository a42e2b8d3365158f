package payment_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"mohur/payment"
	"mohur/risk"
	"mohur/store/bound"
)

// slowDisk looks up what a customer has paid before as slowly as it is told.
type slowDisk struct {
	bound.Engine
	wait func(ctx context.Context) error
}

func (d *slowDisk) Velocity(ctx context.Context, id string) (payment.Velocity, error) {
	if err := d.wait(ctx); err != nil {
		return payment.Velocity{}, err
	}
	return d.Engine.Velocity(ctx, id)
}

func (p *payer) slow(wait func(ctx context.Context) error) {
	p.b.Disk.Engine = &slowDisk{p.b.Disk.Engine, wait}
}

// decisions are those on record, oldest first.
func (p *payer) decisions() []payment.Decision {
	p.t.Helper()
	page, err := p.b.Store.Decisions(p.t.Context(), time.Time{}, p.b.Clock.Now().Add(time.Hour), "", 1000)
	if err != nil || page.Unreadable != 0 || page.Next != "" {
		p.t.Fatalf("%+v, %v", page, err)
	}
	return page.Items
}

// Clause 5.25: while a part hangs, a decision does not wait for it beyond its budget:
// what is not known is missing, and nothing is exempt.
func TestClause5_25_ADecisionDoesNotWaitForFacts(t *testing.T) {
	p := newPayer(t)
	p.b.Payments.Budget = 20 * time.Millisecond
	ended := false
	p.slow(func(ctx context.Context) error {
		<-ctx.Done()
		ended = true
		return ctx.Err()
	})
	v := p.pay(p.command("1.00"))
	if !ended || v.Transaction.State != payment.PendingProof || v.Transaction.Exemption != "" || v.Authorization != "" || v.Transaction.NeedACR != "linked" ||
		!slices.Contains(v.Transaction.Reasons, "budget-spent") {
		t.Errorf("%v, %+v", ended, v.Transaction)
	}
	d := p.decisions()
	if len(d) != 1 || !d[0].Late || d[0].Was.Decision != risk.StepUp {
		t.Fatalf("%+v", d)
	}
	if _, known := d[0].In.Facts["day_sum"]; known {
		t.Errorf("a fact that did not come: %v", d[0].In.Facts)
	}
	if r := p.b.Rules.Again(d[0].Past); r.Outcome() != d[0].Was {
		t.Errorf("again: %+v", r)
	}
}

// Clause 5.25: a verdict that comes when its time is over is taken for the safe side;
// one in time is taken as it is.
func TestClause5_25_ALateVerdictApprovesNothing(t *testing.T) {
	p := newPayer(t)
	p.b.Payments.Budget = time.Minute
	takes := time.Duration(0)
	p.slow(func(context.Context) error { p.b.Clock.Forward(takes); return nil })
	takes = 50 * time.Second
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.Approved || v.Transaction.Exemption != "low_value" {
		t.Errorf("in time: %+v", v.Transaction)
	}
	takes = 61 * time.Second
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.PendingProof || v.Transaction.Exemption != "" || v.Authorization != "" || !slices.Contains(v.Transaction.Reasons, "budget-spent") {
		t.Errorf("late: %+v", v.Transaction)
	}
	if v := p.pay(p.command("20000.01")); v.Transaction.State != payment.Held || slices.Contains(v.Transaction.Reasons, "budget-spent") {
		t.Errorf("late and large: %+v", v.Transaction)
	}
	p.b.Payments.Budget = 0
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.Approved {
		t.Errorf("without a budget: %+v", v.Transaction)
	}
}

// loud is a condition whose error panics when it is looked at.
type loud struct{ error }

func (loud) Is(error) bool { panic("loud") }

func (loud) Holds(risk.Facts) (bool, error) { return true, loud{} }

// Clause 5.24: nothing is authorised without a decision. When the engine breaks, the
// payment is held for a person.
func TestClause5_24_ABrokenEngineAuthorisesNothing(t *testing.T) {
	p := newPayer(t)
	p.b.Rules.Rules = []risk.Rule{{Code: "loud", When: loud{}}}
	v := p.pay(p.command("1.00"))
	if v.Transaction.State != payment.Held || v.Authorization != "" || v.Authentication != nil || !slices.Equal(v.Transaction.Reasons, []string{"engine-failed"}) {
		t.Errorf("%+v", v.Transaction)
	}
	if d := p.decisions(); len(d) != 1 || d[0].Was.Decision != risk.Held || d[0].ID != v.Transaction.ID {
		t.Errorf("%+v", d)
	}
}

// Clause 5.24: the decision is on record before anything is authorised.
func TestClause5_24_TheDecisionComesBeforeTheAuthorization(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("100.00"))
	if d := p.decisions(); len(d) != 1 || d[0].ID != v.Transaction.ID || d[0].Was.Decision != risk.StepUp || p.b.Count("transaction.created", "", "") != 1 || p.b.Count("transaction.approved", "", "") != 0 {
		t.Fatalf("%+v", d)
	}
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
		t.Fatal(err)
	}
	created, approved := -1, -1
	for i, e := range p.b.Entries() {
		switch e.Event {
		case "transaction.created":
			created = i
		case "transaction.approved":
			approved = i
		}
	}
	if created < 0 || approved < created {
		t.Errorf("created is entry %d, approved %d", created, approved)
	}
	if got := p.state(v.Transaction.ID); got != payment.Approved {
		t.Error(got)
	}
}

// A payment that is not settled leaves no decision, and a retry of the same payment no
// second one.
func TestADecisionIsOnRecordOnce(t *testing.T) {
	p := newPayer(t)
	cmd := p.command("1.00")
	p.b.Disk.ReadOnly(true)
	if _, err := p.b.Payments.Create(t.Context(), cmd); err == nil {
		t.Fatal("a payment on a disk that takes no writes")
	}
	p.b.Disk.ReadOnly(false)
	if d := p.decisions(); len(d) != 0 {
		t.Errorf("%+v", d)
	}
	p.pay(cmd)
	p.pay(cmd)
	if d := p.decisions(); len(d) != 1 {
		t.Errorf("%+v", d)
	}
}

// A shadow policy is asked about every payment and decides nothing, even when it breaks.
func TestClause5_6_AShadowDecidesNothing(t *testing.T) {
	p := newPayer(t)
	shadow := p.b.Rules
	shadow.Version, shadow.LowValueEach = 9, 0
	on := true
	p.b.Payments.Shadow = func() (risk.Policy, bool) { return shadow, on }
	var seen []payment.Judged
	p.b.Payments.Observe = func(j payment.Judged) { seen = append(seen, j) }
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.Approved || v.Transaction.Policy != 1 {
		t.Errorf("%+v", v.Transaction)
	}
	p.pay(p.command("100.00"))
	shadow.LinkedUpTo, shadow.Rules = 1e9, []risk.Rule{{Code: "loud", When: loud{}}}
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.Approved {
		t.Errorf("beside a broken shadow: %+v", v.Transaction)
	}
	shadow.Rules = nil
	if v := p.pay(p.command("20000.01")); v.Transaction.State != payment.Held {
		t.Errorf("beside a lenient shadow: %+v", v.Transaction)
	}
	on = false
	p.pay(p.command("1.00"))
	var changes []string
	for _, j := range seen {
		changes = append(changes, j.Shadow)
		if j.Policy != 1 || j.Took <= 0 || j.Decision == "" {
			t.Errorf("%+v", j)
		}
	}
	if !slices.Equal(changes, []string{"stricter", "same", "stricter", "weaker", ""}) || seen[0].Exemption != "low_value" {
		t.Errorf("%+v", seen)
	}
	d := p.decisions()
	if *d[0].Shadow != (risk.Outcome{Policy: 9, Decision: risk.StepUp, ACR: "linked", Shown: "none"}) || d[2].Shadow.Decision != risk.Held || d[4].Shadow != nil {
		t.Errorf("%+v, %+v", d[0].Shadow, d[2].Shadow)
	}
}

// A policy is tried on what was decided: the same one changes nothing, another one is
// told apart, part after part, and the log says who tried which.
func TestAPolicyIsTriedOnPastDecisions(t *testing.T) {
	p := newPayer(t)
	for _, value := range []string{"1.00", "20.00", "40.00", "60.00", "900.00", "20000.01"} {
		p.pay(p.command(value))
	}
	cmd := payment.SimulateCommand{Caller: p.b.Front(), Policy: p.b.Rules, From: p.b.Clock.Now().Add(-time.Hour), To: p.b.Clock.Now().Add(time.Second)}
	s, err := p.b.Payments.Simulate(t.Context(), cmd)
	if err != nil || s.Decisions != 6 || s.Same != 6 || s.Next != "" || s.Unreadable != 0 || s.Until.IsZero() {
		t.Fatalf("%+v, %v", s, err)
	}
	cmd.Policy.Version, cmd.Policy.LowValueEach, cmd.Policy.LinkedUpTo = 2, 10_00, 500_00
	if s, err = p.b.Payments.Simulate(t.Context(), cmd); err != nil || s.Stricter != 3 || s.Weaker != 0 || len(s.ToStrict) != 3 || s.ToStrict[0].Amount != 900_00 {
		t.Errorf("%+v, %v", s, err)
	}
	if n := p.b.Count("policy.simulated", "done", ""); n != 2 {
		t.Errorf("%d entries", n)
	}
	var parts int64
	cmd.Most = 4
	for calls := 1; ; calls++ {
		s, err := p.b.Payments.Simulate(t.Context(), cmd)
		if err != nil || s.Decisions > 4 {
			t.Fatalf("%+v, %v", s, err)
		}
		parts += s.Decisions
		if cmd.Cursor = s.Next; s.Next == "" {
			if calls != 2 || parts != 6 {
				t.Errorf("%d calls, %d decisions", calls, parts)
			}
			break
		}
	}
	cmd.Cursor = "no cursor"
	if _, err := p.b.Payments.Simulate(t.Context(), cmd); err == nil {
		t.Error("a cursor that is none")
	}
	cmd.From = cmd.To
	if _, err := p.b.Payments.Simulate(t.Context(), cmd); err == nil {
		t.Error("no time between from and to")
	}
}
