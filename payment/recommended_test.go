package payment_test

import (
	"slices"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/risk/policy"
)

// Clause 5.18: with the recommended policy an ordinary customer whose front end tells
// what it should pays as he does with the shipped one; on his first day everything
// about him is new; and where nobody looked for malware a payment is held.
func TestClause5_18_TheRecommendedPolicyInService(t *testing.T) {
	p := newPayer(t)
	p.b.Rules = policy.Recommended()
	now := p.b.Clock.Now().UTC()
	p.b.Payments.Zone = time.FixedZone("noon", (12*60-now.Hour()*60-now.Minute())*60)
	clean := false
	login := func() {
		t.Helper()
		cmd := p.command("1.00")
		v, err := p.b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: parties.Internet, Signals: cmd.Signals})
		if err != nil {
			t.Fatal(err)
		}
		p.answer(v.Attempt.ID, authn.PIN, banktest.PIN)
		if v, err = p.answer(v.Attempt.ID, authn.OTP, p.device.HOTP()); err != nil {
			t.Fatal(err)
		}
		p.session = v.Session.Session.ID
	}
	command := func(value string) payment.CreateCommand {
		cmd := p.command(value)
		cmd.Signals.Malware = &clean
		return cmd
	}
	decided := func(cmd payment.CreateCommand, decision, shown string, codes ...string) {
		t.Helper()
		got := p.pay(cmd).Transaction
		if got.Decision != decision || got.NeedShown != shown || !slices.Equal(got.Reasons, codes) || got.Policy != 2 {
			t.Errorf("%s, shown %s, %v, score %d", got.Decision, got.NeedShown, got.Reasons, got.Score)
		}
	}
	login()
	decided(command("20.00"), "step_up", "none", "taken-over", "new-device", "young-token", "proof-needed")
	p.b.Clock.Forward(48 * time.Hour)
	login()
	decided(command("20.00"), "approved", "none", "taken-over")
	decided(command("20.00"), "approved", "none", "taken-over") // what nobody has proven makes no payee known
	if v := p.pay(command("50.01")); v.Authentication == nil {
		t.Fatalf("%s, %v", v.Transaction.Decision, v.Transaction.Reasons)
	} else if _, err := p.prove(v, p.password(v)); err != nil {
		t.Fatal(err)
	}
	decided(command("20.00"), "approved", "none")
	decided(command("50.01"), "step_up", "none", "proof-needed")
	decided(p.command("20.00"), "held", "agent", "malware-signs", "raised-score", "malware", "high-score")
	abroad := command("20.00")
	abroad.Signals.Country = "TR"
	decided(abroad, "step_up", "agent", "other-country", "customer-abroad", "country-change", "proof-needed", "no-suitable-credential")
	clean = true
	decided(command("20.00"), "held", "agent", "malware-signs", "raised-score", "malware", "high-score")
}
