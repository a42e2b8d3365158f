package api_test

import (
	"maps"
	"strings"
	"testing"

	"mohur/banktest"
	"mohur/tokens/pskc"
)

// RTS Art. 13: whoever changes the list of trusted payees proves himself for exactly
// that change, once.
func TestClause5_18_AListOfPayeesIsAStepUp(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	other, od := w.Person(pskc.HOTP)
	front, at := w.as("frontend"), "/v1/customers/"+c.ID+"/payees"
	list := body{"version": 0, "items": []body{{"name": "Rəşad", "account": "AZ77VTBA00000000001234567890", "bank": "Bank B", "country": "AZ"}}}
	with := func(l body, proof any) body {
		l = maps.Clone(l)
		l["proof"] = proof
		return l
	}
	w.ask(front, "GET", at, nil).refused(404, "not-found") // nobody is logged in
	w.login(front, c.ID, d)
	w.ask(front, "GET", at, nil).is(200).has(body{"version": 0.0})
	w.ask(front, "PUT", at, list).refused(403, "proof-required")
	w.ask(front, "PUT", at, with(list, body{"approval": "ap_x"})).refused(403, "proof-required")
	more := body{"version": 0, "items": []body{{"name": "Thief", "account": "AZ77VTBA00000000001234567891", "bank": "Bank B", "country": "AZ"}}}
	for what, id := range map[string]string{
		"another list":   w.prove(c.ID, d, banktest.PIN, "payees.add", more),
		"another act":    w.prove(c.ID, d, banktest.PIN, "limits.raise", list),
		"another person": w.prove(other.ID, od, banktest.PIN, "payees.add", list),
		"none":           "at_none",
	} {
		if a := w.ask(front, "PUT", at, with(list, body{"authentication": id})); a.status != 403 {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	id := w.prove(c.ID, d, banktest.PIN, "payees.add", list)
	w.ask(w.as("operator"), "PUT", at, with(list, body{"authentication": id})).refused(403, "forbidden")
	w.ask(front, "PUT", at, with(list, body{"authentication": id})).is(200).has(body{"version": 1.0, "items.0.account": "AZ77VTBA00000000001234567890"})
	w.ask(front, "PUT", at, with(list, body{"authentication": id})).refused(403, "proof-required")
	stale := w.prove(c.ID, d, banktest.PIN, "payees.add", list)
	w.ask(front, "PUT", at, with(list, body{"authentication": stale})).refused(409, "conflict")
	if !w.told(c.ID, "payees-changed") {
		t.Error("the customer was not told")
	}
	w.ask(w.as("helpdesk"), "GET", at, nil).is(200).has(body{"items.0.name": "Rəşad"})
	if a := w.ask(w.as("auditor"), "GET", at, nil); strings.Contains(string(a.body), "Rəşad") || strings.Contains(string(a.body), "1234567890") {
		t.Errorf("the auditor is told who is on it: %s", a.body)
	}
}

// Art. 15 and 19: the bank says whose an account is, and what was fraud.
func TestAccountsAndFraudAreTheBanksWord(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	front, at := w.as("frontend"), "/v1/customers/"+c.ID+"/accounts"
	accounts := body{"version": 0, "items": []body{{"account": "AZ21NABZ00000000137010001944", "bank": "Bank A"}}}
	w.ask(front, "PUT", at, accounts).refused(403, "forbidden")
	w.ask(w.as("operator"), "PUT", at, accounts).is(200).has(body{"version": 1.0})
	w.ask(w.as("operator"), "PUT", at, accounts).refused(409, "conflict")
	w.ask(w.as("operator"), "PUT", "/v1/customers/nobody/accounts", accounts).refused(404, "not-found")
	session := w.login(front, c.ID, d)
	pay := w.payment(session.str("id"), "40.00")
	pay["channel"] = "internet"
	pay["context"] = body{"ip": "192.0.2.1", "user_agent": "t", "device_id": "d", "country": "AZ"}
	v := w.ask(front, "POST", "/v1/transactions", pay).is(201)
	v.has(body{"exemption": "low_value"})
	fraud := "/v1/transactions/" + v.str("id") + "/fraud"
	w.ask(w.as("helpdesk"), "POST", fraud, body{"confirmed": true, "reason": "reported"}).refused(403, "forbidden")
	w.ask(w.as("security"), "POST", fraud, body{"reason": "reported"}).faulty("confirmed")
	w.ask(w.as("security"), "POST", fraud, body{"confirmed": true, "reason": "reported"}).is(200).has(body{"fraud": true, "state": "approved"})
	w.ask(w.as("security"), "GET", "/v1/reports/exemptions", nil).is(200).has(body{
		"items.0.ground": "low_value", "items.0.value.value": "40.00", "items.0.average.value": "40.00", "items.0.count": 1.0, "items.0.percent": "100.000", "items.1.ground": "fraud",
	})
	w.ask(w.as("auditor"), "GET", "/v1/reports/exemptions?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", nil).faulty("from")
	w.ask(w.as("security"), "POST", "/v1/exemptions/tra/give-back", body{"band": body{"value": "190.00", "currency": "AZN"}, "reason": "r"}).refused(409, "conflict")
	w.ask(w.as("security"), "POST", "/v1/exemptions/tra/give-back", body{"band": body{"value": "190.00", "currency": "USD"}, "reason": "r"}).faulty("band")
}

// Outside development one person says that a payment was fraud, and two that it was not:
// the second lowers the bank's rate.
func TestClause5_24_TwoPeopleWithdrawAFraud(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Development = false })
	c, d := w.Person(pskc.HOTP)
	front := w.as("frontend")
	pay := w.payment(w.login(front, c.ID, d).str("id"), "40.00")
	pay["channel"], pay["context"] = "internet", body{"ip": "192.0.2.1", "user_agent": "t", "device_id": "d", "country": "AZ"}
	fraud := "/v1/transactions/" + w.ask(front, "POST", "/v1/transactions", pay).is(201).str("id") + "/fraud"
	w.ask(w.as("security"), "POST", fraud, body{"confirmed": true, "reason": "reported"}).is(200).has(body{"fraud": true})
	w.ask(w.as("security"), "POST", fraud, body{"confirmed": false, "reason": ""}).faulty("reason")
	if id := w.ask(w.as("security"), "POST", fraud, body{"confirmed": false, "reason": "remembered"}).is(202).str("approval.id"); id == "" {
		t.Error("nothing waits")
	}
	w.ask(w.as("security"), "POST", fraud, body{"confirmed": true, "reason": "again"}).refused(409, "conflict")
	w.ask(w.as("operator"), "PUT", "/v1/customers/"+c.ID+"/accounts", body{"version": 0, "items": []body{{"account": "AZ1", "bank": "B"}}}).is(202)
}
