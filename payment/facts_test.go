package payment_test

import (
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
)

// loginFrom logs in from there.
func (p *payer) loginFrom(s risk.Signals) {
	p.t.Helper()
	v, err := p.b.Authn.Begin(p.t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: parties.Internet, Signals: s})
	if err != nil {
		p.t.Fatal(err)
	}
	p.answer(v.Attempt.ID, authn.PIN, banktest.PIN)
	v, err = p.answer(v.Attempt.ID, authn.OTP, p.device.HOTP())
	if err != nil {
		p.t.Fatal(err)
	}
	p.session = v.Session.Session.ID
}

// Clause 5.24: what has changed since the log-in is told, and what cannot be compared is
// missing.
func TestClause5_24_WhatHasChangedSinceTheLogIn(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	home := risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d-1", Country: "AZ"}
	p.loginFrom(home)
	pay := func(change func(*risk.Signals)) {
		t.Helper()
		cmd := p.command("1.00")
		cmd.Signals = home
		change(&cmd.Signals)
		p.pay(cmd)
	}
	pay(func(*risk.Signals) {})
	eye.told(t, "the same", risk.Facts{"network_changed": false, "country_changed": false, "device_known": false})
	pay(func(s *risk.Signals) { s.IP, s.Country = "192.0.2.250", "GE" })
	eye.told(t, "the same network, another country", risk.Facts{"network_changed": false, "country_changed": true})
	pay(func(s *risk.Signals) { s.IP = "192.0.3.1" })
	eye.told(t, "the next network", risk.Facts{"network_changed": true})
	pay(func(s *risk.Signals) { s.IP = "2001:db8::1" })
	eye.told(t, "the other protocol", risk.Facts{"network_changed": true})
	pay(func(s *risk.Signals) { s.IP, s.Country, s.DeviceID = "10.0.0.1, 192.0.2.1", "az", "" })
	for _, name := range []string{"network_changed", "device_known"} {
		if got, known := eye.facts[name]; known {
			t.Errorf("what cannot be compared: %s is %v", name, got)
		}
	}
	p.b.Clock.Forward(2 * time.Second)
	p.loginFrom(risk.Signals{})
	pay(func(*risk.Signals) {})
	for _, name := range []string{"network_changed", "country_changed"} {
		if got, known := eye.facts[name]; known {
			t.Errorf("after a log-in from nowhere: %s is %v", name, got)
		}
	}
	eye.told(t, "a device that logged in before this session", risk.Facts{"device_known": true})
	pay(func(s *risk.Signals) { s.DeviceID = "d-2" })
	eye.told(t, "another device", risk.Facts{"device_known": false})
}

// Attack 10: an address decides nothing by itself. With the shipped policy a payment from
// another one, or from none of a kind, is neither let through nor refused for it.
func TestAttack10_AnAddressAloneDecidesNothing(t *testing.T) {
	p := newPayer(t)
	p.loginFrom(risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d-1", Country: "AZ"})
	for _, value := range []string{"10.00", "400.00", "20000.01"} {
		want := ""
		for _, ip := range []string{"192.0.2.1", "203.0.113.7", "127.0.0.1", "::1"} {
			cmd := p.command(value)
			cmd.Signals.IP = ip
			v := p.pay(cmd)
			got := string(v.Transaction.State) + " " + v.Transaction.NeedACR + " " + v.Transaction.Exemption
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s AZN from %s: %s, from another address %s", value, ip, got, want)
			}
		}
	}
}

// Clause 5.24: ages, the countries of the accounts, and what stands against the customer.
func TestClause5_24_FactsOfThePersonAndTheAccounts(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	p.b.Clock.Forward(2 * time.Minute)
	cmd := p.command("1.00")
	cmd.Payer.Account, cmd.Payee.Account, cmd.Payee.Country = "GB82WEST12345698765432", "AZ21 NABZ 0000 0000 1370 1000 1944", "AZ"
	p.pay(cmd)
	eye.told(t, "IBANs", risk.Facts{"payer_country": "GB", "payee_country": "AZ", "mds_status": "none", "payees": int64(1), "failed_attempts": int64(0), "compromised": false})
	for _, name := range []string{"contacts_age", "credential_age", "session_age"} {
		if n, ok := eye.facts[name].(int64); !ok || n < 120 || n > 600 {
			t.Errorf("%s is %v", name, eye.facts[name])
		}
	}
	if got, known := eye.facts["token_age"]; known {
		t.Errorf("token_age without a token: %v", got)
	}
	cmd = p.command("1.00")
	cmd.AccessToken, cmd.Session = p.token(), ""
	cmd.Payee.Account, cmd.Payee.Country = "GB82WEST12345698765432", "AZ"
	p.b.Clock.Forward(7 * time.Second)
	p.pay(cmd)
	if n, ok := eye.facts["token_age"].(int64); !ok || n < 7 || n > 60 {
		t.Errorf("token_age is %v", eye.facts["token_age"])
	}
	if got, known := eye.facts["payee_country"]; known {
		t.Errorf("a payee in %v whose IBAN says GB", got)
	}
	v := p.pay(p.command("1500.00"))
	if _, err := p.prove(v, "00000000"); !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatal(err)
	}
	p.pay(p.command("1.00"))
	eye.told(t, "after a wrong answer", risk.Facts{"failed_attempts": int64(1)})
	yes := true
	cmd = p.command("1.00")
	cmd.Signals.Malware = &yes
	p.pay(cmd)
	eye.told(t, "malware", risk.Facts{"malware": true})
}

// Clause 5.24: what the metadata says of a key's model is told with its session.
func TestClause5_24_TheModelOfTheKeyIsTold(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	p.pay(p.command("1.00"))
	eye.told(t, "a token for codes", risk.Facts{"mds_status": "none"})
	if got, known := eye.facts["credential_age"]; !known {
		t.Errorf("credential_age is %v", got)
	}
	p.b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	k := p.b.NewKey()
	p.b.Enrol(k, p.customer.ID)
	v, err := p.b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: p.b.Front(), Customer: p.customer.ID, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range v.Attempt.Offers {
		if o.Method != authn.FIDO {
			continue
		}
		got, err := p.answer(v.Attempt.ID, authn.FIDO, string(k.Get(o.Options)))
		if err != nil || got.Session == nil {
			t.Fatalf("%+v, %v", got, err)
		}
		p.session = got.Session.Session.ID
	}
	p.pay(p.command("1.00"))
	eye.told(t, "a key of which no metadata tells", risk.Facts{"mds_status": "unknown"})
}

// what is on the bank's list of compromised things is told of a payment, whichever
// side of it it stands on.
func TestClause5_24_WhatIsCompromisedIsTold(t *testing.T) {
	p := newPayer(t)
	eye := p.watched()
	list := func(mode compromised.Mode, items ...compromised.Item) compromised.State {
		t.Helper()
		s, err := p.b.Payments.Compromised.Change(t.Context(), p.b.Staff(), mode, items)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	told := func(what string, want bool) {
		t.Helper()
		p.pay(p.command("1.00"))
		eye.told(t, what, risk.Facts{"compromised": want})
	}
	cmd := p.command("1.00")
	told("an empty list", false)
	for what, item := range map[string]compromised.Item{
		"the payer's account":    {Kind: compromised.Account, Value: cmd.Payer.Account},
		"the payee's, in groups": {Kind: compromised.Account, Value: "az77 vtba 0000 0000 0012 3456 7890"},
		"the device":             {Kind: compromised.Device, Value: cmd.Signals.DeviceID},
		"the address":            {Kind: compromised.IP, Value: "::ffff:192.0.2.1"},
		"the payee's country":    {Kind: compromised.Country, Value: "AZ"},
	} {
		if s := list(compromised.Replace, item); s.Counts[item.Kind] != 1 {
			t.Errorf("%s: %v", what, s.Counts)
		}
		told(what, true)
	}
	list(compromised.Remove, compromised.Item{Kind: compromised.Country, Value: "AZ"})
	list(compromised.Replace, compromised.Item{Kind: compromised.Device, Value: cmd.Payer.Account}, compromised.Item{Kind: compromised.IP, Value: "192.0.2.2"})
	told("others", false)

	// Another node sees the change with its next look, and after a restart it is there.
	other := &compromised.List{Store: p.b.Store, Settler: p.b.Store, Audit: p.b.Audit, Now: p.b.Clock.Now}
	device := compromised.Item{Kind: compromised.Device, Value: "d-1"}
	if _, known := other.Holds(device); known {
		t.Error("a list that was not loaded knows something")
	}
	if err := other.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	list(compromised.Add, device)
	if on, known := other.Holds(device); on || !known {
		t.Error("another node knows before it has looked")
	}
	if err := other.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if on, known := other.Holds(device); !on || !known {
		t.Error("another node does not know after it has looked")
	}
	told("added", true)

	// A payment that waits while its payee is put on the list is told of it with its proof.
	p.b.Rules = rules(t, `
  - {code: exposed, text: it is on the list, decision: held, when: 'compromised'}
`)
	list(compromised.Replace)
	waiting := p.pay(p.command("100.00"))
	list(compromised.Add, compromised.Item{Kind: compromised.Account, Value: cmd.Payee.Account})
	if _, err := p.prove(waiting, p.device.OCRA(question(t, waiting))); err != nil || p.state(waiting.Transaction.ID) != payment.Held {
		t.Errorf("proven after its payee was listed: %s, %v", p.state(waiting.Transaction.ID), err)
	}
}

// Clause 5.27: a list that somebody has changed is not believed, and what was loaded
// before stays in use.
func TestClause5_27_AChangedListIsNotBelieved(t *testing.T) {
	p := newPayer(t)
	device := compromised.Item{Kind: compromised.Device, Value: "d-1"}
	l := p.b.Payments.Compromised
	if _, err := l.Change(t.Context(), p.b.Staff(), compromised.Add, []compromised.Item{device}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{compromised.HeadID, compromised.ItemsID} {
		r, err := p.b.Engine.Compromised(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r.Version++; id == compromised.ItemsID {
			r.Items = nil
		}
		p.steal(compromised.Save{Record: r})
	}
	if err := l.Refresh(t.Context()); err == nil {
		t.Error("a changed list is loaded")
	}
	if on, known := l.Holds(device); !on || !known {
		t.Error("what was loaded is forgotten")
	}
	fresh := &compromised.List{Store: p.b.Store, Settler: p.b.Store, Audit: p.b.Audit, Now: p.b.Clock.Now}
	if err := fresh.Refresh(t.Context()); err == nil {
		t.Error("a changed list is loaded after a restart")
	}
	p.b.Payments.Compromised = fresh
	missing := 0
	p.b.Payments.Missing = func(string) { missing++ }
	eye := p.watched()
	p.approved("1.00")
	if got, known := eye.facts["compromised"]; known || missing != 1 {
		t.Errorf("compromised is %v, counted %d times", got, missing)
	}
	if n := p.b.Count("incident.opened", "", "record.tampered"); n == 0 {
		t.Error("no incident")
	}
}
