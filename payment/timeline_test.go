package payment_test

import (
	"slices"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
)

// history is what happened to a transaction, in words.
func (p *payer) history(id string) (events []string, steps []payment.Step) {
	p.t.Helper()
	v, err := p.b.Payments.Get(p.t.Context(), p.b.Front(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	for i, s := range v.Transaction.Timeline {
		events = append(events, s.Event)
		if i > 0 && s.At.Before(v.Transaction.Timeline[i-1].At) {
			p.t.Errorf("%s at %s after %s", s.Event, s.At, v.Transaction.Timeline[i-1].At)
		}
	}
	return events, v.Transaction.Timeline
}

func (p *payer) expectHistory(id string, want ...string) []payment.Step {
	p.t.Helper()
	events, steps := p.history(id)
	if !slices.Equal(events, want) {
		p.t.Fatalf("%q, want %q", events, want)
	}
	return steps
}

// Clause 5.15: every step of the consent is on record and told to its owner: what was
// shown, what was answered, by which method, and what the bank made of it.
func TestClause5_15_TheHistoryOfAConsentIsWhole(t *testing.T) {
	core := parties.Caller{ID: "cl_core", Roles: []parties.Role{parties.Core}, Channels: parties.Channels()}

	t.Run("proven and executed", func(t *testing.T) {
		p := newPayer(t)
		v := p.pay(p.command("100.00"))
		id := v.Transaction.ID
		if _, err := p.prove(v, "00000000"); err == nil {
			t.Fatal("a wrong code")
		}
		steps := p.expectHistory(id, "created", "challenged", "answers-refused")
		if string(steps[1].SHA256) != string(v.Transaction.SHA256) || !slices.Contains(steps[1].Methods, "ocra") || steps[1].Attempt != v.Authentication.Attempt.ID || steps[2].Count != 1 {
			t.Errorf("%+v", steps)
		}
		done := p.settled(v)
		if _, err := p.b.Payments.Report(t.Context(), core, id, done.Transaction.JTI, payment.Executed, "booked"); err != nil {
			t.Fatal(err)
		}
		steps = p.expectHistory(id, "created", "challenged", "answers-refused", "approved", "executed")
		if !slices.Equal(steps[3].Methods, []string{"otp", "pin", "mfa"}) || steps[3].By != p.customer.ID || steps[4].Reason != "booked" {
			t.Errorf("%+v", steps)
		}
		p.b.Clock.Forward(3 * time.Hour)
		if _, err := p.b.Engine.Sweep(t.Context(), p.b.Clock.Now(), 1000); err != nil { // the attempt is gone
			t.Fatal(err)
		}
		p.expectHistory(id, "created", "challenged", "answers-refused", "approved", "executed")
	})
	t.Run("exempt and failed", func(t *testing.T) {
		p := newPayer(t)
		v := p.pay(p.command("10.00"))
		if _, err := p.b.Payments.Report(t.Context(), core, v.Transaction.ID, v.Transaction.JTI, payment.Failed, "no funds"); err != nil {
			t.Fatal(err)
		}
		steps := p.expectHistory(v.Transaction.ID, "created", "failed")
		if steps[0].State != payment.Approved || steps[0].Reason != "exemption:low_value" || steps[1].Reason != "no funds" {
			t.Errorf("%+v", steps)
		}
	})
	t.Run("declined", func(t *testing.T) {
		p := newPayer(t)
		v := p.pay(p.command("100.00"))
		if _, err := p.b.Payments.Cancel(t.Context(), p.b.Front(), v.Transaction.ID); err != nil {
			t.Fatal(err)
		}
		p.expectHistory(v.Transaction.ID, "created", "challenged", "cancelled")
	})
	t.Run("asked twice, and out of time", func(t *testing.T) {
		p := newPayer(t)
		v := p.pay(p.command("100.00"))
		p.b.Clock.Forward(5 * time.Minute)
		p.expectHistory(v.Transaction.ID, "created", "challenged", "challenge-expired")
		p.login()
		session, err := p.b.Authn.Touch(t.Context(), p.b.Front(), p.session, "", true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.b.Payments.Ask(t.Context(), p.b.Front(), v.Transaction.ID, session.AccessToken, nil, ""); err != nil {
			t.Fatal(err)
		}
		p.expectHistory(v.Transaction.ID, "created", "challenged", "challenge-expired", "challenged")
		p.b.Clock.Forward(25 * time.Minute)
		steps := p.expectHistory(v.Transaction.ID, "created", "challenged", "challenge-expired", "challenged", "challenge-expired", "expired")
		if last := steps[len(steps)-1]; !last.At.Equal(v.Transaction.ExpiresAt) || last.State != payment.Expired {
			t.Errorf("%+v", last)
		}
	})
	t.Run("held, released, held back", func(t *testing.T) {
		p := newPayer(t)
		v := p.pay(p.command("25000.00"))
		if _, err := p.b.Payments.Release(t.Context(), guard("cl_guard"), v.Transaction.ID, "secret"); err != nil {
			t.Fatal(err)
		}
		steps := p.expectHistory(v.Transaction.ID, "created", "released", "challenged")
		if steps[0].State != payment.Held || steps[1].Reason != "secret" {
			t.Errorf("%+v", steps)
		}
		other := p.pay(p.command("25000.00"))
		if _, err := p.b.Payments.Reject(t.Context(), guard("cl_guard"), other.Transaction.ID, "secret"); err != nil {
			t.Fatal(err)
		}
		p.expectHistory(other.Transaction.ID, "created", "rejected")
	})
	t.Run("locked out", func(t *testing.T) {
		p := newPayer(t)
		v := p.pay(p.command("100.00"))
		id := v.Authentication.Attempt.ID
		for range 6 {
			p.answer(id, authn.PIN, banktest.PIN)
			p.answer(id, authn.OCRA, "00000000")
		}
		steps := p.expectHistory(v.Transaction.ID, "created", "challenged", "credential-locked", "answers-refused")
		if steps[3].Count != 6 {
			t.Errorf("%+v", steps)
		}
	})
	t.Run("beyond a limit", func(t *testing.T) {
		p := newPayer(t)
		v := p.pay(p.command("100.00"))
		p.lower(payment.Daily, "1.00")
		p.settled(v)
		steps := p.expectHistory(v.Transaction.ID, "created", "challenged", "rejected")
		if steps[2].Reason != "limit-exceeded" {
			t.Errorf("%+v", steps)
		}
	})
}
