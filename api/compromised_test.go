package api_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/compromised"
	"mohur/tokens/pskc"
)

// the list of compromised things is changed by security and told as counts. Its
// values stand nowhere: not in an answer, not in the log, not in the store's file.
func TestClause5_24_TheListOfCompromisedThings(t *testing.T) {
	w := newWorld(t)
	security, path := w.as("security"), "/v1/compromised"
	w.ask(w.as("auditor"), "GET", path, nil).is(200).has(body{"version": 0.0, "counts.ip": 0.0, "most": float64(compromised.MaxItems), "updated_at": nil})
	account, device := "AZ00SECR00000000000000000017", "device-that-was-stolen"
	items := []body{{"kind": "account", "value": account}, {"kind": "device", "value": device}, {"kind": "ip", "value": "203.0.113.77"}, {"kind": "country", "value": "KP"}}
	done := w.ask(security, "PUT", path, body{"mode": "add", "items": items}).is(200)
	done.has(body{"version": 1.0, "counts.account": 1.0, "counts.device": 1.0, "counts.ip": 1.0, "counts.country": 1.0})
	if text := w.ofBank("compromised.changed", "add"); !strings.Contains(text, `"items":4`) || strings.Contains(text, account) || strings.Contains(text, device) || strings.Contains(text, "203.0.113") {
		t.Errorf("the log says %s", text)
	}
	w.ask(security, "PUT", path, body{"mode": "remove", "items": items[3:]}).is(200).has(body{"version": 2.0, "counts.country": 0.0, "counts.ip": 1.0})
	w.ask(w.as("auditor"), "GET", path, nil).is(200).has(body{"version": 2.0, "counts.country": 0.0})

	w.ask(security, "PUT", path, body{"mode": "add", "items": []body{}}).faulty("items")
	w.ask(security, "PUT", path, body{"mode": "more", "items": items}).faulty("mode")
	w.ask(security, "PUT", path, body{"mode": "add", "items": []body{{"kind": "name", "value": "x"}}}).faulty("items[0].kind")
	for kind, value := range map[string]string{"ip": "203.0.113.0/24", "country": "az", "account": "", "device": strings.Repeat("x", 201)} {
		w.ask(security, "PUT", path, body{"mode": "add", "items": []body{{"kind": "account", "value": "1"}, {"kind": kind, "value": value}}}).faulty("items[1].value")
	}
	w.ask(w.as("auditor"), "PUT", path, body{"mode": "replace", "items": []body{}}).refused(403, "forbidden")
	w.ask(w.as("helpdesk"), "GET", path, nil).refused(403, "forbidden")
	w.ask(security, "GET", path, nil).is(200).has(body{"version": 2.0})

	file, err := os.ReadFile(w.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{account, device, "203.0.113.77"} {
		if strings.Contains(string(file), value) {
			t.Errorf("%s stands in the store", value)
		}
	}
	w.ask(security, "PUT", path, body{"mode": "replace", "items": []body{}}).is(200).has(body{"version": 3.0, "counts.account": 0.0})
}

// Outside development one person puts something on the list at once; nothing is taken off
// it, by either mode, without a second.
func TestClause5_24_TakingOffTheListTakesTwoPeople(t *testing.T) {
	c := newChamber(t)
	security, path := c.as("security"), "/v1/compromised"
	items := []body{{"kind": "account", "value": "AZ00-SECR-17"}, {"kind": "country", "value": "KP"}}
	c.ask(security, "PUT", path, body{"mode": "add", "items": items}).is(200).has(body{"version": 1.0, "counts.account": 1.0, "counts.country": 1.0})
	stands := func(want body) { c.T.Helper(); c.ask(security, "GET", path, nil).is(200).has(want) }

	empty := c.ask(security, "PUT", path, body{"mode": "replace", "items": []body{}}).is(202).str("approval.id")
	less := c.ask(security, "PUT", path, body{"mode": "remove", "items": items[1:]}).is(202).str("approval.id")
	stands(body{"version": 1.0, "counts.account": 1.0, "counts.country": 1.0})
	c.ask(security, "PUT", path, body{"mode": "remove", "items": []body{{"kind": "country", "value": "kp"}}}).faulty("items[0].value")
	c.ask(security, "PUT", path, body{"items": items}).faulty("mode")
	c.boris.approve(less).is(200).has(body{"result.version": 2.0})
	stands(body{"version": 2.0, "counts.account": 1.0, "counts.country": 0.0})
	c.boris.approve(empty).is(200)
	stands(body{"version": 3.0, "counts.account": 0.0})
}

// ofBank returns the body of the last entry of the log that fits and concerns no person.
func (w *world) ofBank(event, outcome string) (found string) {
	w.T.Helper()
	batch, err := w.Engine.Entries(w.T.Context(), 0, 1000)
	w.must(nil, err)
	for _, e := range batch {
		h, err := audit.ParseHeader(e.Header)
		w.must(nil, err)
		if h.Event != event || h.Outcome != outcome {
			continue
		}
		text, err := w.Audit.Open(w.T.Context(), audit.Person{}, e)
		w.must(nil, err)
		found = string(text)
	}
	return found
}

// Attack 10: what a front end's own connection says of addresses has no effect on a
// decision, forged headers least of all: the customer's address is in context.ip, and
// that is a signal only.
func TestAttack10_AForgedHeaderChangesNoDecision(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	plain := w.ask(key, "POST", "/v1/transactions", payment("X-1", "400.00", token)).is(201)
	r := payment("X-2", "400.00", token)
	text := asJSON(t, r)
	for i, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP"} {
		h := http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}, name: {"127.0.0.1"}}
		v := w.send(h, "POST", "/v1/transactions", strings.NewReader(strings.Replace(text, "X-2", "X-2"+string(rune('a'+i)), 1))).is(201)
		for _, member := range []string{"decision", "state", "risk.score", "exemption"} {
			if v.at(member) != plain.at(member) {
				t.Errorf("with %s: %s is %v, not %v", name, member, v.at(member), plain.at(member))
			}
		}
	}
}

// what the front end found is told of a payment, and a front end that does not look
// is not punished for it.
func TestClause5_24_MalwareIsASignal(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	scores := map[any]float64{}
	for i, found := range []any{nil, false, true} {
		in := payment("M-"+string(rune('a'+i)), "400.00", token)
		around := body{"ip": "192.0.2.1", "user_agent": "u", "device_id": "d", "country": "AZ"}
		if found != nil {
			around["malware"] = found
		}
		in["context"] = around
		v := w.ask(key, "POST", "/v1/transactions", in).is(201)
		scores[found], _ = v.at("risk.score").(float64)
	}
	if scores[nil] != scores[false] || scores[nil] != 0 {
		t.Errorf("the shipped policy's scores: %v", scores)
	}
	in := payment("M-x", "400.00", token)
	in["context"] = body{"malware": "yes"}
	if a := w.ask(key, "POST", "/v1/transactions", in); a.status/100 != 4 {
		t.Errorf("malware that is no truth value: %d", a.status)
	}
}
