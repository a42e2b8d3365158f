package payment_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/settle"
)

func guard(id string) parties.Caller {
	return parties.Caller{Kind: "client", ID: id, Roles: []parties.Role{parties.Security}, Request: "rq"}
}

// Clauses 5.26, 5.33: who made a payment does not decide on it, and the customer is told
// of every step.
func TestClause5_26_WhoMadeAPaymentDoesNotReleaseIt(t *testing.T) {
	p := newPayer(t)
	held := p.pay(p.command("25000.00")).Transaction
	if !held.ExpiresAt.After(p.b.Clock.Now().Add(23 * time.Hour)) {
		t.Errorf("held until %s", held.ExpiresAt)
	}
	both := p.b.Front()
	both.Roles = append(both.Roles, parties.Security)
	for _, decide := range []func(by parties.Caller, reason string) error{
		func(by parties.Caller, reason string) error {
			_, err := p.b.Payments.Release(t.Context(), by, held.ID, reason)
			return err
		},
		func(by parties.Caller, reason string) error {
			_, err := p.b.Payments.Reject(t.Context(), by, held.ID, reason)
			return err
		},
	} {
		if err := decide(both, "it is mine"); !problem.Is(err, problem.Forbidden) {
			t.Errorf("the client that began it: %v", err)
		}
		if err := decide(guard("cl_guard"), ""); !problem.Is(err, problem.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		anna := p.staff("anna", parties.Profile{Name: "Anna", Phone: "+994501234567"}) // the customer's own
		if err := decide(anna, "I know him"); !problem.Is(err, problem.Forbidden) {
			t.Errorf("the customer himself: %v", err)
		}
	}
	if p.state(held.ID) != payment.Held {
		t.Fatalf("it is %s", p.state(held.ID))
	}
	bela := p.staff("bela", parties.Profile{Name: "Bela", Phone: "+994559999999"})
	released, err := p.b.Payments.Release(t.Context(), bela, held.ID, "checked by phone")
	if err != nil || released.Transaction.State != payment.PendingProof || released.Authorization != "" || released.Authentication.Attempt.ACR != "linked" {
		t.Fatalf("%+v, %v", released.Transaction, err)
	}
	if v := p.settled(released); v.Transaction.State != payment.Approved {
		t.Errorf("%+v", v.Transaction)
	}
	rejected := p.pay(p.command("25000.00")).Transaction
	if _, err := p.b.Payments.Reject(t.Context(), guard("cl_guard"), rejected.ID, "fraud"); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]int{"payment-held": 2, "payment-released": 1, "payment-rejected": 1} {
		if got := p.noticesOf(kind); len(got) != want || got[0] != held.Reference && got[0] != rejected.Reference {
			t.Errorf("%s: told %q", kind, got)
		}
	}
}

// staff is a member of the bank's security.
func (p *payer) staff(id string, profile parties.Profile) parties.Caller {
	p.t.Helper()
	subject := parties.Subject(id)
	if c, err := p.b.Store.Customer(p.t.Context(), subject); err == nil {
		return c.Caller()
	}
	c, effects, e, err := p.b.Parties.NewStaff(p.t.Context(), parties.StaffCommand{Caller: p.b.Staff(), ID: id, Profile: profile, Roles: []parties.Role{parties.Security}})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := settle.Write(p.t.Context(), p.b.Store, p.b.Audit, effects, []audit.Event{e}); err != nil {
		p.t.Fatal(err)
	}
	return c.Caller()
}

// Clause 5.26: of many who decide at once, one does.
func TestClause5_26_AHeldPaymentIsDecidedOnce(t *testing.T) {
	p := newPayer(t)
	held := p.pay(p.command("25000.00")).Transaction
	var done, lost atomic.Int64
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = p.b.Payments.Release(t.Context(), guard("cl_a"), held.ID, "good")
			} else {
				_, err = p.b.Payments.Reject(t.Context(), guard("cl_b"), held.ID, "bad")
			}
			switch {
			case err == nil:
				done.Add(1)
			case problem.Is(err, problem.Conflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	work.Wait()
	if done.Load() != 1 || lost.Load() != 7 || p.b.Count("transaction.released", "", "")+p.b.Count("transaction.rejected", "", "") != 1 {
		t.Fatalf("decided %d times, refused %d times", done.Load(), lost.Load())
	}
}

// Clause 5.25: a held payment that nobody decides on opens one incident after the time
// the bank has set, and is rejected by itself after the other, once, also when the
// server was stopped meanwhile.
func TestClause5_25_AHeldPaymentDoesNotWaitForEver(t *testing.T) {
	p := newPayer(t)
	p.b.Payments.Review, p.b.Payments.HeldLife = time.Hour, 5*time.Hour
	sweep := parties.Caller{Kind: "host", ID: "host:sweep"}
	review := func(waiting, late int) {
		t.Helper()
		w, l, err := p.b.Payments.ReviewHeld(t.Context(), sweep)
		if err != nil || w != waiting || l != late {
			t.Errorf("%d wait and %d late, %v; want %d and %d", w, l, err, waiting, late)
		}
	}
	count := func(event, reason string, want int) {
		t.Helper()
		if n := p.b.Count(event, "", reason); n != want {
			t.Errorf("%s, %s: %d, want %d", event, reason, n, want)
		}
	}
	first := p.pay(p.command("25000.00")).Transaction
	review(1, 0)
	p.b.Clock.Forward(time.Hour)
	p.login()
	second := p.pay(p.command("25000.00")).Transaction
	review(1, 1)
	review(1, 1)
	count("incident.opened", "payment.review-late", 1)

	p.b.Engine.Close()
	p.b.Clock.Forward(4 * time.Hour)
	p.b.Open()
	p.b.Payments.Review, p.b.Payments.HeldLife = time.Hour, 5*time.Hour
	if _, err := p.b.Payments.Release(t.Context(), guard("cl_guard"), first.ID, "late"); !problem.Is(err, problem.Expired) {
		t.Errorf("released after its time: %v", err)
	}
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			if _, _, err := p.b.Payments.ReviewHeld(t.Context(), sweep); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	review(0, 1)
	count("transaction.rejected", "review-expired", 1)
	count("incident.opened", "payment.review-late", 2)
	if p.state(first.ID) != payment.Rejected || p.state(second.ID) != payment.Held {
		t.Errorf("%s and %s", p.state(first.ID), p.state(second.ID))
	}
	if told := p.noticesOf("payment-rejected"); len(told) != 1 || told[0] != first.Reference {
		t.Errorf("told %q", told)
	}
	if _, err := p.b.Payments.Reject(t.Context(), guard("cl_guard"), second.ID, "in time"); err != nil {
		t.Fatal(err)
	}
	p.b.Clock.Forward(5 * time.Hour)
	review(0, 0)
	count("transaction.rejected", "review-expired", 1)

	// One that was never looked at, for a server that stood still: both at once.
	p.login()
	third := p.pay(p.command("25000.00")).Transaction
	p.b.Clock.Forward(6 * time.Hour)
	review(0, 0)
	count("incident.opened", "payment.review-late", 3)
	if p.state(third.ID) != payment.Rejected {
		t.Errorf("it is %s", p.state(third.ID))
	}
}
