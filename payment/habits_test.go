package payment_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/payment"
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

// Clause 5.18: a payee is known after the first payment to him that the customer has
// proven, however his account and his bank are spelt; not by one that waits for its
// proof, and not by one that needed none.
func TestClause5_18_APayeeIsKnownAfterTheFirstProof(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	proving := false
	pay := func(what, value, account, bank string, want risk.Facts) {
		t.Helper()
		cmd := p.command(value)
		cmd.Payee.Account, cmd.Payee.Bank = account, bank
		if proving {
			p.b.Rules.LowValueEach = 0
		} else {
			p.b.Rules.LowValueEach = 1000_00
		}
		v := p.pay(cmd)
		eye.told(t, what, want)
		if proving {
			if _, err := p.prove(v, p.password(v)); err != nil || p.state(v.Transaction.ID) != payment.Approved {
				t.Fatalf("%s: %s, %v", what, p.state(v.Transaction.ID), err)
			}
		}
	}
	iban := "AZ96AZEJ00000000001234567890"
	first := risk.Facts{"payee_new": true, "payee_day_sum": int64(0), "payee_day_count": int64(0)}
	pay("a proof is awaited", "1500.00", iban, "Bank B", first)
	pay("the first", "10.00", iban, "Bank B", first)
	pay("the second, in groups and small letters", "5.00", "az96 azej-0000.0000/0012 3456 7890", "bank b", risk.Facts{"payee_new": true, "payee_day_sum": int64(10_00), "payee_day_count": int64(1)})
	proving = true
	pay("one that is proven", "2.00", "AZ96-AZEJ-00000000001234567890", "bank b", risk.Facts{"payee_new": true, "payee_day_sum": int64(15_00), "payee_day_count": int64(2)})
	proving = false
	if payment.IBANCountry(iban) == "" {
		t.Fatal("the test's account is no IBAN")
	}
	pay("an IBAN, and its bank called otherwise", "1.00", iban, "Kapital", risk.Facts{"payee_new": false, "payee_day_sum": int64(17_00)})
	proving = true
	pay("another account", "1.00", "1234567890", "Bank B", first)
	pay("the same number at another bank", "1.00", "1234567890", "Bank C", risk.Facts{"payee_new": true, "payee_day_sum": int64(1_00), "payee_day_count": int64(1)})
	proving = false
	pay("again", "1.00", "12345.67890", "BANK  C", risk.Facts{"payee_new": false, "payee_day_sum": int64(2_00)})
	pay("at a bank that has no name", "1.00", "12345/67890", " ", risk.Facts{"payee_new": true, "payee_day_sum": int64(3_00)})
	eye.told(t, "all payees together", risk.Facts{"day_count": int64(7), "day_sum": int64(21_00), "hour_count": int64(7), "hour_sum": int64(21_00)})

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
	eye.told(t, "after a failed payment", risk.Facts{"day_sum": int64(300_00), "day_count": int64(1), "hour_sum": int64(300_00), "payee_new": true, "payee_day_sum": int64(300_00)})
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
		"day_sum": int64(0), "day_count": int64(0), "payee_day_sum": int64(0), "payee_day_count": int64(0), "payee_new": true, "hour_sum": int64(42_00), "hour_count": int64(2),
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
	eye.told(t, "the rest", risk.Facts{"payee_new": true, "payee_day_sum": int64(900_00)})
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

// Clause 5.18: a batch tells the worst of its payees, counts for each of them, and one
// that is too large makes no payee known.
func TestClause5_18_ABatchCountsForEachPayee(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	batch := func(lines int, payee func(int) string) payment.View {
		t.Helper()
		cmd := p.command("1.00")
		cmd.Payee, cmd.Amount.Value = payment.Party{}, fmt.Sprintf("%d.00", lines)
		for i := range lines {
			cmd.Batch = append(cmd.Batch, payment.Line{Amount: payment.Money{Value: "1.00", Currency: "AZN"}, Payee: payment.Party{Name: "N", Account: payee(i), Bank: "B", Country: "AZ"}})
		}
		return p.pay(cmd)
	}
	two := func(i int) string { return fmt.Sprintf("payee-%d", i%2) }
	v := batch(5, two)
	eye.told(t, "the first", risk.Facts{"payees": int64(5), "payee_new": true, "payee_day_sum": int64(0)})
	if _, err := p.prove(v, p.password(v)); err != nil || p.state(v.Transaction.ID) != payment.Approved {
		t.Fatalf("%s, %v", p.state(v.Transaction.ID), err)
	}
	batch(5, two)
	eye.told(t, "the second", risk.Facts{"payee_new": false, "payee_day_sum": int64(3_00), "payee_day_count": int64(3), "day_sum": int64(5_00), "day_count": int64(1)})
	batch(3, func(i int) string { return fmt.Sprintf("payee-%d", i) })
	eye.told(t, "one of three is new", risk.Facts{"payee_new": true, "payee_day_sum": int64(3_00)})
	batch(payment.MaxRemembered+1, two)
	for _, name := range []string{"payee_new", "payee_day_sum", "payee_day_count"} {
		if got, known := eye.facts[name]; known {
			t.Errorf("of a large batch %s is %v", name, got)
		}
	}
	eye.told(t, "of a large batch", risk.Facts{"day_sum": int64(5_00), "payees": int64(payment.MaxRemembered + 1)})
}

// password is what the customer's device says to the question of a payment.
func (p *payer) password(v payment.View) string {
	p.t.Helper()
	return p.device.OCRA(question(p.t, v))
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
	h, err := p.b.Engine.PayeeHistories(t.Context(), keys[0])
	if err != nil || h[0].Count != 1 || h[0].DaySum != 100 {
		t.Errorf("%+v, %v", h, err)
	}
	cmd := p.command("1.00")
	for _, secret := range []string{p.customer.ID, cmd.Payee.Account, cmd.Payee.Bank} {
		if strings.Contains(keys[0], secret) {
			t.Errorf("the key %s names %s", keys[0], secret)
		}
	}
}
