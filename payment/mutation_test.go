package payment_test

import (
	"sync"
	"testing"

	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
)

// mutations each change one thing of a payment.
var mutations = map[string]func(*payment.CreateCommand){
	"the reference alone":         func(c *payment.CreateCommand) { c.Reference += "-1" },
	"the amount":                  func(c *payment.CreateCommand) { c.Amount.Value = "100.01" },
	"the currency":                func(c *payment.CreateCommand) { c.Amount.Currency = "USD" },
	"the purpose":                 func(c *payment.CreateCommand) { c.Purpose = "invoice 8" },
	"the payer's name":            func(c *payment.CreateCommand) { c.Payer.Name = "Aygün Məmmədov" },
	"the payer's account":         func(c *payment.CreateCommand) { c.Payer.Account = "AZ21NABZ00000000137010001945" },
	"the payer's bank":            func(c *payment.CreateCommand) { c.Payer.Bank = "Bank B" },
	"the payee's name":            func(c *payment.CreateCommand) { c.Payee.Name = "Rəşad Əliyeva" },
	"a look-alike letter":         func(c *payment.CreateCommand) { c.Payee.Name = "Rəşаd Əliyev" }, // the second a is Cyrillic
	"a letter composed otherwise": func(c *payment.CreateCommand) { c.Payee.Name = "Rəs\u0327ad Əliyev" },
	"a blank more":                func(c *payment.CreateCommand) { c.Payee.Name = "Rəşad  Əliyev" },
	"the payee's account":         func(c *payment.CreateCommand) { c.Payee.Account = "AZ77VTBA00000000001234567891" },
	"a look-alike digit":          func(c *payment.CreateCommand) { c.Payee.Account = "AZ77VTBAO0000000001234567890" }, // a letter O
	"the payee's bank":            func(c *payment.CreateCommand) { c.Payee.Bank = "Bank C" },
	"the payee's country":         func(c *payment.CreateCommand) { c.Payee.Country = "GE" },
	"payer and payee the other way": func(c *payment.CreateCommand) {
		c.Payer.Name, c.Payee.Name = c.Payee.Name, c.Payer.Name
		c.Payer.Account, c.Payee.Account = c.Payee.Account, c.Payer.Account
	},
}

// Attack 11: a proof serves the text it was computed for. Whatever is changed of the
// payment, under a reference of its own, the old proof does not pass; under the old
// reference there is no other payment.
func TestAttack11_AnOldProofPassesNoChangedPayment(t *testing.T) {
	p := newPayer(t)
	p.b.Payments.Rates = func() risk.Rates { return risk.Rates{"USD": {Qepik: 17, Per: 10}} }
	for name, change := range mutations {
		cmd := p.command("100.00")
		first := p.pay(cmd)
		changed := cmd
		change(&changed)
		if changed.Reference == cmd.Reference {
			if _, err := p.b.Payments.Create(t.Context(), changed); !problem.Is(err, problem.Conflict) {
				t.Errorf("%s, under the same reference: %v", name, err)
			}
			changed.Reference += "-2"
		}
		second := p.pay(changed)
		if second.Transaction.State != payment.PendingProof || string(second.Transaction.SHA256) == string(first.Transaction.SHA256) {
			t.Errorf("%s: the text is the same", name)
		}
		if _, err := p.prove(second, p.device.OCRA(question(t, first))); !problem.Is(err, problem.AuthenticationFailed) {
			t.Errorf("%s: the old proof passes: %v", name, err)
		}
		if p.state(second.Transaction.ID) != payment.PendingProof {
			t.Errorf("%s: it is %s", name, p.state(second.Transaction.ID))
		}
		if v := p.settled(first); v.Transaction.State != payment.Approved {
			t.Errorf("%s: its own proof: %+v", name, v.Transaction)
		}
		if _, err := p.b.Payments.Cancel(t.Context(), p.b.Front(), second.Transaction.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// Attack 11: 10, 10.0 and 10.00 are one amount, with one text.
func TestAttack11_OneAmountHasOneText(t *testing.T) {
	p := newPayer(t)
	cmd := p.command("100")
	first := p.pay(cmd)
	for _, value := range []string{"100.0", "100.00"} {
		cmd.Amount.Value = value
		if v := p.pay(cmd); v.Transaction.ID != first.Transaction.ID || string(v.Details.Linked) != string(first.Details.Linked) {
			t.Errorf("%s is another payment", value)
		}
	}
}

// Clause 2.1: of two bodies that claim one reference at once, one has it.
func TestClause2_1_OneReferenceOneBody(t *testing.T) {
	p := newPayer(t)
	p.b.Rules.LowValueInRow, p.b.Rules.LowValueSum = 200, 100_000_00
	one := p.command("10.00")
	two := one
	two.Payee.Account = "AZ77VTBA00000000009999999999"
	var mu sync.Mutex
	made, refused := map[string]string{}, 0
	var work sync.WaitGroup
	for i := range 24 {
		work.Go(func() {
			cmd := one
			if i%2 == 1 {
				cmd = two
			}
			v, err := p.b.Payments.Create(t.Context(), cmd)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made[v.Transaction.ID] = v.Details.Payee.Account
			case problem.Is(err, problem.Conflict):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	work.Wait()
	if len(made) != 1 || refused != 12 {
		t.Fatalf("%d payments of one reference, %d refused", len(made), refused)
	}
	if got := used(p.pay(p.command("10.00"))); got != 20_00 {
		t.Errorf("%d used", got)
	}
}
