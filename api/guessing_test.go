package api_test

import (
	"strings"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/tokens/pskc"
)

// guess answers with one credential named, a code and a PIN.
func (w *world) guess(customer, credential, code, pin string) *answer {
	w.T.Helper()
	return w.ask(w.as("frontend"), "POST", "/v1/authentications", body{
		"customer": customer, "purpose": "login", "channel": "internet",
		"responses": []body{{"method": "pin", "pin": pin}, {"method": "otp", "code": code, "credential_id": credential}},
	})
}

// credential is the id of a token's first credential.
func (w *world) credential(d *banktest.Device) string {
	w.T.Helper()
	return w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).str("credentials.0.id")
}

// The whole ladder, of a code and of a PIN: five failures lock for 1, 5 and 30
// minutes, then for good with a notice before; a right answer during a lock is
// refused like a wrong one, and nobody is told that there is a lock.
func TestClause5_22_TheWholeLadder(t *testing.T) {
	const wrongPIN = "930471"
	for name, wrong := range map[string]func(d *banktest.Device) (code, pin string){
		"code": func(*banktest.Device) (string, string) { return "000000", banktest.PIN },
		"PIN":  func(d *banktest.Device) (string, string) { return d.HOTP(), wrongPIN },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c, d := w.Person(pskc.HOTP)
			id := w.credential(d)
			fail := func(n int) {
				t.Helper()
				for range n {
					code, pin := wrong(d)
					w.guess(c.ID, id, code, pin).refused(403, "authentication-failed")
				}
			}
			right := func() *answer { return w.guess(c.ID, id, d.HOTP(), banktest.PIN) }
			for rung, life := range []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute} {
				fail(4)
				if rung > 0 && name == "code" {
					// What was locked is judged again: four failures are not five.
					w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).has(body{"credentials.0.locked": false})
				}
				fail(1)
				right().refused(403, "authentication-failed")
				w.Clock.Forward(life - 5*time.Second)
				right().refused(403, "authentication-failed")
				w.Clock.Forward(6 * time.Second)
				if warned := w.told(c.ID, "locked-last-warning"); warned != (rung == 2) {
					t.Errorf("rung %d: warned %v", rung, warned)
				}
			}
			fail(5)
			if !w.told(c.ID, "locked-for-good") {
				t.Error("the customer is not told that it is for good")
			}
			w.Clock.Forward(300 * 24 * time.Hour)
			right().refused(403, "authentication-failed")
			switch name {
			case "code":
				w.ask(w.as("supervisor"), "POST", "/v1/tokens/"+d.ID+"/unlock", body{"reason": "came in with his passport"}).is(200)
			case "PIN":
				// A supervisor does not give a second set of guesses; a new PIN ends it.
				w.ask(w.as("supervisor"), "POST", "/v1/tokens/"+d.ID+"/unlock", body{"reason": "came in with his passport"}).is(200)
				right().refused(403, "authentication-failed")
				w.setPIN(c.ID, "582013", w.secretFor(c.ID, "pin", "letter")).is(204)
				w.guess(c.ID, id, d.HOTP(), "582013").is(201).has(body{"state": "granted"})
				return
			}
			right().is(201).has(body{"state": "granted"})
		})
	}
}

// told reports whether a notice of that kind waits for a customer.
func (w *world) told(customer, kind string) bool {
	w.T.Helper()
	for name := range w.notices(customer) {
		if strings.Contains(name, kind+" ") {
			return true
		}
	}
	return false
}

// A success ends what was counted: failures that are not in a row lock nothing,
// and the ladder starts at its first rung again.
func TestClause5_22_ASuccessResetsTheCount(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	id := w.credential(d)
	wrong := func(n int) {
		t.Helper()
		for range n {
			w.guess(c.ID, id, "000000", banktest.PIN).refused(403, "authentication-failed")
		}
	}
	right := func() { t.Helper(); w.guess(c.ID, id, d.HOTP(), banktest.PIN).is(201).has(body{"state": "granted"}) }
	for range 4 {
		wrong(4)
		right()
	}
	for range 3 {
		wrong(5)
		w.Clock.Forward(time.Minute + time.Second) // the first rung each time
		right()
	}
	if w.told(c.ID, "locked-last-warning") {
		t.Error("warned though each lock was the first after a success")
	}
}

// A locked token locks neither the customer nor his other token, and a code that
// names none counts on one of them.
func TestClause5_22_AnotherTokenOfTheCustomerStillWorks(t *testing.T) {
	w := newWorld(t)
	c, first := w.Person(pskc.HOTP)
	second := w.Import(1, pskc.HOTP)[0]
	w.Hand(second, c.ID)
	a, b := w.credential(first), w.credential(second)
	for range 5 {
		w.guess(c.ID, a, "000000", banktest.PIN).refused(403, "authentication-failed")
	}
	w.guess(c.ID, a, first.HOTP(), banktest.PIN).refused(403, "authentication-failed")
	w.guess(c.ID, b, second.HOTP(), banktest.PIN).is(201).has(body{"state": "granted"})
	w.Clock.Forward(time.Minute + time.Second)
	w.guess(c.ID, a, first.HOTP(), banktest.PIN).is(201)
	for range 5 {
		w.guess(c.ID, "", "000000", banktest.PIN).refused(403, "authentication-failed")
	}
	locked := 0
	for _, d := range []*banktest.Device{first, second} {
		if w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).at("credentials.0.locked") == true {
			locked++
		}
	}
	if locked != 1 {
		t.Errorf("%d tokens are locked by a code that names none", locked)
	}
}

// Unlocking is the supervisor's, has a reason, is in the log, and the customer is
// told of it, not by which factor it came to that.
func TestClause5_22_UnlockingIsEvidence(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	id := w.credential(d)
	for range 5 {
		w.guess(c.ID, id, "000000", banktest.PIN)
	}
	at := "/v1/tokens/" + d.ID + "/unlock"
	for _, role := range []string{"frontend", "helpdesk", "operator", "security", "auditor", "admin"} {
		w.ask(w.as(role), "POST", at, body{"reason": "please"}).refused(403, "forbidden")
	}
	w.ask(w.as("supervisor"), "POST", at, body{}).faulty("reason")
	w.ask(w.as("supervisor"), "POST", at, body{"reason": "came in with her passport"}).is(200).has(body{"credentials.0.locked": false})
	if !strings.Contains(w.bodies(c.ID), "came in with her passport") || w.Count("token.unlock", "", "") != 1 {
		t.Error("the log does not tell")
	}
	for _, channel := range []string{"sms", "email"} {
		if text, there := w.notices(c.ID)["credential-unlocked "+channel]; !there || strings.Contains(text, "pin") || strings.Contains(text, "otp") {
			t.Errorf("by %s: %q", channel, text)
		}
	}
	w.guess(c.ID, id, d.HOTP(), banktest.PIN).is(201).has(body{"state": "granted"})
}
