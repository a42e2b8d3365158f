package api_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/tokens/pskc"
)

// stepUp proves the customer of a session once more, in its place.
func (w *world) stepUp(key, token string, d *banktest.Device) object {
	w.T.Helper()
	v := w.ask(key, "POST", "/v1/authentications", body{
		"purpose": "login", "channel": "internet", "access_token": token,
		"responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
	}).is(201)
	v.has(body{"state": "granted"})
	s, _ := v.at("session").(map[string]any)
	return object{w.T, s}
}

// stay keeps a session in use for a time.
func (w *world) stay(key, session string, d time.Duration) (token string) {
	w.T.Helper()
	for until := w.Clock.Now().Add(d); w.Clock.Now().Before(until); {
		w.Clock.Forward(4 * time.Minute)
		token = w.ask(key, "POST", "/v1/sessions/"+session+"/touch", body{"activity": "user"}).is(200).str("access_token")
	}
	return token
}

// A session that lasts all day pays for an hour after each proof of who uses it.
func TestAttack06_APaymentAsksForARecentLogIn(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	g := w.login(front, c.ID, d)
	token := w.stay(front, g.str("id"), 50*time.Minute)
	tx := w.ask(front, "POST", "/v1/transactions", payment("A-1", "1500.00", token)).is(201)
	token = w.stay(front, g.str("id"), 12*time.Minute)

	byName := payment("A-2", "1.00", "")
	delete(byName, "access_token")
	byName["session"] = g.str("id")
	for name, a := range map[string]*answer{
		"payment": w.ask(front, "POST", "/v1/transactions", payment("A-2", "1500.00", token)), "exempt": w.ask(front, "POST", "/v1/transactions", payment("A-2", "1.00", token)),
		"by its name": w.ask(front, "POST", "/v1/transactions", byName),
		"once more":   w.ask(front, "POST", "/v1/transactions/"+tx.str("id")+"/authentications", body{"access_token": token}),
	} {
		p := a.refused(403, "insufficient-user-authentication")
		if p.ACRValues != "strong" || p.MaxAge == nil || *p.MaxAge != 3600 {
			t.Errorf("%s: %s", name, a.body)
		}
		want := `Bearer error="insufficient_user_authentication", error_description="A more recent authentication is required", acr_values="strong", max_age="3600"`
		if h := a.header.Get("WWW-Authenticate"); h != want {
			t.Errorf("%s: WWW-Authenticate: %s", name, h)
		}
	}
	w.ask(front, "GET", "/v1/transactions?customer="+c.ID, nil).is(200).has(body{"items.0.reference": "A-1"})
	// What was begun in time is proven: the proof is a fresh one.
	at := "/v1/authentications/" + tx.str("authentications.0.id") + "/responses"
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN})
	if a := w.ask(front, "GET", "/v1/sessions/"+g.str("id"), nil).is(200); a.str("state") != "live" {
		t.Error("the session has ended")
	}
	// The proof of a payment is none of who uses the session.
	fresh := w.stepUp(front, token, d)
	if fresh.str("id") == g.str("id") || fresh.str("customer") != c.ID {
		t.Fatalf("%v", fresh.m)
	}
	w.ask(front, "POST", "/v1/transactions", payment("A-2", "1500.00", token)).refused(403, "session-ended")
	w.ask(front, "POST", "/v1/transactions", payment("A-2", "1500.00", fresh.str("access_token"))).is(201).has(body{"state": "pending_proof"})

	w.Authn.Settings.Reauth = 0
	token = w.stay(front, fresh.str("id"), 2*time.Hour)
	w.ask(front, "POST", "/v1/transactions", payment("A-3", "1500.00", token)).is(201)
}

// A proof of a payment or an action, which a thief may have talked the customer into, does
// not make the session it came from any fresher.
func TestAttack06_APaymentsProofKeepsNoSessionFresh(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	g := w.login(front, c.ID, d)
	token := w.stay(front, g.str("id"), 56*time.Minute)
	tx := w.ask(front, "POST", "/v1/transactions", payment("K-1", "1500.00", token)).is(201)
	at := "/v1/authentications/" + tx.str("authentications.0.id") + "/responses"
	w.ask(front, "POST", at, body{"method": "pin", "pin": banktest.PIN}).is(200)
	w.ask(front, "POST", at, body{"method": "ocra", "code": d.OCRA(tx.str("authentications.0.methods.0.question"))}).is(200).has(body{"transaction.state": "approved"})
	v := w.ask(front, "POST", "/v1/authentications", body{
		"customer": c.ID, "purpose": "action", "channel": "internet", "action": body{"name": "payees.add", "data": body{}},
		"responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
	}).is(201)
	v.has(body{"state": "granted"})
	token = w.stay(front, g.str("id"), 5*time.Minute)
	w.ask(front, "POST", "/v1/transactions", payment("K-2", "1500.00", token)).refused(403, "insufficient-user-authentication")
}

// Who sends the granting request again, because the answer was lost, is given the new
// session, not the old one.
func TestAStepUpIsAnsweredAgain(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	g := w.login(front, c.ID, d)
	b := body{
		"customer": c.ID, "purpose": "login", "channel": "internet", "access_token": g.str("access_token"), "acr": "strong", "max_age": 0,
		"responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
	}
	first := w.again(front, "step-1", "POST", "/v1/authentications", b).is(201)
	second := w.again(front, "step-1", "POST", "/v1/authentications", b).is(201)
	if first.str("session.id") != second.str("session.id") || first.str("session.id") == g.str("id") {
		t.Errorf("%v, %v", first.m, second.m)
	}
	w.ask(front, "POST", "/v1/sessions/introspect", body{"access_token": second.str("session.access_token")}).is(200).has(body{"active": true, "sid": first.str("session.id")})
	w.ask(front, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "internet", "max_age": -1}).faulty("max_age")
	w.ask(front, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "action", "channel": "internet", "access_token": g.str("access_token"),
		"action": body{"name": "payees.add"}}).faulty("access_token")
	w.ask(front, "POST", "/v1/authentications", body{"subject": body{"kind": "staff", "id": "ayla"}, "purpose": "login", "channel": "internet", "access_token": g.str("access_token")}).faulty("access_token")
	w.ask(w.as("other", "frontend"), "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "internet", "access_token": second.str("session.access_token")}).refused(403, "session-ended")
}

// A bound session is stepped up with a proof of its key, and bound to it after.
func TestAttack06_AStepUpOfABoundSession(t *testing.T) {
	s := newBound(t)
	proof := func() body { return beside(s.key.Proof("POST", shop+"/do", s.token)) }
	b := body{"purpose": "login", "channel": "internet", "access_token": s.token, "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": s.device.HOTP()}}}
	maps.Copy(b, proof())
	g := s.ask(s.front, "POST", "/v1/authentications", b).is(201)
	g.has(body{"session.token_type": "DPoP", "session.cnf.jkt": s.key.JKT})
	for _, u := range s.uses() {
		a := u.ask(beside(s.key.Sign(s.claims(u)))) // by its own key, too, the old one is dead
		if u.name == "introspection" && string(a.body) != `{"active":false}` || u.name != "introspection" && a.status != 403 && a.status != 404 {
			t.Errorf("%s: %d %s", u.name, a.status, a.body)
		}
	}
	s.id, s.token = g.str("session.id"), g.str("session.access_token")
	for _, u := range s.uses() {
		s.useless(t, u.name+" without a proof", u.ask(nil))
		if a := u.ask(beside(s.key.Sign(s.claims(u)))); a.status > 201 || string(a.body) == `{"active":false}` {
			t.Errorf("%s: %d %s", u.name, a.status, a.body)
		}
	}
	s.Clock.Forward(time.Second)
	a := s.ask(s.front, "POST", "/v1/sessions/introspect", merged(body{"access_token": s.token, "max_age": 0}, proof())).is(200)
	a.has(body{"active": true, "sufficient": false})
	if h := a.str("www_authenticate"); !strings.HasPrefix(h, "DPoP error=") {
		t.Error(h)
	}
}

func merged(a, b body) body {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// RFC 9470 for a service of the bank's beside: it asks with the token, and sends on what
// it is told.
func TestAServiceAsksForAStrongerOrNewerLogIn(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	g := w.login(front, c.ID, d)
	ask := func(more body) *answer {
		return w.ask(w.as("core"), "POST", "/v1/sessions/introspect", merged(body{"access_token": g.str("access_token")}, more))
	}
	if a := ask(nil).is(200); a.m["sufficient"] != nil || a.m["www_authenticate"] != nil {
		t.Errorf("%v", a.m)
	}
	for _, good := range []body{{"acr_values": "strong"}, {"acr_values": "single"}, {"acr_values": "linked strong"}, {"max_age": 60}, {"acr_values": "strong", "max_age": 60}} {
		if a := ask(good).is(200); a.m["sufficient"] != true || a.m["error"] != nil || a.m["www_authenticate"] != nil || a.m["active"] != true {
			t.Errorf("%v: %v", good, a.m)
		}
	}
	w.Clock.Forward(61 * time.Second)
	for _, bad := range []body{{"acr_values": "linked"}, {"acr_values": "urn:gold"}, {"max_age": 60}, {"max_age": 0}, {"acr_values": "strong", "max_age": 60}, {"acr_values": "linked", "max_age": 3600}} {
		a := ask(bad).is(200)
		a.has(body{"active": true, "sufficient": false, "error": "insufficient_user_authentication"})
		h := a.str("www_authenticate")
		for name, value := range bad {
			if text, is := value.(string); is && a.m[name] != text || !strings.Contains(h, name+`="`) {
				t.Errorf("%v: %v", bad, a.m)
			}
		}
		if r := (&http.Response{Header: http.Header{"Www-Authenticate": {h}}}); r.Header.Get("WWW-Authenticate") != h {
			t.Errorf("%q is no header", h)
		}
	}
	for field, bad := range map[string][]body{
		"acr_values": {{"acr_values": ""}, {"acr_values": " strong"}, {"acr_values": `a"b`}, {"acr_values": "a\r\nb"}, {"acr_values": "1 2 3 4 5 6 7 8 9"}},
		"max_age":    {{"max_age": -1}, {"max_age": 31536001}},
	} {
		for _, b := range bad {
			ask(b).faulty(field)
		}
	}
	w.ask(front, "DELETE", "/v1/sessions/"+g.str("id"), nil).is(204)
	if a := ask(body{"acr_values": "single"}); string(a.body) != `{"active":false}` {
		t.Errorf("%s", a.body)
	}
}

// After a change of a factor a person may end all his sessions but the present one.
func TestASessionStaysWhenTheOthersEnd(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	one, two, three := w.login(front, c.ID, d), w.login(front, c.ID, d), w.login(front, c.ID, d)
	w.ask(front, "DELETE", "/v1/customers/"+c.ID+"/sessions?except="+two.str("id"), nil).is(204)
	for g, want := range map[*object]string{&one: "ended", &two: "live", &three: "ended"} {
		w.ask(front, "GET", "/v1/sessions/"+g.str("id"), nil).is(200).has(body{"state": want})
	}
	w.ask(front, "DELETE", "/v1/customers/"+c.ID+"/sessions?except=nobody", nil).is(204)
	w.ask(front, "GET", "/v1/sessions/"+two.str("id"), nil).is(200).has(body{"state": "ended"})
}
