package payment_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"mohur/authn"
	"mohur/payment"
	"mohur/problem"
	"mohur/settle"
)

// Clause 5.18: payments that wait for their proofs at once do not pass together what
// none of them would pass alone: each is decided again when its proof comes.
func TestClause5_18_SplitPaymentsAreHeldWithTheirProofs(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = rules(t, `
  - {code: splitting, text: too much to one payee, decision: held, when: 'payee_day_sum + amount > azn("250.00")'}
`)
	var waiting []payment.View
	for range 4 {
		v := p.pay(p.command("100.00"))
		if v.Transaction.State != payment.PendingProof {
			t.Fatalf("%s", v.Transaction.State)
		}
		waiting = append(waiting, v)
	}
	elsewhere := p.command("100.00")
	elsewhere.Payee.Account = "1234567890"
	waiting = append(waiting, p.pay(elsewhere))
	want := []payment.State{payment.Approved, payment.Approved, payment.Held, payment.Held, payment.Approved}
	for i, v := range waiting {
		got, err := p.prove(v, p.device.OCRA(question(t, v)))
		if err != nil {
			t.Fatalf("proof %d: %v", i, err)
		}
		now, err := p.b.Payments.Get(t.Context(), p.b.Front(), v.Transaction.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.Transaction.State != want[i] || got.Transaction.State != string(want[i]) || (now.Authorization != "") != (want[i] == payment.Approved) || (got.Transaction.Authorization != "") != (want[i] == payment.Approved) {
			t.Errorf("proof %d: %s, told %s, want %s", i, now.Transaction.State, got.Transaction.State, want[i])
		}
		if want[i] == payment.Held && (!slices.Contains(now.Transaction.Reasons, "splitting") || now.Transaction.ACR != "" || len(now.Transaction.Reserved) != 0 || now.Transaction.Decision != "held") {
			t.Errorf("held: %+v", now.Transaction)
		}
	}
	if n := p.b.Count("transaction.held", "held", ""); n != 2 {
		t.Errorf("%d are on record as held", n)
	}
	// What security has looked at is not held for the same again.
	v, err := p.b.Payments.Release(t.Context(), p.b.Staff(), waiting[2].Transaction.ID, "called back")
	if err != nil {
		t.Fatal(err)
	}
	if v.Authentication == nil {
		asked := p.token()
		if v, err = p.b.Payments.Ask(t.Context(), p.b.Front(), v.Transaction.ID, asked, nil, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil || p.state(v.Transaction.ID) != payment.Approved {
		t.Errorf("released and proven: %s, %v", p.state(v.Transaction.ID), err)
	}
}

// token is a fresh access token of the payer's session.
func (p *payer) token() string {
	p.t.Helper()
	g, err := p.b.Authn.Again(p.t.Context(), p.b.Front(), p.session)
	if err != nil {
		p.t.Fatal(err)
	}
	return g.AccessToken
}

// Clause 5.18: where the sums ask for more than a proof has shown by now, it approves
// nothing, and the next one is asked for what is needed.
func TestClause5_18_AProofThatDoesNotReachAnyMoreDoesNotCount(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = rules(t, `
  - {code: busy, text: the customer has to have seen it, shown: agent, when: 'day_count >= 1'}
  - {code: closed, text: enough for a day, decision: rejected, when: 'day_count >= 2'}
`)
	first, second := p.pay(p.command("100.00")), p.pay(p.command("100.00"))
	if _, err := p.prove(first, p.device.OCRA(question(t, first))); err != nil || p.state(first.Transaction.ID) != payment.Approved {
		t.Fatalf("the first: %s, %v", p.state(first.Transaction.ID), err)
	}
	got, err := p.prove(second, p.device.OCRA(question(t, second)))
	if err != nil {
		t.Fatal(err)
	}
	now, err := p.b.Payments.Get(t.Context(), p.b.Front(), second.Transaction.ID)
	if err != nil {
		t.Fatal(err)
	}
	if tx := now.Transaction; tx.State != payment.PendingProof || got.Transaction.State != string(payment.PendingProof) || got.Transaction.Authorization != "" ||
		tx.NeedShown != "agent" || tx.ACR != "" || !slices.Contains(tx.Reasons, "busy") || len(tx.Reserved) != 0 {
		t.Fatalf("the second: %+v", tx)
	}
	// The same code again is no second proof.
	if _, err := p.prove(second, p.device.OCRA(question(t, second))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("an answer to the attempt that is over: %v", err)
	}
	asked, err := p.b.Payments.Ask(t.Context(), p.b.Front(), second.Transaction.ID, p.token(), nil, "")
	if err != nil || asked.Authentication.Attempt.Shown != "agent" {
		t.Fatalf("asked again: %+v, %v", asked.Authentication, err)
	}
	// A third that was begun before the second of the day is rejected after it.
	p.b.Rules = rules(t, `
  - {code: closed, text: enough for a day, decision: rejected, when: 'day_count >= 2'}
`)
	third, fourth := p.pay(p.command("100.00")), p.pay(p.command("100.00"))
	for _, v := range []payment.View{third, fourth} {
		if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := p.state(third.Transaction.ID), p.state(fourth.Transaction.ID); a != payment.Approved || b != payment.Rejected {
		t.Errorf("the third is %s, the fourth %s", a, b)
	}
}

// Attack 11: what the front end found when a payment was begun is still known when its
// proof comes, whatever the one who brings the proof says or leaves out.
func TestAttack11_MalwareIsNotForgottenUntilTheProof(t *testing.T) {
	p := newPayer(t)
	found := true
	cmd := p.command("100.00")
	cmd.Signals.Malware = &found
	v := p.pay(cmd)
	clean := p.pay(p.command("100.00"))
	if v.Transaction.State != payment.PendingProof {
		t.Fatalf("by the shipped policy: %s", v.Transaction.State)
	}
	p.b.Rules = rules(t, `
  - {code: infected, text: the front end found malware, decision: held, when: 'malware'}
`)
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil || p.state(v.Transaction.ID) != payment.Held {
		t.Errorf("found: %s, %v", p.state(v.Transaction.ID), err)
	}
	if _, err := p.prove(clean, p.device.OCRA(question(t, clean))); err != nil || p.state(clean.Transaction.ID) != payment.Held {
		t.Errorf("nobody looked: %s, %v", p.state(clean.Transaction.ID), err)
	}
}

// Clause 5.18: of many proofs that come at once each sees those before it.
func TestClause5_18_ProofsAtOnceSeeOneAnother(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = rules(t, `
  - {code: splitting, text: too much to one payee, decision: held, when: 'payee_day_sum + amount > azn("250.00")'}
`)
	var waiting []payment.View
	for range 6 {
		waiting = append(waiting, p.pay(p.command("100.00")))
	}
	var approved, held atomic.Int64
	var work sync.WaitGroup
	for _, v := range waiting {
		proof := authn.Proof{ACR: authn.Linked, Shown: "none", At: p.b.Clock.Now(), By: p.b.Front()}
		work.Go(func() {
			for range 100 {
				c, err := p.b.Payments.Proven(t.Context(), v.Authentication.Attempt, proof, false)
				if err != nil {
					t.Error(err)
					return
				}
				r, err := settle.Write(t.Context(), p.b.Store, p.b.Audit, c.Effects, c.Events)
				if err != nil {
					t.Error(err)
					return
				}
				if r.Outcome != settle.Done {
					continue
				}
				switch c.Transaction.State {
				case string(payment.Approved):
					approved.Add(1)
				case string(payment.Held):
					held.Add(1)
				}
				return
			}
			t.Error("it was never settled")
		})
	}
	work.Wait()
	if approved.Load() != 2 || held.Load() != 4 {
		t.Errorf("%d approved, %d held", approved.Load(), held.Load())
	}
}
