package payment_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
)

// pack switches the optional exemptions on, up to 1,000 AZN, and low_value off.
func (p *payer) pack() {
	p.b.Rules.LowValueEach = 0
	on := risk.Exemption{UpTo: 1000_00, MaxScore: 50}
	p.b.Rules.Exemptions = risk.Exemptions{TrustedPayees: on, Recurring: on, OwnAccounts: on, TRA: risk.ReferenceBands(), TRAScore: 50}
	p.b.Payments.Cooling = 24 * time.Hour
}

// list puts payees or accounts on a list of the customer's.
func (p *payer) list(kind payment.ListKind, items ...payment.Party) payment.Listed {
	p.t.Helper()
	have, err := p.b.Payments.Payees(p.t.Context(), kind, p.customer.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := p.b.Payments.PutPayees(p.t.Context(), payment.PutPayeesCommand{Caller: p.b.Staff(), Customer: p.customer.ID, Kind: kind, Replaces: have.Version, Items: items})
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

// later lets time pass and logs in again.
func (p *payer) later(d time.Duration) {
	p.b.Clock.Forward(d)
	p.login()
}

// RTS Art. 13: a payee on the list is paid without a proof, after the cooling time and
// as long as he stands there just so.
func TestClause5_18_ATrustedPayeeIsExempt(t *testing.T) {
	p := newPayer(t)
	p.pack()
	cmd := p.command("900.00")
	p.list(payment.Trusted, cmd.Payee)
	p.later(24*time.Hour - time.Minute)
	if v := p.pay(p.command("900.00")); v.Transaction.Exemption != "" {
		t.Fatalf("exempt before the cooling time: %q", v.Transaction.Exemption)
	}
	p.later(time.Minute)
	v := p.pay(p.command("900.00"))
	if v.Transaction.Exemption != "trusted_payee" || v.Transaction.State != payment.Approved {
		t.Fatalf("%s, exempt by %q: %v", v.Transaction.State, v.Transaction.Exemption, v.Transaction.Reasons)
	}
	if claims := authorization(t, p, v.Authorization); claims.Exemption != "trusted_payee" {
		t.Errorf("the authorization says %q", claims.Exemption)
	}
	for what, change := range map[string]func(*payment.CreateCommand){
		"another account":     func(c *payment.CreateCommand) { c.Payee.Account = "AZ77VTBA00000000001234567891" },
		"another bank":        func(c *payment.CreateCommand) { c.Payee.Bank = "Bank C" },
		"a look-alike name":   func(c *payment.CreateCommand) { c.Payee.Name = "Rəşad Əlıyev" },
		"another country":     func(c *payment.CreateCommand) { c.Payee.Country = "GE" },
		"above the threshold": func(c *payment.CreateCommand) { c.Amount.Value = "1000.01" },
		"a bad score":         func(c *payment.CreateCommand) { c.Signals = risk.Signals{}; p.b.Rules.MissingSignal = 20 },
	} {
		cmd := p.command("900.00")
		change(&cmd)
		if v := p.pay(cmd); v.Transaction.Exemption != "" {
			t.Errorf("%s: exempt by %s", what, v.Transaction.Exemption)
		}
	}
	grouped := p.command("900.00")
	grouped.Payee.Account = "AZ77 VTBA 0000 0000 0012 3456 7890"
	if v := p.pay(grouped); v.Transaction.Exemption != "trusted_payee" {
		t.Errorf("an IBAN in groups is the same account: %v", v.Transaction.Reasons)
	}
	p.list(payment.Trusted)
	if v := p.pay(p.command("900.00")); v.Transaction.Exemption != "" {
		t.Error("exempt after the payee was taken off the list")
	}
}

// A change of the list is settled or not against the version it was asked for.
func TestAListIsReplacedOnlyByWhoKnowsIt(t *testing.T) {
	p := newPayer(t)
	payee := p.command("1.00").Payee
	l := p.list(payment.Trusted, payee)
	if l.Version != 1 || len(l.Items) != 1 || l.Items[0].Name != payee.Name {
		t.Fatalf("%+v", l)
	}
	for _, replaces := range []uint64{0, 2} {
		_, err := p.b.Payments.PutPayees(t.Context(), payment.PutPayeesCommand{Caller: p.b.Front(), Customer: p.customer.ID, Kind: payment.Trusted, Replaces: replaces})
		if !problem.Is(err, problem.Conflict) {
			t.Errorf("replacing version %d: %v", replaces, err)
		}
	}
	var done atomic.Int64
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			_, err := p.b.Payments.PutPayees(t.Context(), payment.PutPayeesCommand{Caller: p.b.Front(), Customer: p.customer.ID, Kind: payment.Trusted, Replaces: 1})
			if err == nil {
				done.Add(1)
			} else if !problem.Is(err, problem.Conflict) {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if done.Load() != 1 {
		t.Errorf("%d replaced version 1", done.Load())
	}
	if n := p.b.Count("payees.changed", "trusted", ""); n != 2 {
		t.Errorf("%d changes in the log", n)
	}
	for what, items := range map[string][]payment.Party{
		"twice":          {payee, payee},
		"in groups":      {payee, {Name: payee.Name, Account: "az77 vtba 00000000001234567890", Bank: payee.Bank, Country: "AZ"}},
		"no name":        {{Account: "1", Bank: "B", Country: "AZ"}},
		"a hidden blank": {{Name: "A\u2800", Account: "1", Bank: "B", Country: "AZ"}},
		"too many":       make([]payment.Party, 201),
	} {
		_, err := p.b.Payments.PutPayees(t.Context(), payment.PutPayeesCommand{Caller: p.b.Front(), Customer: p.customer.ID, Kind: payment.Trusted, Replaces: 2, Items: items})
		if !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// RTS Art. 14: the first of a series is proven; one qəpik more is proven again, and is
// what the next are compared with.
func TestClause5_18_ASeriesIsExemptAsLongAsItIsTheSame(t *testing.T) {
	p := newPayer(t)
	p.pack()
	pay := func(value string) payment.View {
		cmd := p.command(value)
		cmd.Series = "rent"
		return p.pay(cmd)
	}
	prove := func(v payment.View) {
		t.Helper()
		if v.Transaction.Exemption != "" {
			t.Fatalf("exempt by %s", v.Transaction.Exemption)
		}
		if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
			t.Fatal(err)
		}
	}
	first := pay("600.00")
	if second := pay("600.00"); second.Transaction.Exemption != "" {
		t.Fatal("exempt before the first was proven")
	}
	prove(first)
	if v := pay("600.00"); v.Transaction.Exemption != "recurring" {
		t.Fatalf("the second: %v", v.Transaction.Reasons)
	}
	cmd := p.command("600.00")
	cmd.Series = "car"
	if v := p.pay(cmd); v.Transaction.Exemption != "" {
		t.Fatal("a payment of another series is exempt")
	}
	if v := p.pay(p.command("600.00")); v.Transaction.Exemption != "" {
		t.Fatal("a payment of no series is exempt")
	}
	cmd = p.command("600.00")
	cmd.Series, cmd.Payee.Name = "rent", "Somebody Else"
	if v := p.pay(cmd); v.Transaction.Exemption != "" {
		t.Fatal("another payee is exempt")
	}
	prove(pay("600.01"))
	if v := pay("600.00"); v.Transaction.Exemption != "" {
		t.Fatal("the old amount is exempt")
	}
	if v := pay("600.01"); v.Transaction.Exemption != "recurring" {
		t.Fatalf("the new amount: %v", v.Transaction.Reasons)
	}
}

// RTS Art. 15: between accounts of one person at one bank.
func TestClause5_18_OwnAccountsAreExempt(t *testing.T) {
	p := newPayer(t)
	p.pack()
	pay := func() payment.View {
		cmd := p.command("700.00")
		cmd.Payee = payment.Party{Name: cmd.Payer.Name, Account: "AZ53NABZ00000000137010001945", Bank: cmd.Payer.Bank, Country: "AZ"}
		return p.pay(cmd)
	}
	cmd := p.command("1.00")
	p.list(payment.Own, cmd.Payer)
	p.later(25 * time.Hour)
	if v := pay(); v.Transaction.Exemption != "" {
		t.Fatal("the payee's account is not his")
	}
	p.list(payment.Own, cmd.Payer, payment.Party{Account: "AZ53NABZ00000000137010001945", Bank: cmd.Payer.Bank})
	if v := pay(); v.Transaction.Exemption != "" {
		t.Fatal("exempt before the cooling time")
	}
	p.later(25 * time.Hour)
	if v := pay(); v.Transaction.Exemption != "own_account" {
		t.Fatalf("%q: %v", v.Transaction.Exemption, v.Transaction.Reasons)
	}
	other := p.command("700.00")
	other.Payee = payment.Party{Name: "Aygün Məmmədova", Account: "AZ53NABZ00000000137010001945", Bank: "Bank B", Country: "AZ"}
	if v := p.pay(other); v.Transaction.Exemption != "" {
		t.Fatal("an account at another bank is exempt")
	}
}

// What an exemption rests on is settled with it: a payee that is taken off the list
// while payments are decided is not paid any more once that is done.
func TestAnExemptionIsSettledWithItsList(t *testing.T) {
	p := newPayer(t)
	p.pack()
	p.list(payment.Trusted, p.command("1.00").Payee)
	p.later(25 * time.Hour)
	var gone atomic.Bool
	var late atomic.Int64
	var work sync.WaitGroup
	for range 16 { // more would be sent away where they open attempts
		work.Go(func() {
			was := gone.Load()
			v, err := p.b.Payments.Create(t.Context(), p.command("10.00"))
			if err != nil {
				t.Error(err)
			} else if was && v.Transaction.Exemption != "" {
				late.Add(1)
			}
		})
	}
	p.list(payment.Trusted)
	gone.Store(true)
	work.Wait()
	if late.Load() > 0 {
		t.Errorf("%d exempt after the payee was taken off", late.Load())
	}
	if v := p.pay(p.command("10.00")); v.Transaction.Exemption != "" {
		t.Error("still exempt")
	}
}

// With the shipped policy nothing of the pack exempts.
func TestThePackIsOffAsShipped(t *testing.T) {
	p := newPayer(t)
	cmd := p.command("60.00")
	p.list(payment.Trusted, cmd.Payee)
	p.list(payment.Own, cmd.Payer, cmd.Payee)
	p.later(25 * time.Hour)
	cmd = p.command("60.00")
	cmd.Payee.Bank, cmd.Series = cmd.Payer.Bank, "s"
	if v := p.pay(cmd); v.Transaction.Exemption != "" {
		t.Errorf("exempt by %s", v.Transaction.Exemption)
	}
}

// A payment for a holder makes no series of one person's own.
func TestAHoldersPaymentMakesNoSeries(t *testing.T) {
	p := newPayer(t)
	p.pack()
	cmd := p.command("600.00")
	cmd.Series, cmd.Holder = "rent", p.customer.ID
	v := p.pay(cmd)
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
		t.Fatal(err)
	}
	cmd = p.command("600.00")
	cmd.Series = "rent"
	if v := p.pay(cmd); v.Transaction.Exemption != "" {
		t.Errorf("exempt by %s", v.Transaction.Exemption)
	}
}
