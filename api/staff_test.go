package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/api"
	"mohur/audit"
	"mohur/authn"
	"mohur/parties"
	"mohur/settle"
	"mohur/tokens/pskc"
)

// person is a member of staff with an authenticator app and a PIN.
type person struct {
	w     *world
	id    string
	app   *phone
	token string // access token of his last log-in
}

const staffPIN = "604913"

// staffWorld is a bank that lets its staff have app tokens; outside development
// unless it says so.
func staffWorld(t *testing.T, development bool) *world {
	w := newWorld(t, func(w *world) { w.deps.Development, w.Enrollment.Development = development, development })
	w.Enrollment.Apps, w.Enrollment.BankName = true, "A Bank"
	return w
}

func staffBody(id string, roles ...parties.Role) body {
	return body{"id": id, "name": "N " + id, "roles": roles, "contacts": body{"phone": "", "email": id + "@bank.test"}}
}

// hire makes a member of staff whom nobody has to decide about yet.
func (w *world) hire(id string, roles ...parties.Role) *person {
	w.T.Helper()
	o := w.ask(w.as("admin"), "POST", "/v1/staff", staffBody(id, roles...)).is(201)
	return w.join(id, o.str("invitation.secret"))
}

// hired makes one with the consent of boss.
func (w *world) hired(boss *person, id string, roles ...parties.Role) *person {
	w.T.Helper()
	waits := w.ask(w.as("admin"), "POST", "/v1/staff", staffBody(id, roles...)).is(202).str("approval.id")
	boss.approve(waits).is(200)
	return w.join(id, w.mailed(id))
}

// mailed is the invitation in the outbox.
func (w *world) mailed(id string) string {
	w.T.Helper()
	for kind, text := range w.notices(parties.Subject(id)) {
		if kind == "staff-link email" {
			return text
		}
	}
	w.T.Fatal("no invitation was sent to " + id)
	return ""
}

// join is what a new member of staff does with his invitation.
func (w *world) join(id, secret string) *person {
	w.T.Helper()
	front := w.as("frontend")
	proof := body{"activation_secret": secret}
	w.ask(front, "PUT", "/v1/staff/"+id+"/pin", body{"pin": staffPIN, "proof": proof}).is(204)
	o := w.ask(front, "POST", "/v1/enrollments", body{"staff": id, "kind": "totp", "proof": proof}).is(201)
	p := &person{w: w, id: id, app: scan(w.T.(*testing.T), w, o.str("otp.uri"))}
	w.firstCode(o.str("id"), p.app.code()).is(200)
	p.login()
	return p
}

// prove answers an authentication with PIN and code; extra are its other members.
func (p *person) prove(extra body) *answer {
	p.w.T.Helper()
	p.w.Clock.Forward(31 * time.Second)
	in := body{"subject": body{"kind": "staff", "id": p.id}, "channel": "internet", "responses": []body{{"method": "pin", "pin": staffPIN}, {"method": "otp", "code": p.app.code()}}}
	for k, v := range extra {
		in[k] = v
	}
	return p.w.ask(p.w.as("frontend"), "POST", "/v1/authentications", in)
}

func (p *person) login() *person {
	p.w.T.Helper()
	o := p.prove(body{"purpose": "login"}).is(201)
	o.has(body{"state": "granted", "acr": "strong"})
	p.token = o.str("session.access_token")
	return p
}

func (p *person) ask(method, path string, in any) *answer {
	p.w.T.Helper()
	return p.w.ask(p.token, method, path, in)
}

// proofFor is a granted authentication over an approval as its person sees it.
func (p *person) proofFor(approval string) string {
	p.w.T.Helper()
	p.login()
	seen := p.ask("GET", "/v1/approvals/"+approval, nil).is(200)
	o := p.prove(body{"purpose": "action", "action": body{"name": "approval", "data": body{"approval": approval, "sha256": seen.str("sha256")}}}).is(201)
	o.has(body{"state": "granted"})
	return o.str("id")
}

func (p *person) approve(approval string) *answer {
	p.w.T.Helper()
	return p.ask("POST", "/v1/approvals/"+approval+"/approve", body{"authentication": p.proofFor(approval)})
}

// A member of staff comes in by his invitation, which is good once for each of the
// two things it is for, and calls with the token of his session.
func TestClause5_3_6_StaffLogInAndCall(t *testing.T) {
	w := staffWorld(t, false)
	o := w.ask(w.as("admin"), "POST", "/v1/staff", staffBody("ayla", parties.Supervisor)).is(201)
	o.has(body{"id": "ayla", "state": "active", "name": "N ayla", "roles.0": "supervisor"})
	secret := o.str("invitation.secret")
	if o.str("invitation.link") != w.deps.Issuer+"/console/enroll#ayla."+secret {
		t.Errorf("link %s", o.str("invitation.link"))
	}
	ayla := w.join("ayla", secret)
	front := w.as("frontend")
	w.ask(front, "PUT", "/v1/staff/ayla/pin", body{"pin": "730148", "proof": body{"activation_secret": secret}}).refused(403, "authentication-failed")
	w.ask(front, "POST", "/v1/enrollments", body{"staff": "ayla", "kind": "totp", "proof": body{"activation_secret": secret}}).refused(403, "authentication-failed")

	ayla.ask("GET", "/v1/tokens", nil).is(200)
	ayla.ask("GET", "/v1/staff", nil).is(200).has(body{"items.0.id": "ayla", "items.0.name": "N ayla"})
	ayla.ask("POST", "/v1/clients", body{"name": "x", "roles": []string{"frontend"}}).refused(403, "forbidden")
	w.ask(w.as("auditor"), "GET", "/v1/staff", nil).is(200).has(body{"items.0.name": nil, "items.0.contacts": nil})

	// Idle: nothing but the person's own activity keeps the session.
	w.Clock.Forward(5*time.Minute + time.Second)
	ayla.ask("GET", "/v1/tokens", nil).refused(401, "unauthorized")
}

func TestClause5_3_6_AnInvitationEnds(t *testing.T) {
	w := staffWorld(t, false)
	front, admin := w.as("frontend"), w.as("admin")
	late := w.ask(admin, "POST", "/v1/staff", staffBody("late", parties.Operator)).is(201).str("invitation.secret")
	enrol := func(id, secret string) *answer {
		return w.ask(front, "POST", "/v1/enrollments", body{"staff": id, "kind": "totp", "proof": body{"activation_secret": secret}})
	}
	w.ask(admin, "POST", "/v1/staff", staffBody("late", parties.Operator)).refused(409, "conflict")
	second := w.ask(admin, "POST", "/v1/staff/late/invitations", nil).is(201).str("invitation.secret")
	enrol("late", late).refused(403, "authentication-failed") // the newer one took its place
	w.Clock.Forward(24*time.Hour + time.Second)
	enrol("late", second).refused(403, "authentication-failed")

	guessed := w.ask(admin, "POST", "/v1/staff/late/invitations", nil).is(201).str("invitation.secret")
	for range 5 {
		enrol("late", "00000000000000000000000000").refused(403, "authentication-failed")
	}
	enrol("late", guessed).refused(403, "authentication-failed")

	other := w.ask(admin, "POST", "/v1/staff", staffBody("other", parties.Operator)).is(201).str("invitation.secret")
	again := w.ask(admin, "POST", "/v1/staff/late/invitations", nil).is(201).str("invitation.secret")
	enrol("late", other).refused(403, "authentication-failed")
	w.ask(admin, "POST", "/v1/staff/late/suspend", body{"reason": "left"}).is(200)
	enrol("late", again).refused(403, "authentication-failed")
	w.ask(admin, "POST", "/v1/staff/late/invitations", nil).refused(409, "conflict")
	w.ask(admin, "POST", "/v1/staff/late/resume", body{"reason": "back"}).is(200)
	enrol("late", again).refused(403, "authentication-failed") // it was made before the suspension
	w.ask(admin, "POST", "/v1/staff/nobody/invitations", nil).refused(404, "not-found")
	enrol("nobody", other).refused(403, "authentication-failed")
}

// Every pair of roles: those that exclude each other are refused together, all
// others are taken, and no person has a role of a system.
func TestClause5_3_6_RolesExcludeEachOther(t *testing.T) {
	w := staffWorld(t, true)
	admin := w.as("admin")
	excluded := func(a, b parties.Role) bool {
		for _, pair := range [][2]parties.Role{{"operator", "supervisor"}, {"custodian", "security"}} {
			if pair == [2]parties.Role{a, b} || pair == [2]parties.Role{b, a} {
				return true
			}
		}
		return a == "auditor" || b == "auditor"
	}
	w.ask(admin, "POST", "/v1/staff", staffBody("one", parties.Helpdesk)).is(201)
	n := 0
	for i, a := range parties.Roles() {
		for _, b := range parties.Roles()[i+1:] {
			n++
			bad := excluded(a, b) || slices.Contains([]parties.Role{a, b}, parties.Frontend) || slices.Contains([]parties.Role{a, b}, parties.Core)
			put := w.ask(admin, "PUT", "/v1/staff/one/roles", body{"roles": []parties.Role{a, b}})
			if bad {
				put.faulty("roles")
				w.ask(admin, "POST", "/v1/staff", staffBody("two", a, b)).faulty("roles")
				continue
			}
			put.is(200)
		}
	}
	if n != 36 {
		t.Errorf("%d pairs", n)
	}
	w.ask(admin, "PUT", "/v1/staff/one/roles", body{"roles": []string{}}).faulty("roles")
	w.ask(admin, "PUT", "/v1/staff/one/roles", body{"roles": []string{"admin", "admin"}}).faulty("roles")
	w.ask(admin, "POST", "/v1/staff", staffBody("~one", parties.Helpdesk)).faulty("id")
}

// The person's state and roles are looked at in every request, not in the token.
func TestClause5_3_4_StaffAreWhoTheyAreNow(t *testing.T) {
	w := staffWorld(t, false)
	boss := w.hire("boss", parties.Supervisor)
	anna := w.hired(boss, "anna", parties.Security)
	anna.ask("GET", "/v1/incidents", nil).is(200)
	waits := w.ask(w.as("admin"), "PUT", "/v1/staff/anna/roles", body{"roles": []string{"helpdesk"}}).is(202).str("approval.id")
	anna.login()
	boss.approve(waits).is(200).has(body{"state": "executed", "result.roles.0": "helpdesk"})
	anna.ask("GET", "/v1/incidents", nil).refused(403, "forbidden")
	anna.ask("GET", "/v1/tokens", nil).is(200)
	w.ask(w.as("security"), "POST", "/v1/staff/anna/suspend", body{"reason": "left"}).is(200)
	anna.ask("GET", "/v1/tokens", nil).refused(401, "unauthorized")
	anna.prove(body{"purpose": "login"}).refused(403, "authentication-failed")
	w.ask(w.as("admin"), "POST", "/v1/staff/anna/resume", body{"reason": "back"}).is(202)

	// A lost token ends the session like a customer's.
	boss.login()
	list := boss.ask("GET", "/v1/tokens?customer="+"~boss", nil).is(200)
	w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+list.str("items.0.id")+"/report", body{"kind": "lost"}).is(200)
	boss.ask("GET", "/v1/tokens", nil).refused(401, "unauthorized")
}

// No route of customers sees or changes a member of staff, no route of staff a
// customer, and neither's token is the other's.
func TestClause5_3_4_StaffAndCustomersAreApart(t *testing.T) {
	w := staffWorld(t, true)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	ayla := w.hire("ayla", parties.Supervisor)
	w.Clock.Forward(31 * time.Second)
	customer := w.login(front, c.ID, d).str("access_token")
	ayla.login()
	everybody := w.as("everybody", parties.Roles()...)
	before := get(t, w, parties.Subject("ayla"))
	for _, r := range api.Routes() {
		switch {
		case strings.HasPrefix(r.Path, "/v1/customers/:id"):
			for _, id := range []string{"~ayla", "%7Eayla"} {
				w.ask(everybody, r.Method, strings.Replace(r.Path, ":id", id, 1), customerBodies[r.Method+" "+r.Path]).refused(404, "not-found")
			}
		case strings.HasPrefix(r.Path, "/v1/staff/:id"):
			in := body{"reason": "r"}
			switch {
			case strings.HasSuffix(r.Path, "/roles"):
				in = body{"roles": []string{"operator"}}
			case strings.HasSuffix(r.Path, "/pin"):
				in = body{"pin": "730148", "proof": body{"activation_secret": "AAAAAAAAAAAA"}}
			case strings.HasSuffix(r.Path, "/invitations"):
				in = body{}
			}
			a := w.ask(everybody, r.Method, strings.Replace(r.Path, ":id", c.ID, 1), in)
			if a.status == 202 { // it waits, and fails
				a = w.ask(everybody, "POST", "/v1/approvals/"+a.is(202).str("approval.id")+"/approve", body{})
				a.refused(409, "conflict")
				continue
			}
			if a.status != 404 && a.status != 403 {
				t.Errorf("%s %s of a customer: %d %s", r.Method, r.Path, a.status, a.body)
			}
		}
	}
	w.ask(everybody, "POST", "/v1/tokens/"+w.Import(1, pskc.HOTP)[0].ID+"/assign", body{"customer": "~ayla"}).faulty("customer")
	w.ask(everybody, "POST", "/v1/tokens/"+w.Import(1, pskc.HOTP)[0].ID+"/reserve", body{"customer": "~ayla"}).faulty("customer")
	w.ask(everybody, "POST", "/v1/customer-reports", body{"kind": "lost", "channel": "phone", "details": "d", "customer": "~ayla"}).faulty("customer")
	w.ask(front, "POST", "/v1/enrollments", body{"customer": "~ayla", "kind": "totp", "proof": body{"activation_secret": "AAAAAAAAAAAA"}}).faulty("customer")
	w.ask(front, "POST", "/v1/authentications", body{"customer": "~ayla", "purpose": "login", "channel": "internet"}).faulty("customer")
	w.ask(front, "POST", "/v1/authentications", body{"subject": body{"kind": "customer", "id": "~ayla"}, "purpose": "login", "channel": "internet"}).faulty("subject.id")
	if after := get(t, w, parties.Subject("ayla")); after.Version != before.Version {
		t.Errorf("the record was changed: %+v", after)
	}

	// The tokens.
	w.ask(customer, "GET", "/v1/tokens", nil).refused(401, "unauthorized")
	w.ask(front, "POST", "/v1/sessions/introspect", body{"access_token": ayla.token}).is(200).has(body{"active": false})
	w.ask(front, "POST", "/v1/sessions/introspect", body{"access_token": customer}).is(200).has(body{"active": true})
	var claims authn.AccessClaims
	claimsOf(t, ayla.token, &claims)
	if claims.Audience != w.deps.Issuer+"/staff" || claims.Subject != "~ayla" {
		t.Errorf("claims %+v", claims)
	}
	for _, name := range []string{"access_token", "session"} {
		value := ayla.token
		if name == "session" {
			value = claims.Session
		}
		in := payment("P-staff", "10.00", "")
		delete(in, "access_token")
		in[name] = value
		w.ask(front, "POST", "/v1/transactions", in).refused(403, "session-ended")
	}
	for _, token := range []string{ayla.token + "A", ayla.token[:len(ayla.token)-2], strings.Replace(ayla.token, ".", "..", 1), "a.b.c"} {
		w.ask(token, "GET", "/v1/tokens", nil).refused(401, "unauthorized")
	}
	w.send(http.Header{"Authorization": {"Bearer " + ayla.token, "Bearer " + ayla.token}}, "GET", "/v1/tokens", nil).refused(401, "unauthorized")
}

var customerBodies = map[string]any{
	"PUT /v1/customers/:id":                     body{"name": "N", "locale": "az", "segment": "retail", "contract_ref": "1", "contract_version": "1", "kyc_ref": "1"},
	"POST /v1/customers/:id/suspend":            body{"reason": "r"},
	"POST /v1/customers/:id/resume":             body{"reason": "r"},
	"PUT /v1/customers/:id/pin":                 body{"pin": "730148", "proof": body{"activation_secret": "AAAAAAAAAAAA"}},
	"POST /v1/customers/:id/activation-secrets": body{"purpose": "pin", "channel": "email"},
}

func get(t *testing.T, w *world, subject string) parties.Customer {
	t.Helper()
	c, err := w.Store.Customer(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func claimsOf(t *testing.T, token string, to any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// An edited person is not read any more: he is nobody, and who is staff is not
// told from what is left.
func TestClause5_27_AnEditedMemberOfStaffIsNobody(t *testing.T) {
	w := staffWorld(t, false)
	boss := w.hire("boss", parties.Supervisor)
	thief := w.hired(boss, "thief", parties.Helpdesk)
	c, err := w.Engine.Customer(t.Context(), parties.Subject("thief"))
	w.must(nil, err)
	c.Roles, c.Version = []parties.Role{parties.Supervisor}, c.Version+1
	w.past(parties.SaveCustomer{Customer: c})
	if a := thief.ask("POST", "/v1/approvals/ap_x/approve", body{}); a.status != 503 {
		t.Errorf("an edited person calls: %d %s", a.status, a.body)
	}
	w.ask(w.as("admin"), "POST", "/v1/staff", staffBody("new", parties.Helpdesk)).refused(503, "unavailable")
	if w.Count("incident.opened", "", "record.tampered") == 0 {
		t.Error("no incident")
	}
}

// past writes past the server, as a thief with the engine's tools does.
func (w *world) past(e settle.Effect) {
	w.T.Helper()
	d, err := w.Audit.Draft(w.T.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	w.must(nil, err)
	r, err := w.Engine.Settle(w.T.Context(), settle.Command{Effects: []settle.Effect{e}, Entries: []audit.Draft{d}})
	if err != nil || r.Outcome != settle.Done {
		w.T.Fatalf("%s, %v", r.Outcome, err)
	}
}

// The first admin's key ends with the first log-in of a member of staff, and a
// customer's log-in ends nothing.
func TestClause5_3_4_TheFirstKeyEndsWhenStaffComeIn(t *testing.T) {
	w := staffWorld(t, true)
	first := w.client(parties.CreateClientCommand{Caller: w.Staff(), Name: "first", Roles: []parties.Role{parties.Admin}, First: true})
	o := w.ask(first, "POST", "/v1/staff", staffBody("ayla", parties.Supervisor)).is(201)
	c, d := w.Person(pskc.HOTP)
	w.login(w.as("frontend"), c.ID, d)
	w.ask(first, "GET", "/v1/staff", nil).is(200)
	ayla := w.join("ayla", o.str("invitation.secret"))
	w.ask(first, "GET", "/v1/staff", nil).refused(401, "unauthorized")
	w.ask(w.as("admin"), "GET", "/v1/staff", nil).is(200)
	joined := get(t, w, "~ayla")
	ayla.login()
	if again := get(t, w, "~ayla"); joined.JoinedAt.IsZero() || again.Version != joined.Version || again.JoinedAt != joined.JoinedAt {
		t.Errorf("joined at %s, then %s", joined.JoinedAt, again.JoinedAt)
	}
	if c := get(t, w, c.ID); !c.JoinedAt.IsZero() {
		t.Error("a customer has joined the staff")
	}
}
