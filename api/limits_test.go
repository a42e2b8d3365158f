package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mohur/api"
	"mohur/authn"
	"mohur/banktest"
	"mohur/rate"
	"mohur/tokens/pskc"
)

// later expects a 429 that says when to come back.
func (a *answer) later() {
	a.t.Helper()
	a.refused(429, "too-many-requests")
	if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
		a.t.Errorf("%s: Retry-After %q", a.what, a.header.Get("Retry-After"))
	}
}

func TestAttack05_ACallerHasARate(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.CallerRate = rate.Limit{PerSecond: 1, Burst: 20} })
	one, two := w.as("auditor"), w.as("helpdesk")
	for range 20 {
		w.ask(one, "GET", "/v1/tokens", nil).is(200)
	}
	w.ask(one, "GET", "/v1/tokens", nil).later()
	w.ask(one, "GET", "/v1/incidents", nil).later() // not of one route
	w.ask(two, "GET", "/v1/tokens", nil).is(200)
	w.ask("", "GET", "/healthz", nil).is(200)
	w.Clock.Forward(3 * time.Second)
	w.ask(one, "GET", "/v1/tokens", nil).is(200)
	if m := string(w.ask("", "GET", "/metrics", nil).body); !strings.Contains(m, `mohur_limited_total{limit="caller"} 2`) {
		t.Error("the metrics do not count it")
	}
}

// Attack 5: whoever tries keys is slowed down at his address; a caller with a good
// key behind the same address is not, nor is anybody elsewhere.
func TestAttack05_StrangersHaveAPace(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Strangers = rate.Limit{PerSecond: 1, Burst: 5} })
	good := w.as("auditor")
	wrong := good[:len(good)-1]
	for i := range 5 {
		w.ask([]string{wrong, ""}[i%2], "GET", "/v1/tokens", nil).refused(401, "unauthorized")
	}
	for _, path := range []string{"/v1/tokens", "/v1/clients"} {
		w.ask(wrong, "GET", path, nil).later()
		w.ask("", "GET", path, nil).later()
		w.ask(good, "GET", "/v1/tokens", nil).is(200)
	}
	w.Clock.Forward(time.Second)
	w.ask(wrong, "GET", "/v1/tokens", nil).refused(401, "unauthorized")
	w.ask(wrong, "GET", "/v1/tokens", nil).later()
	if m := string(w.ask("", "GET", "/metrics", nil).body); !strings.Contains(m, `mohur_limited_total{limit="strangers"} 5`) {
		t.Error("the metrics do not count it")
	}
}

func TestAStrangerIsHisAddress(t *testing.T) {
	of := func(peer string) string { return api.Neighbourhood(&http.Request{RemoteAddr: peer}) }
	for _, same := range [][2]string{
		{"192.0.2.1:1", "192.0.2.1:2"}, {"[2001:db8::1]:1", "[2001:db8::2:3]:9"}, {"[fe80::1%eth0]:1", "[fe80::2]:1"},
	} {
		if of(same[0]) != of(same[1]) {
			t.Errorf("%v are two", same)
		}
	}
	for _, other := range [][2]string{
		{"192.0.2.1:1", "192.0.2.2:1"}, {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1"}, {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1"}, {"192.0.2.1:1", "@"},
	} {
		if of(other[0]) == of(other[1]) {
			t.Errorf("%v are one", other)
		}
	}
}

// pacing gives the bank another pace.
func pacing(change func(*authn.Pace)) func(*world) {
	return func(w *world) {
		change(&w.Authn.Settings.Pace)
		w.must(nil, w.Authn.Start(w.T.Context()))
	}
}

// Attack 3: what a guesser is told of an id that somebody has, and of one that
// nobody has, is the same, request by request, the waits included.
func TestAttack03_WaitsTellNothingOfAnID(t *testing.T) {
	w := newWorld(t, pacing(func(p *authn.Pace) { p.CustomerSlow = authn.DefaultPace().CustomerSlow }))
	key := w.as("frontend")
	known, _ := w.Person(pskc.HOTP)
	suspended, d := w.Person(pskc.HOTP)
	w.must(w.Enrollment.Report(t.Context(), w.Staff(), d.ID, "lost", ""))
	told := map[string]string{}
	for i, id := range []string{known.ID, suspended.ID, "C-nobody"} {
		ip := fmt.Sprintf("192.0.2.%d", i+1)
		for range 13 {
			a := w.ask(key, "POST", "/v1/authentications", body{
				"customer": id, "purpose": "login", "channel": "internet", "context": body{"ip": ip},
				"responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": "000000"}},
			})
			told[id] += fmt.Sprintln(a.status, a.header.Get("Retry-After"))
			if a.status == 429 {
				a.later()
				after, _ := strconv.Atoi(a.header.Get("Retry-After"))
				w.Clock.Forward(time.Duration(after) * time.Second)
			}
		}
	}
	if told[known.ID] != told["C-nobody"] || told[suspended.ID] != told["C-nobody"] || !strings.Contains(told[known.ID], "429 2") {
		t.Errorf("told: %q", told)
	}
	if m := string(w.ask("", "GET", "/metrics", nil).body); !strings.Contains(m, `mohur_limited_total{limit="customer-failures"} `) {
		t.Error("the metrics do not count it")
	}
}

// Payments of one customer have his rate.
func TestPaymentsHaveTheRateOfTheirCustomer(t *testing.T) {
	w := newWorld(t, pacing(func(p *authn.Pace) { p.Customer = rate.Limit{PerSecond: 1, Burst: 12} }))
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	w.Clock.Forward(time.Minute)
	token := w.login(key, c.ID, d).str("access_token")
	slowed := 0
	for i := range 14 {
		if a := w.ask(key, "POST", "/v1/transactions", payment(fmt.Sprint("R-", i), "1.00", token)); a.status == 429 {
			a.later()
			slowed++
		}
	}
	if slowed == 0 {
		t.Error("no end to payments")
	}
}

// What waits is told so before anything is settled: a key is not used up by it.
func TestAWaitDoesNotUseUpAKey(t *testing.T) {
	w := newWorld(t, pacing(func(p *authn.Pace) { p.Customer = rate.Limit{PerSecond: 1, Burst: 1} }))
	key := w.as("frontend")
	begin := body{"customer": "C-1", "purpose": "login", "channel": "pc"}
	w.again(key, "a", "POST", "/v1/authentications", begin).is(201)
	w.again(key, "b", "POST", "/v1/authentications", begin).later()
	w.again(key, "a", "POST", "/v1/authentications", begin).is(201) // told again, not begun again
	w.Clock.Forward(2 * time.Second)
	if a := w.again(key, "b", "POST", "/v1/authentications", begin); a.status != 201 || a.replayed() {
		t.Error("it was remembered")
	}
}
