package payment_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/tokens/pskc"
)

// keypad is a customer with a device that shows what is typed on it, and an HOTP
// token to log in with.
func keypad(t *testing.T, suite string) *payer {
	t.Helper()
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	p := &payer{t: t, b: b, customer: c, device: d}
	p.login()
	p.device = b.Stock(1, "ocra-keypad-pin", suite, pskc.OCRA)[0]
	b.Hand(p.device, c.ID)
	return p
}

func offered(v payment.View) (o authn.Offer, found bool) {
	i := slices.IndexFunc(v.Authentication.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.OCRA })
	if i >= 0 {
		o = v.Authentication.Attempt.Offers[i]
	}
	return o, i >= 0
}

// The customer types amount and payee himself, and what the proof shows says so
// (clauses 5.18, 5.27).
func TestClause5_18_APaymentIsTypedOnTheDevice(t *testing.T) {
	for _, suite := range []string{"OCRA-1:HOTP-SHA256-8:C-QN20", "OCRA-1:HOTP-SHA256-8:QN16-T1M"} {
		t.Run(suite, func(t *testing.T) {
			p := keypad(t, suite)
			p.b.Rules.PaymentShown = "device"
			v := p.pay(p.command("1500.00"))
			o, found := offered(v)
			if !found || len(o.Typed) != 2 || o.Typed[0] != "150000" || !strings.HasSuffix("1234567890", o.Typed[1][len(o.Typed[1])-8:]) || o.Question != strings.Join(o.Typed, "") {
				t.Fatalf("%+v", o)
			}
			if v.Authentication.Attempt.Shown != "device" {
				t.Errorf("asked for %q", v.Authentication.Attempt.Shown)
			}
			if ways := v.Authentication.Attempt.Ways; len(ways) != 1 || len(ways[0]) != 1 {
				t.Errorf("the device has a PIN of its own: %v", ways)
			}
			// What was typed for another amount proves nothing.
			if _, err := p.answer(v.Authentication.Attempt.ID, authn.OCRA, p.device.OCRA("1500000"+o.Typed[1])); !problem.Is(err, problem.AuthenticationFailed) {
				t.Fatalf("another amount: %v", err)
			}
			p.b.Clock.Forward(time.Minute)
			got, err := p.answer(v.Authentication.Attempt.ID, authn.OCRA, p.device.OCRA(strings.Join(o.Typed, "")))
			if err != nil || got.Transaction == nil || got.Transaction.State != string(payment.Approved) || got.Attempt.Shown != "device" || got.Attempt.ACR != authn.Linked {
				t.Fatalf("%+v, %v", got, err)
			}
			// The same question again, for another payment of the same amount: the old answer is dead.
			again := p.pay(p.command("1500.00"))
			p.b.Clock.Forward(time.Minute)
			used := p.device.OCRA(o.Question)
			if _, err := p.answer(again.Authentication.Attempt.ID, authn.OCRA, used); err != nil {
				t.Fatalf("the next answer: %v", err)
			}
			third := p.pay(p.command("1500.00"))
			if _, err := p.answer(third.Authentication.Attempt.ID, authn.OCRA, used); !problem.Is(err, problem.AuthenticationFailed) {
				t.Fatalf("an answer given before: %v", err)
			}
		})
	}
}

// A key that is typed payments on is asked nothing else: a log-in whose question
// is a number without meaning could be a thief's payment.
func TestAttack08_ATypingDeviceIsAskedForPaymentsOnly(t *testing.T) {
	p := keypad(t, "OCRA-1:HOTP-SHA256-8:C-QN20")
	v, err := p.b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range v.Attempt.Offers {
		if o.Method == authn.OCRA {
			t.Errorf("a log-in asks the keypad: %+v", o)
		}
	}
}

// Two payments that would be typed alike do not wait for their proof together.
func TestTwoPaymentsTypedAlikeDoNotWaitTogether(t *testing.T) {
	p := keypad(t, "OCRA-1:HOTP-SHA256-8:C-QN20")
	first := p.pay(p.command("1500.00"))
	if _, err := p.b.Payments.Create(t.Context(), p.command("1500.00")); !problem.Is(err, problem.Conflict) {
		t.Fatalf("the second: %v", err)
	}
	o, _ := offered(first)
	if _, err := p.answer(first.Authentication.Attempt.ID, authn.OCRA, p.device.OCRA(o.Question)); err != nil {
		t.Fatal(err)
	}
	if v := p.pay(p.command("1500.00")); v.Transaction.State != payment.PendingProof {
		t.Errorf("after the first was proved: %s", v.Transaction.State)
	}
}

// Where policy asks that the customer saw the payment, a device that shows nothing
// is not offered.
func TestClause5_18_WhatWasNotShownIsNotEnough(t *testing.T) {
	p := newPayer(t)
	p.b.Rules.PaymentShown = "device"
	v := p.pay(p.command("1500.00"))
	if _, found := offered(v); found || len(v.Authentication.Attempt.Ways) != 0 {
		t.Errorf("%+v", v.Authentication.Attempt.Offers)
	}
}

// Devices of different suites are asked different questions in one attempt, and each
// answers its own only.
func TestEachSuiteHasAQuestionOfItsOwn(t *testing.T) {
	p := newPayer(t)
	other := p.b.Stock(1, "oath", "OCRA-1:HOTP-SHA256-8:QN10-T1M", pskc.OCRA)[0]
	p.b.Hand(other, p.customer.ID)
	v := p.pay(p.command("1500.00"))
	asked := map[string]string{}
	for _, o := range v.Authentication.Attempt.Offers {
		if o.Method == authn.OCRA {
			asked[o.Credentials[0].ID] = o.Question
		}
	}
	if len(asked) != 2 {
		t.Fatalf("%d questions", len(asked))
	}
	id := v.Authentication.Attempt.ID
	if _, err := p.answer(id, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	tk, err := p.b.Enrollment.Token(t.Context(), "serial:"+p.device.Serial)
	if err != nil {
		t.Fatal(err)
	}
	for credential, question := range asked {
		if !slices.Contains(tk.Credentials, credential) {
			continue
		}
		got, err := p.b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: p.b.Front(), Attempt: id, Method: authn.OCRA, Credential: credential, Secret: p.device.OCRA(question)})
		if err != nil || got.Transaction == nil {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
