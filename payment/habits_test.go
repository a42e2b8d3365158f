package payment_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
	"mohur/store/bound"
	"mohur/tokens/pskc"
)

// watched makes every payment of up to 1,000 AZN exempt and returns what decisions are
// told.
func (p *payer) watched() *spy {
	eye := &spy{}
	p.b.Rules.LowValueEach, p.b.Rules.LowValueSum, p.b.Rules.LowValueInRow = 1000_00, 1_000_000_00, 1000
	p.b.Rules.Rules = []risk.Rule{{Code: "spy", When: eye}}
	return eye
}

func (p *payer) approved(value string) payment.View {
	p.t.Helper()
	v := p.pay(p.command(value))
	if v.Transaction.State != payment.Approved {
		p.t.Fatalf("%s AZN: %s, %v", value, v.Transaction.State, v.Transaction.Reasons)
	}
	return v
}

// told compares what the last decision was told.
func (s *spy) told(t *testing.T, what string, want risk.Facts) {
	t.Helper()
	for name, value := range want {
		if got := s.facts[name]; got != value {
			t.Errorf("%s: %s is %v, want %v", what, name, got, value)
		}
	}
}

// Clause 5.18: a payee is known after the first approved payment to him, however his
// account and his bank are spelt, and not by one that waits for its proof.
func TestClause5_18_APayeeIsKnownAfterTheFirstPayment(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	pay := func(what, value, account, bank string, want risk.Facts) {
		t.Helper()
		cmd := p.command(value)
		cmd.Payee.Account, cmd.Payee.Bank = account, bank
		p.pay(cmd)
		eye.told(t, what, want)
	}
	iban := "AZ96AZEJ00000000001234567890"
	first := risk.Facts{"payee_new": true, "payee_day_sum": int64(0), "payee_day_count": int64(0)}
	pay("a proof is awaited", "1500.00", iban, "Bank B", first)
	pay("the first", "10.00", iban, "Bank B", first)
	pay("the second, in groups and small letters", "5.00", "az96 azej 0000 0000 0012 3456 7890", "bank b", risk.Facts{"payee_new": false, "payee_day_sum": int64(10_00), "payee_day_count": int64(1)})
	if payment.IBANCountry(iban) == "" {
		t.Fatal("the test's account is no IBAN")
	}
	pay("an IBAN, and its bank called otherwise", "1.00", iban, "Kapital", risk.Facts{"payee_new": false, "payee_day_sum": int64(15_00)})
	pay("another account", "1.00", "1234567890", "Bank B", first)
	pay("the same number at another bank", "1.00", "1234567890", "Bank C", first)
	pay("again", "1.00", "12345 67890", "BANK  C", risk.Facts{"payee_new": false, "payee_day_sum": int64(1_00)})
	eye.told(t, "all payees together", risk.Facts{"day_count": int64(5), "day_sum": int64(18_00), "hour_count": int64(5), "hour_sum": int64(18_00)})

	other := &payer{b: p.b, t: t}
	other.customer, other.device = p.b.Person(pskc.HOTP)
	other.login()
	cmd := other.command("1.00")
	cmd.Payee.Account = iban
	other.pay(cmd)
	eye.told(t, "another customer", risk.Facts{"payee_new": true, "day_sum": int64(0)})
}

// Clause 5.18: parallel approvals are all counted, on whatever way they were approved.
func TestClause5_18_ParallelApprovalsAreAllCounted(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	var work sync.WaitGroup
	for range 12 {
		work.Go(func() {
			if v, err := p.b.Payments.Create(t.Context(), p.command("7.00")); err != nil || v.Transaction.State != payment.Approved {
				t.Errorf("%s, %v", v.Transaction.State, err)
			}
		})
	}
	work.Wait()
	v := p.pay(p.command("1500.00"))
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
		t.Fatal(err)
	}
	p.pay(p.command("1.00"))
	eye.told(t, "twelve and one", risk.Facts{
		"day_count": int64(13), "day_sum": int64(12*7_00 + 1500_00), "hour_count": int64(13), "hour_sum": int64(12*7_00 + 1500_00),
		"payee_day_count": int64(13), "payee_day_sum": int64(12*7_00 + 1500_00), "payee_new": false,
	})
}

// Clause 5.18: payments that need no proof and come at once do not pass a rule together:
// the sum a decision was told is the one it is added to.
func TestClause5_18_ParallelPaymentsNeverPassARuleTogether(t *testing.T) {
	p := newPayer(t)
	p.watched()
	each, row := p.b.Rules.LowValueEach, p.b.Rules.LowValueInRow
	p.b.Rules = rules(t, `
  - {code: splitting, text: the day is too full, decision: held, when: 'day_sum + amount > azn("50.00")'}
`)
	p.b.Rules.LowValueEach, p.b.Rules.LowValueInRow, p.b.Rules.LowValueSum = each, row, 1000_00
	var approved, held atomic.Int64
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			v, err := p.b.Payments.Create(t.Context(), p.command("10.00"))
			switch {
			case err != nil:
				t.Error(err)
			case v.Transaction.State == payment.Approved:
				approved.Add(1)
			case v.Transaction.State == payment.Held:
				held.Add(1)
			}
		})
	}
	work.Wait()
	if approved.Load() != 5 || held.Load() != 15 {
		t.Errorf("%d approved, %d held", approved.Load(), held.Load())
	}
}

// Clause 5.18: what a payment that failed gives back of a limit lowers no sum that
// decisions rest on: else one could fail many to hide one.
func TestClause5_18_WhatIsGivenBackLowersNoFact(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	v := p.approved("300.00")
	if _, err := p.b.Payments.Report(t.Context(), p.b.Staff(), v.Transaction.ID, v.Transaction.JTI, payment.Failed, "no cover"); err != nil {
		t.Fatal(err)
	}
	p.approved("1.00")
	eye.told(t, "after a failed payment", risk.Facts{"day_sum": int64(300_00), "day_count": int64(1), "hour_sum": int64(300_00), "payee_new": false, "payee_day_sum": int64(300_00)})
}

// Clause 5.18: at midnight of the bank's clock the sums of the day begin anew, those of
// the hour do not.
func TestClause5_18_TheDayEndsInBaku(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	now := p.b.Clock.Now().UTC()
	minutes := now.Hour()*60 + now.Minute()
	p.b.Payments.Zone = time.FixedZone("before midnight", (23*60+30-minutes)*60)
	p.approved("40.00")
	p.approved("2.00")
	eye.told(t, "before midnight", risk.Facts{"day_sum": int64(40_00), "payee_day_sum": int64(40_00), "hour_sum": int64(40_00)})
	p.b.Payments.Zone = time.FixedZone("after midnight", (24*60-minutes)*60)
	p.approved("1.00")
	eye.told(t, "after midnight", risk.Facts{
		"day_sum": int64(0), "day_count": int64(0), "payee_day_sum": int64(0), "payee_day_count": int64(0), "payee_new": false, "hour_sum": int64(42_00), "hour_count": int64(2),
	})
}

// Clause 5.27: a record that somebody has changed is not believed: its facts are missing,
// which raises the risk. It is no outage, and an incident is open.
func TestClause5_27_AChangedMemoryIsMissingFacts(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	missing := map[string]int{}
	p.b.Payments.Missing = func(fact string) { missing[fact]++ }
	p.approved("900.00")
	v, err := p.b.Engine.Velocity(t.Context(), p.customer.ID)
	if err != nil {
		t.Fatal(err)
	}
	v.DaySum, v.Minutes, v.Version = 0, nil, v.Version+1
	p.steal(payment.SaveVelocity{Velocity: v})
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.Approved {
		t.Fatalf("%s, %v", v.Transaction.State, v.Transaction.Reasons)
	}
	for _, name := range []string{"day_sum", "day_count", "hour_sum", "hour_count"} {
		if got, known := eye.facts[name]; known || missing[name] != 1 {
			t.Errorf("%s is %v, and was counted %d times", name, got, missing[name])
		}
	}
	eye.told(t, "the rest", risk.Facts{"payee_new": false, "payee_day_sum": int64(900_00)})
	if n := p.b.Count("incident.opened", "", "record.tampered"); n != 1 {
		t.Errorf("%d incidents", n)
	}
	p.b.Rules = rules(t, `
  - {code: splitting, text: the day is too full, decision: held, when: 'day_sum + amount > azn("60.00")'}
`)
	if v := p.pay(p.command("1.00")); v.Transaction.State != payment.Held {
		t.Errorf("what rests on a changed sum: %s", v.Transaction.State)
	}
}

// steal writes a record past the server: its MAC is an old one.
func (p *payer) steal(e settle.Effect) {
	p.t.Helper()
	d, err := p.b.Audit.Draft(p.t.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	if err != nil {
		p.t.Fatal(err)
	}
	if r, err := p.b.Engine.Settle(p.t.Context(), settle.Command{Effects: []settle.Effect{e}, Entries: []audit.Draft{d}}); err != nil || r.Outcome != settle.Done {
		p.t.Fatalf("%s, %v", r.Outcome, err)
	}
}

// reads counts what a payment reads of the store.
type reads struct {
	bound.Engine
	n, lists atomic.Int64
}

func (r *reads) Velocity(ctx context.Context, id string) (payment.Velocity, error) {
	r.n.Add(1)
	return r.Engine.Velocity(ctx, id)
}

func (r *reads) PayeeHistories(ctx context.Context, keys ...string) ([]payment.PayeeHistory, error) {
	r.n.Add(int64(len(keys)))
	return r.Engine.PayeeHistories(ctx, keys...)
}

func (r *reads) Hot(ctx context.Context, ids ...string) ([]settle.HotRead, error) {
	r.n.Add(int64(len(ids)))
	return r.Engine.Hot(ctx, ids...)
}

func (r *reads) Reserved(ctx context.Context, key string, now time.Time) (int64, error) {
	r.n.Add(1)
	return r.Engine.Reserved(ctx, key, now)
}

func (r *reads) Transaction(ctx context.Context, id string) (payment.Transaction, error) {
	r.n.Add(1)
	return r.Engine.Transaction(ctx, id)
}

func (r *reads) Activity(ctx context.Context, id string) (authn.Activity, error) {
	r.n.Add(1)
	return r.Engine.Activity(ctx, id)
}

func (r *reads) Transactions(ctx context.Context, f payment.Filter, cursor string, limit int) ([]payment.Transaction, string, error) {
	r.lists.Add(1)
	return r.Engine.Transactions(ctx, f, cursor, limit)
}

func (r *reads) Decisions(ctx context.Context, from, to time.Time, cursor string, limit int) (payment.Decisions, error) {
	r.lists.Add(1)
	return r.Engine.Decisions(ctx, from, to, cursor, limit)
}

// A decision reads as much after many payments as after one, and no list.
func TestADecisionDoesNotGrowWithThePayments(t *testing.T) {
	p := newPayer(t)
	p.watched()
	counted := &reads{Engine: p.b.Store.Engine}
	p.b.Store.Engine = counted
	cost := func() int64 {
		t.Helper()
		before := counted.n.Load()
		p.approved("1.00")
		return counted.n.Load() - before
	}
	p.approved("1.00")
	few := cost()
	for range 60 {
		p.approved("1.00")
	}
	if many := cost(); many != few || few == 0 || counted.lists.Load() != 0 {
		t.Errorf("%d reads after two payments, %d after 62, %d lists", few, many, counted.lists.Load())
	}
}

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

// A record of a payee names neither him nor the customer.
func TestAPayeesHistoryNamesNobody(t *testing.T) {
	p := newPayer(t)
	p.watched()
	p.approved("1.00")
	keys, _, err := p.b.Engine.Examine(t.Context(), "payee-history", "", 10)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	h, err := p.b.Engine.PayeeHistory(t.Context(), keys[0])
	if err != nil || h.Count != 1 || h.DaySum != 100 {
		t.Errorf("%+v, %v", h, err)
	}
	cmd := p.command("1.00")
	for _, secret := range []string{p.customer.ID, cmd.Payee.Account, cmd.Payee.Bank} {
		if strings.Contains(keys[0], secret) {
			t.Errorf("the key %s names %s", keys[0], secret)
		}
	}
}
