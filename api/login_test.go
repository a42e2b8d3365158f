package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

type body = map[string]any

// login logs a person in with an OTP and the PIN and returns the session.
func (w *world) login(key string, customer string, d *banktest.Device) object {
	w.T.Helper()
	v := w.ask(key, "POST", "/v1/authentications", body{
		"customer": customer, "purpose": "login", "channel": "internet",
		"responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
	}).is(201)
	v.has(body{"state": "granted"})
	s, _ := v.at("session").(map[string]any)
	return object{w.T, s}
}

func TestALogInStepByStep(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	v := w.ask(key, "POST", "/v1/authentications", body{
		"customer": c.ID, "purpose": "login", "channel": "internet", "binding": "cookie", "context": body{"ip": "192.0.2.1", "country": "AZ"},
	}).is(201)
	v.has(body{
		"state": "pending", "acr": "strong", "shown": "none", "methods.0.method": "otp", "methods.1.method": "pin", "methods.0.credentials.0.kind": "hotp",
		"ways.0.0": "otp", "ways.0.1": "pin", "risk.score": 20.0, "risk.reasons.0.code": "signal-missing", "session": nil,
	})
	sum := sha256.Sum256([]byte(v.str("challenge.text")))
	if got := base64.RawURLEncoding.EncodeToString(sum[:]); v.str("challenge.sha256") != got {
		t.Errorf("the challenge's hash is %s, its text's %s", v.str("challenge.sha256"), got)
	}
	if at, err := time.Parse(time.RFC3339, v.str("expires_at")); err != nil || at.Location() != time.UTC {
		t.Errorf("expires_at %q", v.str("expires_at"))
	}
	linked := w.ask("", "GET", "/v1/linked/"+v.str("challenge.sha256"), nil)
	if string(linked.body) != v.str("challenge.text") || linked.header.Get("Content-Type") != "application/json" {
		t.Errorf("linked: %s", linked.body)
	}
	at := "/v1/authentications/" + v.str("id")
	p := w.ask(key, "POST", at+"/responses", body{"method": "pin", "pin": banktest.PIN, "binding": "cookie"}).is(200)
	p.has(body{"state": "pending", "id": v.str("id"), "session": nil})
	if amr, is := p.at("amr").([]any); !is || len(amr) != 0 {
		t.Errorf("amr %v", p.at("amr"))
	}
	g := w.ask(key, "POST", at+"/responses", body{"method": "otp", "code": d.HOTP(), "binding": "cookie"}).is(200)
	g.has(body{"state": "granted", "acr": "strong", "amr.0": "otp", "amr.1": "pin"})
	for _, name := range []string{"session.id", "session.access_token", "session.expires_at", "session.idle_expires_at"} {
		if g.str(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	look := w.ask(key, "GET", at, nil).is(200)
	look.has(body{"state": "granted", "session": nil, "challenge.text": v.str("challenge.text")})
	if bytes.Contains(w.ask(key, "GET", at, nil).body, []byte(g.str("session.access_token"))) {
		t.Error("looking at an authentication gives a token")
	}
}

// causes are responses that are refused, each for another reason.
func (w *world) causes(key string) map[string]*answer {
	w.T.Helper()
	begin := func(customer string) string {
		return "/v1/authentications/" + w.ask(key, "POST", "/v1/authentications", body{"customer": customer, "purpose": "login", "channel": "internet"}).is(201).str("id") + "/responses"
	}
	both := func(at, pin, code string) *answer {
		w.ask(key, "POST", at, body{"method": "pin", "pin": pin}).is(200)
		return w.ask(key, "POST", at, body{"method": "otp", "code": code})
	}
	person := func() (string, *banktest.Device) {
		c, d := w.Person(pskc.HOTP)
		return c.ID, d
	}
	out := map[string]*answer{}
	c, d := person()
	out["wrong code"] = both(begin(c), banktest.PIN, "000000")
	out["wrong PIN"] = both(begin(c), "999888", d.HOTP())
	code := d.HOTP()
	both(begin(c), banktest.PIN, code).is(200)
	out["replay"] = both(begin(c), banktest.PIN, code)
	out["unknown customer"] = both(begin("C-nobody"), banktest.PIN, "123456")
	out["not offered"] = w.ask(key, "POST", begin(c), body{"method": "fido", "credential": body{"id": "x", "rawId": "x", "type": "public-key"}})
	out["a card"] = w.ask(key, "POST", begin(c), body{"method": "card", "token": body{"format": "web-eid:1.0"}})
	out["another's credential"] = w.ask(key, "POST", begin(c), body{"method": "otp", "code": d.HOTP(), "credential_id": "cr_00000000000000000000000000"})
	at := w.ask(key, "POST", "/v1/authentications", body{"customer": c, "purpose": "login", "channel": "internet", "binding": "a"}).is(201).str("id")
	out["another browser"] = w.ask(key, "POST", "/v1/authentications/"+at+"/responses", body{"method": "pin", "pin": banktest.PIN, "binding": "b"})
	out["in one round trip"] = w.ask(key, "POST", "/v1/authentications", body{
		"customer": c, "purpose": "login", "channel": "internet", "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": "000000"}},
	})

	c, d = person()
	at = begin(c)
	w.must(w.Parties.SetState(w.T.Context(), w.Staff(), c, parties.CustomerSuspended, "test", true))
	out["suspended customer"] = both(at, banktest.PIN, d.HOTP())
	c, d = person()
	at = begin(c)
	w.must(w.Enrollment.Report(w.T.Context(), w.Staff(), d.ID, "lost", ""))
	out["lost token"] = both(at, banktest.PIN, d.HOTP())
	c, d = person()
	for range 5 {
		both(begin(c), banktest.PIN, "000000")
	}
	out["locked"] = both(begin(c), banktest.PIN, d.HOTP())
	return out
}

func (w *world) must(_ any, err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

func TestThereIsOneRefusal(t *testing.T) {
	w := newWorld(t)
	var first []byte
	for cause, a := range w.causes(w.as("frontend")) {
		p := a.refused(403, "authentication-failed")
		same := bytes.ReplaceAll(a.body, []byte(p.Instance), []byte("…"))
		if first == nil {
			first = same
		}
		if !bytes.Equal(first, same) {
			t.Errorf("%s: %s, another: %s", cause, a.body, first)
		}
		for name := range a.header {
			if a.header.Get(name) != "" && !strings.Contains("Cache-Control Content-Length Content-Security-Policy Content-Type Date X-Content-Type-Options X-Request-Id", name) {
				t.Errorf("%s: the header %s", cause, name)
			}
		}
	}
}

// What one front end began does not exist for another, whatever it asks.
func TestClause5_3_4_AnothersObjectsDoNotExist(t *testing.T) {
	w := newWorld(t)
	mine, other := w.as("mine", parties.Frontend), w.as("other", parties.Frontend)
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	at := w.ask(mine, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "internet"}).is(201).str("id")
	session := w.login(mine, c.ID, d)
	token := session.str("access_token")
	tx := w.ask(mine, "POST", "/v1/transactions", payment("R-1", "10.00", token)).is(201).str("id")
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/v1/authentications/" + at, nil},
		{"POST", "/v1/authentications/" + at + "/responses", body{"method": "pin", "pin": banktest.PIN}},
		{"GET", "/v1/sessions/" + session.str("id"), nil},
		{"POST", "/v1/sessions/" + session.str("id") + "/touch", body{"activity": "user"}},
		{"DELETE", "/v1/sessions/" + session.str("id"), nil},
		{"GET", "/v1/transactions/" + tx, nil},
		{"POST", "/v1/transactions/" + tx + "/cancel", nil},
		{"GET", "/v1/customers/" + c.ID + "/limits", nil},
	} {
		w.ask(other, r.method, r.path, r.body).refused(404, "not-found")
	}
	w.ask(other, "POST", "/v1/transactions", payment("R-2", "10.00", token)).refused(403, "session-ended")
	w.ask(other, "POST", "/v1/transactions/"+tx+"/authentications", body{"access_token": token}).refused(403, "session-ended")
	w.ask(other, "POST", "/v1/sessions/introspect", body{"access_token": token}).is(200).has(body{"active": false})
	if items := w.ask(other, "GET", "/v1/transactions", nil).is(200).at("items").([]any); len(items) != 0 {
		t.Errorf("another's transactions: %v", items)
	}
	if items := w.ask(other, "GET", "/v1/customers/"+c.ID+"/sessions", nil).is(200).at("items").([]any); len(items) != 0 {
		t.Errorf("another's sessions: %v", items)
	}
	w.ask(other, "DELETE", "/v1/customers/"+c.ID+"/sessions", nil).is(204)
	w.ask(mine, "GET", "/v1/sessions/"+session.str("id"), nil).is(200).has(body{"state": "live"})
	w.ask(mine, "GET", "/v1/customers/"+c.ID+"/limits", nil).is(200).has(body{"daily.limit.value": "100000.00", "daily.used.value": "10.00", "daily.used.currency": "AZN"})
}

func TestSessionsAndIntrospection(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	ask := func(token string) object {
		return w.ask(key, "POST", "/v1/sessions/introspect", body{"access_token": token}).is(200)
	}
	dead := func(why string, token string) {
		t.Helper()
		if got := ask(token); got.at("active") != false || len(got.m) != 1 {
			t.Errorf("%s: %v", why, got.m)
		}
	}
	c, d := w.Person(pskc.HOTP)
	s := w.login(key, c.ID, d)
	token := s.str("access_token")
	ask(token).has(body{"active": true, "sub": c.ID, "sid": s.str("id"), "iss": banktest.Issuer, "acr": "strong", "token_type": "Bearer", "channel": "internet"})
	for _, m := range []string{"dpop", "htm", "htu", "x5t"} {
		w.ask(key, "POST", "/v1/sessions/introspect", body{"access_token": token, m: ""}).faulty(m)
	}
	w.ask(key, "POST", "/v1/sessions/introspect", body{}).faulty("access_token")
	dead("garbage", "x")
	dead("changed", token[:len(token)-4]+"AAAA")
	dead("unsigned", "eyJhbGciOiJub25lIn0.e30.")

	w.Clock.Forward(3 * time.Minute)
	at := "/v1/sessions/" + s.str("id")
	poll := w.ask(key, "POST", at+"/touch", body{"activity": "poll"}).is(200)
	poll.has(body{"access_token": nil, "idle_expires_at": s.str("idle_expires_at")})
	fresh := w.ask(key, "POST", at+"/touch", body{"activity": "user", "context": body{"ip": "192.0.2.1"}}).is(200)
	if fresh.str("idle_expires_at") <= s.str("idle_expires_at") || fresh.str("access_token") == token {
		t.Error("a touch does not extend")
	}
	w.ask(key, "POST", at+"/touch", body{"activity": "sleep"}).faulty("activity")
	w.Clock.Forward(3 * time.Minute)
	dead("expired token", token)
	ask(fresh.str("access_token")).has(body{"active": true})
	w.ask(key, "GET", "/v1/customers/"+c.ID+"/sessions", nil).is(200).has(body{"items.0.id": s.str("id"), "items.0.state": "live", "next_cursor": ""})
	w.Clock.Forward(5 * time.Minute)
	w.ask(key, "GET", at, nil).is(200).has(body{"state": "ended", "reason": "idle"})
	w.ask(key, "POST", at+"/touch", body{"activity": "user"}).refused(404, "not-found")

	s = w.login(key, c.ID, d)
	w.ask(key, "DELETE", "/v1/sessions/"+s.str("id"), nil).is(204)
	dead("logged out", s.str("access_token"))
	w.ask(key, "GET", "/v1/sessions/"+s.str("id"), nil).is(200).has(body{"state": "ended", "reason": "logout"})

	s = w.login(key, c.ID, d)
	w.ask(w.as("helpdesk"), "DELETE", "/v1/customers/"+c.ID+"/sessions", nil).is(204)
	dead("thrown out", s.str("access_token"))

	s = w.login(key, c.ID, d)
	w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+d.ID+"/report", body{"kind": "stolen", "details": "bag"}).is(200).has(body{"state": string(tokens.Suspended)})
	dead("lost token", s.str("access_token"))

	c, d = w.Person(pskc.HOTP)
	s = w.login(key, c.ID, d)
	w.ask(w.as("security"), "POST", "/v1/customers/"+c.ID+"/suspend", body{"reason": "fraud"}).is(200).has(body{"state": "suspended"})
	dead("suspended customer", s.str("access_token"))
}

func TestLinkedTextsAreForWhoKnowsTheHash(t *testing.T) {
	w := newWorld(t)
	for _, hash := range []string{"x", strings.Repeat("A", 43), strings.Repeat("A", 44), strings.Repeat("A", 42) + "B", "%2e%2e"} {
		w.ask("", "GET", "/v1/linked/"+hash, nil).refused(404, "not-found")
	}
	v := w.ask(w.as("frontend"), "POST", "/v1/authentications", body{"customer": "C-nobody", "purpose": "login", "channel": "mobile"}).is(201)
	w.ask("", "GET", "/v1/linked/"+v.str("challenge.sha256"), nil).is(200).has(body{"typ": "login", "sub": "C-nobody"})
	w.Clock.Forward(authn.DefaultSettings("").AttemptLife + time.Second)
	w.ask("", "GET", "/v1/linked/"+v.str("challenge.sha256"), nil).refused(404, "not-found")
	w.ask(w.as("frontend"), "POST", "/v1/authentications/"+v.str("id")+"/responses", body{"method": "pin", "pin": "271828"}).refused(410, "expired")
}
