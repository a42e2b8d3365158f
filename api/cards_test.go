package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens"
)

// nonceOf is what an answer asks of a card.
func nonceOf(t *testing.T, o object) string {
	t.Helper()
	if methods, is := o.m["methods"].([]any); is {
		for _, m := range methods {
			if m, is := m.(map[string]any); is && m["nonce"] != nil {
				return m["nonce"].(string)
			}
		}
	}
	return o.str("card.nonce")
}

func (w *world) withCard(v object, c *banktest.Card, more body) *answer {
	w.T.Helper()
	sent := body{"method": "card", "token": json.RawMessage(c.Answer(nonceOf(w.T.(*testing.T), v)))}
	for name, value := range more {
		sent[name] = value
	}
	return w.ask(w.as("frontend"), "POST", "/v1/authentications/"+v.str("id")+"/responses", sent)
}

// A card over HTTP: enrolled, asked by nonce and origin, its nonce spent by every
// answer; a second one with the proof of the first.
func TestClause4_3_2_CardsOverHTTP(t *testing.T) {
	w := newWorld(t)
	state := w.AllowCards()
	who, c, front := w.Customer(), state.NewCard("AZ100"), w.as("frontend")
	begun := w.enrol(who.ID, "card").is(201)
	begun.has(body{"state": "pending", "card.origin": banktest.Issuer, "card.use": "login"})
	at := "/v1/enrollments/" + begun.str("id")
	w.ask(front, "POST", at+"/responses", body{"otp": body{"code": "123456"}, "card": body{}}).faulty("card")
	w.ask(front, "POST", at+"/responses", body{"card": strings.Repeat("x", enrollment.MaxCardAnswer)}).faulty("card")
	w.ask(front, "POST", at+"/responses", body{"fido": body{}}).refused(404, "not-found")
	w.ask(front, "POST", at+"/responses", body{"card": body{"no": "token"}}).refused(403, "authentication-failed")
	w.ask(w.as("another", parties.Frontend), "GET", at, nil).refused(404, "not-found")
	stands := w.ask(front, "GET", at, nil).is(200)
	if stands.str("card.nonce") == begun.str("card.nonce") {
		t.Error("a refused answer has not spent the nonce")
	}
	done := w.ask(front, "POST", at+"/responses", body{"card": json.RawMessage(c.Answer(nonceOf(t, stands)))}).is(200)
	done.has(body{"state": "completed", "token.state": "active", "token.profile": "card", "token.credentials.0.kind": "card"})
	w.ask(front, "GET", at, nil).is(200).has(body{"state": "completed"})

	v := w.beginLogin(who.ID)
	v.has(body{"methods.0.method": "card", "methods.0.origin": banktest.Issuer, "ways.0.0": "card"})
	text := w.ask("", "GET", "/.well-known/mohur/linked/"+v.str("challenge.sha256"), nil)
	sum := sha256.Sum256(text.body)
	if text.status != 200 || base64.StdEncoding.EncodeToString(sum[:]) != nonceOf(t, v) || !bytes.Equal(text.body, []byte(v.str("challenge.text"))) {
		t.Errorf("an agent finds %d %s", text.status, text.body)
	}
	refusal := w.withCard(v, state.NewCard("AZ100"), nil)
	refusal.refused(403, "authentication-failed")
	w.withCard(v, c, nil).refused(403, "authentication-failed") // spent
	w.withCard(w.beginLogin(who.ID), c, nil).is(200).has(body{"state": "granted", "acr": "strong", "shown": "none", "amr.0": "hwk", "amr.3": "sc"})

	v = w.beginLogin(who.ID)
	answers := "/v1/authentications/" + v.str("id") + "/responses"
	w.ask(front, "POST", answers, body{"method": "card"}).faulty("token")
	w.ask(front, "POST", answers, body{"method": "card", "token": body{}, "tls_code": "x"}).faulty("tls_code")
	w.ask(front, "POST", answers, body{"method": "card-sign", "tls_code": "x"}).faulty("token")
	w.ask(front, "POST", answers, body{"method": "card", "tls_code": strings.Repeat("x", 65)}).faulty("tls_code")
	w.ask(front, "POST", answers, body{"method": "card", "code": "123456"}).faulty("token")
	w.withCard(v, c, nil).is(200).has(body{"state": "granted"}) // nothing of these was an answer

	again := body{"customer": who.ID, "kind": "card", "token": done.str("token.id")}
	proof := w.ask(front, "POST", "/v1/authentications", body{"customer": who.ID, "purpose": "action", "channel": "internet",
		"action": body{"name": "credential.enroll", "data": again}}).is(201)
	w.withCard(proof, c, nil).is(200)
	again["proof"] = body{"authentication": proof.str("id")}
	renewal := w.ask(front, "POST", "/v1/enrollments", again).is(201)
	next := state.NewCard("AZ100")
	w.ask(front, "POST", "/v1/enrollments/"+renewal.str("id")+"/responses", body{"card": json.RawMessage(next.Answer(nonceOf(t, renewal)))}).is(200)
	w.withCard(w.beginLogin(who.ID), c, nil).refused(403, "authentication-failed")
	w.withCard(w.beginLogin(who.ID), next, nil).is(200)

	w.ask(front, "POST", "/v1/enrollments", body{"customer": who.ID, "kind": "totp", "use": "login", "proof": body{}}).faulty("use")
	w.ask(front, "POST", "/v1/enrollments", body{"customer": who.ID, "kind": "card", "use": "pay", "proof": body{"activation_secret": "x"}}).faulty("use")
	w.ask(w.as("helpdesk"), "GET", "/v1/tokens?kind=card", nil).is(200).has(body{"items.0.id": done.str("token.id")})
}

// The refusal is the one, whatever a card was refused for, and says as much as that of
// a wrong code; the log names the cause, and of the certificate what an examiner needs.
func TestAttack08_TheLogSaysWhatACardWasRefusedFor(t *testing.T) {
	w := newWorld(t)
	state := w.AllowCards()
	who, c := state.CardHolder()
	wrong := w.withCard(w.beginLogin(who.ID), state.NewCard("AZ9"), nil)
	code := w.ask(w.as("frontend"), "POST", "/v1/authentications/"+w.beginLogin(who.ID).str("id")+"/responses", body{"method": "otp", "code": "123456"})
	for _, a := range []*answer{wrong, code} {
		p := a.refused(403, "authentication-failed")
		if len(p.Errors) != 0 || p.Detail != "the response was not accepted" {
			t.Errorf("%+v", p)
		}
	}
	w.withCard(w.beginLogin(who.ID), c, nil).is(200)
	state.Responder.Change(func(a *pkitest.Answer) { a.Failure = 3 })
	w.withCard(w.beginLogin(who.ID), c, nil).refused(403, "authentication-failed")

	granted := w.logged("authentication.answered", "granted", "")
	serial := c.SerialNumber.Text(16)
	for _, want := range []string{`"certificate":"` + serial, `"issuer":"` + banktest.CardProfile, `"status":"good"`, `"status_source":"ocsp"`, `"status_at":"`, `"algorithm":"ES256"`} {
		if !strings.Contains(granted, want) {
			t.Errorf("no %s in %s", want, granted)
		}
	}
	if strings.Contains(granted, c.Subject.SerialNumber) {
		t.Errorf("the person's number is in the log: %s", granted)
	}
	if away := w.logged("authentication.answered", "refused", string(card.StatusUnavailable)); !strings.Contains(away, `"status":"unavailable"`) || !strings.Contains(away, `"status_reason":"responder-error"`) {
		t.Error(away)
	}
}

// told returns the body of the last entry of the log that fits.
func (w *world) logged(event, outcome, reason string) string {
	w.T.Helper()
	batch, err := w.Engine.Entries(w.T.Context(), 0, 1000)
	w.must(nil, err)
	found := ""
	for _, e := range batch {
		h, err := audit.ParseHeader(e.Header)
		w.must(nil, err)
		if h.Event != event || h.Outcome != outcome || h.Reason != reason {
			continue
		}
		people, _, err := w.Store.Tokens(w.T.Context(), tokens.Filter{Kind: tokens.Card}, "", 100)
		w.must(nil, err)
		for _, t := range people {
			c, err := w.Store.Customer(w.T.Context(), t.Customer)
			w.must(nil, err)
			if text, err := w.Audit.Open(w.T.Context(), audit.Person{Pseudonym: c.Pseudonym, Key: c.Key}, e); err == nil {
				found = string(text)
			}
		}
	}
	if found == "" {
		w.T.Fatalf("the log does not tell of %s %s %s", event, outcome, reason)
	}
	return found
}

// A payment that is signed: the signature is for those who may see the payment, as CMS.
func TestClause4_3_2_ASignatureOverHTTP(t *testing.T) {
	w := newWorld(t)
	state := w.AllowCards()
	who, c := state.CardHolder()
	signer := state.NewSigner(c.Subject.SerialNumber)
	w.EnrolCard(signer, who.ID, tokens.UseSign)
	session := w.withCard(w.beginLogin(who.ID), c, nil).is(200)
	party := body{"name": "Rəşad Əliyev", "account": "AZ77VTBA00000000001234567890", "bank": "Bank B", "country": "AZ"}
	pay := w.ask(w.as("frontend"), "POST", "/v1/transactions", body{
		"access_token": session.str("session.access_token"), "reference": "r-1", "channel": "internet", "service": "transactional",
		"amount": body{"value": "1500.00", "currency": "AZN"}, "purpose": "invoice 7", "payer": party, "payee": party,
	}).is(201)
	pay.has(body{"decision": "step_up", "authentications.0.methods.0.method": "card", "authentications.0.methods.1.method": "card-sign"})
	at := "/v1/transactions/" + pay.str("id") + "/signature"
	w.ask(w.as("frontend"), "GET", at, nil).refused(404, "not-found")
	w.ask(w.as("frontend"), "POST", "/v1/authentications/"+pay.str("authentications.0.id")+"/responses", body{
		"method": "card-sign", "token": json.RawMessage(signer.Confirm([]byte(pay.str("linked.text")))),
	}).is(200).has(body{"state": "granted", "acr": "linked", "transaction.state": "approved"})
	cms := w.ask(w.as("auditor"), "GET", at, nil)
	if cms.status != 200 || cms.header.Get("Content-Type") != "application/cms" || !bytes.Contains(cms.body, signer.Raw) {
		t.Errorf("%d %s", cms.status, cms.header.Get("Content-Type"))
	}
	w.ask(w.as("another", parties.Frontend), "GET", at, nil).refused(404, "not-found")
	w.ask(w.as("operator"), "GET", at, nil).refused(403, "forbidden")
}

// Staff log in with a card like customers, and decide with it what takes two people.
func TestClause5_3_6_StaffWithACard(t *testing.T) {
	w := staffWorld(t, false)
	state := w.AllowCards()
	front, c := w.as("frontend"), state.NewCard("AZ500")
	secret := w.ask(w.as("admin"), "POST", "/v1/staff", staffBody("ayla", parties.Supervisor)).is(201).str("invitation.secret")
	begun := w.ask(front, "POST", "/v1/enrollments", body{"staff": "ayla", "kind": "card", "proof": body{"activation_secret": secret}}).is(201)
	w.ask(front, "POST", "/v1/enrollments/"+begun.str("id")+"/responses", body{"card": json.RawMessage(c.Answer(nonceOf(t, begun)))}).is(200)
	asked := func(more body) object {
		in := body{"subject": body{"kind": "staff", "id": "ayla"}, "channel": "internet"}
		for name, v := range more {
			in[name] = v
		}
		return w.ask(front, "POST", "/v1/authentications", in).is(201)
	}
	ayla := w.withCard(asked(body{"purpose": "login"}), c, nil).is(200).str("session.access_token")
	waits := w.ask(w.as("admin"), "POST", "/v1/staff", staffBody("orkhan", parties.Helpdesk)).is(202).str("approval.id")
	seen := w.ask(ayla, "GET", "/v1/approvals/"+waits, nil).is(200)
	proof := asked(body{"purpose": "action", "action": body{"name": "approval", "data": body{"approval": waits, "sha256": seen.str("sha256")}}})
	w.withCard(proof, c, nil).is(200)
	w.ask(ayla, "POST", "/v1/approvals/"+waits+"/approve", body{"authentication": proof.str("id")}).is(200).has(body{"state": "executed"})
	state.Responder.Revoke(c.Pair)
	w.withCard(asked(body{"purpose": "login"}), c, nil).refused(403, "authentication-failed")
	w.ask(ayla, "GET", "/v1/approvals", nil).refused(401, "unauthorized")
}
