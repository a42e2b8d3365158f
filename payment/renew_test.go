package payment_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/compromised"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/tokens/pskc"
)

// proveBy proves with one of the customer's devices.
func (p *payer) proveBy(d *banktest.Device, v payment.View) (authn.View, error) {
	p.t.Helper()
	a := v.Authentication.Attempt
	if _, err := p.answer(a.ID, authn.PIN, banktest.PIN); err != nil {
		p.t.Fatal(err)
	}
	for _, o := range a.Offers {
		for _, offered := range o.Credentials {
			c, err := p.b.Store.Credential(p.t.Context(), offered.ID)
			if err != nil {
				p.t.Fatal(err)
			}
			if o.Method == authn.OCRA && c.Token == d.ID {
				return p.b.Authn.Answer(p.t.Context(), authn.AnswerCommand{Caller: p.b.Front(), Attempt: a.ID, Method: authn.OCRA, Credential: c.ID, Secret: d.OCRA(o.Question)})
			}
		}
	}
	p.t.Fatalf("the device is not in %+v", a.Offers)
	return authn.View{}, nil
}

// becomes says what comes of a payment that its device proves.
func (p *payer) becomes(what string, v payment.View, want payment.State) {
	p.t.Helper()
	if v.Authentication == nil {
		p.t.Fatalf("%s: %s", what, v.Transaction.State)
	}
	_, err := p.prove(v, p.device.OCRA(question(p.t, v)))
	if got := p.state(v.Transaction.ID); got != want || err != nil {
		p.t.Errorf("%s: %s, %v, want %s", what, got, err, want)
	}
}

// released lets a held payment be proven.
func (p *payer) released(id string) payment.View {
	p.t.Helper()
	v, err := p.b.Payments.Release(p.t.Context(), p.b.Staff(), id, "called back")
	if err == nil && v.Authentication == nil {
		v, err = p.b.Payments.Ask(p.t.Context(), p.b.Front(), id, p.token(), nil, "")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

const freshToken = `
  - {code: fresh-token, text: the token was activated within a day, decision: held, when: 'credential_age < 86400'}
`

// Clause 5.24: what is known of the token that proves counts, not only of the one that
// logged in.
func TestClause5_24_TheTokenThatProvesCounts(t *testing.T) {
	p := newPayer(t)
	p.b.Clock.Forward(48 * time.Hour)
	p.login()
	fresh := p.b.Import(1, pskc.OCRA)[0]
	p.b.Hand(fresh, p.customer.ID)
	p.b.Rules = rules(t, freshToken)
	v, w := p.pay(p.command("100.00")), p.pay(p.command("100.00"))
	if _, err := p.proveBy(fresh, v); err != nil || p.state(v.Transaction.ID) != payment.Held {
		t.Errorf("by a fresh token: %s, %v", p.state(v.Transaction.ID), err)
	}
	if _, err := p.proveBy(p.device, w); err != nil || p.state(w.Transaction.ID) != payment.Approved {
		t.Errorf("by the old one: %s, %v", p.state(w.Transaction.ID), err)
	}

	p.b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	k := p.b.NewKey()
	p.b.Enrol(k, p.customer.ID)
	p.b.Rules = rules(t, `
  - {code: doubtful, text: nobody knows the model of the key, decision: held, when: 'mds_status == "unknown"'}
`)
	v = p.pay(p.command("100.00"))
	for _, o := range v.Authentication.Attempt.Offers {
		if o.Method != authn.FIDO {
			continue
		}
		if got, err := p.answer(v.Authentication.Attempt.ID, authn.FIDO, string(k.Get(o.Options))); err != nil || got.Transaction == nil {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if got := p.transaction(v.Transaction.ID).Transaction; got.State != payment.Held || !slices.Contains(got.Reasons, "doubtful") {
		t.Errorf("by a key of which no metadata tells: %s, %v", got.State, got.Reasons)
	}
	v = p.pay(p.command("100.00"))
	if _, err := p.proveBy(p.device, v); err != nil || p.state(v.Transaction.ID) != payment.Approved {
		t.Errorf("by a token: %s, %v", p.state(v.Transaction.ID), err)
	}

	// A proof of which nothing is known is the worse one.
	p.b.Rules = rules(t, freshToken)
	v = p.pay(p.command("100.00"))
	c, err := p.b.Payments.Proven(t.Context(), v.Authentication.Attempt, authn.Proof{ACR: authn.Linked, Shown: "none", At: p.b.Clock.Now(), By: p.b.Front()}, false)
	if err != nil || c.Transaction.State != string(payment.Held) {
		t.Errorf("by nobody knows what: %+v, %v", c.Transaction, err)
	}
}

// Clause 5.24: of a payment that several sign, each of them counts.
func TestClause5_24_EachSignersTokenCounts(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	c.b.Clock.Forward(48 * time.Hour)
	for _, p := range c.people {
		p.login()
	}
	second := c.people[1]
	fresh := c.b.Import(1, pskc.OCRA)[0]
	c.b.Hand(fresh, second.customer.ID)
	c.b.Rules = rules(t, freshToken)
	id := c.pay(c.order("900.00")).Transaction.ID
	v, err := second.ask(id)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.proveBy(fresh, v); err != nil || got.Transaction.State != waits {
		t.Fatalf("the first signature: %+v, %v", got.Transaction, err)
	}
	if got, err := c.people[2].sign(id); err != nil || got.Transaction.State != string(payment.Held) {
		t.Errorf("one of two by a fresh token: %+v, %v", got.Transaction, err)
	}
	id = c.pay(c.order("900.00")).Transaction.ID
	c.people[0].signed(id, waits)
	c.people[2].signed(id, approved)

	c.put([]parties.SigningRule{{Required: 1}}, c.people...)
	c.b.Rules = rules(t, `
  - {code: refused, text: three refused answers, decision: held, when: 'failed_attempts >= 3'}
`)
	id = c.pay(c.order("900.00")).Transaction.ID
	for range 3 {
		v, err := second.ask(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := second.prove(v, "00000000"); !problem.Is(err, problem.AuthenticationFailed) {
			t.Fatal(err)
		}
	}
	if v, err = second.ask(id); err != nil {
		t.Fatal(err)
	}
	if got, err := second.proveBy(second.device, v); err != nil || got.Transaction.State != string(payment.Held) {
		t.Errorf("by one with refused answers: %+v, %v", got.Transaction, err)
	}
}

const listed = `
  - {code: compromised, text: it is on a list, decision: held, when: 'compromised'}
  - {code: much, text: much, decision: held, when: 'amount > azn("500.00")'}
`

// Clause 5.26: a release is for what was known then. What is found after it holds the
// payment again, once for each finding.
func TestClause5_26_AReleaseCoversWhatWasKnown(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = rules(t, listed)
	v := p.released(p.pay(p.command("600.00")).Transaction.ID)
	if _, err := p.b.Payments.Compromised.Change(t.Context(), p.b.Staff(), compromised.Add, []compromised.Item{{Kind: compromised.Account, Value: v.Details.Payee.Account}}); err != nil {
		t.Fatal(err)
	}
	p.becomes("its payee was listed after the release", v, payment.Held)
	p.becomes("released with that", p.released(v.Transaction.ID), payment.Approved)

	// The list was away when it was held, and its reason is the same one.
	list := p.b.Payments.Compromised
	p.b.Payments.Compromised = nil
	v = p.released(p.pay(p.command("600.00")).Transaction.ID)
	p.b.Payments.Compromised = list
	p.becomes("it is on the list that was away", v, payment.Held)
	p.becomes("released with that", p.released(v.Transaction.ID), payment.Approved)

	if _, err := list.Change(t.Context(), p.b.Staff(), compromised.Replace, nil); err != nil {
		t.Fatal(err)
	}
	v = p.released(p.pay(p.command("600.00")).Transaction.ID)
	p.b.Rules = rules(t, listed+`
  - {code: closed, text: nothing is paid now, decision: held, when: 'true'}
`)
	p.becomes("another rule holds it", v, payment.Held)
	p.becomes("released for both", p.released(v.Transaction.ID), payment.Approved)
	p.b.Rules = rules(t, listed)
	p.becomes("released for what it was held for", p.released(p.pay(p.command("600.00")).Transaction.ID), payment.Approved)
}

// Clause 5.24: device and address of a waiting payment are looked for again with its
// proof, and what nobody can tell then is not known.
func TestClause5_24_TheWholeListIsAskedWithTheProof(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = rules(t, `
  - {code: compromised, text: it is on a list, decision: held, when: 'compromised'}
`)
	list := p.b.Payments.Compromised
	change := func(items ...compromised.Item) {
		t.Helper()
		if _, err := list.Change(t.Context(), p.b.Staff(), compromised.Replace, items); err != nil {
			t.Fatal(err)
		}
	}
	begun := func() payment.View {
		cmd := p.command("100.00")
		cmd.Signals.Country = "GE"
		return p.pay(cmd)
	}
	for _, item := range []compromised.Item{{Kind: compromised.Device, Value: "d-1"}, {Kind: compromised.IP, Value: "192.0.2.1"}, {Kind: compromised.Country, Value: "GE"}} {
		v := begun()
		change(item)
		p.becomes(string(item.Kind), v, payment.Held)
		change()
	}
	v := begun()
	if len(v.Details.Around) != 3 {
		t.Errorf("kept: %+v", v.Details.Around)
	}
	p.becomes("nothing is on it", v, payment.Approved)
	if kept := p.transaction(v.Transaction.ID).Details.Around; kept != nil {
		t.Errorf("kept after the approval: %+v", kept)
	}
	v = begun()
	p.b.Payments.Compromised = &compromised.List{Store: p.b.Store, Settler: p.b.Store, Audit: p.b.Audit, Now: p.b.Clock.Now}
	p.becomes("a list that is not loaded", v, payment.Held)
	p.b.Payments.Compromised = list
}

// always is a condition that holds.
type always struct{}

func (always) Holds(risk.Facts) (bool, error) { return true, nil }

// Clause 5.6: what is in force for a time is in force at the proof or not, and the hour of
// both moments counts.
func TestClause5_6_WhatIsInForceAtTheProof(t *testing.T) {
	p := newPayer(t)
	held := func(more string) risk.Policy {
		return rules(t, "\n  - {code: stop, text: no payments, decision: held, when: 'true'"+more+"}\n")
	}
	spanned := func(member string, at time.Time) string {
		return fmt.Sprintf(", %s: %q", member, at.UTC().Format(time.RFC3339))
	}
	wait := func() { p.b.Clock.Forward(2 * time.Minute) }
	none := p.b.Rules

	p.b.Rules = held(spanned("from", p.b.Clock.Now().Add(time.Minute)))
	v := p.pay(p.command("100.00"))
	wait()
	p.becomes("a rule that began", v, payment.Held)

	p.b.Rules = none
	v = p.pay(p.command("100.00"))
	p.b.Rules = held(spanned("until", p.b.Clock.Now().Add(time.Minute)))
	wait()
	p.becomes("a rule that ended", v, payment.Approved)

	p.b.Rules = held("")
	p.b.Rules.Exceptions = []risk.Exception{{Code: "trial", Rule: "stop", When: always{}, From: p.b.Clock.Now().Add(-time.Hour), Until: p.b.Clock.Now().Add(time.Minute)}}
	v, ended := p.pay(p.command("100.00")), p.pay(p.command("100.00"))
	p.becomes("while the exception lasts", v, payment.Approved)
	wait()
	p.becomes("after the exception", ended, payment.Held)

	for what, hour := range map[string]string{"the hour of the proof": "0", "the hour of the beginning": "23"} {
		p.relogin()
		now := p.b.Clock.Now().UTC()
		minutes := now.Hour()*60 + now.Minute()
		p.b.Payments.Zone = time.FixedZone("before midnight", (23*60+59-minutes)*60)
		p.b.Rules = none
		v := p.pay(p.command("100.00"))
		p.b.Rules = rules(t, "\n  - {code: hour, text: not at this hour, decision: held, when: 'hour == "+hour+"'}\n")
		wait()
		p.becomes(what, v, payment.Held)
	}
}

// Clause 5.25: a decision with the proof that takes too long approves nothing and takes
// nothing: the same answer is good again.
func TestClause5_25_ALateDecisionWithTheProofApprovesNothing(t *testing.T) {
	p := newPayer(t)
	var seen []payment.Judged
	p.b.Payments.Observe = func(j payment.Judged) { seen = append(seen, j) }
	v := p.pay(p.command("100.00"))
	code := p.device.OCRA(question(t, v))
	p.b.Payments.Budget = time.Minute
	wait := func(context.Context) error { p.b.Clock.Forward(61 * time.Second); return nil }
	p.slow(func(ctx context.Context) error { return wait(ctx) })
	if _, err := p.prove(v, code); !problem.Is(err, problem.Unavailable) || p.state(v.Transaction.ID) != payment.PendingProof {
		t.Fatalf("late: %s, %v", p.state(v.Transaction.ID), err)
	}
	p.b.Payments.Budget = 20 * time.Millisecond
	wait = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	if _, err := p.answer(v.Authentication.Attempt.ID, authn.OCRA, code); !problem.Is(err, problem.Unavailable) || p.state(v.Transaction.ID) != payment.PendingProof {
		t.Fatalf("hung: %s, %v", p.state(v.Transaction.ID), err)
	}
	p.b.Payments.Budget = time.Minute
	wait = func(context.Context) error { return nil }
	if _, err := p.answer(v.Authentication.Attempt.ID, authn.OCRA, code); err != nil || p.state(v.Transaction.ID) != payment.Approved {
		t.Errorf("in time: %s, %v", p.state(v.Transaction.ID), err)
	}
	if last := seen[len(seen)-1]; len(seen) < 2 || seen[0].Again || !last.Again || last.Took <= 0 || last.Took > time.Minute {
		t.Errorf("observed: %+v", seen)
	}
}
