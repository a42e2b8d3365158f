package payment_test

import (
	"errors"
	"slices"
	"testing"

	"mohur/compromised"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
)

// Clause 5.18: a qəpik that needs no proof, sent or failed, makes no stranger a known
// payee: the next payment to him is asked for as the first one is.
func TestClause5_18_AnExemptPaymentMakesNobodyKnown(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = rules(t, `
  - {code: new-payee, text: first payment to this payee, shown: agent, when: 'payee_new && amount > azn("1000.00")'}
`)
	large := func(what, want string) payment.View {
		t.Helper()
		v := p.pay(p.command("1500.00"))
		if v.Transaction.NeedShown != want {
			t.Errorf("%s: shown %q, %v", what, v.Transaction.NeedShown, v.Transaction.Reasons)
		}
		return v
	}
	large("nothing was paid", "agent")
	sent := p.pay(p.command("0.01"))
	if sent.Transaction.Exemption == "" {
		t.Fatalf("%s", sent.Transaction.State)
	}
	large("a qəpik was paid", "agent")
	if _, err := p.b.Payments.Report(t.Context(), p.b.Staff(), sent.Transaction.ID, sent.Transaction.JTI, payment.Failed, "no such account"); err != nil {
		t.Fatal(err)
	}
	large("and was not made", "agent")
	v := p.pay(p.command("900.00"))
	if _, err := p.prove(v, p.password(v)); err != nil {
		t.Fatal(err)
	}
	large("one was proven", "none")
}

// Clause 5.24: however an account is written, it is that account: to the list of
// compromised things, to the country it says, and to what was paid to it.
func TestClause5_24_AnAccountIsOneHoweverItIsWritten(t *testing.T) {
	p := newPayer(t)
	if _, err := p.b.Payments.Compromised.Change(t.Context(), p.b.Staff(), compromised.Add, []compromised.Item{{Kind: compromised.Account, Value: "AZ77-VTBA-0000-0000-0012-3456-7890"}}); err != nil {
		t.Fatal(err)
	}
	p.b.Rules = rules(t, `
  - {code: compromised, text: on a list, decision: held, when: 'compromised'}
  - {code: no-such-country, text: no, decision: rejected, when: 'payee_country in ["GE"]'}
  - {code: splitting, text: too much to one payee, decision: held, when: 'payee_day_sum + amount > azn("250.00")'}
`)
	states := func(account string) payment.State {
		t.Helper()
		cmd := p.command("200.00")
		cmd.Payee.Account = account
		v := p.pay(cmd)
		if v.Transaction.State == payment.PendingProof {
			if _, err := p.prove(v, p.password(v)); err != nil {
				t.Fatal(err)
			}
		}
		return p.state(v.Transaction.ID)
	}
	for _, c := range []struct {
		account string
		want    payment.State
	}{
		{"AZ77VTBA00000000001234567890", payment.Held}, {"az77.vtba.0000/0000/0012 3456 7890", payment.Held},
		{"GE29-NB00-0000-0101-9049-17", payment.Rejected}, // its country contradicts what was told: nobody knows it, which counts as GE
		{"GE29NB0000000101904918", payment.Rejected},      // no IBAN, though it begins as one
		{"12345678", payment.Approved}, {"1234-5678", payment.Held}, {"1234.5678", payment.Held}, {"12 34/56 78", payment.Held},
	} {
		if got := states(c.account); got != c.want {
			t.Errorf("%s: %s, want %s", c.account, got, c.want)
		}
	}
}

// Clause 5.24: of accounts whose letters only look like others nothing is remembered or
// compared: they are refused, in payments, batches and lists.
func TestClause5_24_AnAccountHasPlainCharacters(t *testing.T) {
	p := newPayer(t)
	faulty := func(err error, field string) {
		t.Helper()
		var fault *problem.Error
		if !errors.As(err, &fault) || !slices.ContainsFunc(fault.Fields, func(f problem.Field) bool { return f.Field == field }) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, account := range []string{"ＡＺ77VTBA00000000001234567890", "AZ77VTBA0000000000123456789０", "1234ı", "1234ſ", "12_34", "12:34", "- /.", "1234\u00a05", "АZ77"} {
		for field, put := range map[string]func(*payment.CreateCommand){
			"payer.account": func(c *payment.CreateCommand) { c.Payer.Account = account },
			"payee.account": func(c *payment.CreateCommand) { c.Payee.Account = account },
			"batch[0].payee.account": func(c *payment.CreateCommand) {
				line := payment.Line{Amount: c.Amount, Payee: c.Payee}
				line.Payee.Account = account
				c.Payee, c.Batch = payment.Party{}, []payment.Line{line}
			},
		} {
			cmd := p.command("1.00")
			put(&cmd)
			_, err := p.b.Payments.Create(t.Context(), cmd)
			faulty(err, field)
		}
		for _, kind := range []payment.ListKind{payment.Trusted, payment.Own} {
			_, err := p.b.Payments.PutPayees(t.Context(), payment.PutPayeesCommand{Caller: p.b.Staff(), Customer: p.customer.ID, Kind: kind, Items: []payment.Party{{Name: "N", Account: account, Bank: "B", Country: "AZ"}}})
			faulty(err, "items[0].account")
		}
	}
	items := []payment.Party{{Account: "1234-5678", Bank: "B"}, {Account: "12.345 678", Bank: "B"}}
	_, err := p.b.Payments.PutPayees(t.Context(), payment.PutPayeesCommand{Caller: p.b.Staff(), Customer: p.customer.ID, Kind: payment.Own, Items: items})
	faulty(err, "items[1]")
}

// Clause 5.24: an address or a country that is none is not known to be on no list: the
// fact is missing, points are given as for a signal that was left out, and a decision
// from the record gives them again.
func TestClause5_24_WhatIsNoAddressIsMissing(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	p.b.Rules.MissingSignal = 10
	for _, c := range []struct {
		ip, country string
		score       int
		known       bool
	}{
		{"192.0.2.1", "AZ", 0, true}, {"::ffff:192.0.2.1", "AZ", 0, true}, {"192.0.2.1:4711", "AZ", 10, false}, {"192.0.2.1, 10.0.0.1", "AZ", 10, false},
		{"192.0.2.1", "ir", 10, false}, {" 192.0.2.1", "IRN", 20, false},
	} {
		cmd := p.command("1.00")
		cmd.Signals.IP, cmd.Signals.Country = c.ip, c.country
		v := p.pay(cmd)
		if _, known := eye.facts["compromised"]; known != c.known || v.Transaction.Score != c.score {
			t.Errorf("%q, %q: known %v, score %d", c.ip, c.country, known, v.Transaction.Score)
		}
		past := payment.Decision{Past: risk.Past{In: risk.Payment{Minor: 1, Currency: "AZN", Signals: cmd.Signals, Facts: risk.Facts{"country": c.country}}}}
		again, err := payment.DecodeDecision("tx", past.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if score, _ := p.b.Rules.Signals(again.In.Signals); score != c.score {
			t.Errorf("%q, %q: %d from the record", c.ip, c.country, score)
		}
	}
}
