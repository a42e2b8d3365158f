package payment_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"sync"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/tokens/pskc"
)

// company is a holder whose signers are all logged in. The first one makes the payments.
type company struct {
	*payer
	id     string
	people []*payer
}

func newCompany(t *testing.T, signers int, rules ...parties.SigningRule) *company {
	t.Helper()
	first := newPayer(t)
	c := &company{payer: first, id: "H-1", people: []*payer{first}}
	for len(c.people) < signers {
		c.people = append(c.people, first.colleague())
	}
	c.put(rules, c.people...)
	return c
}

// colleague is another customer of the same bank who is logged in.
func (p *payer) colleague() *payer {
	p.t.Helper()
	who, d := p.b.Person(pskc.HOTP, pskc.OCRA)
	other := &payer{b: p.b, t: p.t, customer: who, device: d}
	other.login()
	return other
}

// put says who signs for the holder.
func (c *company) put(rules []parties.SigningRule, people ...*payer) {
	c.t.Helper()
	cmd := parties.HolderCommand{Caller: c.b.Staff(), ID: c.id, Name: "Nigar MMC", Rules: rules}
	for _, p := range people {
		cmd.Signers = append(cmd.Signers, p.customer.ID)
	}
	if h, err := c.b.Store.Holder(c.t.Context(), c.id); err == nil {
		cmd.Replaces = h.Version
	}
	if _, _, err := c.b.Parties.PutHolder(c.t.Context(), cmd); err != nil {
		c.t.Fatal(err)
	}
}

func (c *company) order(value string) payment.CreateCommand {
	cmd := c.command(value)
	cmd.Holder = c.id
	return cmd
}

// access is an access token of the person's session.
func (p *payer) access() string {
	p.t.Helper()
	g, err := p.b.Authn.Touch(p.t.Context(), p.b.Front(), p.session, "", true, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return g.AccessToken
}

func (p *payer) ask(id string) (payment.View, error) {
	return p.b.Payments.Ask(p.t.Context(), p.b.Front(), id, p.access(), nil, "")
}

// sign asks for a text of the person's own and proves it.
func (p *payer) sign(id string) (authn.View, error) {
	p.t.Helper()
	v, err := p.ask(id)
	if err != nil {
		return authn.View{}, err
	}
	return p.prove(v, p.device.OCRA(question(p.t, v)))
}

func (p *payer) signed(id, state string) authn.View {
	p.t.Helper()
	got, err := p.sign(id)
	if err != nil || got.Transaction == nil || got.Transaction.State != state || (state == string(payment.Approved)) != (got.Transaction.Authorization != "") {
		p.t.Fatalf("%+v, %v", got.Transaction, err)
	}
	return got
}

func (p *payer) transaction(id string) payment.View {
	p.t.Helper()
	v, err := p.b.Payments.Get(p.t.Context(), p.b.Front(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

const (
	waits    = string(payment.PendingProof)
	approved = string(payment.Approved)
)

func several(n int) []parties.SigningRule { return []parties.SigningRule{{Required: n}} }

// A company's payment takes as many of its people as its rules say, in any order, each
// with a text of his own; the authorization names each and claims no more than the
// weakest of them.
func TestClause5_18_ACompanysPaymentTakesItsSigners(t *testing.T) {
	c := newCompany(t, 4, several(3)...)
	for _, order := range [][]int{{0, 1, 2}, {3, 2, 1}, {2, 0, 3}} {
		v := c.pay(c.order("1500.00"))
		id := v.Transaction.ID
		if v.Transaction.Required != 3 || v.Transaction.State != payment.PendingProof || v.Transaction.ExpiresAt.Sub(v.Transaction.CreatedAt) != 24*time.Hour {
			t.Fatalf("%+v", v.Transaction)
		}
		c.people[order[0]].signed(id, waits)
		c.people[order[1]].signed(id, waits)
		if got := c.transaction(id).Transaction; len(got.Signatures) != 2 || got.JTI != "" || len(got.Reserved) != 0 {
			t.Fatalf("after two: %+v", got)
		}
		last := c.people[order[2]].signed(id, approved)
		a := authorization(t, c.payer, last.Transaction.Authorization)
		if a.Holder != c.id || len(a.Signatures) != 3 || a.ACR != "linked" || a.Shown != "none" || !slices.Equal(a.AMR, []string{"otp", "pin", "mfa"}) {
			t.Fatalf("%+v", a)
		}
		got := c.transaction(id)
		sums := map[string]bool{}
		for i, s := range a.Signatures {
			who := c.people[order[i]].customer.ID
			text := said(t, got.Details.Texts[who])
			if s.Subject != who || text["sub"] != who || text["holder"] != c.id || base64.RawURLEncoding.EncodeToString(got.Transaction.Signatures[i].SHA256) != s.SHA256 {
				t.Errorf("signature %d: %+v, %v", i, s, text)
			}
			sums[s.SHA256] = true
		}
		if len(sums) != 3 || !sums[a.SHA256] {
			t.Errorf("%d texts", len(sums))
		}
		if _, err := c.people[order[0]].ask(id); !problem.Is(err, problem.Conflict) {
			t.Errorf("asked after the approval: %v", err)
		}
	}
	if n := c.b.Count("transaction.approved", "", ""); n != 3 {
		t.Errorf("%d approvals", n)
	}
	if n := c.b.Count("transaction.signed", "", ""); n != 6 {
		t.Errorf("%d signatures before the last", n)
	}
}

// The rule is chosen by the amount, the bound included.
func TestClause5_18_TheAmountDecidesHowManySign(t *testing.T) {
	c := newCompany(t, 3, parties.SigningRule{UpTo: 100_00, Required: 1}, parties.SigningRule{UpTo: 1000_00, Required: 2}, parties.SigningRule{Required: 3})
	for value, want := range map[string]int{"99.99": 1, "100.00": 1, "100.01": 2, "1000.00": 2, "1000.01": 3} {
		if v := c.pay(c.order(value)); v.Transaction.Required != want {
			t.Errorf("%s AZN takes %d", value, v.Transaction.Required)
		}
	}
	cmd := c.order("10.00")
	cmd.Amount.Currency = "USD" // what nobody can place takes as many as the largest
	if v := c.pay(cmd); v.Transaction.Required != 3 || v.Transaction.State != payment.Held {
		t.Errorf("%+v", v.Transaction)
	}
	if v := c.pay(c.order("100.00")); v.Transaction.Required != 1 || v.Transaction.ExpiresAt.Sub(v.Transaction.CreatedAt) != 30*time.Minute {
		t.Errorf("%+v", v.Transaction)
	}
	if v, err := c.sign(c.pay(c.order("60.00")).Transaction.ID); err != nil || v.Transaction.State != approved {
		t.Errorf("one signature: %+v, %v", v.Transaction, err)
	}
	if v := c.pay(c.order("10.00")); v.Transaction.Exemption != "low_value" {
		t.Errorf("what one person may pay is not exempt: %+v", v.Transaction)
	}
}

// What several people sign is never exempt, however small.
func TestClause5_18_WhatSeveralSignIsNeverExempt(t *testing.T) {
	c := newCompany(t, 2, several(2)...)
	v := c.pay(c.order("1.00"))
	if v.Transaction.State != payment.PendingProof || v.Transaction.Exemption != "" || v.Authorization != "" {
		t.Fatalf("%+v", v.Transaction)
	}
}

// Nobody pays for a holder he does not sign for, and nobody learns which there are.
func TestOnlySignersPayForAHolder(t *testing.T) {
	c := newCompany(t, 2, several(2)...)
	stranger := c.colleague()
	var told []string
	for _, holder := range []string{c.id, "H-nobody", c.customer.ID} {
		cmd := stranger.command("60.00")
		cmd.Holder = holder
		_, err := c.b.Payments.Create(t.Context(), cmd)
		if !problem.Is(err, problem.Invalid) {
			t.Fatalf("%s: %v", holder, err)
		}
		told = append(told, err.Error())
	}
	if told[0] != told[1] || told[1] != told[2] {
		t.Errorf("the refusals differ: %q", told)
	}
	id := c.pay(c.order("1500.00")).Transaction.ID
	if _, err := stranger.ask(id); !problem.Is(err, problem.NotFound) {
		t.Errorf("a stranger is asked: %v", err)
	}
	own := stranger.command("60.00")
	own.Holder = stranger.customer.ID
	if v := stranger.pay(own); v.Transaction.Holder != "" || v.Transaction.Required != 0 {
		t.Errorf("his own account: %+v", v.Transaction)
	}
	if v, err := c.b.Payments.Get(t.Context(), parties.Caller{ID: "cl_other", Roles: []parties.Role{parties.Frontend}, Channels: parties.Channels()}, id); !problem.Is(err, problem.NotFound) {
		t.Errorf("another front end sees it: %+v, %v", v, err)
	}
}

// One person never counts twice: neither by a second proof of his own nor by answering
// what a colleague was asked.
func TestAttack11_OnePersonIsOneSignature(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	v := c.pay(c.order("1500.00"))
	id := v.Transaction.ID
	a, b := c.people[0], c.people[1]
	second, err := a.ask(id) // the first text of his is over with it
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.prove(v, a.device.OCRA(question(t, v))); !problem.Is(err, problem.Expired) {
		t.Errorf("the text before the last: %v", err)
	}
	if got, err := a.prove(second, a.device.OCRA(question(t, second))); err != nil || got.Transaction.State != waits {
		t.Fatalf("%+v, %v", got.Transaction, err)
	}
	if _, err := a.ask(id); !problem.Is(err, problem.Conflict) {
		t.Errorf("he is asked again: %v", err)
	}
	if _, err := a.answer(second.Authentication.Attempt.ID, authn.OCRA, a.device.OCRA(question(t, second))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("his proof again: %v", err)
	}
	// B's text answered with A's device, and A's text with B's.
	asked, err := b.ask(id)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(asked.Transaction.SHA256, second.Transaction.SHA256) {
		t.Fatal("both prove the same text")
	}
	if _, err := b.answer(asked.Authentication.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	if _, err := b.answer(asked.Authentication.Attempt.ID, authn.OCRA, a.device.OCRA(question(t, asked))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("A's device for B's text: %v", err)
	}
	if _, err := b.answer(asked.Authentication.Attempt.ID, authn.OCRA, b.device.OCRA(question(t, second))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("A's text by B's device: %v", err)
	}
	if got := c.transaction(id).Transaction; got.State != payment.PendingProof || len(got.Signatures) != 1 {
		t.Fatalf("%+v", got)
	}
	if got, err := b.answer(asked.Authentication.Attempt.ID, authn.OCRA, b.device.OCRA(question(t, asked))); err != nil || got.Transaction.State != approved {
		t.Errorf("%+v, %v", got.Transaction, err)
	}
}

// The last two signatures at one moment make one authorization.
func TestAttack11_TheLastSignaturesRace(t *testing.T) {
	c := newCompany(t, 4, several(2)...)
	for range 5 {
		id := c.pay(c.order("300.00")).Transaction.ID
		type ready struct {
			p       *payer
			attempt string
			code    string
		}
		var all []ready
		for _, p := range c.people {
			v, err := p.ask(id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.answer(v.Authentication.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
				t.Fatal(err)
			}
			all = append(all, ready{p, v.Authentication.Attempt.ID, p.device.OCRA(question(t, v))})
		}
		var work sync.WaitGroup
		var mu sync.Mutex
		got := map[string]int{}
		for _, r := range all {
			work.Go(func() {
				v, err := r.p.answer(r.attempt, authn.OCRA, r.code)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && v.Transaction.Authorization != "":
					got["authorized"]++
				case err == nil:
					got[v.Transaction.State]++
				case problem.Is(err, problem.AuthenticationFailed):
					got["refused"]++
				default:
					t.Error(err)
				}
			})
		}
		work.Wait()
		if got["authorized"] != 1 || got[waits] != 1 || got["refused"] != 2 {
			t.Errorf("%v", got)
		}
		if tx := c.transaction(id).Transaction; tx.State != payment.Approved || len(tx.Signatures) != 2 || tx.Signatures[0].Customer == tx.Signatures[1].Customer {
			t.Errorf("%+v", tx)
		}
	}
	if n := c.b.Count("transaction.approved", "", ""); n != 5 {
		t.Errorf("%d authorizations of 5 payments", n)
	}
}

// Whoever does not sign any more when the last one comes does not count, nor does what
// he was asked for before.
func TestAttack11_ARemovedSignerDoesNotCount(t *testing.T) {
	c := newCompany(t, 4, several(2)...)
	id := c.pay(c.order("1500.00")).Transaction.ID
	gone, b, d := c.people[1], c.people[2], c.people[3]
	gone.signed(id, waits)
	open, err := d.ask(id)
	if err != nil {
		t.Fatal(err)
	}
	c.put(several(2), c.people[0], b)
	b.signed(id, waits)
	if got := c.transaction(id).Transaction; len(got.Signatures) != 1 || got.Signatures[0].Customer != b.customer.ID || !hasStep(got, "signature-void", gone.customer.ID) {
		t.Fatalf("%+v", got)
	}
	if _, err := d.prove(open, d.device.OCRA(question(t, open))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("removed while he was asked: %v", err)
	}
	if _, err := gone.ask(id); !problem.Is(err, problem.NotFound) {
		t.Errorf("a removed signer is asked: %v", err)
	}
	c.signed(id, approved)
}

// Rules that ask for more while a payment waits hold for it; rules that ask for less do
// not.
func TestMoreSignersAreAskedOfWhatWaits(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	id := c.pay(c.order("1500.00")).Transaction.ID
	c.people[1].signed(id, waits)
	c.put(several(3), c.people...)
	c.people[2].signed(id, waits)
	c.put(several(1), c.people...)
	if got := c.transaction(id).Transaction; got.Required != 3 || got.State != payment.PendingProof {
		t.Fatalf("%+v", got)
	}
	c.signed(id, approved)
}

func hasStep(t payment.Transaction, reason, by string) bool {
	return slices.ContainsFunc(t.Timeline, func(s payment.Step) bool { return s.Reason == reason && s.By == by })
}

// A colleague's proof does not start a customer's count of exempt payments again (RTS
// Art. 16).
func TestAColleaguesProofRefillsNoExemption(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	c.pay(c.command("30.00"))
	count := func() uint8 {
		rows, err := c.b.Store.Hot(t.Context(), "allowance/"+c.customer.ID)
		if err != nil {
			t.Fatal(err)
		}
		return rows[0].Hot.Fails
	}
	id := c.pay(c.order("1500.00")).Transaction.ID
	c.people[1].signed(id, waits)
	c.people[2].signed(id, approved)
	if count() != 1 {
		t.Errorf("the count is %d", count())
	}
	id = c.pay(c.order("1500.00")).Transaction.ID
	c.people[1].signed(id, waits)
	c.signed(id, approved)
	if count() != 0 {
		t.Errorf("after his own the count is %d", count())
	}
}

// A payment waits a day for its signers, each of them five minutes for his own text.
func TestAPaymentWaitsADayForItsSigners(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	first := c.pay(c.order("1500.00"))
	id := first.Transaction.ID
	c.people[1].signed(id, waits)
	c.b.Clock.Forward(5 * time.Minute)
	if _, err := c.answer(first.Authentication.Attempt.ID, authn.PIN, banktest.PIN); !problem.Is(err, problem.Expired) {
		t.Errorf("after five minutes: %v", err)
	}
	c.b.Clock.Forward(23*time.Hour + 54*time.Minute)
	last := c.people[2]
	last.login()
	v, err := last.ask(id)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Authentication.Attempt.ExpiresAt.Equal(first.Transaction.ExpiresAt) {
		t.Errorf("the last text outlives the payment: %v, %v", v.Authentication.Attempt.ExpiresAt, first.Transaction.ExpiresAt)
	}
	c.b.Clock.Forward(time.Minute)
	if _, err := last.answer(v.Authentication.Attempt.ID, authn.PIN, banktest.PIN); !problem.Is(err, problem.Expired) {
		t.Errorf("after a day: %v", err)
	}
	last.login()
	if _, err := last.ask(id); !problem.Is(err, problem.Expired) {
		t.Errorf("asked after a day: %v", err)
	}
}

// Cancelling ends what every signer was asked.
func TestACancelledPaymentAsksNobody(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	first := c.pay(c.order("1500.00"))
	id := first.Transaction.ID
	second, err := c.people[1].ask(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.b.Payments.Cancel(t.Context(), c.b.Front(), id); err != nil {
		t.Fatal(err)
	}
	for i, v := range []payment.View{first, second} {
		if _, err := c.people[i].answer(v.Authentication.Attempt.ID, authn.PIN, banktest.PIN); !problem.Is(err, problem.Expired) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// A held payment of a company is signed by everybody after its release, and by nobody
// before.
func TestClause5_26_AReleasedPaymentIsSignedAnew(t *testing.T) {
	c := newCompany(t, 2, several(2)...)
	v := c.pay(c.order("25000.00"))
	id := v.Transaction.ID
	if v.Transaction.State != payment.Held || v.Transaction.Required != 2 {
		t.Fatalf("%+v", v.Transaction)
	}
	if _, err := c.people[1].ask(id); !problem.Is(err, problem.Conflict) {
		t.Errorf("asked while it is held: %v", err)
	}
	security := parties.Caller{Kind: "staff", ID: "staff:rena", Roles: []parties.Role{parties.Security}}
	if _, err := c.b.Payments.Release(t.Context(), security, id, "the company was called"); err != nil {
		t.Fatal(err)
	}
	c.people[1].signed(id, waits)
	c.signed(id, approved)
}

// A condition knows a company's payment, and how many payees a batch has.
func TestAConditionKnowsACompanysBatch(t *testing.T) {
	c := newCompany(t, 2, several(1)...)
	c.b.Rules = rules(t, `
  - {code: bulk, text: somebody looks at it, decision: held, when: 'company && payees == 3'}
`)
	batch := c.batch()
	batch.Holder = c.id
	for what, cmd := range map[string]payment.CreateCommand{"a batch of his own": c.batch(), "a company's single payment": c.order("60.00"), "its batch": batch} {
		if v := c.pay(cmd); (v.Transaction.State == payment.Held) != (what == "its batch") {
			t.Errorf("%s is %s: %v", what, v.Transaction.State, v.Transaction.Reasons)
		}
	}
}
