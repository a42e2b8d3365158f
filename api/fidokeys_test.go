package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
)

// keyWorld is a bank that takes keys that attest themselves.
func keyWorld(t *testing.T, change ...func(*world)) *world {
	w := newWorld(t, change...)
	w.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	return w
}

// optionsOf returns what an answer asks of a key.
func optionsOf(t *testing.T, o object) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(o.m)
	if err != nil {
		t.Fatal(err)
	}
	var asks struct {
		FIDO    struct{ PublicKey json.RawMessage }
		Methods []struct{ Options json.RawMessage }
	}
	if err := json.Unmarshal(text, &asks); err != nil {
		t.Fatal(err)
	}
	for _, m := range asks.Methods {
		if m.Options != nil {
			return m.Options
		}
	}
	if asks.FIDO.PublicKey == nil {
		t.Fatalf("no key is asked for: %s", text)
	}
	return asks.FIDO.PublicKey
}

func (w *world) beginLogin(customer string) object {
	w.T.Helper()
	return w.ask(w.as("frontend"), "POST", "/v1/authentications", body{"customer": customer, "purpose": "login", "channel": "internet"}).is(201)
}

// A key over HTTP; a second one with the proof of the first, for exactly that request.
func TestClause4_3_2_KeysOverHTTP(t *testing.T) {
	w := keyWorld(t)
	c, k, front := w.Customer(), w.NewKey(), w.as("frontend")
	begun := w.enrol(c.ID, "fido").is(201)
	begun.has(body{"state": "pending"})
	at := "/v1/enrollments/" + begun.str("id") + "/responses"
	w.ask(front, "POST", at, body{}).faulty("otp")
	credential := json.RawMessage(k.Create(optionsOf(t, begun)))
	w.ask(front, "POST", at, body{"otp": body{"code": "123456"}, "fido": credential}).faulty("fido")
	w.ask(front, "POST", at, body{"fido": strings.Repeat("x", enrollment.MaxKeyAnswer)}).faulty("fido")
	w.ask(front, "POST", at, body{"otp": body{"code": "123456"}}).refused(404, "not-found")
	done := w.ask(front, "POST", at, body{"fido": credential}).is(200)
	done.has(body{"state": "completed", "token.state": "active", "token.profile": "fido2-key", "token.credentials.0.kind": "fido"})
	w.ask(front, "POST", at, body{"fido": credential}).refused(410, "expired")

	v := w.beginLogin(c.ID)
	w.ask(front, "POST", "/v1/authentications/"+v.str("id")+"/responses", body{"method": "fido", "credential": json.RawMessage(k.Get(optionsOf(t, v)))}).is(200).
		has(body{"state": "granted", "acr": "strong"})

	again := body{"customer": c.ID, "kind": "fido", "label": "second"}
	proof := w.ask(front, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "action", "channel": "internet",
		"action": body{"name": "credential.enroll", "data": again}}).is(201)
	w.ask(front, "POST", "/v1/authentications/"+proof.str("id")+"/responses", body{"method": "fido", "credential": json.RawMessage(k.Get(optionsOf(t, proof)))}).is(200)
	given := body{"authentication": proof.str("id")}
	w.ask(front, "POST", "/v1/enrollments", body{"customer": c.ID, "kind": "fido", "label": "another", "proof": given}).refused(403, "proof-required")
	second := w.ask(front, "POST", "/v1/enrollments", body{"customer": c.ID, "kind": "fido", "label": "second", "proof": given}).is(201)
	if text := string(optionsOf(t, second)); !strings.Contains(text, "excludeCredentials") || strings.Contains(text, c.Pseudonym) {
		t.Errorf("%s", text)
	}

	w.ask(front, "POST", "/v1/enrollments", body{"customer": c.ID, "kind": "totp", "token": "tk_x", "proof": given}).faulty("token")
	w.ask(front, "POST", "/v1/tokens/"+done.str("token.id")+"/resync", body{"customer": c.ID, "codes": []string{"123456", "654321"}}).refused(403, "authentication-failed")
	w.ask(w.as("helpdesk"), "GET", "/v1/tokens?kind=fido", nil).is(200).has(body{"items.0.id": done.str("token.id")})
	if text := string(w.ask(w.as("auditor"), "GET", "/v1/policy", nil).body); strings.Contains(text, "fido2-key") {
		t.Error("a key is among the one-time passwords")
	}
}

// What a browser gave is opaque but for its form: a member twice is refused, one
// nobody knows yet is not.
func TestAttack09_TheFormOfACredential(t *testing.T) {
	w := keyWorld(t)
	c, k := w.Holder()
	v := w.beginLogin(c.ID)
	at := "/v1/authentications/" + v.str("id") + "/responses"
	text := string(k.Get(optionsOf(t, v)))
	send := func(credential string) *answer {
		return w.ask(w.as("frontend"), "POST", at, []byte(`{"method":"fido","credential":`+credential+`}`))
	}
	twice := strings.Replace(text, `{`, `{"id":"AAAA",`, 1)
	send(twice).faulty("credential.id")
	send(`"` + strings.Repeat("x", 16<<10) + `"`).faulty("credential")
	w.ask(w.as("frontend"), "POST", at, body{"method": "fido", "code": "123456"}).faulty("code")
	w.ask(w.as("frontend"), "POST", at, body{"method": "fido"}).faulty("credential")
	send(`{"id":null}`).refused(403, "authentication-failed")
	send(strings.Replace(text, `{`, `{"news":{"of":[null,1]},`, 1)).is(200).has(body{"state": "granted"})
}

func TestTheDemoIsForDevelopment(t *testing.T) {
	w := keyWorld(t, func(w *world) { w.deps.Development = false })
	w.ask("", "GET", "/demo", nil).refused(404, "not-found")
	w.ask("", "GET", "/.well-known/webauthn", nil).refused(404, "not-found")
	w = keyWorld(t, func(w *world) { w.deps.RelatedOrigins = []byte(`{"origins":["https://shop.example"]}`) })
	page := w.ask("", "GET", "/demo?lang=az", nil)
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(string(page.body), `lang="az"`) {
		t.Errorf("%s", policy)
	}
	w.ask("", "GET", "/demo?lang=de", nil).faulty("lang")
	if got := w.ask("", "GET", "/.well-known/webauthn", nil); string(got.body) != `{"origins":["https://shop.example"]}` {
		t.Errorf("%s", got.body)
	}
}

// Without a name over HTTP: the session and introspection say whose it is; where keys do
// not keep accounts, or for anything but a log-in, a name is needed. No member of staff
// comes in so.
func TestClause5_18_WithoutANameOverHTTP(t *testing.T) {
	w := keyWorld(t)
	front, asked := w.as("frontend"), body{"purpose": "login", "channel": "internet"}
	w.ask(front, "POST", "/v1/authentications", asked).faulty("customer")
	w.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}, Resident: fido.Required})
	c, k := w.Holder()
	w.ask(front, "POST", "/v1/authentications", body{"purpose": "action", "channel": "internet", "action": body{"name": "limits.raise"}}).faulty("customer")
	w.ask(front, "POST", "/v1/authentications", body{"purpose": "login", "channel": "internet", "customer": c.ID, "subject": body{"kind": "customer", "id": c.ID}}).faulty("customer")
	w.ask(front, "POST", "/v1/authentications", body{"purpose": "login", "channel": "internet", "subject": body{"kind": "customer", "id": ""}}).faulty("subject.id")
	enter := func(k *banktest.Key) *answer {
		v := w.ask(front, "POST", "/v1/authentications", asked).is(201)
		return w.ask(front, "POST", "/v1/authentications/"+v.str("id")+"/responses", body{"method": "fido", "credential": json.RawMessage(k.Get(optionsOf(t, v)))})
	}
	granted := enter(k).is(200)
	granted.has(body{"state": "granted", "acr": "strong", "session.customer": c.ID})
	w.ask(front, "POST", "/v1/sessions/introspect", body{"access_token": granted.str("session.access_token")}).is(200).has(body{"active": true, "sub": c.ID})
	w.ask(w.as("helpdesk"), "GET", "/v1/sessions/"+granted.str("session.id"), nil).is(200).has(body{"customer": c.ID})

	id := parties.Subject("ayla")
	_, link, err := w.Enrollment.Invite(t.Context(), parties.StaffCommand{Caller: w.Staff(), ID: "ayla", Profile: parties.Profile{Name: "Ayla", Email: "ayla@bank.test"}, Roles: []parties.Role{parties.Helpdesk}}, false)
	w.must(nil, err)
	staffKey := w.NewKey()
	begun, err := w.Enrollment.BeginKey(t.Context(), enrollment.KeyCommand{Caller: w.Front(), Customer: id, Proof: enrollment.Proof{ActivationSecret: link.Text}})
	w.must(nil, err)
	staffKey.Token, err = w.Enrollment.FinishKey(t.Context(), enrollment.KeyAnswer{Caller: w.Front(), ID: begun.ID, Credential: staffKey.Create(begun.PublicKey)})
	w.must(nil, err)
	enter(staffKey).refused(403, "authentication-failed")
	if n := w.Count("authentication.answered", "refused", "staff-without-name"); n != 1 {
		t.Errorf("%d refusals of staff", n)
	}
}
