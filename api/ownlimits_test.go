package api_test

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/tokens/pskc"
)

func manat(value string) body { return body{"value": value, "currency": "AZN"} }

// Clause 5.32: a customer's limits are lowered at once and raised with his proof for
// exactly that, once, after the cooling period.
func TestClause5_32_LimitsAreSetByTheirCustomer(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	path := "/v1/customers/" + c.ID + "/limits"
	w.ask(key, "PUT", path, body{"daily": manat("50.00")}).refused(404, "not-found") // nobody is logged in
	w.login(key, c.ID, d)
	w.ask(w.as("another", "frontend"), "PUT", path, body{"daily": manat("50.00")}).refused(404, "not-found")
	w.ask(w.as("helpdesk"), "PUT", path, body{"daily": manat("50.00")}).refused(403, "forbidden")
	w.ask(key, "PUT", path, body{"daily": manat("50.00"), "channel": body{"mobile": manat("0.00")}}).is(200).has(body{
		"daily.limit.value": "50.00", "daily.used.value": "0.00", "channel.mobile.limit.value": "0.00", "channel.internet.limit": nil, "per_token": nil, "raises": nil,
	})
	w.ask(w.as("operator"), "PUT", path, body{"daily": manat("40.00")}).is(200).has(body{"daily.limit.value": "40.00"})

	raise := body{"daily": manat("60.00"), "per_transaction": manat("30.00")}
	with := func(proof string, in body) body {
		in = maps.Clone(in)
		in["proof"] = body{"authentication": proof}
		return in
	}
	other := body{"daily": manat("61.00"), "per_transaction": manat("30.00")}
	for what, in := range map[string]body{
		"none":              raise,
		"of no proof":       with("at_none", raise),
		"of another action": with(w.prove(c.ID, d, banktest.PIN, "customer.contacts", raise), raise),
		"of another amount": with(w.prove(c.ID, d, banktest.PIN, "limits.raise", other), raise),
		"a log-in":          with(w.loginAttempt(c.ID), raise),
	} {
		if a := w.ask(key, "PUT", path, in); a.status != 403 || !strings.Contains(string(a.body), "proof-required") {
			t.Errorf("proof %s: %d %s", what, a.status, a.body)
		}
	}
	stale := w.prove(c.ID, d, banktest.PIN, "limits.raise", raise)
	w.Clock.Forward(5*time.Minute + time.Second)
	w.login(key, c.ID, d)
	w.ask(key, "PUT", path, with(stale, raise)).refused(403, "proof-required")
	w.ask(key, "GET", path, nil).is(200).has(body{"daily.limit.value": "40.00", "per_transaction": nil})

	proof := w.prove(c.ID, d, banktest.PIN, "limits.raise", raise)
	w.ask(key, "PUT", path, with(proof, raise)).is(200).has(body{
		"daily.limit.value": "40.00", "per_transaction.value": "30.00", "raises.0.limit": "daily", "raises.0.amount.value": "60.00",
	})
	if told := w.notices(c.ID)["limit-raise sms"]; !strings.Contains(told, "daily 60.00 AZN") {
		t.Errorf("the customer was told %q", w.notices(c.ID))
	}
	w.ask(key, "PUT", path, with(proof, raise)).refused(403, "proof-required") // it serves once
	again := body{"daily": manat("59.00")}
	proof = w.prove(c.ID, d, banktest.PIN, "limits.raise", again)
	var taken atomic.Int64
	var work sync.WaitGroup
	for range 6 {
		work.Go(func() {
			if a := w.ask(key, "PUT", path, with(proof, again)); a.status == 200 {
				taken.Add(1)
			} else if a.status != 403 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	work.Wait()
	if taken.Load() != 1 {
		t.Errorf("one proof raised %d times", taken.Load())
	}
	proof = w.prove(c.ID, d, banktest.PIN, "limits.raise", raise)
	w.ask(key, "PUT", path, with(proof, raise)).is(200)
	w.Clock.Forward(24 * time.Hour)
	w.ask(w.as("auditor"), "GET", path, nil).is(200).has(body{"daily.limit.value": "60.00", "raises": nil})
	token := w.login(key, c.ID, d).str("access_token")
	w.ask(key, "POST", "/v1/transactions", payment("R-1", "30.01", token)).is(201).has(body{
		"decision": "rejected", "state": "rejected", "limits.exceeded": "per_transaction", "limits.per_transaction.value": "30.00", "timeline.0.reason": "limit-exceeded", "authorization": nil,
	})
	for field, in := range map[string]body{
		"daily":           {"daily": manat("100000.01")},
		"per_transaction": {"per_transaction": manat("-1.00")},
		"channel.mobile":  {"channel": body{"mobile": body{"value": "1.00", "currency": "USD"}}},
		"limits":          {},
	} {
		a := w.ask(key, "PUT", path, in)
		var p problemDoc
		if err := json.Unmarshal(a.body, &p); err != nil || a.status != 422 || len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: %d %s", field, a.status, a.body)
		}
	}
}

// loginAttempt is a log-in that was begun.
func (w *world) loginAttempt(customer string) string {
	w.T.Helper()
	return w.ask(w.as("frontend"), "POST", "/v1/authentications", body{"customer": customer, "purpose": "login", "channel": "internet"}).is(201).str("id")
}

// Clause 5.15: the customer's front end sees what happened to a payment, and not what the
// bank's people wrote about it.
func TestClause5_15_TheFrontEndSeesTheHistory(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	held := w.ask(key, "POST", "/v1/transactions", payment("R-1", "25000.00", token)).is(201)
	held.has(body{"state": "held", "timeline.0.event": "created", "timeline.0.state": "held"})
	path := "/v1/transactions/" + held.str("id")
	w.ask(w.as("security"), "POST", path+"/release", body{"reason": "we watch him"}).is(200)
	v := w.ask(key, "GET", path, nil).is(200)
	v.has(body{"timeline.1.event": "released", "timeline.1.reason": nil, "timeline.1.by": nil, "timeline.2.event": "challenged", "timeline.2.sha256": v.str("linked.sha256"), "timeline.2.methods.0": "ocra"})
	w.ask(w.as("auditor"), "GET", path, nil).is(200).has(body{"timeline.1.reason": "we watch him"})

	small := w.ask(key, "POST", "/v1/transactions", payment("R-2", "20.00", token)).is(201)
	w.ask(w.as("core"), "POST", "/v1/transactions/"+small.str("id")+"/status", body{"jti": small.str("jti"), "state": "failed", "detail": "no funds"}).is(200)
	w.ask(key, "GET", "/v1/transactions/"+small.str("id"), nil).is(200).has(body{"timeline.1.event": "failed", "timeline.1.reason": "no funds", "timeline.1.by": nil})
	w.ask(key, "GET", "/v1/transactions?customer="+c.ID, nil).is(200).has(body{"items.0.timeline.1.event": "failed"})
	if a := w.ask(w.as("another", "frontend"), "GET", "/v1/transactions?customer="+c.ID, nil); a.status != 200 || strings.Contains(string(a.body), "R-2") {
		t.Errorf("another front end sees %s", a.body)
	}
}

// Clause 4.8: each of the facts is asked for by its name. Attack 11: the order of a
// body's members is nothing.
func TestClause4_8_AMissingFactIsNamed(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	for _, field := range []string{
		"reference", "channel", "service", "amount", "purpose", "payer.name", "payer.account", "payer.bank", "payee.name", "payee.account", "payee.bank", "payee.country",
	} {
		in := payment("R-1", "20.00", token)
		if part, member, of := strings.Cut(field, "."); of {
			delete(in[part].(body), member)
		} else {
			delete(in, field)
		}
		a := w.ask(key, "POST", "/v1/transactions", in)
		var p problemDoc
		if err := json.Unmarshal(a.body, &p); err != nil || a.status != 422 || len(p.Errors) == 0 || p.Errors[0].Field != field {
			t.Errorf("without %s: %d %s", field, a.status, a.body)
		}
	}
	first := w.ask(key, "POST", "/v1/transactions", payment("R-1", "100.00", token)).is(201)
	turned := `{"payee":{"country":"AZ","bank":"Other","account":"AZ77VTBA00000000001234567890","name":"Əli Quliyev"},"purpose":"Kirayə","payer":{"bank":"Bank","name":"Aygün Məmmədova",
		"account":"AZ21NABZ00000000137010001944"},"amount":{"currency":"AZN","value":"100.0"},"service":"transactional","channel":"internet","reference":"R-1","access_token":"` + token + `"}`
	w.ask(key, "POST", "/v1/transactions", turned).is(201).has(body{"id": first.str("id"), "linked.sha256": first.str("linked.sha256")})
}
