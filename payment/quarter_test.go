package payment_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

var sweeper = parties.Caller{Kind: "host", ID: "host:sweep"}

// counted puts payments of a day into the bank's counts.
func (p *payer) counted(day string, band int64, ground string, sum int64) {
	p.t.Helper()
	entry, err := p.b.Audit.Draft(p.t.Context(), audit.Event{Name: "test.counted"})
	if err != nil {
		p.t.Fatal(err)
	}
	var effects []settle.Effect
	for what, n := range map[string]int64{"sum": sum, "count": 1} {
		effects = append(effects, settle.Reserve{Key: payment.ShareKey(day, band, ground, what), Amount: n, Ceiling: math.MaxInt64, Until: p.b.Clock.Now().AddDate(2, 0, 0)})
	}
	if r, err := p.b.Store.Settle(p.t.Context(), settle.Command{Effects: effects, Entries: []audit.Draft{entry}}); err != nil || r.Outcome != settle.Done {
		p.t.Fatal(r, err)
	}
}

func (p *payer) close() {
	p.t.Helper()
	if err := p.b.Payments.CloseQuarters(p.t.Context(), sweeper); err != nil {
		p.t.Fatal(err)
	}
}

// set moves the clock to a day of the bank's, at noon.
func (p *payer) set(day string) {
	p.t.Helper()
	at, err := time.ParseInLocation(time.DateOnly, day, p.b.Payments.Zone)
	if err != nil {
		p.t.Fatal(err)
	}
	p.b.Clock.Forward(at.Add(12 * time.Hour).Sub(p.b.Clock.Now()))
}

// RTS Art. 20: two quarters in succession above the reference end the exemption, once,
// whoever closes them; it is given back after a quarter within it.
func TestTwoQuartersOfFraudEndAnExemption(t *testing.T) {
	p := newPayer(t)
	p.pack()
	bands := risk.ReferenceBands()
	low, top := bands[0].UpTo, bands[2].UpTo
	p.set("2026-12-20")
	p.close() // counted from here: the quarter it lies in is not whole
	for _, day := range []string{"2027-02-10", "2027-05-10"} {
		p.counted(day, low, "sca", 1_000_000_00)
		p.counted(day, low, "fraud", 150_00) // 0.015 %: at the reference
		p.counted(day, top, "sca", 600_000_00)
		p.counted(day, top, "low_value", 400_000_00)
		p.counted(day, top, "fraud", 50_01) // a qəpik above 0.005 %
	}
	p.set("2027-04-02")
	p.close()
	if n := p.b.Count("incident.opened", "open", "exemption.stopped"); n != 0 {
		t.Fatalf("%d stopped after one quarter", n)
	}
	if n := p.b.Count("exemption.quarter", "2027Q1", ""); n != len(bands) {
		t.Errorf("%d quarters on record", n)
	}
	p.set("2027-07-01")
	var work sync.WaitGroup
	for range 6 {
		work.Go(p.close)
	}
	work.Wait()
	p.close()
	if n := p.b.Count("incident.opened", "open", "exemption.stopped"); n != 1 {
		t.Errorf("%d incidents", n)
	}
	a, err := p.b.Store.Analysis(t.Context(), payment.AnalysisID)
	if err != nil || len(a.Stopped) != 1 || a.Stopped[0].UpTo != top {
		t.Fatalf("stopped: %+v, %v", a.Stopped, err)
	}
	staff := p.b.Staff()
	for band, want := range map[int64]problem.Code{low: problem.Conflict, top: problem.Conflict} {
		if _, err := p.b.Payments.GiveBack(t.Context(), staff, band, "audited"); !problem.Is(err, want) {
			t.Errorf("given back: %v", err)
		}
	}
	p.counted("2027-08-01", top, "sca", 1_000_000_00)
	p.counted("2027-08-01", top, "fraud", 50_00)
	p.set("2027-10-01")
	p.close()
	if _, err := p.b.Payments.GiveBack(t.Context(), staff, top, ""); !problem.Is(err, problem.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	if a, err = p.b.Payments.GiveBack(t.Context(), staff, top, "audited"); err != nil || len(a.Stopped) != 0 {
		t.Errorf("after a quarter within: %+v, %v", a.Stopped, err)
	}
}

// Art. 21: what payments were approved by, and what was fraud.
func TestClause5_24_FraudCountsOnTheDayOfThePayment(t *testing.T) {
	p := newPayer(t)
	small := p.pay(p.command("40.00"))
	v := p.pay(p.command("60.00"))
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
		t.Fatal(err)
	}
	held := p.pay(p.command("25000.00"))
	ctx, security := t.Context(), p.b.Staff()
	if _, err := p.b.Payments.Fraud(ctx, security, held.Transaction.ID, true, "reported"); !problem.Is(err, problem.Conflict) {
		t.Errorf("of a payment that was never approved: %v", err)
	}
	if _, err := p.b.Payments.Fraud(ctx, security, v.Transaction.ID, true, ""); !problem.Is(err, problem.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	want := func(by string, sum, count int64) {
		t.Helper()
		day := p.b.Clock.Now()
		all, _, err := p.b.Payments.Grounds(ctx, day, day)
		if err != nil {
			t.Fatal(err)
		}
		var got payment.Ground
		for _, g := range all {
			if g.By == by {
				got = g
			}
		}
		if got.Sum != sum || got.Count != count {
			t.Errorf("%s: %d qəpik in %d, want %d in %d", by, got.Sum, got.Count, sum, count)
		}
	}
	want("low_value", 40_00, 1)
	want("sca", 60_00, 1)
	want("fraud", 0, 0)
	if _, err := p.b.Payments.Fraud(ctx, security, v.Transaction.ID, true, "reported"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.b.Payments.Fraud(ctx, security, v.Transaction.ID, true, "again"); !problem.Is(err, problem.Conflict) {
		t.Errorf("twice: %v", err)
	}
	want("fraud", 60_00, 1)
	if _, err := p.b.Payments.Fraud(ctx, security, v.Transaction.ID, false, "the customer remembered"); err != nil {
		t.Fatal(err)
	}
	want("fraud", 0, 0)
	if _, err := p.b.Payments.Report(ctx, p.b.Staff(), small.Transaction.ID, small.Transaction.JTI, payment.Failed, "no such account"); err != nil {
		t.Fatal(err)
	}
	want("low_value", 0, 0)
}

func TestHigherRates(t *testing.T) {
	for _, v := range []struct {
		fraud, total, rate int64
		within             bool
	}{
		{150, 1_000_000, 150, true}, {151, 1_000_000, 150, false}, {0, 1, 0, true}, {0, 0, 150, false}, {1, 0, 150, false},
		{math.MaxInt64, math.MaxInt64, 999_999, false}, {math.MaxInt64, math.MaxInt64, 1_000_000, true}, {-1, 10, 10, false},
	} {
		if got := risk.Within(v.fraud, v.total, v.rate); got != v.within {
			t.Errorf("%d of %d within %d: %v", v.fraud, v.total, v.rate, got)
		}
	}
}

// RTS Art. 18: a payment that is unusual in nothing goes by the bank's fraud rates, and
// only by rates that are known and low enough.
func TestClause5_18_RiskAnalysisExemptsByTheFraudRate(t *testing.T) {
	p := newPayer(t)
	p.pack()
	bands := risk.ReferenceBands()
	p.close()
	told := false
	pay := func(value string) payment.View {
		cmd := p.command(value)
		cmd.Signals.Malware = &told
		return p.pay(cmd)
	}
	proven := pay("900.00") // the payee is known from now on
	if _, err := p.prove(proven, p.device.OCRA(question(t, proven))); err != nil {
		t.Fatal(err)
	}
	seed := func() {
		day := p.b.Clock.Now().In(p.b.Payments.Zone).Format(time.DateOnly)
		for _, b := range bands {
			p.counted(day, b.UpTo, "sca", 1_000_000_00)
		}
		p.counted(day, bands[2].UpTo, "fraud", 50_00) // 0.005 % of its band: at the reference
	}
	p.b.Clock.Forward(89 * 24 * time.Hour)
	seed()
	p.relogin()
	if v := pay("190.00"); v.Transaction.Exemption != "" {
		t.Fatal("exempt with less than 90 days of payments")
	}
	p.b.Clock.Forward(24 * time.Hour)
	p.relogin()
	if v := pay("190.00"); v.Transaction.Exemption != "" {
		t.Fatal("exempt before the rates were computed")
	}
	p.refresh()
	for value, want := range map[string]string{"190.00": "tra", "475.01": "tra", "950.00": "tra", "950.01": ""} {
		if v := pay(value); v.Transaction.Exemption != want {
			t.Errorf("%s: exempt by %q: %v", value, v.Transaction.Exemption, v.Transaction.Reasons)
		}
	}
	for what, change := range map[string]func(*payment.CreateCommand){
		"malware":            func(c *payment.CreateCommand) { yes := true; c.Signals.Malware = &yes },
		"nobody looked":      func(c *payment.CreateCommand) { c.Signals.Malware = nil },
		"another device":     func(c *payment.CreateCommand) { c.Signals.DeviceID = "d-2" },
		"another country":    func(c *payment.CreateCommand) { c.Signals.Country = "GE" },
		"no country told":    func(c *payment.CreateCommand) { c.Signals.Country = "" },
		"a payee never paid": func(c *payment.CreateCommand) { c.Payee.Account = "AZ77VTBA00000000009999999999" },
	} {
		cmd := p.command("190.00")
		cmd.Signals.Malware = &told
		change(&cmd)
		if v := p.pay(cmd); v.Transaction.Exemption != "" {
			t.Errorf("%s: exempt by %s", what, v.Transaction.Exemption)
		}
	}
	// A fraud more, and the band is above its reference at the next minute.
	if _, err := p.b.Payments.Fraud(t.Context(), p.b.Staff(), proven.Transaction.ID, true, "reported"); err != nil {
		t.Fatal(err)
	}
	day := p.b.Clock.Now().In(p.b.Payments.Zone).Format(time.DateOnly)
	p.counted(day, bands[2].UpTo, "fraud", 1)
	p.refresh()
	if v := pay("950.00"); v.Transaction.Exemption != "" {
		t.Errorf("exempt by %s above the reference", v.Transaction.Exemption)
	}
}

// Bands that are moved by a qəpik are others: nothing is known of them, and what was lost
// stays lost.
func TestMovedBandsBeginAnew(t *testing.T) {
	p := newPayer(t)
	p.pack()
	told := false
	p.close()
	proven := p.pay(p.command("900.00"))
	if _, err := p.prove(proven, p.device.OCRA(question(t, proven))); err != nil {
		t.Fatal(err)
	}
	p.relogin() // the device is known from now on
	p.b.Clock.Forward(91 * 24 * time.Hour)
	p.relogin()
	day := p.b.Clock.Now().In(p.b.Payments.Zone).Format(time.DateOnly)
	move := func(by int64) {
		bands := risk.ReferenceBands()
		bands[2].UpTo += by
		p.b.Rules.Exemptions.TRA = bands
		for _, b := range bands {
			p.counted(day, b.UpTo, "sca", 1_000_000_00)
		}
		p.refresh()
	}
	pay := func() string {
		cmd := p.command("900.00")
		cmd.Signals.Malware = &told
		return p.pay(cmd).Transaction.Exemption
	}
	move(0)
	if got := pay(); got != "tra" {
		t.Fatalf("with the bands of before: %q", got)
	}
	move(-1)
	if got := pay(); got != "" {
		t.Errorf("with moved bands: %q", got)
	}
	p.close() // counted by them from now on
	if got := pay(); got != "" {
		t.Errorf("with bands a minute old: %q", got)
	}
	a, err := p.b.Store.Analysis(t.Context(), payment.AnalysisID)
	if err != nil {
		t.Fatal(err)
	}
	a.Stopped, a.Version = []payment.Lost{{Over: 475_00, UpTo: 950_00}}, a.Version+1
	entry, err := p.b.Audit.Draft(t.Context(), audit.Event{Name: "test.stopped"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.b.Store.Settle(t.Context(), settle.Command{Effects: []settle.Effect{payment.SaveAnalysis{Analysis: a}}, Entries: []audit.Draft{entry}}); err != nil || r.Outcome != settle.Done {
		t.Fatal(r, err)
	}
	p.b.Clock.Forward(91 * 24 * time.Hour)
	p.relogin()
	day = p.b.Clock.Now().In(p.b.Payments.Zone).Format(time.DateOnly)
	move(-1)
	if got := pay(); got != "" {
		t.Errorf("a band that was lost under another name: %q", got)
	}
	cmd := p.command("400.00")
	cmd.Signals.Malware = &told
	if got := p.pay(cmd).Transaction.Exemption; got != "tra" {
		t.Errorf("a band beside it: %q", got)
	}
}

// Fraud that is found after its quarter has ended counts in it.
func TestLateFraudEndsAnExemption(t *testing.T) {
	p := newPayer(t)
	p.pack()
	top := risk.ReferenceBands()[2].UpTo
	p.set("2026-12-20")
	p.close()
	for _, day := range []string{"2027-02-10", "2027-05-10"} {
		p.counted(day, top, "sca", 1_000_000_00)
	}
	p.set("2027-07-01")
	p.close()
	p.counted("2027-02-10", top, "fraud", 50_01)
	p.close()
	if n := p.b.Count("incident.opened", "open", "exemption.stopped"); n != 0 {
		t.Fatalf("%d stopped by one quarter", n)
	}
	p.counted("2027-05-10", top, "fraud", 50_01)
	p.close()
	p.close()
	if n := p.b.Count("incident.opened", "open", "exemption.stopped"); n != 1 {
		t.Errorf("%d stopped by two quarters", n)
	}
}

func (p *payer) refresh() {
	p.t.Helper()
	if err := p.b.Payments.RefreshRates(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// relogin logs in again from where the payments of command come from.
func (p *payer) relogin() {
	p.t.Helper()
	v, err := p.b.Authn.Begin(p.t.Context(), authn.BeginCommand{
		Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: parties.Internet, Signals: p.command("1.00").Signals,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.answer(v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		p.t.Fatal(err)
	}
	if v, err = p.answer(v.Attempt.ID, authn.OTP, p.device.HOTP()); err != nil {
		p.t.Fatal(err)
	}
	p.session = v.Session.Session.ID
}
