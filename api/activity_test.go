package api_test

import (
	"strings"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens/pskc"
)

// Clause 5.34: a failed log-in and the log-ins around it are told to the customer, in
// UTC and by the bank's clock, at his log-in and when he asks.
func TestClause5_34_ActivityIsShown(t *testing.T) {
	w := newWorld(t)
	front, desk := w.as("frontend"), w.as("helpdesk")
	c, d := w.Person(pskc.HOTP)
	at := "/v1/customers/" + c.ID + "/activity"
	none := w.ask(desk, "GET", at, nil).is(200)
	none.has(body{"last_login_at": nil, "last_failed_login_at": nil, "previous_login_at": nil, "failed_last_day": 0.0})
	if list, is := none.at("recent").([]any); !is || len(list) != 0 {
		t.Errorf("recent: %v", none.at("recent"))
	}

	first := w.login(front, c.ID, d)
	first.has(body{"activity.previous_login_at": nil, "activity.last_failed_login_at": nil})
	w.Clock.Forward(time.Hour)
	failed := w.Clock.Now()
	w.tryLogin(c.ID, "000000", banktest.PIN).refused(403, "authentication-failed")
	w.Clock.Forward(4 * time.Minute)
	second := w.login(front, c.ID, d)
	look := w.ask(front, "GET", at, nil).is(200)
	look.has(body{
		"last_login_channel": "internet", "previous_login_channel": "internet", "last_failed_login_channel": "internet", "failed_last_day": 1.0,
		"recent.0.outcome": "granted", "recent.1.outcome": "refused", "recent.2.outcome": "granted",
	})
	for path, want := range map[string]string{
		"previous_login_at": look.str("recent.2.at"), "last_login_at": look.str("recent.0.at"), "last_failed_login_at": look.str("recent.1.at"),
	} {
		if look.str(path) != want {
			t.Errorf("%s is %s, want %s", path, look.str(path), want)
		}
	}
	for _, path := range []string{"last_failed_login_at", "last_failed_login_local"} {
		when, err := time.Parse(time.RFC3339, look.str(path))
		if gap := when.Sub(failed); err != nil || gap < -time.Second || gap > 30*time.Second {
			t.Errorf("%s is %s, want %s: %v", path, look.str(path), failed, err)
		}
	}
	if !strings.HasSuffix(look.str("last_failed_login_local"), "+04:00") || !strings.HasSuffix(look.str("last_login_at"), "Z") {
		t.Errorf("zones: %s, %s", look.str("last_failed_login_local"), look.str("last_login_at"))
	}
	second.has(body{"activity.previous_login_at": look.str("previous_login_at"), "activity.last_failed_login_at": look.str("last_failed_login_at")})

	// A touch tells nothing again, and no answer says which factor it was.
	w.ask(front, "POST", "/v1/sessions/"+second.str("id")+"/touch", body{"activity": "user"}).is(200).has(body{"activity": nil})
	for _, word := range []string{"otp", "pin", "wrong", "code", "factor"} {
		if strings.Contains(string(w.ask(desk, "GET", at, nil).body), word) {
			t.Errorf("the answer says %q", word)
		}
	}
}

// A front end learns of those who are logged in with it, and of nobody else: not what a
// stranger tried before the customer has logged in, and not after he has gone.
func TestClause5_34_OnlyAfterALogin(t *testing.T) {
	w := newWorld(t)
	front, other := w.as("frontend"), w.as("other", parties.Frontend)
	c, d := w.Person(pskc.HOTP)
	neighbour, _ := w.Person(pskc.HOTP)
	at := "/v1/customers/" + c.ID + "/activity"
	unknown := w.ask(front, "GET", "/v1/customers/C-NOBODY/activity", nil).refused(404, "not-found")
	same := func(key, path string) {
		t.Helper()
		if p := w.ask(key, "GET", path, nil).refused(404, "not-found"); p.Detail != unknown.Detail {
			t.Errorf("%s says %q", path, p.Detail)
		}
	}
	w.tryLogin(c.ID, "000000", banktest.PIN).refused(403, "authentication-failed")
	same(front, at)
	s := w.login(front, c.ID, d)
	w.ask(front, "GET", at, nil).is(200).has(body{"failed_last_day": 1.0})
	same(other, at)
	same(front, "/v1/customers/"+neighbour.ID+"/activity")
	w.ask(w.as("core"), "GET", at, nil).refused(403, "forbidden")
	w.ask(w.as("admin"), "GET", at, nil).refused(403, "forbidden")
	w.ask(w.as("helpdesk"), "GET", at, nil).is(200)
	w.ask(w.as("helpdesk"), "GET", "/v1/customers/C-NOBODY/activity", nil).refused(404, "not-found")
	w.ask(front, "DELETE", "/v1/sessions/"+s.str("id"), nil).is(204)
	same(front, at)

	// Nor does one whose session was ended by a suspension.
	w.login(front, c.ID, d)
	w.ask(w.as("helpdesk"), "POST", "/v1/customers/"+c.ID+"/suspend", body{"reason": "r", "class": "technical"}).is(200)
	same(front, at)
}

// Clauses 4.3.5, 4.6, 4.7 over the API: the class is kept, a customer who must not be
// tipped off is told by nobody, and no answer a front end can get says why.
func TestClause4_3_5_NoTipOff(t *testing.T) {
	w := newWorld(t)
	front, desk, security := w.as("frontend"), w.as("helpdesk"), w.as("security")
	c, d := w.Person(pskc.HOTP)
	s := w.login(front, c.ID, d)
	at, before := "/v1/customers/"+c.ID, len(w.notices(c.ID))
	const why = "order of the monitoring service"
	w.ask(security, "POST", at+"/suspend", body{"reason": why, "class": "mood"}).faulty("class")
	w.ask(security, "POST", at+"/suspend", body{"reason": why, "class": "legal", "notify": false}).is(200).has(body{"state": "suspended", "class": "legal", "reason": why})
	w.ask(security, "GET", at, nil).is(200).has(body{"reason": why, "class": "legal"})
	w.ask(desk, "GET", at, nil).is(200).has(body{"state": "suspended", "reason": nil, "class": nil})
	for what, a := range map[string]*answer{
		"log-in":     w.tryLogin(c.ID, d.HOTP(), banktest.PIN),
		"session":    w.ask(front, "GET", "/v1/sessions/"+s.str("id"), nil),
		"touch":      w.ask(front, "POST", "/v1/sessions/"+s.str("id")+"/touch", body{"activity": "user"}),
		"introspect": w.ask(front, "POST", "/v1/sessions/introspect", body{"access_token": s.str("access_token")}),
		"payment":    w.ask(front, "POST", "/v1/transactions", w.payment(s.str("id"), "10.00")),
		"activity":   w.ask(front, "GET", at+"/activity", nil),
		"limits":     w.ask(front, "GET", at+"/limits", nil),
	} {
		for _, word := range []string{"monitoring", "legal", "suspen"} {
			if strings.Contains(string(a.body), word) {
				t.Errorf("%s tells %q: %s", what, word, a.body)
			}
		}
	}
	if told := w.notices(c.ID); len(told) != before {
		t.Errorf("he was told: %v", told)
	}
	w.ask(w.as("supervisor"), "POST", at+"/resume", body{"reason": "over", "class": "legal"}).faulty("class")
	w.ask(w.as("supervisor"), "POST", at+"/resume", body{"reason": "over"}).is(200).has(body{"state": "active", "class": nil})
	if told := w.notices(c.ID); len(told) != before {
		t.Errorf("he was told at the end: %v", told)
	}
}

// Clause 4.6: one channel over the API.
func TestClause4_6_OneChannelIsSuspended(t *testing.T) {
	w := newWorld(t)
	front, desk := w.as("frontend"), w.as("helpdesk")
	c, d := w.Person(pskc.HOTP)
	w.login(front, c.ID, d)
	at := "/v1/customers/" + c.ID
	w.ask(desk, "POST", at+"/suspend", body{"reason": "r", "channels": []string{"branch"}}).faulty("channels")
	w.ask(desk, "POST", at+"/suspend", body{"reason": "r", "class": "breach", "channels": []string{"internet"}}).is(200).has(body{
		"state": "active", "suspended_channels.0.channel": "internet", "suspended_channels.0.reason": nil,
	})
	w.ask(w.as("supervisor"), "GET", at, nil).is(200).has(body{"suspended_channels.0.reason": "r", "suspended_channels.0.class": "breach"})
	w.ask(desk, "POST", at+"/suspend", body{"reason": "r", "channels": []string{"internet"}}).refused(409, "conflict")
	w.tryLogin(c.ID, d.HOTP(), banktest.PIN).refused(403, "authentication-failed")
	w.ask(w.as("supervisor"), "POST", at+"/resume", body{"reason": "over", "channels": []string{"internet"}}).is(200).has(body{"suspended_channels": nil})
	w.login(front, c.ID, d)
}

// Attack 9: nobody at the bank changes where a customer is reached, and a change of his
// own is told where he was reached before.
func TestAttack09_AChangeOfContactsIsTold(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	at := "/v1/customers/" + c.ID
	change := body{
		"name": "Aygün Məmmədova", "locale": "az", "contacts": body{"phone": "+994700000009", "email": "thief@bank.test"}, "segment": "retail",
		"contract_ref": "K-1", "contract_version": "1", "kyc_ref": "V-1",
	}
	told := func() (n int) {
		all, err := w.Store.Notices(t.Context(), 10_000)
		w.must(nil, err)
		for _, notice := range all {
			if notice.Customer == c.ID && notice.Kind == "contacts-changed" {
				n++
			}
		}
		return n
	}
	for _, role := range []string{"helpdesk", "supervisor", "security", "frontend", "core", "admin"} {
		w.ask(w.as(role), "PUT", at, change).refused(403, "forbidden")
	}
	w.ask(w.as("operator"), "PUT", at, change).refused(403, "proof-required")
	if told() != 0 {
		t.Fatalf("%d notices of nothing", told())
	}
	proof := w.prove(c.ID, d, banktest.PIN, "customer.contacts", change)
	change["proof"] = body{"authentication": proof}
	w.ask(w.as("operator"), "PUT", at, change).is(200)
	was, err := w.Parties.Profile(t.Context(), c)
	w.must(nil, err)
	reached := map[string]bool{"+994700000009": true, "thief@bank.test": true, was.Phone: true, was.Email: true}
	delete(reached, "")
	if told() != len(reached) {
		t.Errorf("%d notices, want one each to %v", told(), reached)
	}
}
