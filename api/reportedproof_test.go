package api_test

import (
	"testing"
	"time"

	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	pay "mohur/payment"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// Attack 6, clause 5.17.3: what a thief has proven with a token before it is reported
// serves for nothing afterwards, whatever the report names.
func TestAttack06_AProofEndsWithItsToken(t *testing.T) {
	for name, report := range map[string]func(*world, string, *banktest.Device){
		"the token": func(w *world, c string, d *banktest.Device) {
			w.ask(w.as("helpdesk"), "POST", "/v1/customer-reports", body{"customer": c, "kind": "stolen", "channel": "phone", "details": "x", "token": d.ID}).is(201)
		},
		"the customer": func(w *world, c string, _ *banktest.Device) {
			w.ask(w.as("helpdesk"), "POST", "/v1/customer-reports", body{"customer": c, "kind": "unauthorised", "channel": "phone", "details": "x"}).is(201)
		},
		"the token at the counter": func(w *world, _ string, d *banktest.Device) {
			w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+d.ID+"/report", body{"kind": "lost"}).is(200)
		},
		"the token, found again": func(w *world, _ string, d *banktest.Device) {
			w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+d.ID+"/report", body{"kind": "lost"}).is(200)
			w.Clock.Forward(time.Second)
			w.move(d, tokens.Resume)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := appWorld(t)
			c, d := w.Person(pskc.HOTP)
			own := w.prove(c.ID, d, banktest.PIN, "x.cards.limit", nil)
			enrols := w.prove(c.ID, d, banktest.PIN, "credential.enroll", body{"customer": c.ID, "kind": "totp"})
			pin := w.prove(c.ID, d, banktest.PIN, "customer.pin", nil)
			report(w, c.ID, d)
			spend := body{"customer": c.ID, "action": body{"name": "x.cards.limit", "data": body{}}}
			w.ask(w.as("frontend"), "POST", "/v1/authentications/"+own+"/spend", spend).refused(403, "proof-required")
			w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": c.ID, "kind": "totp", "proof": body{"authentication": enrols}}).refused(403, "proof-required")
			w.ask(w.as("frontend"), "PUT", "/v1/customers/"+c.ID+"/pin", body{"pin": "739146", "proof": body{"authentication": pin}}).refused(403, "proof-required")
		})
	}
}

// A customer who is stopped, or whose token is, between the proof and the write changes
// nothing any more.
func TestAttack09_AStopBetweenProofAndChange(t *testing.T) {
	for name, stop := range map[string]func(*world, string, *banktest.Device){
		"the customer": func(w *world, c string, _ *banktest.Device) {
			w.must(w.Parties.Suspend(w.T.Context(), w.Staff(), c, parties.Halt{Reason: "stolen"}))
		},
		"the token": func(w *world, _ string, d *banktest.Device) {
			w.must(w.Enrollment.Report(w.T.Context(), w.Staff(), d.ID, "stolen", ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c, d := w.Person(pskc.HOTP)
			contacts := w.prove(c.ID, d, banktest.PIN, "customer.contacts", nil)
			payees := w.prove(c.ID, d, banktest.PIN, "payees.add", nil)
			contactsProof, err := w.Authn.Spend(t.Context(), w.Staff(), contacts, c.ID, "customer.contacts", []byte(`{}`))
			w.must(nil, err)
			payeesProof, err := w.Authn.Spend(t.Context(), w.Staff(), payees, c.ID, "payees.add", []byte(`{}`))
			w.must(nil, err)
			stop(w, c.ID, d)
			_, _, err = w.Parties.Put(t.Context(), parties.PutCommand{
				Caller: w.Staff(), ID: c.ID, Profile: parties.Profile{Name: "N", Phone: "+994509999999", Email: "thief@x.test"}, Locale: "az", Segment: "retail",
				ContractRef: "a", ContractVersion: "1", KYCRef: "k",
			}, contactsProof)
			if err == nil {
				t.Error("the contacts were changed")
			}
			_, err = w.Payments.PutPayees(t.Context(), pay.PutPayeesCommand{
				Caller: w.Staff(), Customer: c.ID, Kind: pay.Trusted, Items: []pay.Party{{Name: "T", Account: "AZ1", Bank: "B", Country: "AZ"}}, Proof: payeesProof,
			})
			if err == nil {
				t.Error("the payees were changed")
			}
		})
	}
}

// An enrolment that waits ends with a report, however it was proven, and is not finished
// after a suspension of the channel or the token that its proof came by.
func TestAttack06_APendingEnrolmentEndsWithAReport(t *testing.T) {
	proven := func(w *world, c string, d *banktest.Device) object {
		v := w.ask(w.as("frontend"), "POST", "/v1/authentications", body{
			"customer": c, "purpose": "action", "action": body{"name": "credential.enroll", "data": body{"customer": c, "kind": "totp"}}, "channel": "mobile",
			"responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
		}).is(201)
		return w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": c, "kind": "totp", "proof": body{"authentication": v.str("id")}}).is(201)
	}
	secret := func(w *world, c string, _ *banktest.Device) object { return w.enrol(c, "totp").is(201) }
	said := func(kind string, named bool) func(*world, string, *banktest.Device) {
		return func(w *world, c string, d *banktest.Device) {
			in := body{"customer": c, "kind": kind, "channel": "phone", "details": "x"}
			if named {
				in["token"] = d.ID
			}
			w.ask(w.as("helpdesk"), "POST", "/v1/customer-reports", in).is(201)
		}
	}
	for name, x := range map[string]struct {
		begin  func(*world, string, *banktest.Device) object
		then   func(*world, string, *banktest.Device)
		status int
	}{
		"unauthorised":               {proven, said("unauthorised", false), 410},
		"stolen, the token named":    {proven, said("stolen", true), 410},
		"suspected, begun by secret": {secret, said("suspected_access", false), 410},
		"lost, named, by secret":     {secret, said("lost", true), 410},
		"at the counter, by secret": {secret, func(w *world, _ string, d *banktest.Device) {
			w.must(w.Enrollment.Report(w.T.Context(), w.Staff(), d.ID, "stolen", ""))
		}, 410},
		"an error":                    {proven, said("error", false), 200},
		"nothing":                     {proven, func(*world, string, *banktest.Device) {}, 200},
		"the token suspended":         {proven, func(w *world, _ string, d *banktest.Device) { w.move(d, tokens.Suspend) }, 403},
		"another channel suspended":   {proven, halted(parties.Internet), 200},
		"the proof's channel stopped": {proven, halted(parties.Mobile), 403},
	} {
		t.Run(name, func(t *testing.T) {
			w := appWorld(t)
			c, d := w.Person(pskc.HOTP)
			e := x.begin(w, c.ID, d)
			p := scan(t, w, e.str("otp.uri"))
			w.Clock.Forward(time.Second)
			x.then(w, c.ID, d)
			w.firstCode(e.str("id"), p.code()).is(x.status)
		})
	}
}

func halted(ch parties.Channel) func(*world, string, *banktest.Device) {
	return func(w *world, c string, _ *banktest.Device) {
		w.must(w.Parties.Suspend(w.T.Context(), w.Staff(), c, parties.Halt{Reason: "x", Channels: []parties.Channel{ch}}))
	}
}

// Clause 4.7: with a proof that is none a front end learns nothing of a suspension.
func TestClause4_7_AMadeUpProofTellsNothing(t *testing.T) {
	w := appWorld(t)
	active, _ := w.Person(pskc.HOTP)
	quiet, _ := w.Person(pskc.HOTP)
	no := false
	w.must(w.Parties.Suspend(t.Context(), w.Staff(), quiet.ID, parties.Halt{Reason: "aml", Tell: &no}))
	for _, id := range []string{active.ID, quiet.ID, "C-NOBODY"} {
		p := body{"authentication": "at_aaaaaaaaaaaaaaaaaaaaaaaaaa"}
		w.ask(w.as("frontend"), "PUT", "/v1/customers/"+id+"/pin", body{"pin": "739146", "proof": p}).refused(403, "proof-required")
		w.ask(w.as("frontend"), "POST", "/v1/enrollments", body{"customer": id, "kind": "totp", "proof": p}).refused(403, "proof-required")
	}
}

func (w *world) move(d *banktest.Device, m tokens.Move) {
	w.T.Helper()
	w.must(w.Enrollment.Move(w.T.Context(), enrollment.MoveCommand{Caller: w.Staff(), Token: d.ID, Move: m, Reason: "x"}))
}

// Attack 5: whoever begins actions and log-ins for an id does not end the proof of a
// payment, and takes no more room than there is.
func TestAttack05_NobodyElseEndsAPaymentsProof(t *testing.T) {
	w := newWorld(t)
	w.Authn.Settings.MaxOpen = 2
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	session := w.tryLogin(c.ID, d.HOTP(), banktest.PIN).is(201).str("session.id")
	payment := func(amount string) body {
		p := w.payment(session, amount)
		p["channel"] = "internet"
		return p
	}
	var pending []string
	for range 2 {
		pending = append(pending, w.ask(w.as("frontend"), "POST", "/v1/transactions", payment("300.00")).is(201).str("authentications.0.id"))
	}
	for range 2 {
		w.ask(w.as("frontend"), "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "action", "action": body{"name": "x.a", "data": body{}}, "channel": "internet"}).is(201)
		w.ask(w.as("frontend"), "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "internet"}).is(201)
	}
	for _, id := range pending {
		w.ask(w.as("frontend"), "GET", "/v1/authentications/"+id, nil).is(200).has(body{"state": "pending"})
	}
	open, err := w.Store.OpenAttempts(t.Context(), c.ID, w.Clock.Now())
	w.must(nil, err)
	if len(open) != 3 {
		t.Errorf("%d are open", len(open))
	}
	w.ask(w.as("frontend"), "POST", "/v1/transactions", payment("301.00")).is(201)
	w.ask(w.as("frontend"), "GET", "/v1/authentications/"+pending[0], nil).is(200).has(body{"state": "expired"})
}
