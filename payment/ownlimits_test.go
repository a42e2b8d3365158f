package payment_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

func azn(value string) payment.Money { return payment.Money{Value: value, Currency: "AZN"} }

// free lets small payments go without a proof, however many.
func (p *payer) free() {
	p.b.Rules.LowValueInRow, p.b.Rules.LowValueSum = 254, 1_000_000_00
}

func (p *payer) limits() payment.LimitsView {
	p.t.Helper()
	v, err := p.b.Payments.CustomerLimits(p.t.Context(), p.customer.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// granted is a proof of an action that is right: what makes one is for package api.
func (p *payer) granted() func() ([]settle.Effect, error) {
	return func() ([]settle.Effect, error) {
		c, err := p.b.Store.Customer(p.t.Context(), p.customer.ID)
		return []settle.Effect{parties.RequireCustomer{ID: c.ID, Version: c.Version}}, err
	}
}

// want sets limits of the customer's own.
func (p *payer) want(want map[string]payment.Money, proof func() ([]settle.Effect, error)) (payment.LimitsView, error) {
	p.t.Helper()
	if proof == nil {
		proof = func() ([]settle.Effect, error) { return nil, problem.New(problem.ProofRequired, "none") }
	}
	return p.b.Payments.SetLimits(p.t.Context(), payment.SetLimitsCommand{Caller: p.b.Front(), Customer: p.customer.ID, Want: want, Proof: proof})
}

func (p *payer) lower(name, value string) {
	p.t.Helper()
	if _, err := p.want(map[string]payment.Money{name: azn(value)}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// refusedBy expects a payment that a limit has stopped.
func refusedBy(t *testing.T, v payment.View, limit string) {
	t.Helper()
	tx := v.Transaction
	if tx.State != payment.Rejected || tx.Limit != limit || tx.Reasons[len(tx.Reasons)-1] != "limit-exceeded" || v.Authorization != "" || len(tx.Reserved) != 0 {
		t.Errorf("%s by %q: %v, %v", tx.State, tx.Limit, tx.Reasons, tx.Reserved)
	}
}

// settled proves a payment and returns it as it is then.
func (p *payer) settled(v payment.View) payment.View {
	p.t.Helper()
	if _, err := p.prove(v, p.device.OCRA(question(p.t, v))); err != nil {
		p.t.Fatal(err)
	}
	got, err := p.b.Payments.Get(p.t.Context(), p.b.Front(), v.Transaction.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// Clause 5.32: 200 payments at once, with a proof and without, come to just the limit.
func TestClause5_32_TwoHundredPaymentsFillTheLimitAndNoMore(t *testing.T) {
	p := newPayer(t)
	p.free()
	p.b.Rules.DailyPerCustomer = 1500_00
	const proven, exempt = 8, 192
	var asked []payment.View
	for range proven {
		asked = append(asked, p.pay(p.command("60.00")))
	}
	var sum atomic.Int64
	var work sync.WaitGroup
	work.Go(func() { // a device counts: its codes go one after the other
		for _, v := range asked {
			code := p.device.OCRA(question(t, v))
			got, err := p.prove(v, code)
			for problem.Is(err, problem.TooMany) {
				time.Sleep(10 * time.Millisecond)
				got, err = p.prove(v, code)
			}
			switch {
			case err == nil && got.Transaction.State == string(payment.Approved):
				sum.Add(60_00)
			case err != nil && !problem.Is(err, problem.Expired): // those asked for later may have taken its place
				t.Error(err)
			}
		}
	})
	for range exempt {
		work.Go(func() {
			cmd := p.command("10.00")
			v, err := p.b.Payments.Create(t.Context(), cmd)
			for problem.Is(err, problem.TooMany) { // too many proofs are asked for at once
				time.Sleep(10 * time.Millisecond)
				v, err = p.b.Payments.Create(t.Context(), cmd)
			}
			if err != nil {
				t.Error(err)
			} else if v.Transaction.State == payment.Approved {
				sum.Add(10_00)
			}
		})
	}
	work.Wait()
	if sum.Load() != 1500_00 || of(p.limits(), payment.Daily).Used != 1500_00 {
		t.Fatalf("%d approved and %d counted under a limit of 150000", sum.Load(), of(p.limits(), payment.Daily).Used)
	}
	p.b.Engine.Close()
	p.b.Open()
	p.b.Rules.DailyPerCustomer = 1500_00
	if v := p.pay(p.command("0.01")); v.Transaction.State != payment.PendingProof {
		t.Errorf("after a restart: %+v", v.Transaction)
	}
}

// Clause 5.32: what is above the limit of one payment is rejected at once, and no proof is
// asked for.
func TestClause5_32_OnePaymentHasALimit(t *testing.T) {
	p := newPayer(t)
	most := int64(500_00)
	p.b.Rules.Limits.PerTransaction = &most
	if v := p.pay(p.command("500.00")); v.Transaction.State != payment.PendingProof {
		t.Errorf("at the limit: %+v", v.Transaction)
	}
	for _, value := range []string{"500.01", "25000.00"} {
		v := p.pay(p.command(value))
		refusedBy(t, v, payment.PerTransaction)
		if v.Authentication != nil || v.Transaction.Decision != "rejected" {
			t.Errorf("%s: %+v", value, v.Transaction)
		}
	}
	p.lower(payment.PerTransaction, "20.00")
	refusedBy(t, p.pay(p.command("20.01")), payment.PerTransaction)
	if v := p.pay(p.command("20.00")); v.Transaction.State != payment.Approved {
		t.Errorf("at his own limit: %+v", v.Transaction)
	}
}

// Clause 5.32: a channel has a limit of its own, and what goes over another one does not
// count in it.
func TestClause5_32_EachChannelHasItsLimit(t *testing.T) {
	p := newPayer(t)
	p.free()
	p.b.Rules.Limits.PerChannel = map[string]int64{"internet": 30_00, "mobile": 0}
	internet := p.session
	for range 3 {
		if v := p.pay(p.command("10.00")); v.Transaction.State != payment.Approved {
			t.Fatalf("%+v", v.Transaction)
		}
	}
	v := p.pay(p.command("0.01"))
	if v.Transaction.State != payment.PendingProof {
		t.Fatalf("beyond the channel's limit without a proof: %+v", v.Transaction)
	}
	refusedBy(t, p.settled(v), "channel.internet")

	on := func(c parties.Channel) payment.View {
		t.Helper()
		begun, err := p.b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: c})
		if err != nil {
			t.Fatal(err)
		}
		p.answer(begun.Attempt.ID, authn.PIN, banktest.PIN)
		got, err := p.answer(begun.Attempt.ID, authn.OTP, p.device.HOTP())
		if err != nil {
			t.Fatal(err)
		}
		cmd := p.command("10.00")
		cmd.Session, cmd.Channel = got.Session.Session.ID, c
		return p.pay(cmd)
	}
	if v := on(parties.PC); v.Transaction.State != payment.Approved {
		t.Errorf("a channel without a limit: %+v", v.Transaction)
	}
	if v := on(parties.Mobile); v.Transaction.State != payment.PendingProof {
		t.Errorf("a channel that is closed: %+v", v.Transaction)
	}
	if l := p.limits(); of(l, "channel.internet").Used != 30_00 || of(l, "channel.pc").Used != 10_00 || of(l, "channel.pc").Set || of(l, payment.Daily).Used != 40_00 {
		t.Errorf("used: %+v", l)
	}
	p.session = internet
}

// Clause 5.32: a token confirms so much a day; what another one of the customer's
// confirms is counted apart.
func TestClause5_32_EachTokenHasItsLimit(t *testing.T) {
	p := newPayer(t)
	most := int64(100_00)
	p.b.Rules.Limits.PerToken = &most
	if v := p.settled(p.pay(p.command("90.00"))); v.Transaction.State != payment.Approved {
		t.Fatalf("%+v", v.Transaction)
	}
	if v := p.pay(p.command("10.00")); v.Transaction.Exemption == "" { // counts against the token of the session
		t.Fatalf("%+v", v.Transaction)
	}
	refusedBy(t, p.settled(p.pay(p.command("60.00"))), payment.PerToken)
	if got := p.limits().Tokens[p.device.ID]; got != 100_00 {
		t.Errorf("the token has confirmed %d", got)
	}

	other := p.b.Import(1, pskc.HOTP, pskc.OCRA)[0]
	p.b.Hand(other, p.customer.ID)
	v := p.pay(p.command("60.00"))
	id := v.Authentication.Attempt.ID
	token, err := p.b.Store.Token(t.Context(), other.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.answer(id, authn.PIN, banktest.PIN)
	for _, cr := range token.Credentials {
		got, err := p.b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: p.b.Front(), Attempt: id, Method: authn.OCRA, Credential: cr, Secret: other.OCRA(question(t, v))})
		if err == nil && got.Transaction != nil {
			if got.Transaction.State != string(payment.Approved) {
				t.Errorf("with another token: %+v", got.Transaction)
			}
			return
		}
	}
	t.Error("the other token proves nothing")
}

// Clause 5.32: lowering is immediate, for payments that wait for their proof as well.
func TestClause5_32_LoweringCountsForWhatWaits(t *testing.T) {
	p := newPayer(t)
	daily, one := p.pay(p.command("100.00")), p.pay(p.command("90.00"))
	p.lower(payment.Daily, "99.99")
	refusedBy(t, p.settled(daily), payment.Daily)
	p.lower(payment.PerTransaction, "89.99")
	refusedBy(t, p.settled(one), payment.PerTransaction)
	p.lower(payment.PerTransaction, "0.00")
	refusedBy(t, p.pay(p.command("0.01")), payment.PerTransaction)
}

// Clause 5.32: a limit that is lowered while a payment is being approved stops it.
func TestClause5_32_LoweringBeatsAnApproval(t *testing.T) {
	p := newPayer(t)
	whole := p.b.Payments.Settler
	p.b.Payments.Settler = &between{Store: whole, do: func() {
		p.b.Payments.Settler = whole
		p.lower(payment.Daily, "9.99")
	}}
	if v := p.pay(p.command("10.00")); v.Transaction.State != payment.PendingProof || v.Transaction.Exemption != "" {
		t.Fatalf("approved beyond a limit: %+v", v.Transaction)
	}
}

// Clause 5.32: a raise takes a proof and a day; the bank's own limit is never passed.
func TestClause5_32_RaisingTakesAProofAndTime(t *testing.T) {
	p := newPayer(t)
	now := p.b.Clock.Now()
	p.b.Payments.Now = func() time.Time { return now }
	p.lower(payment.Daily, "50.00")
	raise := map[string]payment.Money{payment.Daily: azn("80.00"), payment.PerTransaction: azn("70.00")}
	if _, err := p.want(raise, nil); !problem.Is(err, problem.ProofRequired) {
		t.Fatalf("a raise without a proof: %v", err)
	}
	if of(p.limits(), payment.PerTransaction).Set {
		t.Error("half of a refused request was done")
	}
	v, err := p.want(raise, p.granted())
	if err != nil || len(v.Raises) != 1 || v.Raises[0].Amount != 80_00 || of(v, payment.Daily).Amount != 50_00 || of(v, payment.PerTransaction).Amount != 70_00 {
		t.Fatalf("%+v, %v", v, err)
	}
	if got := p.noticesOf("limit-raise"); len(got) != 1 || !strings.HasPrefix(got[0], "daily 80.00 AZN ") {
		t.Errorf("the customer was told %q", got)
	}
	now = v.Raises[0].From.Add(-time.Nanosecond)
	if of(p.limits(), payment.Daily).Amount != 50_00 {
		t.Error("in force before its time")
	}
	now = v.Raises[0].From
	if l := p.limits(); of(l, payment.Daily).Amount != 80_00 || len(l.Raises) != 0 {
		t.Errorf("at its time: %+v", l)
	}
	if _, err := p.want(map[string]payment.Money{payment.Daily: azn("100000.01")}, p.granted()); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "daily: is above the bank's own limit of 100000.00 AZN") {
		t.Errorf("above the bank's limit: %v", err)
	}
	if _, err = p.want(map[string]payment.Money{payment.Daily: azn("100.00")}, p.granted()); err != nil {
		t.Fatal(err)
	}
	p.lower(payment.Daily, "80.00") // what it is: takes the raise back
	now = now.Add(25 * time.Hour)
	if got := of(p.limits(), payment.Daily).Amount; got != 80_00 {
		t.Errorf("a raise that was taken back came into force: %d", got)
	}
	p.b.Rules.DailyPerCustomer = 60_00
	if got := of(p.limits(), payment.Daily).Amount; got != 60_00 {
		t.Errorf("the bank's limit went below his own: %d applies", got)
	}
	for what, want := range map[string]map[string]payment.Money{
		"nothing": {}, "another currency": {payment.Daily: {Value: "1.00", Currency: "USD"}}, "less than nothing": {payment.Daily: azn("-1.00")},
		"no such limit": {"weekly": azn("1.00")}, "no amount": {payment.Daily: {}},
	} {
		if _, err := p.want(want, p.granted()); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// noticesOf are what the customer is told, opened; by each of his contacts the same.
func (p *payer) noticesOf(kind string) (out []string) {
	p.t.Helper()
	all, err := p.b.Store.Notices(p.t.Context(), 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	by := map[string]int{}
	for _, n := range all {
		if n.Kind != kind || n.Customer != p.customer.ID {
			continue
		}
		text, err := p.b.Keys.Open(p.t.Context(), p.customer.Key, "notice/"+n.ID, n.Sealed)
		if err != nil {
			p.t.Fatal(err)
		}
		by[n.Channel]++
		if n.Channel == "sms" {
			out = append(out, string(text))
		}
	}
	if by["sms"] != by["email"] {
		p.t.Errorf("%s is told by %v", kind, by)
	}
	return out
}

// Clause 5.32: the day is the bank's, in Baku. What failed on the day before gives
// nothing back to this one.
func TestClause5_32_TheLimitBeginsAnewAtMidnightInBaku(t *testing.T) {
	p := newPayer(t)
	p.free()
	p.b.Rules.DailyPerCustomer = 50_00
	day := p.b.Clock.Now().In(p.b.Payments.Zone)
	midnight := time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, p.b.Payments.Zone)
	now := midnight.Add(-time.Nanosecond)
	p.b.Payments.Now = func() time.Time { return now }
	late := p.pay(p.command("50.00"))
	if v := p.pay(p.command("0.01")); v.Transaction.State != payment.PendingProof {
		t.Fatalf("before midnight: %+v", v.Transaction)
	}
	now = midnight
	if v := p.pay(p.command("50.00")); v.Transaction.State != payment.Approved || used(v) != 50_00 {
		t.Fatalf("at midnight: %+v", v.Transaction)
	}
	core := parties.Caller{ID: "cl_core", Roles: []parties.Role{parties.Core}, Channels: parties.Channels()}
	back, err := p.b.Payments.Report(t.Context(), core, late.Transaction.ID, late.Transaction.JTI, payment.Failed, "no funds")
	if err != nil || used(back) != 50_00 {
		t.Fatalf("%d used, %v", used(back), err)
	}
	now = midnight.Add(-time.Nanosecond)
	if v := p.pay(p.command("50.00")); v.Transaction.State != payment.Approved {
		t.Errorf("a clock that was set back finds the day as it is: %+v", v.Transaction)
	}
	now = midnight.Add(-24 * time.Hour)
	if v := p.pay(p.command("0.01")); v.Transaction.State != payment.PendingProof {
		t.Errorf("a day that nobody remembers: %+v", v.Transaction)
	}
}

// Clause 5.32: payments in other currencies count by the day's rate, in one sum.
func TestClause5_32_ForeignMoneyCountsInManat(t *testing.T) {
	p := newPayer(t)
	p.b.Payments.Rates = func() risk.Rates { return risk.Rates{"USD": {Qepik: 17, Per: 10}} }
	p.b.Rules.DailyPerCustomer = 200_00
	dollars := p.command("100.00")
	dollars.Amount.Currency = "USD"
	v := p.settled(p.pay(dollars))
	if v.Transaction.State != payment.Approved || used(v) != 170_00 {
		t.Fatalf("%d used: %+v", used(v), v.Transaction)
	}
	refusedBy(t, p.settled(p.pay(p.command("30.01"))), payment.Daily)
	again := p.command("20.00")
	again.Amount.Currency = "USD"
	refusedBy(t, p.settled(p.pay(again)), payment.Daily)
}

// Clause 5.27: who can write to the database does not get more to spend: sums that are
// edited are not read any more, and neither are limits.
func TestClause5_27_TheSumsOfTheDayAreBound(t *testing.T) {
	for name, rob := range map[string]func(text string) string{
		"sums":   func(text string) string { return strings.Replace(text, `"daily":4000`, `"daily":1000`, 1) },
		"limits": func(text string) string { return strings.Replace(text, `"daily":5000`, `"daily":9000`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t)
			p.lower(payment.Daily, "50.00")
			p.pay(p.command("40.00"))
			p.b.Edit(func(f bolttest.File) {
				row := string(f.Get("limits", p.customer.ID))
				edited := rob(row)
				if edited == row {
					t.Fatalf("nothing to edit in %q", row)
				}
				f.Put("limits", p.customer.ID, []byte(edited))
			})
			if v, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.Unavailable) {
				t.Fatalf("%+v, %v", v.Transaction, err)
			}
			if p.b.Count("incident.opened", "", "record.tampered") != 1 {
				t.Error("no incident")
			}
		})
	}
}

// noLimits is a store that cannot say what is used up.
type noLimits struct{ payment.Store }

func (noLimits) Limits(context.Context, string) (payment.Limits, error) {
	return payment.Limits{}, context.DeadlineExceeded
}

// Clause 5.24: nothing is approved while nobody knows what is used up.
func TestClause5_24_WithoutTheLimitsNothingIsApproved(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("100.00"))
	whole := p.b.Payments.Store
	p.b.Payments.Store = noLimits{whole}
	if _, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.Unavailable) {
		t.Errorf("an exempt payment: %v", err)
	}
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); !problem.Is(err, problem.Unavailable) {
		t.Errorf("a proven payment: %v", err)
	}
	p.b.Payments.Store = whole
	if p.state(v.Transaction.ID) != payment.PendingProof {
		t.Errorf("it is %s", p.state(v.Transaction.ID))
	}
}
