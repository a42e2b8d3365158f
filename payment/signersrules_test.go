package payment_test

import (
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/settle"
	"mohur/store/bolttest"
)

// identify says how the bank has identified a customer.
func (p *payer) identify(kyc string) {
	p.t.Helper()
	c, _, err := p.b.Parties.Put(p.t.Context(), parties.PutCommand{
		Caller: p.b.Staff(), ID: p.customer.ID, Profile: parties.Profile{Name: "Aygün Məmmədova", Phone: "+994501234567", Email: "a@bank.test"},
		Locale: "az", Segment: "retail", ContractRef: "K-1", ContractVersion: "1", KYCRef: kyc,
	}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.customer = c
}

// loginOn logs in over a channel.
func (p *payer) loginOn(ch parties.Channel) {
	p.t.Helper()
	v, err := p.b.Authn.Begin(p.t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: ch})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.answer(v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		p.t.Fatal(err)
	}
	in, err := p.answer(v.Attempt.ID, authn.OTP, p.device.HOTP())
	if err != nil {
		p.t.Fatal(err)
	}
	p.session = in.Session.Session.ID
}

// Two customers whom the bank has identified as one person are one signer: not put on the
// list together, and not counted twice where the record says so only later.
func TestAttack11_OneHumanUnderTwoIdsIsOneSignature(t *testing.T) {
	c := newCompany(t, 4, several(2)...)
	a, b, d, e := c.people[0], c.people[1], c.people[2], c.people[3]
	id := c.pay(c.order("1500.00")).Transaction.ID
	b.signed(id, waits)
	open, err := a.ask(id)
	if err != nil {
		t.Fatal(err)
	}
	a.identify(" " + strings.ToLower(b.customer.KYCRef))
	if _, err := a.prove(open, a.device.OCRA(question(t, open))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("asked before, proven after: %v", err)
	}
	if _, err := a.ask(id); !problem.Is(err, problem.Conflict) {
		t.Errorf("asked: %v", err)
	}
	if got := c.transaction(id).Transaction; got.State != payment.PendingProof || len(got.Signatures) != 1 {
		t.Fatalf("%+v", got)
	}
	h, err := c.b.Store.Holder(t.Context(), c.id)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.b.Parties.PutHolder(t.Context(), parties.HolderCommand{
		Caller: c.b.Staff(), ID: c.id, Name: "Nigar MMC", Signers: []string{d.customer.ID, a.customer.ID, b.customer.ID}, Rules: several(2), Replaces: h.Version,
	})
	if !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "signers[2]: is the same person as signers[1]") {
		t.Errorf("both on a list: %v", err)
	}

	// Of two who have signed already, the second does not count any more.
	c.put(several(3), b, d, e)
	second := b.order(c)
	b.signed(second, waits)
	d.signed(second, waits)
	d.identify(b.customer.KYCRef)
	e.signed(second, waits)
	if got := c.transaction(second).Transaction; len(got.Signatures) != 2 || !hasStep(got, "signature-void", d.customer.ID) {
		t.Errorf("%+v", got)
	}
}

// order begins a payment of the company by this person.
func (p *payer) order(c *company) string {
	p.t.Helper()
	cmd := p.command("1500.00")
	cmd.Holder = c.id
	return p.pay(cmd).Transaction.ID
}

// Who changes a holder has to have seen it.
func TestAHolderIsReplacedByWhoHasSeenIt(t *testing.T) {
	c := newCompany(t, 2, several(2)...)
	cmd := parties.HolderCommand{Caller: c.b.Staff(), ID: c.id, Name: "Nigar MMC", Signers: []string{c.customer.ID}, Rules: several(1)}
	for _, seen := range []uint64{0, 2} {
		cmd.Replaces = seen
		if _, _, err := c.b.Parties.PutHolder(t.Context(), cmd); !problem.Is(err, problem.Conflict) {
			t.Errorf("version %d: %v", seen, err)
		}
	}
	cmd.Replaces = 1
	if h, fresh, err := c.b.Parties.PutHolder(t.Context(), cmd); err != nil || fresh || h.Version != 2 {
		t.Errorf("%+v, %v, %v", h, fresh, err)
	}
}

// Clause 5.32: what a token confirms in a day is one sum, for whomever its owner signs. A
// payment that fails gives it back where it was counted.
func TestClause5_32_ATokenIsLimitedForAllWhoseMoneyItMoves(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	most := int64(100_00)
	c.b.Rules.Limits.PerToken = &most
	last := c.people[2]
	finish := func(maker *payer) payment.Transaction {
		t.Helper()
		cmd := maker.command("60.00")
		cmd.Holder = c.id
		id := maker.pay(cmd).Transaction.ID
		maker.signed(id, waits)
		if _, err := last.sign(id); err != nil {
			t.Fatal(err)
		}
		return c.transaction(id).Transaction
	}
	used := func(p *payer, want int64) {
		t.Helper()
		if got := p.limits().Tokens[last.device.ID]; got != want {
			t.Errorf("%d on record, want %d", got, want)
		}
	}
	first := finish(c.people[0])
	if first.State != payment.Approved {
		t.Fatalf("%+v", first)
	}
	used(last, 60_00)
	second := finish(c.people[1])
	if second.State != payment.Rejected || second.Limit != payment.PerToken || len(second.Reserved) != 0 {
		t.Errorf("%s by %q: %v", second.State, second.Limit, second.Reserved)
	}
	refusedBy(t, last.settled(last.pay(last.command("60.00"))), payment.PerToken)
	used(last, 60_00)
	core := parties.Caller{Kind: "client", ID: "cl_core", Roles: []parties.Role{parties.Core}}
	if _, err := c.b.Payments.Report(t.Context(), core, first.ID, first.JTI, payment.Failed, "no cover"); err != nil {
		t.Fatal(err)
	}
	used(last, 0)
	used(c.people[0], 0)
	if again := finish(c.people[1]); again.State != payment.Approved {
		t.Errorf("after it was given back: %+v", again)
	}
}

// Clause 4.6: a signature falls with the payment's channel, from whatever channel its
// signer came; nobody is asked from another one.
func TestClause4_6_ASignatureFallsWithThePaymentsChannel(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	id := c.pay(c.order("1500.00")).Transaction.ID
	out := c.people[1]
	out.loginOn(parties.Mobile)
	if _, err := out.ask(id); !problem.Is(err, problem.Forbidden) {
		t.Errorf("asked from another channel: %v", err)
	}
	out.loginOn(parties.Internet)
	out.signed(id, waits)
	own := out.pay(out.command("1500.00")).Transaction.ID
	out.loginOn(parties.Mobile)
	if _, err := out.ask(own); !problem.Is(err, problem.Forbidden) {
		t.Errorf("his own from another channel: %v", err)
	}
	sig := c.transaction(id).Transaction.Signatures[0]
	given := authn.Given{Customer: sig.Customer, Credential: sig.Credential, Session: out.session, At: c.b.Clock.Now(), Channel: parties.Internet}
	stands := func(want bool) {
		t.Helper()
		if ok, _, err := c.b.Authn.Stands(t.Context(), given); err != nil || ok != want {
			t.Errorf("it stands: %v, %v", ok, err)
		}
	}
	stands(true)
	if _, err := c.b.Parties.Suspend(t.Context(), c.b.Staff(), out.customer.ID, parties.Halt{Reason: "breach", Channels: []parties.Channel{parties.Internet}}); err != nil {
		t.Fatal(err)
	}
	stands(false)
}

// What was begun under the customer's own id is not paid by him alone once a holder has
// that id.
func TestAttack11_AnOwnIdThatBecomesAHolder(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	cmd := c.command("1500.00")
	cmd.Holder = c.customer.ID
	id := c.pay(cmd).Transaction.ID
	c.id = c.customer.ID
	c.put(several(2), c.people[1], c.people[2])
	if got, err := c.people[0].sign(id); !problem.Is(err, problem.AuthenticationFailed) || c.state(id) != payment.PendingProof {
		t.Errorf("%+v, %v", got.Transaction, err)
	}
}

// Clause 4.6: a payment that was begun before its customer was suspended is not made
// after he is back.
func TestClause4_6_APaymentEndsWithItsCustomersSuspension(t *testing.T) {
	p := newPayer(t)
	id := p.pay(p.command("1500.00")).Transaction.ID
	p.b.Clock.Forward(time.Second)
	for _, to := range []parties.CustomerState{parties.CustomerSuspended, parties.CustomerActive} {
		if _, err := p.b.Parties.SetState(t.Context(), p.b.Staff(), p.customer.ID, to, "breach", true); err != nil {
			t.Fatal(err)
		}
		p.b.Clock.Forward(time.Second)
	}
	p.login()
	if got, err := p.sign(id); !problem.Is(err, problem.AuthenticationFailed) || p.state(id) != payment.PendingProof {
		t.Errorf("%+v, %v", got.Transaction, err)
	}
	next := p.pay(p.command("1500.00")).Transaction.ID
	p.signed(next, approved)
}

// A payment asks for a bounded number of proofs.
func TestAPaymentIsNotAskedForEver(t *testing.T) {
	c := newCompany(t, 2, several(2)...)
	id := c.pay(c.order("1500.00")).Transaction.ID
	for range 29 {
		if _, err := c.ask(id); err != nil {
			t.Fatal(err)
		}
		c.b.Clock.Forward(time.Second)
	}
	if _, err := c.ask(id); !problem.Is(err, problem.Conflict) {
		t.Errorf("asked for the 31st time: %v", err)
	}
	own := c.pay(c.command("1500.00")).Transaction.ID
	c.b.Authn.Settings.Pace.CustomerSlow = authn.DefaultPace().CustomerSlow
	if err := c.b.Authn.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		c.b.Authn.Failed(c.b.Front(), c.customer.ID, "")
	}
	if _, err := c.ask(own); !problem.Is(err, problem.TooMany) {
		t.Errorf("asked by somebody who is slowed down: %v", err)
	}
}

// Clause 5.26: whoever signs for a holder does not decide on its held payment, however his
// telephone and address are written.
func TestClause5_26_ASignerDoesNotReleaseHisHoldersPayment(t *testing.T) {
	c := newCompany(t, 2, several(2)...)
	b := c.people[1]
	proof, err := b.granted()()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.b.Parties.Put(t.Context(), parties.PutCommand{
		Caller: c.b.Staff(), ID: b.customer.ID, Profile: parties.Profile{Name: "B", Phone: "+994557777777", Email: "Bela@Bank.test"},
		Locale: "az", Segment: "retail", ContractRef: "K-1", ContractVersion: "1", KYCRef: b.customer.KYCRef,
	}, proof)
	if err != nil {
		t.Fatal(err)
	}
	held := c.pay(c.order("25000.00")).Transaction
	for id, profile := range map[string]parties.Profile{
		"phone": {Name: "B", Phone: "+994 55 777-77-77"}, "email": {Name: "B", Phone: "+994551111111", Email: "bela@bank.TEST"}, b.customer.ID: {Name: "B", Phone: "+994552222222"},
	} {
		if _, err := c.b.Payments.Release(t.Context(), c.staff(id, profile), held.ID, "mine"); !problem.Is(err, problem.Forbidden) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := c.b.Payments.Release(t.Context(), c.staff("rena", parties.Profile{Name: "R", Phone: "+994553333333", Email: "r@bank.test"}), held.ID, "called"); err != nil {
		t.Error(err)
	}
}

// Clause 5.25: a held payment whose record is damaged or gone does not keep the others
// from their time, and one of an older version waits for people.
func TestClause5_25_OneDamagedPaymentStopsNoOther(t *testing.T) {
	p := newPayer(t)
	var all []payment.Transaction
	for range 4 {
		all = append(all, p.pay(p.command("25000.00")).Transaction)
		p.b.Clock.Forward(time.Second)
	}
	broken, gone, whole, old := all[0], all[1], all[2], all[3]
	stored, err := p.b.Store.Transaction(t.Context(), old.ID)
	if err != nil {
		t.Fatal(err)
	}
	stored.DueAt, stored.ExpiresAt, stored.Version = time.Time{}, stored.CreatedAt.Add(30*time.Minute), stored.Version+1
	if _, err := settle.Write(t.Context(), p.b.Store, p.b.Audit, []settle.Effect{payment.SaveTransaction{Transaction: stored}}, []audit.Event{{Name: "transaction.held", Outcome: "held"}}); err != nil {
		t.Fatal(err)
	}
	p.b.Edit(func(f bolttest.File) {
		f.Put("transaction", broken.ID, []byte("{"))
		f.Delete("transaction", gone.ID)
	})
	p.b.Clock.Forward(25 * time.Hour)
	sweep := parties.Caller{Kind: "host", ID: "host:sweep"}
	if _, err := p.b.Payments.Release(t.Context(), guard("cl_guard"), whole.ID, "late"); !problem.Is(err, problem.Expired) {
		t.Errorf("released after its time: %v", err)
	}
	if _, _, err := p.b.Payments.ReviewHeld(t.Context(), sweep); err == nil {
		t.Error("the damage is not told")
	}
	if p.state(whole.ID) != payment.Rejected || p.b.Count("incident.opened", "", "payment.review-late") != 1 {
		t.Errorf("the whole one is %s", p.state(whole.ID))
	}
	if p.state(old.ID) != payment.Held {
		t.Errorf("the old one is %s", p.state(old.ID))
	}
	if _, err := p.b.Payments.Release(t.Context(), guard("cl_guard"), old.ID, "looked at"); err != nil {
		t.Errorf("the old one: %v", err)
	}
}

// A held payment whose time is over can be rejected by hand before the sweep comes.
func TestClause5_25_RejectedAfterItsTime(t *testing.T) {
	p := newPayer(t)
	held := p.pay(p.command("25000.00")).Transaction
	p.b.Clock.Forward(25 * time.Hour)
	if _, err := p.b.Payments.Reject(t.Context(), guard("cl_guard"), held.ID, "nobody looked"); err != nil || p.state(held.ID) != payment.Rejected {
		t.Errorf("%v, %s", err, p.state(held.ID))
	}
}

// A changed record of limits approves nothing of its customer and hides nothing.
func TestChangedLimitsHideNoPayment(t *testing.T) {
	p := newPayer(t)
	o := p.colleague()
	p.lower(payment.Daily, "100.00")
	done := p.settled(p.pay(p.command("60.00"))).Transaction
	held := o.pay(o.command("25000.00")).Transaction
	p.b.Edit(func(f bolttest.File) {
		row := string(f.Get("limits", p.customer.ID))
		f.Put("limits", p.customer.ID, []byte(strings.Replace(row, `"daily":10000`, `"daily":90000`, 1)))
	})
	items, _, err := p.b.Payments.List(t.Context(), guard("cl_guard"), payment.Filter{}, "", 50)
	if err != nil || len(items) != 2 {
		t.Errorf("%d in the list, %v", len(items), err)
	}
	for _, id := range []string{done.ID, held.ID} {
		v, err := p.b.Payments.Get(t.Context(), guard("cl_guard"), id)
		if err != nil || (len(v.Limits.Limits) == 0) != (id == done.ID) {
			t.Errorf("%+v, %v", v.Limits, err)
		}
	}
	core := parties.Caller{Kind: "client", ID: "cl_core", Roles: []parties.Role{parties.Core}}
	if v, err := p.b.Payments.Report(t.Context(), core, done.ID, done.JTI, payment.Executed, ""); err != nil || v.Transaction.State != payment.Executed {
		t.Errorf("reported: %+v, %v", v.Transaction, err)
	}
	if v, err := p.b.Payments.Create(t.Context(), p.command("5.00")); !problem.Is(err, problem.Unavailable) {
		t.Errorf("paid: %+v, %v", v.Transaction, err)
	}
}
