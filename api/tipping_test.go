package api_test

import (
	"fmt"
	"strings"
	"testing"

	"mohur/banktest"
	"mohur/parties"
	"mohur/risk/policy"
	"mohur/tokens/pskc"
)

// Clause 4.3.5: at a counter the reason of no suspension is told, or the missing one
// would say whom not to warn.
func TestClause4_3_5_NoCounterTellsWhyOneIsSuspended(t *testing.T) {
	w := newWorld(t)
	yes, no := true, false
	for _, tell := range []*bool{nil, &yes, &no} {
		c := w.Customer()
		w.must(w.Parties.Suspend(t.Context(), w.Staff(), c.ID, parties.Halt{Reason: "why", Class: parties.Legal, Tell: tell}))
		w.must(w.Parties.Suspend(t.Context(), w.Staff(), c.ID, parties.Halt{Reason: "why", Class: parties.Legal, Tell: tell, Channels: []parties.Channel{parties.PC}}))
		for _, role := range []string{"helpdesk", "operator"} {
			a := w.ask(w.as(role), "GET", "/v1/customers/"+c.ID, nil).is(200)
			a.has(body{"state": "suspended", "suspended_channels.0.channel": "pc"})
			if strings.Contains(fmt.Sprint(a.m), "why") || strings.Contains(fmt.Sprint(a.m), "legal") {
				t.Errorf("%s is told %s", role, a.m)
			}
		}
		for _, role := range []string{"supervisor", "security", "auditor"} {
			w.ask(w.as(role), "GET", "/v1/customers/"+c.ID, nil).is(200).has(body{"reason": "why", "class": "legal", "suspended_channels.0.reason": "why", "suspended_channels.0.class": "legal"})
		}
	}
}

// Clause 4.3.5: what the bank's security wrote when it decided on a held payment is for
// those who decide, not for front ends, the counter or the core system.
func TestClause4_3_5_WhyAPaymentWasDecidedIsForWhoDecides(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	for n, act := range []string{"release", "reject"} {
		held := w.ask(key, "POST", "/v1/transactions", payment("H-"+act, "20000.01", token)).is(201)
		held.has(body{"state": "held"})
		at := "/v1/transactions/" + held.str("id")
		w.ask(w.as("security"), "POST", at+"/"+act, body{"reason": "suspected of laundering"}).is(200)
		for _, role := range []string{"frontend", "helpdesk", "core"} {
			if a := w.ask(w.as(role), "GET", at, nil).is(200); strings.Contains(fmt.Sprint(a.m), "laundering") {
				t.Errorf("%d, %s is told %s", n, role, a.m)
			}
		}
		for _, role := range []string{"security", "auditor"} {
			if a := w.ask(w.as(role), "GET", at, nil).is(200); !strings.Contains(fmt.Sprint(a.m), "laundering") {
				t.Errorf("%d, %s is not told: %s", n, role, a.m)
			}
		}
	}
}

// A session that died with the token or the customer is not shown as a live one, nor why
// it died; ended it is with the others.
func TestClause4_6_ADeadSessionIsShownAsEnded(t *testing.T) {
	no := false
	for name, kill := range map[string]func(w *world, c parties.Customer, d *banktest.Device){
		"token": func(w *world, _ parties.Customer, d *banktest.Device) {
			w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+d.ID+"/report", body{"kind": "stolen"}).is(200)
		},
		"customer": func(w *world, c parties.Customer, _ *banktest.Device) {
			w.must(w.Parties.Suspend(t.Context(), w.Staff(), c.ID, parties.Halt{Reason: "r", Tell: &no}))
		},
		"channel": func(w *world, c parties.Customer, _ *banktest.Device) {
			w.must(w.Parties.Suspend(t.Context(), w.Staff(), c.ID, parties.Halt{Reason: "r", Tell: &no, Channels: []parties.Channel{parties.Internet}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			front := w.as("frontend")
			c, d := w.Person(pskc.HOTP)
			at := "/v1/sessions/" + w.login(front, c.ID, d).str("id")
			list := "/v1/customers/" + c.ID + "/sessions"
			w.ask(front, "GET", at, nil).is(200).has(body{"state": "live"})
			w.ask(front, "GET", list, nil).is(200).has(body{"items.0.state": "live"})
			kill(w, c, d)
			w.ask(front, "GET", at, nil).is(200).has(body{"state": "ended", "reason": nil, "ended_at": nil})
			if live := w.ask(front, "GET", list, nil).is(200).m["items"].([]any); len(live) != 0 {
				t.Errorf("listed as live: %v", live)
			}
			w.ask(front, "DELETE", list, nil).is(204)
			w.ask(front, "GET", at, nil).is(200).has(body{"state": "ended", "reason": "logout"})
		})
	}
}

// Which rules on log-ins hold says whether somebody is known here: a front end is not
// told, those who watch over it are, and the log has it.
func TestAttack09_AnAnswerDoesNotSayWhichLogInRuleHolds(t *testing.T) {
	w := newWorld(t)
	var err error
	w.Rules, err = policy.Parse([]byte(`version: 7
effective_from: "2026-01-01T00:00:00+04:00"
login:
  acr: strong
  rules:
    - {code: guessed, text: "was guessed", when: "hour >= 0", acr: strong}
payments:
  acr: linked
  shown: none
  proof_up_to: "20000.00"
  daily_per_customer: "20000.00"
  low_value: {each: "50.00", in_a_row: 5, in_sum: "150.00", highest_score: 20}
signals: {missing: 10}
scores: []
rules: []
end: true
`))
	w.must(nil, err)
	c := w.Customer()
	a := w.ask(w.as("frontend"), "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "internet"}).is(201)
	at := "/v1/authentications/" + a.str("id")
	for _, a := range []object{a, w.ask(w.as("frontend"), "GET", at, nil).is(200), w.ask(w.as("helpdesk"), "GET", at, nil).is(200)} {
		a.has(body{"risk.reasons.0.code": "signal-missing"})
		if strings.Contains(fmt.Sprint(a.m), "guessed") {
			t.Errorf("it says which rule holds: %s", a.m)
		}
	}
	if a := w.ask(w.as("security"), "GET", at, nil).is(200); !strings.Contains(fmt.Sprint(a.m), "guessed") {
		t.Errorf("security is not told: %s", a.m)
	}
}
