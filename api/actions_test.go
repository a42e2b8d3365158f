package api_test

import (
	"strings"
	"testing"

	"mohur/banktest"
	"mohur/tokens/pskc"
)

// A bank's own act, from its proof to its end.
func TestClause2_1_AnActOfTheBanksOwn(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	other, _ := w.Person(pskc.HOTP)
	act := body{"name": "x.cards.block", "data": body{"card": "4711", "why": "itirildi"}}
	begun := body{"customer": c.ID, "purpose": "action", "channel": "internet", "action": act, "responses": []body{{"method": "pin", "pin": banktest.PIN}}}
	v := w.ask(front, "POST", "/v1/authentications", begun).is(201)
	at := "/v1/authentications/" + v.str("id")
	if text := v.str("challenge.text"); !strings.Contains(text, `"action":"x.cards.block"`) || !strings.Contains(text, `"data_sha256":`) {
		t.Errorf("the challenge says %s", text)
	}
	spend := func(key string, more body) *answer {
		return w.ask(key, "POST", at+"/spend", merged(body{"customer": c.ID, "action": act}, more))
	}
	spend(front, nil).refused(403, "proof-required") // not granted yet
	if a := w.ask(front, "GET", at, nil).is(200); a.m["spent"] != nil {
		t.Errorf("%v", a.m)
	}
	w.ask(front, "POST", at+"/responses", body{"method": "otp", "code": d.HOTP()}).is(200).has(body{"state": "granted"})
	w.ask(front, "GET", at, nil).is(200).has(body{"state": "granted", "spent": false})

	spend(front, body{"customer": other.ID}).refused(403, "proof-required")
	spend(front, body{"action": body{"name": "x.cards.block", "data": body{"card": "4712", "why": "itirildi"}}}).refused(403, "proof-required")
	spend(front, body{"action": body{"name": "x.cards.close", "data": act["data"]}}).refused(403, "proof-required")
	spend(front, body{"action": body{"name": "payees.add", "data": act["data"]}}).faulty("action.name")
	spend(front, body{"action": body{"name": "x.cards.block", "data": "all"}}).faulty("action.data")
	spend(w.as("other", "frontend"), nil).refused(404, "not-found")
	spend(front, body{"action": `{"name":"x.cards.block"}`}).refused(422, "invalid-request")

	spend(front, body{"action": body{"data": body{"why": "itirildi", "card": "4711"}, "name": "x.cards.block"}}).is(200).has(body{"spent": true, "state": "granted"}) // in another order it is the same
	spend(front, nil).refused(403, "proof-required")
	w.ask(front, "GET", at, nil).is(200).has(body{"spent": true})

	begun["action"] = body{"name": "x.Cards", "data": body{}}
	w.ask(front, "POST", "/v1/authentications", begun).faulty("action.name")
	for _, data := range []string{`{"n":9007199254740993}`, `{"n":0.30000000000000001}`, `{"a":[{"n":-1234567890123456}]}`, `{"n":1e-400}`, `{"n":-3e-324}`, `{"a":[2E-308]}`, `[1]`, `"x"`, `{"s":"\ud800"}`} {
		text := `{"customer":"` + c.ID + `","purpose":"action","channel":"internet","action":{"name":"x.a","data":` + data + `}}`
		if a := w.ask(front, "POST", "/v1/authentications", text); a.status != 422 {
			t.Errorf("%s: %d %s", data, a.status, a.body)
		}
	}
	w.ask(front, "POST", "/v1/authentications", `{"customer":"`+c.ID+`","purpose":"action","channel":"internet","action":{"name":"x.a","data":{"n":900719925474099,"m":1e3,"z":[0,0e-400,-0.0,3e-308],"t":"9007199254740993"}}}`).is(201)
}

// A value that a front end binds an attempt to is asked for with each answer, whatever the
// attempt is for and however it was begun.
func TestAttack06_AnAttemptStaysWhereItBegan(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(front, c.ID, d).str("access_token")
	tx := w.ask(front, "POST", "/v1/transactions", merged(payment("B-1", "1500.00", token), body{"binding": "cookie-1"})).is(201)
	w.ask(front, "POST", "/v1/transactions", merged(payment("B-1", "1500.00", token), body{"binding": "cookie-2"})).is(201).has(body{"id": tx.str("id")}) // the same one
	asked := w.ask(front, "POST", "/v1/transactions", payment("B-2", "1500.00", token)).is(201)
	asked = w.ask(front, "POST", "/v1/transactions/"+asked.str("id")+"/authentications", body{"access_token": token, "binding": "cookie-1"}).is(201)
	login := w.ask(front, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "internet", "binding": "cookie-1"}).is(201)
	again := w.ask(front, "POST", "/v1/authentications", body{"purpose": "login", "channel": "internet", "binding": "cookie-1", "access_token": token}).is(201)
	action := w.ask(front, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "action", "channel": "internet", "binding": "cookie-1", "action": body{"name": "payees.add"}}).is(201)
	for _, x := range []struct {
		name, id, question string
	}{
		{"payment", tx.str("authentications.0.id"), tx.str("authentications.0.methods.0.question")},
		{"payment, asked again", asked.str("authentications.1.id"), asked.str("authentications.1.methods.0.question")},
		{"log-in", login.str("id"), ""}, {"action", action.str("id"), ""}, {"step-up", again.str("id"), ""},
	} {
		at, code := "/v1/authentications/"+x.id+"/responses", body{"method": "otp"}
		if x.question != "" {
			code = body{"method": "ocra", "code": d.OCRA(x.question)}
		} else {
			code["code"] = d.HOTP()
		}
		for _, half := range []body{{"method": "pin", "pin": banktest.PIN}, code} {
			w.ask(front, "POST", at, half).refused(403, "authentication-failed")
			w.ask(front, "POST", at, merged(half, body{"binding": "cookie-2"})).refused(403, "authentication-failed")
			if a := w.ask(front, "POST", at, merged(half, body{"binding": "cookie-1"})); a.status != 200 {
				t.Errorf("%s, %s: %d %s", x.name, half["method"], a.status, a.body)
			}
		}
	}
	if n := w.Count("authentication.answered", "refused", "binding-mismatch"); n != 20 {
		t.Errorf("%d refusals are on record", n)
	}
	long := strings.Repeat("x", 513)
	w.ask(front, "POST", "/v1/transactions", merged(payment("B-3", "1.00", token), body{"binding": long})).faulty("binding")
	w.ask(front, "POST", "/v1/transactions/"+tx.str("id")+"/authentications", body{"access_token": token, "binding": long}).faulty("binding")
}
