package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// keyholder is a member of staff with a FIDO2 key and nothing else.
type keyholder struct {
	w     *world
	id    string
	key   *banktest.Key
	token string // access token of his last log-in
}

// staffKeys is a bank outside development whose staff may have keys.
func staffKeys(t *testing.T) *world {
	w := staffWorld(t, false)
	w.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	return w
}

// joinWithKey is what a new member of staff does with his invitation and a key: his
// own, or a token that was handed to him.
func (w *world) joinWithKey(id, secret, token string, k *banktest.Key) (*keyholder, *answer) {
	w.T.Helper()
	in := body{"staff": id, "kind": "fido", "proof": body{"activation_secret": secret}}
	if token != "" {
		in["token"] = token
	}
	begun := w.ask(w.as("frontend"), "POST", "/v1/enrollments", in).is(201)
	credential := k.Create(optionsOf(w.T.(*testing.T), begun))
	done := w.ask(w.as("frontend"), "POST", "/v1/enrollments/"+begun.str("id")+"/responses", body{"fido": json.RawMessage(credential)})
	return &keyholder{w: w, id: id, key: k}, done
}

// prove answers an authentication with the key.
func (p *keyholder) prove(asked body) *answer {
	p.w.T.Helper()
	in := body{"subject": body{"kind": "staff", "id": p.id}, "channel": "internet"}
	for k, v := range asked {
		in[k] = v
	}
	front := p.w.as("frontend")
	v := p.w.ask(front, "POST", "/v1/authentications", in).is(201)
	return p.w.ask(front, "POST", "/v1/authentications/"+v.str("id")+"/responses", body{"method": "fido", "credential": json.RawMessage(p.key.Get(optionsOf(p.w.T.(*testing.T), v)))})
}

func (p *keyholder) login() {
	p.w.T.Helper()
	o := p.prove(body{"purpose": "login"}).is(200)
	o.has(body{"state": "granted", "acr": "strong"})
	p.token = o.str("session.access_token")
}

// A supervisor with a FIDO2 key and no PIN, from the invitation to an approval that
// he decides with the key over the hash of what he saw.
func TestClause5_3_6_ASupervisorDecidesWithAKey(t *testing.T) {
	w := staffKeys(t)
	admin, front := w.as("admin"), w.as("frontend")
	secret := w.ask(admin, "POST", "/v1/staff", staffBody("ayla", parties.Supervisor)).is(201).str("invitation.secret")
	ayla, done := w.joinWithKey("ayla", secret, "", w.NewKey())
	enrolled := done.is(200)
	enrolled.has(body{"state": "completed", "token.state": "active", "token.profile": tokens.FIDOProfile})
	w.ask(front, "POST", "/v1/enrollments", body{"staff": "ayla", "kind": "fido", "proof": body{"activation_secret": secret}}).refused(403, "authentication-failed")
	ayla.login()
	w.ask(ayla.token, "GET", "/v1/staff", nil).is(200).has(body{"items.0.id": "ayla"})

	waits := w.ask(admin, "POST", "/v1/staff", staffBody("orkhan", parties.Helpdesk)).is(202).str("approval.id")
	seen := w.ask(ayla.token, "GET", "/v1/approvals/"+waits, nil).is(200)
	seen.has(body{"state": "waiting", "request.body.id": "orkhan"})
	approve := func(authentication string) *answer {
		return w.ask(ayla.token, "POST", "/v1/approvals/"+waits+"/approve", body{"authentication": authentication})
	}
	over := func(sha256 string) body {
		return body{"purpose": "action", "action": body{"name": "approval", "data": body{"approval": waits, "sha256": sha256}}}
	}
	approve("").refused(403, "proof-required")
	approve(ayla.prove(body{"purpose": "login"}).is(200).str("id")).refused(403, "proof-required")
	approve(ayla.prove(over(strings.Repeat("A", 43))).is(200).str("id")).refused(403, "proof-required")

	// The key signs the challenge of this approval: what it gave for a log-in does not
	// answer it.
	v := w.ask(front, "POST", "/v1/authentications", body{"subject": body{"kind": "staff", "id": "ayla"}, "purpose": "login", "channel": "internet"}).is(201)
	login := json.RawMessage(ayla.key.Get(optionsOf(t, v)))
	asked := over(seen.str("sha256"))
	asked["subject"], asked["channel"] = body{"kind": "staff", "id": "ayla"}, "internet"
	proof := w.ask(front, "POST", "/v1/authentications", asked).is(201)
	at := "/v1/authentications/" + proof.str("id") + "/responses"
	w.ask(front, "POST", at, body{"method": "fido", "credential": login}).refused(403, "authentication-failed")
	w.ask(front, "POST", at, body{"method": "fido", "credential": json.RawMessage(ayla.key.Get(optionsOf(t, proof)))}).is(200).has(body{"state": "granted"})
	approve(proof.str("id")).is(200).has(body{"state": "executed", "checker": "~ayla", "result.id": "orkhan"})
	approve(proof.str("id")).refused(409, "conflict")
	if n := w.Count("approval.executed", "executed", ""); n != 1 {
		t.Errorf("%d entries", n)
	}

	// A key that is lost decides nothing from then on.
	w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+enrolled.str("token.id")+"/report", body{"kind": "lost"}).is(200)
	w.ask(ayla.token, "GET", "/v1/approvals", nil).refused(401, "unauthorized")
}

// The bank hands its own tokens to its staff: by a colleague, never by himself, and the
// invitation brings one of them to life.
func TestClause5_20_ATokenFromStockForStaff(t *testing.T) {
	w := staffKeys(t)
	admin, front, operator := w.as("admin"), w.as("frontend"), w.as("operator")
	hand := func(token, id string) {
		t.Helper()
		at := "/v1/tokens/" + token
		w.ask(operator, "POST", at+"/assign", body{"staff": id}).is(200).has(body{"state": "assigned", "customer": parties.Subject(id)})
		w.ask(operator, "POST", at+"/deliver", body{"receipt": "R-1"}).is(200).has(body{"state": "delivered"})
	}
	w.Enrollment.Development = true // for seeds in the clear
	d := w.Import(1, pskc.HOTP)[0]
	w.Enrollment.Development = false
	at := "/v1/tokens/" + d.ID
	w.ask(operator, "POST", at+"/assign", body{"staff": "nobody"}).faulty("staff")
	w.ask(operator, "POST", at+"/assign", body{"staff": "~nora"}).faulty("staff")
	w.ask(operator, "POST", at+"/assign", body{"staff": "nora", "customer": "C-1"}).faulty("staff")
	w.ask(operator, "POST", at+"/assign", body{}).faulty("customer")

	// A one-time password: activated with the invitation and a code.
	secret := w.ask(admin, "POST", "/v1/staff", staffBody("nora", parties.Supervisor)).is(201).str("invitation.secret")
	other := w.ask(admin, "POST", "/v1/staff", staffBody("other", parties.Helpdesk)).is(201).str("invitation.secret")
	hand(d.ID, "nora")
	activate := func(secret, code string) *answer {
		return w.ask(front, "POST", at+"/activate", body{"activation_secret": secret, "response": body{"method": "otp", "code": code}})
	}
	activate(other, d.HOTP()).refused(403, "authentication-failed")
	activate(secret, "000000").refused(403, "authentication-failed")
	activate(secret, d.HOTP()).is(200).has(body{"state": "active"})
	w.ask(front, "POST", "/v1/enrollments", body{"staff": "nora", "kind": "totp", "proof": body{"activation_secret": secret}}).refused(403, "authentication-failed")
	w.ask(front, "PUT", "/v1/staff/nora/pin", body{"pin": staffPIN, "proof": body{"activation_secret": secret}}).is(204)
	in := body{"subject": body{"kind": "staff", "id": "nora"}, "purpose": "login", "channel": "internet",
		"responses": []body{{"method": "pin", "pin": staffPIN}, {"method": "otp", "code": d.HOTP()}}}
	w.ask(front, "POST", "/v1/authentications", in).is(201).has(body{"state": "granted", "acr": "strong"})

	// A key: its enrolment names the token.
	file := "serial,manufacturer\nK-1,Acme\nK-2,Acme\n"
	job := w.bring(operator, "format", "serials", "profile", tokens.FIDOProfile, "file", file).is(202)
	w.ended(job.str("id")).has(body{"state": "completed", "imported": 2.0, "rejected": 0.0})
	first, second := "serial:K-1", "serial:K-2"
	hand(first, "other")
	id := w.ask(operator, "GET", "/v1/tokens/"+first, nil).is(200).str("id")
	late, done := w.joinWithKey("other", other, id, w.NewKey())
	done.is(200).has(body{"token.id": id, "token.state": "active", "token.serial": "K-1"})
	late.login()

	// Nobody hands one to himself, says that he has it, or brings it back.
	nora := &person{w: w, id: "nora"}
	nora.token = w.ask(front, "POST", "/v1/authentications", body{"subject": body{"kind": "staff", "id": "nora"}, "purpose": "login", "channel": "internet",
		"responses": []body{{"method": "pin", "pin": staffPIN}, {"method": "otp", "code": d.HOTP()}}}).is(201).str("session.access_token")
	waits := w.ask(admin, "POST", "/v1/staff", staffBody("omar", parties.Operator)).is(202).str("approval.id")
	seen := nora.ask("GET", "/v1/approvals/"+waits, nil).is(200)
	proof := w.ask(front, "POST", "/v1/authentications", body{"subject": body{"kind": "staff", "id": "nora"}, "channel": "internet", "purpose": "action",
		"action":    body{"name": "approval", "data": body{"approval": waits, "sha256": seen.str("sha256")}},
		"responses": []body{{"method": "pin", "pin": staffPIN}, {"method": "otp", "code": d.HOTP()}}}).is(201)
	nora.ask("POST", "/v1/approvals/"+waits+"/approve", body{"authentication": proof.str("id")}).is(200)
	omar, done := w.joinWithKey("omar", w.mailed("omar"), "", w.NewKey())
	done.is(200)
	omar.login()
	w.ask(omar.token, "POST", "/v1/tokens/"+second+"/assign", body{"staff": "omar"}).refused(403, "forbidden")
	w.ask(operator, "POST", "/v1/tokens/"+second+"/assign", body{"staff": "omar"}).is(200)
	w.ask(omar.token, "POST", "/v1/tokens/"+second+"/deliver", body{"receipt": "R"}).refused(403, "forbidden")
	w.ask(omar.token, "POST", "/v1/tokens/"+id+"/ship", body{"to": "x"}).refused(409, "conflict")

	w.ask(w.as("helpdesk"), "POST", at+"/report", body{"kind": "lost"}).is(200)
	resume := w.ask(w.as("supervisor"), "POST", at+"/resume", body{"reason": "found"}).is(202).str("approval.id")
	if a, err := w.Approvals.Get(t.Context(), resume); err != nil || a.About != "~nora" {
		t.Errorf("nora could decide about her own token: %+v, %v", a, err)
	}
}

// The same in a browser: an invitation, a key, a log-in, and an approval that the key
// signs.
func TestClause5_3_6_ASupervisorInABrowser(t *testing.T) {
	s := newSurfer(t)
	admin := s.as("admin")
	secret := s.ask(admin, "POST", "/v1/staff", staffBody("ayla", parties.Supervisor)).is(201).str("invitation.secret")
	script := `(async () => {
		const begun = await ask("POST", "/v1/enrollments", {staff: "ayla", kind: "fido", proof: {activation_secret: "` + secret + `"}});
		const made = await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.fido.publicKey)});
		const {token} = await ask("POST", "/v1/enrollments/" + begun.id + "/responses", {fido: made.toJSON()});
		const given = await prove(await ask("POST", "/v1/authentications", {subject: {kind: "staff", id: "ayla"}, purpose: "login", channel: "internet"}));
		return {token: token.state, acr: given.acr, access: given.session.access_token};
	})()`
	var in shown
	s.Eval(script, &in)
	if in["token"] != "active" || in["acr"] != "strong" {
		t.Fatalf("%v", in)
	}
	waits := s.ask(admin, "POST", "/v1/staff", staffBody("orkhan", parties.Helpdesk)).is(202).str("approval.id")
	script = `(async () => {
		const front = at("key").value, path = "/v1/approvals/` + waits + `";
		const seen = await (await fetch(path, {headers: {"Authorization": "Bearer ` + in["access"].(string) + `"}})).json();
		const given = await prove(await ask("POST", "/v1/authentications", {subject: {kind: "staff", id: "ayla"}, channel: "internet", purpose: "action",
			action: {name: "approval", data: {approval: seen.id, sha256: seen.sha256}}}));
		at("key").value = "` + in["access"].(string) + `";
		const out = await ask("POST", path + "/approve", {authentication: given.id});
		at("key").value = front;
		return out;
	})()`
	var out shown
	s.Eval(script, &out)
	if out["state"] != "executed" || out["checker"] != "~ayla" {
		t.Errorf("%v", out)
	}
}
