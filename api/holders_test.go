package api_test

import (
	"strings"
	"testing"

	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens/pskc"
)

func company(required int, signers ...string) body {
	return body{"version": 0, "name": "Nigar MMC", "signers": signers, "rules": []body{{"up_to": body{"value": "100.00", "currency": "AZN"}, "required": 1}, {"required": required}}}
}

// confirm answers the last authentication of a transaction with PIN and device.
func (w *world) confirm(key string, tx object, d *banktest.Device) object {
	w.T.Helper()
	all := tx.at("authentications").([]any)
	last := object{w.T, all[len(all)-1].(map[string]any)}
	at := "/v1/authentications/" + last.str("id") + "/responses"
	w.ask(key, "POST", at, body{"method": "pin", "pin": banktest.PIN}).is(200)
	return w.ask(key, "POST", at, body{"method": "ocra", "code": d.OCRA(last.str("methods.0.question"))}).is(200)
}

// A company's payment from the first signer to the authorization.
func TestClause5_18_TwoSignForACompany(t *testing.T) {
	w := newWorld(t)
	key, operator := w.as("frontend"), w.as("operator")
	a, da := w.Person(pskc.HOTP, pskc.OCRA)
	b, db := w.Person(pskc.HOTP, pskc.OCRA)
	w.ask(operator, "PUT", "/v1/holders/H-1", company(2, a.ID, b.ID)).is(201).has(body{
		"id": "H-1", "name": "Nigar MMC", "signers.1": b.ID, "rules.0.up_to.value": "100.00", "rules.0.required": 1.0, "rules.1.up_to": nil, "rules.1.required": 2.0, "version": 1.0,
	})
	in := company(2, a.ID, b.ID)
	w.ask(operator, "PUT", "/v1/holders/H-1", in).refused(409, "conflict") // it is not new
	in["version"] = 1
	w.ask(operator, "PUT", "/v1/holders/H-1", in).is(200).has(body{"version": 2.0})
	w.ask(operator, "PUT", "/v1/holders/H-1", in).refused(409, "conflict")
	w.ask(w.as("auditor"), "GET", "/v1/holders/H-1", nil).is(200).has(body{"name": nil, "signers.0": a.ID})
	w.ask(key, "GET", "/v1/holders/H-1", nil).refused(403, "forbidden")
	w.ask(operator, "GET", "/v1/holders/H-2", nil).refused(404, "not-found")

	first, second := w.login(key, a.ID, da).str("access_token"), w.login(key, b.ID, db).str("access_token")
	p := payment("C-1", "1500.00", first)
	p["holder"] = "H-1"
	tx := w.ask(key, "POST", "/v1/transactions", p).is(201)
	tx.has(body{"state": "pending_proof", "holder": "H-1", "signatures.required": 2.0, "signatures.collected": 0.0, "signatures.given": nil})
	w.confirm(key, tx, da).has(body{"state": "granted", "transaction.state": "pending_proof", "transaction.authorization": nil})
	at := "/v1/transactions/" + tx.str("id")
	w.ask(key, "GET", at, nil).is(200).has(body{
		"state": "pending_proof", "signatures.collected": 1.0, "signatures.given.0.customer": a.ID, "signatures.given.0.acr": "linked", "signatures.given.0.card": false,
		"signatures.given.0.linked.text": tx.str("linked.text"), "acr": nil, "authorization": nil,
	})
	w.ask(key, "POST", at+"/authentications", body{"access_token": first}).refused(409, "conflict")
	asked := w.ask(key, "POST", at+"/authentications", body{"access_token": second}).is(201)
	if asked.str("linked.text") == tx.str("linked.text") || !strings.Contains(asked.str("linked.text"), `"sub":"`+b.ID+`"`) {
		t.Errorf("the second signer's text: %s", asked.str("linked.text"))
	}
	done := w.confirm(key, asked, db)
	done.has(body{"transaction.state": "approved"})
	w.ask(key, "GET", at, nil).is(200).has(body{
		"state": "approved", "acr": "linked", "signatures.collected": 2.0, "signatures.given.1.customer": b.ID, "authorization": done.str("transaction.authorization"),
	})
	w.ask(w.as("auditor"), "GET", at, nil).is(200).has(body{"signatures.given.1.customer": b.ID, "signatures.given.1.linked": nil})
}

func TestHoldersAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	operator := w.as("operator")
	a, b := w.Customer(), w.Customer()
	azn := func(value string) body { return body{"value": value, "currency": "AZN"} }
	for name, c := range map[string]struct {
		field string
		with  body
	}{
		"no version":       {"version", body{"version": nil}},
		"no name":          {"name", body{"name": ""}},
		"no signers":       {"signers", body{"signers": []string{}}},
		"too many":         {"signers", body{"signers": strings.Split(strings.Repeat("x,", 50)+"x", ",")}},
		"twice":            {"signers[1]", body{"signers": []string{a.ID, a.ID}}},
		"unknown":          {"signers[1]", body{"signers": []string{a.ID, "C-nobody"}}},
		"staff":            {"signers[0]", body{"signers": []string{"~anna", b.ID}}},
		"no rules":         {"rules", body{"rules": []body{}}},
		"none required":    {"rules[0].required", body{"rules": []body{{"required": 0}}}},
		"more than signs":  {"rules[0].required", body{"rules": []body{{"required": 3}}}},
		"no last rule":     {"rules[0].up_to", body{"rules": []body{{"required": 1, "up_to": azn("5.00")}}}},
		"two last rules":   {"rules[0].up_to", body{"rules": []body{{"required": 1}, {"required": 2}}}},
		"falling":          {"rules[1].up_to", body{"rules": []body{{"required": 1, "up_to": azn("5.00")}, {"required": 1, "up_to": azn("5.00")}, {"required": 2}}}},
		"fewer for more":   {"rules[1].required", body{"rules": []body{{"required": 2, "up_to": azn("5.00")}, {"required": 1}}}},
		"another currency": {"rules[0].up_to", body{"rules": []body{{"required": 1, "up_to": body{"value": "5.00", "currency": "USD"}}, {"required": 2}}}},
		"no amount":        {"rules[0].up_to", body{"rules": []body{{"required": 1, "up_to": azn("x")}, {"required": 2}}}},
		"unknown member":   {"limit", body{"limit": 1}},
	} {
		in := company(2, a.ID, b.ID)
		for k, v := range c.with {
			in[k] = v
		}
		if got := w.ask(operator, "PUT", "/v1/holders/H-1", in); got.status != 422 || !strings.Contains(string(got.body), `"field":"`+c.field+`"`) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if n := w.Count("holder.created", "", ""); n != 0 {
		t.Errorf("%d were created", n)
	}
}

// Who signs for a company is said by two people outside development.
func TestClause5_3_6_SignersAreNamedByTwo(t *testing.T) {
	c := newChamber(t)
	olga := c.hired(c.anna, "olga", parties.Operator)
	a := c.Customer()
	in := body{"version": 0, "name": "Nigar MMC", "signers": []string{a.ID}, "rules": []body{{"required": 1}}}
	olga.login()
	id := olga.ask("PUT", "/v1/holders/H-1", in).is(202).str("approval.id")
	olga.ask("GET", "/v1/holders/H-1", nil).refused(404, "not-found")
	c.boris.login()
	c.boris.approve(id).is(200).has(body{"state": "executed", "maker": "~olga", "checker": "~boris", "result.signers.0": a.ID})
	if n := c.Count("holder.created", "", ""); n != 1 {
		t.Errorf("made %d times", n)
	}
}

// A batch from the file to the authorization; what it says is told whole of one, by the
// number in a list, and without names to auditors.
func TestClause5_18_ABatchIsPaidByOneProof(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	p := payment("B-1", "1500.00", token)
	delete(p, "payee")
	line := func(value, name, account string) body {
		return body{"amount": body{"value": value, "currency": "AZN"}, "payee": body{"name": name, "account": account, "bank": "Other", "country": "AZ"}, "purpose": "salary"}
	}
	p["batch"] = []body{line("1000", "Əli Quliyev", "AZ77VTBA00000000001234567890"), line("500.0", "Leyla Həsənova", "AZ54VTBA00000000001234567891")}
	tx := w.ask(key, "POST", "/v1/transactions", p).is(201)
	tx.has(body{"state": "pending_proof", "payee": nil, "count": 2.0, "batch.1.amount.value": "500.00", "batch.1.payee.name": "Leyla Həsənova", "batch.0.purpose": "salary"})
	w.ask(key, "POST", "/v1/transactions", p).is(201).has(body{"id": tx.str("id")})
	w.confirm(key, tx, d).has(body{"transaction.state": "approved"})
	w.ask(w.as("core"), "GET", "/v1/transactions?customer="+c.ID, nil).is(200).has(body{"items.0.count": 2.0, "items.0.batch": nil, "items.0.payee": nil})
	w.ask(w.as("auditor"), "GET", "/v1/transactions/"+tx.str("id"), nil).is(200).has(body{"batch.0.payee.name": "", "batch.0.payee.account": "…7890", "batch.0.purpose": nil})

	p["reference"], p["batch"] = "B-2", []body{line("1000", "Əli Quliyev", "AZ77VTBA00000000001234567890"), line("500.01", "Leyla Həsənova", "AZ54VTBA00000000001234567891")}
	w.ask(key, "POST", "/v1/transactions", p).faulty("amount")
	p["batch"] = []body{{"amount": body{"value": "1500.00", "currency": "AZN"}, "payee": body{"name": "A", "account": "1", "bank": "B", "country": "AZ"}, "fee": "1"}}
	if a := w.ask(key, "POST", "/v1/transactions", p); a.status != 422 {
		t.Errorf("an unknown member of a line: %d", a.status)
	}
}
