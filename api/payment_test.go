package api_test

import (
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/hsm"
	"mohur/jws"
	domain "mohur/payment"
	"mohur/tokens/pskc"
)

// payment is the body of a transaction.
func payment(reference, value, token string) body {
	return body{
		"access_token": token, "reference": reference, "channel": "internet", "service": "transactional",
		"amount": body{"value": value, "currency": "AZN"}, "purpose": "Kirayə",
		"payer":   body{"name": "Aygün Məmmədova", "account": "AZ21NABZ00000000137010001944", "bank": "Bank"},
		"payee":   body{"name": "Əli Quliyev", "account": "AZ77VTBA00000000001234567890", "bank": "Other", "country": "AZ"},
		"context": body{"ip": "192.0.2.1", "user_agent": "x", "device_id": "d", "country": "AZ"},
	}
}

func TestPaymentsFromAmountToExecution(t *testing.T) {
	w := newWorld(t)
	key, core := w.as("frontend"), w.as("core")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")

	small := w.ask(key, "POST", "/v1/transactions", payment("R-1", "20.00", token)).is(201)
	small.has(body{
		"decision": "approved", "state": "approved", "exemption": "low_value", "signatures.required": 0.0, "amount.value": "20.00",
		"limits.daily.used.value": "20.00", "limits.daily.limit.currency": "AZN", "risk.policy_version": 1.0, "timeline.0.state": "approved",
	})
	if items := small.at("authentications").([]any); len(items) != 0 {
		t.Errorf("authentications %v", items)
	}
	w.ask(key, "POST", "/v1/transactions", payment("R-1", "20.00", token)).is(201).has(body{"id": small.str("id")})
	w.ask(key, "POST", "/v1/transactions", payment("R-1", "20.01", token)).refused(409, "conflict")

	large := w.ask(key, "POST", "/v1/transactions", payment("R-2", "1500.00", token)).is(201)
	large.has(body{
		"decision": "step_up", "state": "pending_proof", "signatures.required": 1.0, "signatures.collected": 0.0, "authorization": nil,
		"authentications.0.purpose": "payment", "authentications.0.acr": "linked", "authentications.0.methods.0.method": "ocra",
	})
	if large.str("linked.text") != large.str("authentications.0.challenge.text") || large.str("linked.sha256") != large.str("authentications.0.challenge.sha256") {
		t.Error("the proof is for another text")
	}
	at := "/v1/authentications/" + large.str("authentications.0.id") + "/responses"
	w.ask(key, "POST", at, body{"method": "pin", "pin": banktest.PIN}).is(200).has(body{"state": "pending"})
	g := w.ask(key, "POST", at, body{"method": "ocra", "code": d.OCRA(large.str("authentications.0.methods.0.question"))}).is(200)
	g.has(body{"state": "granted", "acr": "linked", "session": nil, "transaction.id": large.str("id"), "transaction.state": "approved"})

	done := w.ask(key, "GET", "/v1/transactions/"+large.str("id"), nil).is(200)
	done.has(body{"state": "approved", "acr": "linked", "signatures.collected": 1.0, "authorization": g.str("transaction.authorization"), "authentications.0.state": "granted"})
	pub, err := w.HSM.Public(t.Context(), hsm.AuthorizationSigning)
	w.must(nil, err)
	var claims domain.Authorization
	w.must(nil, jws.Verify(done.str("authorization"), domain.AuthorizationType, pub, &claims))
	if claims.Amount.Value != "1500.00" || claims.Payee.Account != "AZ77VTBA00000000001234567890" || claims.ACR != string(authn.Linked) {
		t.Errorf("authorization %+v", claims)
	}

	status := "/v1/transactions/" + large.str("id") + "/status"
	w.ask(core, "POST", status, body{"jti": "au_other", "state": "executed"}).refused(409, "conflict")
	w.ask(core, "POST", status, body{"jti": claims.ID, "state": "paid"}).faulty("state")
	w.ask(core, "POST", status, body{"jti": claims.ID, "state": "executed", "detail": "booked"}).is(200).has(body{"state": "executed"})
	w.ask(core, "POST", status, body{"jti": claims.ID, "state": "executed"}).refused(409, "conflict")

	list := w.ask(core, "GET", "/v1/transactions?customer="+c.ID+"&limit=1", nil).is(200)
	list.has(body{"items.0.id": large.str("id"), "items.0.authentications.0.id": large.str("authentications.0.id")})
	w.ask(core, "GET", "/v1/transactions?customer="+c.ID+"&limit=1&cursor="+list.str("next_cursor"), nil).is(200).has(body{"items.0.id": small.str("id"), "next_cursor": ""})
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if items := w.ask(core, "GET", "/v1/transactions?from="+soon, nil).is(200).at("items").([]any); len(items) != 0 {
		t.Errorf("from the future: %v", items)
	}
	// An authorization is an order to pay: who only reads does not hold it.
	w.ask(w.as("auditor"), "GET", "/v1/transactions/"+large.str("id"), nil).is(200).has(body{"authorization": nil, "jti": claims.ID, "timeline.3.by": w.id(core)})
	w.ask(key, "GET", "/v1/transactions/"+large.str("id"), nil).is(200).has(body{"timeline.3.state": "executed", "timeline.3.by": nil, "timeline.3.reason": "booked"})
}

// id is the id of the client whose key it is.
func (w *world) id(key string) string {
	return "cl_" + strings.Split(key, "_")[1]
}

func TestClause5_26_NothingPassesWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	key, security := w.as("frontend"), w.as("security")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	held := w.ask(key, "POST", "/v1/transactions", payment("H-1", "20000.01", token)).is(201)
	held.has(body{"decision": "held", "state": "held", "authorization": nil})
	at := "/v1/transactions/" + held.str("id")
	w.ask(key, "POST", at+"/authentications", body{"access_token": token}).refused(409, "conflict")
	w.ask(w.as("core"), "POST", at+"/status", body{"jti": "", "state": "executed"}).refused(409, "conflict")
	w.ask(security, "POST", at+"/release", body{"reason": ""}).faulty("reason")
	w.ask(security, "POST", at+"/release", body{"reason": "called the customer"}).is(200).has(body{"state": "pending_proof", "authorization": nil})
	w.ask(key, "GET", at, nil).is(200).has(body{"timeline.1.state": "pending_proof", "timeline.1.reason": nil})
	again := w.ask(key, "POST", at+"/authentications", body{"access_token": token}).is(201)
	if again.str("linked.text") == "" || again.str("authentications.0.state") != "expired" || again.str("authentications.1.state") != "pending" {
		t.Errorf("%v", again.m)
	}
	w.ask(key, "POST", at+"/cancel", nil).is(200).has(body{"state": "cancelled"})
	w.ask(key, "POST", at+"/cancel", body{}).refused(409, "conflict")

	other := w.ask(key, "POST", "/v1/transactions", payment("H-2", "30000.00", token)).is(201)
	w.ask(security, "POST", "/v1/transactions/"+other.str("id")+"/reject", body{"reason": "fraud"}).is(200).has(body{"state": "rejected"})
}

func TestPaymentsAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	token := w.login(key, c.ID, d).str("access_token")
	for name, b := range map[string]body{
		"dpop":          {"dpop": ""},
		"batch":         {"batch": []any{}},
		"amount":        {"amount": body{"value": "1e3", "currency": "AZN"}},
		"amount.value":  {"amount": body{"value": 1500, "currency": "AZN"}},
		"amount.cents":  {"amount": body{"value": "1.00", "currency": "AZN", "cents": 0}},
		"payee.country": {"payee": body{"name": "Ə", "account": "1", "bank": "B"}},
		"payee.name":    {"payee": body{"name": "A\u202eB", "account": "1", "bank": "B", "country": "AZ"}},
		"service":       {"service": "gift"},
		"channel":       {"channel": "fax"},
		"access_token":  {"access_token": ""},
		"reference":     {"reference": ""},
	} {
		p := payment("S-1", "10.00", token)
		for k, v := range b {
			p[k] = v
		}
		w.ask(key, "POST", "/v1/transactions", p).faulty(name)
	}
	if w.Count("transaction.created", "", "") != 0 {
		t.Error("something was created")
	}
	w.ask(key, "POST", "/v1/transactions", payment("S-1", "10.00", "x.y.z")).refused(403, "session-ended")
}
