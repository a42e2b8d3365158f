package payment_test

import (
	"context"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/tokens"
)

// A proof does not outlive the suspension of who gave it, the loss of his token, or that
// the bank threw him out; a log-out says nothing against it. After it he can sign anew.
func TestClause5_17_3_ASignatureFallsWithItsSigner(t *testing.T) {
	for name, c := range map[string]struct {
		stop  func(*company, *payer) error
		stays bool
		back  func(*company, *payer) error
	}{
		"suspended": {stop: func(c *company, p *payer) error {
			_, err := c.b.Parties.SetState(t.Context(), c.b.Staff(), p.customer.ID, parties.CustomerSuspended, "breach", true)
			return err
		}},
		"suspended and back": {stop: func(c *company, p *payer) error {
			_, err := c.b.Parties.SetState(t.Context(), c.b.Staff(), p.customer.ID, parties.CustomerSuspended, "breach", true)
			return err
		}, back: func(c *company, p *payer) error {
			_, err := c.b.Parties.SetState(t.Context(), c.b.Staff(), p.customer.ID, parties.CustomerActive, "cleared", true)
			return err
		}},
		"channel suspended": {stop: func(c *company, p *payer) error {
			_, err := c.b.Parties.Suspend(t.Context(), c.b.Staff(), p.customer.ID, parties.Halt{Reason: "breach", Channels: []parties.Channel{parties.Internet}})
			return err
		}},
		"another channel suspended": {stays: true, stop: func(c *company, p *payer) error {
			_, err := c.b.Parties.Suspend(t.Context(), c.b.Staff(), p.customer.ID, parties.Halt{Reason: "breach", Channels: []parties.Channel{parties.PC}})
			return err
		}},
		"token stolen": {stop: func(c *company, p *payer) error {
			_, err := c.b.Enrollment.Report(t.Context(), c.b.Staff(), p.device.ID, "stolen", "")
			return err
		}},
		"token found again": {stop: func(c *company, p *payer) error {
			_, err := c.b.Enrollment.Report(t.Context(), c.b.Staff(), p.device.ID, "stolen", "")
			return err
		}, back: func(c *company, p *payer) error {
			_, err := c.b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: c.b.Staff(), Token: p.device.ID, Move: tokens.Resume, Reason: "found"})
			return err
		}},
		"thrown out": {stop: func(c *company, p *payer) error { return c.b.Authn.End(t.Context(), c.b.Staff(), p.session, "staff") },
			back: func(*company, *payer) error { return nil }},
		"logged out": {stays: true, stop: func(c *company, p *payer) error { return c.b.Authn.End(t.Context(), c.b.Front(), p.session, "logout") }},
	} {
		t.Run(name, func(t *testing.T) {
			co := newCompany(t, 4, several(2)...)
			id := co.pay(co.order("1500.00")).Transaction.ID
			out, b, d := co.people[1], co.people[2], co.people[3]
			out.signed(id, waits)
			co.b.Clock.Forward(time.Second)
			if err := c.stop(co, out); err != nil {
				t.Fatal(err)
			}
			if c.stays {
				b.signed(id, approved)
				return
			}
			if c.back != nil {
				if err := c.back(co, out); err != nil {
					t.Fatal(err)
				}
			}
			b.signed(id, waits)
			if c.back == nil {
				d.signed(id, approved)
				return
			}
			co.b.Clock.Forward(time.Second)
			out.login()
			out.signed(id, approved)
		})
	}
}

// A suspension in between beats the last signature.
func TestClause5_17_3_ASuspensionBeatsTheLastSignature(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	id := c.pay(c.order("1500.00")).Transaction.ID
	a, b := c.people[1], c.people[2]
	a.signed(id, waits)
	v, err := b.ask(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.answer(v.Authentication.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	whole := c.b.Authn.Settler
	c.b.Authn.Settler = &between{Store: whole, do: func() {
		if _, err := c.b.Parties.SetState(context.Background(), c.b.Staff(), a.customer.ID, parties.CustomerSuspended, "breach", true); err != nil {
			t.Error(err)
		}
	}}
	got, err := b.answer(v.Authentication.Attempt.ID, authn.OCRA, b.device.OCRA(question(t, v)))
	c.b.Authn.Settler = whole
	if err != nil || got.Transaction.State != waits || got.Transaction.Authorization != "" {
		t.Fatalf("%+v, %v", got.Transaction, err)
	}
	if tx := c.transaction(id).Transaction; len(tx.Signatures) != 1 || tx.Signatures[0].Customer != b.customer.ID {
		t.Errorf("%+v", tx)
	}
}

// Who made the payment need not sign it, but nothing is paid that a suspended person has
// made.
func TestTheMakerOfAPaymentIsStopped(t *testing.T) {
	c := newCompany(t, 3, several(2)...)
	id := c.pay(c.order("1500.00")).Transaction.ID
	c.people[1].signed(id, waits)
	if _, err := c.b.Parties.SetState(t.Context(), c.b.Staff(), c.customer.ID, parties.CustomerSuspended, "breach", true); err != nil {
		t.Fatal(err)
	}
	if _, err := c.people[2].sign(id); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatalf("the last signature: %v", err)
	}
	if s := c.state(id); s != payment.PendingProof {
		t.Errorf("it is %s", s)
	}
}
