package api_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/api"
	"mohur/approval"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// chamber is a bank outside development with two supervisors.
type chamber struct {
	*world
	anna, boris *person
}

func newChamber(t *testing.T) *chamber {
	w := staffWorld(t, false)
	c := &chamber{world: w}
	c.anna = w.hire("anna", parties.Supervisor)
	c.boris = w.hired(c.anna, "boris", parties.Supervisor)
	return c
}

// token returns a token in a state in which the act is possible.
func (c *chamber) token(moves ...tokens.Move) string {
	c.T.Helper()
	was := c.Enrollment.Development
	c.Enrollment.Development = true // its seed comes in the clear
	customer := c.Customer()
	d := c.Import(1, pskc.HOTP)[0]
	c.Hand(d, customer.ID)
	c.Enrollment.Development = was
	for _, m := range moves {
		_, err := c.Enrollment.Move(c.T.Context(), enrollment.MoveCommand{Caller: c.Staff(), Token: d.ID, Move: m, Reason: "r"})
		c.must(nil, err)
	}
	return d.ID
}

func (c *chamber) state(token string) tokens.State {
	c.T.Helper()
	t, err := c.Store.Token(c.T.Context(), token)
	c.must(nil, err)
	return t.State
}

// revocation asks for a token's end and returns the token and the approval.
func (c *chamber) revocation() (token, approval string) {
	c.T.Helper()
	token = c.token()
	c.anna.login()
	return token, c.anna.ask("POST", "/v1/tokens/"+token+"/revoke", body{"reason": "damaged"}).is(202).str("approval.id")
}

func (c *chamber) still(token, approval, state string) {
	c.T.Helper()
	if got := c.state(token); got != tokens.Active {
		c.T.Errorf("the token is %s", got)
	}
	c.boris.login()
	c.boris.ask("GET", "/v1/approvals/"+approval, nil).is(200).has(body{"state": state})
}

// Each of the acts waits outside development, also while there are no staff, and
// is done when a second person says so: in one write, with both in the evidence.
func TestClause5_3_6_AnActOfTwoPeopleWaits(t *testing.T) {
	c := newChamber(t)
	suspended := c.Customer()
	_, err := c.Parties.SetState(t.Context(), c.Staff(), suspended.ID, parties.CustomerSuspended, "r", true)
	c.must(nil, err)
	for path, event := range map[string]string{
		"/v1/customers/" + suspended.ID + "/resume":                        "customer.resumed",
		"/v1/tokens/" + c.token(tokens.Suspend) + "/resume":                "token.resume",
		"/v1/tokens/" + c.token() + "/unlock":                              "token.unlock",
		"/v1/tokens/" + c.token() + "/revoke":                              "token.revoke",
		"/v1/tokens/" + c.token(tokens.Revoke, tokens.Return) + "/destroy": "token.destroy",
	} {
		t.Run(event, func(t *testing.T) {
			c.T = t
			c.anna.login()
			before := c.Count(event, "", "")
			id := c.anna.ask("POST", path, body{"reason": "r"}).is(202).str("approval.id")
			if c.Count(event, "", "") != before {
				t.Fatal("it did not wait")
			}
			c.boris.login()
			c.boris.ask("GET", "/v1/approvals/"+id, nil).is(200).has(body{"state": "waiting", "maker": "~anna", "request.body.reason": "r", "checker": nil})
			c.ask(c.as("auditor"), "GET", "/v1/approvals/"+id, nil).is(200).has(body{"state": "waiting", "request": nil})
			c.ask(c.as("admin"), "GET", "/v1/approvals/"+id, nil).refused(404, "not-found")
			c.boris.approve(id).is(200).has(body{"state": "executed", "maker": "~anna", "checker": "~boris"})
			if n := c.Count(event, "", ""); n != before+1 {
				t.Errorf("done %d times", n-before)
			}
			var done []string
			for _, h := range c.Entries() {
				if h.Event == event || h.Event == "approval.executed" {
					done = append(done, h.Event+" by "+h.Caller)
				}
			}
			if want := []string{event + " by ~anna", "approval.executed by ~boris"}; !slices.Equal(done[len(done)-2:], want) {
				t.Errorf("evidence: %v", done)
			}
			c.boris.approve(id).refused(409, "conflict")
			if c.Count("approval.asked", "waiting", "") == 0 {
				t.Error("the request is not in the log")
			}
		})
	}
}

// Until there are staff everything that takes two people waits, and no system
// decides, whatever its roles.
func TestClause5_3_6_NoSystemDecidesOutsideDevelopment(t *testing.T) {
	w := staffWorld(t, false)
	c := &chamber{world: w}
	token := c.token()
	everybody := w.as("everybody", parties.Roles()...)
	id := w.ask(w.as("supervisor"), "POST", "/v1/tokens/"+token+"/revoke", body{"reason": "r"}).is(202).str("approval.id")
	for _, key := range []string{everybody, w.as("supervisor"), w.as("second", parties.Supervisor)} {
		for _, act := range []string{"approve", "reject"} {
			w.ask(key, "POST", "/v1/approvals/"+id+"/"+act, decision(act, "")).refused(403, "forbidden")
			w.ask(key, "POST", "/v1/approvals/"+id+"/"+act, decision(act, "at_x")).refused(403, "forbidden")
		}
	}
	if c.state(token) != tokens.Active {
		t.Error("it was done")
	}
}

func decision(act, authentication string) body {
	in := body{}
	if authentication != "" {
		in["authentication"] = authentication
	}
	if act == "reject" {
		in["reason"] = "r"
	}
	return in
}

func TestInDevelopmentAClientWithEveryRoleDecides(t *testing.T) {
	w := staffWorld(t, true)
	admin := w.as("admin")
	w.ask(admin, "POST", "/v1/staff", staffBody("a", parties.Supervisor)).is(201)
	w.ask(admin, "POST", "/v1/staff", staffBody("b", parties.Supervisor)).is(201)
	everybody := w.as("everybody", parties.Roles()...)
	id := w.ask(everybody, "POST", "/v1/staff", staffBody("c", parties.Security)).is(202).str("approval.id")
	w.ask(w.as("supervisor"), "POST", "/v1/approvals/"+id+"/approve", body{}).refused(403, "forbidden")
	o := w.ask(everybody, "POST", "/v1/approvals/"+id+"/approve", body{}).is(200)
	o.has(body{"state": "executed", "result.id": "c", "result.invitation.sent_to": "c•••@bank.test"})
	w.join("c", o.str("result.invitation.secret")) // told in development only
	c := &chamber{world: w}
	w.ask(w.as("supervisor"), "POST", "/v1/tokens/"+c.token()+"/revoke", body{"reason": "r"}).is(200) // waits for nobody
}

// From the second supervisor on, and from the first who can decide, staff are made
// by two.
func TestClause5_3_6_StaffAreMadeByTwo(t *testing.T) {
	w := staffWorld(t, false)
	admin := w.as("admin")
	one := w.ask(admin, "POST", "/v1/staff", staffBody("one", parties.Supervisor)).is(201).str("invitation.secret")
	w.ask(admin, "POST", "/v1/staff", staffBody("desk", parties.Helpdesk)).is(201)
	w.ask(admin, "PUT", "/v1/staff/desk/roles", body{"roles": []string{"supervisor"}}).is(200)
	// There are two; nobody can decide yet, so they can be invited again, and no more.
	for method, path := range map[string]string{"POST": "/v1/staff", "PUT": "/v1/staff/desk/roles"} {
		in := staffBody("more", parties.Helpdesk)
		if method == "PUT" {
			in = body{"roles": []string{"helpdesk"}}
		}
		w.ask(admin, method, path, in).is(202)
	}
	nowhere := staffBody("more", parties.Helpdesk)
	nowhere["contacts"] = body{"phone": "+994501234567", "email": ""}
	w.ask(admin, "POST", "/v1/staff", nowhere).faulty("contacts.email")
	w.ask(admin, "POST", "/v1/staff/desk/invitations", nil).is(201)
	boss := w.join("one", one)
	// One can decide: now a new invitation, which would be another's account, waits too.
	waits := w.ask(admin, "POST", "/v1/staff/desk/invitations", nil).is(202).str("approval.id")
	boss.approve(waits).is(200).has(body{"result.invitation.secret": nil, "result.invitation.link": nil, "result.invitation.sent_to": "d•••@bank.test"})
	w.join("desk", w.mailed("desk"))
	// Suspending takes one person; it opens no way around the others.
	for _, id := range []string{"one", "desk"} {
		w.ask(admin, "POST", "/v1/staff/"+id+"/suspend", body{"reason": "r"}).is(200)
	}
	w.ask(admin, "POST", "/v1/staff", staffBody("mine", parties.Supervisor)).is(202)
	w.ask(admin, "POST", "/v1/staff/one/resume", body{"reason": "r"}).is(202)
}

// Nobody decides what he asked for, nor what is about himself: not in another
// session, not through another client.
func TestClause5_3_6_TheMakerIsNotTheChecker(t *testing.T) {
	c := newChamber(t)
	token, id := c.revocation()
	c.anna.approve(id).refused(403, "forbidden")
	c.anna.login()
	proof := c.anna.proofFor(id)
	c.anna.login()
	c.anna.ask("POST", "/v1/approvals/"+id+"/approve", body{"authentication": proof}).refused(403, "forbidden")
	c.anna.ask("POST", "/v1/approvals/"+id+"/reject", body{"authentication": proof, "reason": "r"}).refused(403, "forbidden")
	was := c.callers["frontend"]
	c.callers["frontend"] = c.as("another-console", parties.Frontend)
	c.anna.approve(id).refused(403, "forbidden")
	c.callers["frontend"] = was
	c.still(token, id, "waiting")
	// Her proof is not his.
	c.boris.login()
	c.boris.ask("POST", "/v1/approvals/"+id+"/approve", body{"authentication": proof}).refused(403, "proof-required")
	c.still(token, id, "waiting")

	about := c.ask(c.as("admin"), "POST", "/v1/staff/boris/invitations", nil).is(202).str("approval.id")
	c.boris.approve(about).refused(403, "forbidden")
	c.anna.approve(about).is(200)
	roles := c.ask(c.as("admin"), "PUT", "/v1/staff/boris/roles", body{"roles": []string{"supervisor", "admin"}}).is(202).str("approval.id")
	c.boris.approve(roles).refused(403, "forbidden")
	c.anna.approve(roles).is(200)
	// A person who is admin and supervisor asks for it himself, and his own roles.
	c.boris.login()
	own := c.boris.ask("PUT", "/v1/staff/boris/roles", body{"roles": []string{"admin"}}).is(202).str("approval.id")
	c.anna.approve(own).refused(409, "conflict")
	if !slices.Contains(get(t, c.world, "~boris").Roles, parties.Supervisor) {
		t.Error("he changed his own roles")
	}
}

// The checker's proof is for this request of this approval, by him, and once.
func TestClause5_3_6_TheProofIsForTheRequest(t *testing.T) {
	c := newChamber(t)
	token, id := c.revocation()
	_, other := c.revocation()
	path := "/v1/approvals/" + id + "/approve"
	login := c.boris.login().prove(body{"purpose": "login"}).is(201).str("id")
	hash := c.boris.ask("GET", "/v1/approvals/"+id, nil).is(200).str("sha256")
	for name, action := range map[string]body{
		"another approval":    {"name": "approval", "data": body{"approval": other, "sha256": hash}},
		"another hash":        {"name": "approval", "data": body{"approval": id, "sha256": changed(hash)}},
		"no hash":             {"name": "approval", "data": body{"approval": id}},
		"a member more":       {"name": "approval", "data": body{"approval": id, "sha256": hash, "x": "y"}},
		"another act of his":  {"name": "customer.pin", "data": body{}},
		"the act by its name": {"name": "credential.enroll", "data": body{"approval": id, "sha256": hash}},
	} {
		proof := c.boris.login().prove(body{"purpose": "action", "action": action}).is(201).str("id")
		if a := c.boris.ask("POST", path, body{"authentication": proof}); a.status != 403 || !strings.Contains(string(a.body), "proof-required") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, proof := range []string{"", "at_x", login} {
		c.boris.ask("POST", path, body{"authentication": proof}).refused(403, "proof-required")
	}
	late := c.boris.proofFor(id)
	c.Clock.Forward(5*time.Minute + time.Second)
	c.boris.login().ask("POST", path, body{"authentication": late}).refused(403, "proof-required")
	c.still(token, id, "waiting")
	proof := c.boris.proofFor(other)
	c.boris.ask("POST", "/v1/approvals/"+other+"/reject", body{"authentication": proof, "reason": "not seen"}).is(200).has(body{"state": "rejected", "reason": "not seen", "checker": "~boris"})
	c.boris.ask("POST", path, body{"authentication": proof}).refused(403, "proof-required")
	c.boris.approve(id).is(200)
	if c.state(token) != tokens.Revoked {
		t.Errorf("the token is %s", c.state(token))
	}
}

// Many checkers at once, approving and rejecting: one of them decides.
func TestClause5_3_6_OneOfManyCheckersDecides(t *testing.T) {
	c := newChamber(t)
	carla := c.hired(c.anna, "carla", parties.Supervisor)
	token, id := c.revocation()
	type shot struct {
		by    *person
		act   string
		proof string
	}
	var shots []shot
	for _, by := range []*person{c.boris, carla} {
		for _, act := range []string{"approve", "reject"} {
			shots = append(shots, shot{by, act, by.proofFor(id)})
		}
	}
	got := make([]*answer, len(shots))
	var all sync.WaitGroup
	for i, s := range shots {
		all.Go(func() {
			h := http.Header{"Authorization": {"Bearer " + s.by.token}, "Content-Type": {"application/json"}}
			in := `{"authentication":"` + s.proof + `"`
			if s.act == "reject" {
				in += `,"reason":"r"`
			}
			got[i] = c.send(h, "POST", "/v1/approvals/"+id+"/"+s.act, strings.NewReader(in+"}"))
		})
	}
	all.Wait()
	won := ""
	for i, a := range got {
		switch {
		case a.status == 200 && won == "":
			won = shots[i].act
		case a.status == 200:
			t.Errorf("a second one decided: %s", a.body)
		case a.status != 409:
			t.Errorf("%s: %d %s", shots[i].act, a.status, a.body)
		}
	}
	want := map[string]tokens.State{"approve": tokens.Revoked, "reject": tokens.Active}[won]
	if got := c.state(token); got != want {
		t.Errorf("%q won and the token is %s", won, got)
	}
	if n := c.Count("approval.executed", "", "") + c.Count("approval.rejected", "", ""); n != 3 { // boris, carla, this one
		t.Errorf("%d decisions in the log", n)
	}
}

func TestAnApprovalExpires(t *testing.T) {
	c := newChamber(t)
	token, id := c.revocation()
	c.Clock.Forward(24*time.Hour + time.Second)
	c.still(token, id, "expired")
	c.boris.approve(id).refused(410, "expired")
	c.boris.ask("POST", "/v1/approvals/"+id+"/reject", body{"authentication": "at_x", "reason": "r"}).refused(410, "expired")
	c.still(token, id, "expired")
}

// What was approved is done against the state of now: by who may still ask for it,
// and only if it is possible.
func TestAnApprovedActThatIsNotPossibleAnyMoreFails(t *testing.T) {
	c := newChamber(t)
	token := c.token(tokens.Revoke, tokens.Return)
	c.anna.login()
	id := c.anna.ask("POST", "/v1/tokens/"+token+"/destroy", body{"reason": "r"}).is(202).str("approval.id")
	_, err := c.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: c.Staff(), Token: token, Move: tokens.Wipe, Reason: "r"})
	c.must(nil, err)
	c.must(c.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: c.Staff(), Token: token, Move: tokens.Restock, Reason: "r"}))
	c.boris.approve(id).refused(409, "conflict")
	c.boris.ask("GET", "/v1/approvals/"+id, nil).is(200).has(body{"state": "failed", "checker": "~boris"})
	c.boris.approve(id).refused(409, "conflict")

	for name, change := range map[string]func(){
		"suspended": func() {
			c.ask(c.as("security"), "POST", "/v1/staff/anna/suspend", body{"reason": "r"}).is(200)
		},
		"other roles": func() {
			_, err := c.Parties.SetRoles(t.Context(), c.Staff(), "anna", []parties.Role{parties.Helpdesk})
			c.must(nil, err)
		},
	} {
		token, id := c.revocation()
		change()
		c.boris.approve(id).refused(409, "conflict")
		c.still(token, id, "failed")
		if name == "suspended" {
			_, err := c.Parties.SetStaffState(t.Context(), c.Staff(), "anna", parties.CustomerActive, "r")
			c.must(nil, err)
		} else {
			_, err := c.Parties.SetRoles(t.Context(), c.Staff(), "anna", []parties.Role{parties.Supervisor})
			c.must(nil, err)
		}
	}
	// A client whose key has ended asks for nothing any more.
	_, key, err := c.Parties.CreateClient(t.Context(), parties.CreateClientCommand{Caller: c.Staff(), Name: "branch", Roles: []parties.Role{parties.Supervisor}})
	c.must(nil, err)
	token = c.token()
	id = c.ask(key, "POST", "/v1/tokens/"+token+"/revoke", body{"reason": "r"}).is(202).str("approval.id")
	client, _ := parties.KeyClient(key)
	c.must(nil, c.Parties.EndClient(t.Context(), c.Staff(), client))
	c.boris.approve(id).refused(409, "conflict")
	c.still(token, id, "failed")
}

// While a part is away nothing is decided and nothing is lost; after a restart it
// is as it was.
func TestAnApprovalOutlivesOutageAndRestart(t *testing.T) {
	c := newChamber(t)
	token, id := c.revocation()
	proof := c.boris.proofFor(id)
	c.Disk.ReadOnly(true)
	c.boris.ask("POST", "/v1/approvals/"+id+"/approve", body{"authentication": proof}).refused(503, "unavailable")
	c.Disk.ReadOnly(false)
	c.still(token, id, "waiting")

	c.must(nil, c.Engine.Close())
	c.Open()
	c.start(func(w *world) { w.deps.Development, w.Enrollment.Development = false, false })
	c.Enrollment.Apps = true
	c.still(token, id, "waiting")
	c.boris.ask("POST", "/v1/approvals/"+id+"/approve", body{"authentication": proof}).is(200)
	if c.state(token) != tokens.Revoked || c.Count("token.revoke", "", "") != 1 {
		t.Errorf("the token is %s", c.state(token))
	}
}

// The same request sent again is told the same, and done once.
func TestAnApprovalIsGivenOnceUnderAKey(t *testing.T) {
	c := newChamber(t)
	token, id := c.revocation()
	proof := c.boris.proofFor(id)
	send := func() *answer {
		h := http.Header{"Authorization": {"Bearer " + c.boris.token}, "Content-Type": {"application/json"}, "Idempotency-Key": {"k"}}
		return c.send(h, "POST", "/v1/approvals/"+id+"/approve", strings.NewReader(`{"authentication":"`+proof+`"}`))
	}
	send().is(200).has(body{"state": "executed"})
	send().is(200).has(body{"state": "executed"})
	if n := c.Count("token.revoke", "", ""); n != 1 || c.state(token) != tokens.Revoked {
		t.Errorf("done %d times", n)
	}
}

// An edited approval is not read: not with another request, not with another
// state, not with a maker of the thief's own.
func TestClause5_27_AnEditedApprovalDecidesNothing(t *testing.T) {
	c := newChamber(t)
	for i, edit := range []func(id string){
		func(id string) { c.edit(id, func(e *edited) { e.Maker.ID = "~nobody" }) },
		func(id string) { c.edit(id, func(e *edited) { e.ExpiresAt = e.ExpiresAt.Add(time.Hour) }) },
		func(id string) { c.edit(id, func(e *edited) { e.Act = "POST /v1/tokens/:ref/destroy" }) },
		func(id string) { c.edit(id, func(e *edited) { e.SHA256[0] ^= 1 }) },
	} {
		token, id := c.revocation()
		proof := c.boris.proofFor(id)
		edit(id)
		c.boris.ask("POST", "/v1/approvals/"+id+"/approve", body{"authentication": proof}).refused(503, "unavailable")
		if got := c.state(token); got != tokens.Active {
			t.Errorf("edit %d: the token is %s", i, got)
		}
		if strings.Contains(string(c.boris.ask("GET", "/v1/approvals", nil).body), id) {
			t.Errorf("edit %d: it is listed", i)
		}
	}
	if n := c.Count("incident.opened", "", "record.tampered"); n != 4 {
		t.Errorf("%d incidents", n)
	}
}

// What waits is asked for by the same roles as what is done at once.
func TestDeedsHaveTheRolesOfTheirRoutes(t *testing.T) {
	n := 0
	for _, r := range api.Routes() {
		if roles, is := api.DeedRoles(r.Method + " " + r.Path); is {
			n++
			if !slices.Equal(roles, r.Roles) {
				t.Errorf("%s %s: %v and %v", r.Method, r.Path, roles, r.Roles)
			}
		}
	}
	if n == 0 || api.Deeds() != n {
		t.Errorf("%d of %d acts have a route", n, api.Deeds())
	}
}

type edited = approval.Approval

// edit changes a stored approval behind the server's back.
func (c *chamber) edit(id string, change func(*edited)) {
	c.T.Helper()
	a, err := c.Engine.Approval(c.T.Context(), id)
	c.must(nil, err)
	change(&a)
	a.Version++
	c.past(approval.Save{Approval: a})
}

// changed is a hash with another first character.
func changed(hash string) string {
	if hash[0] == 'A' {
		return "B" + hash[1:]
	}
	return "A" + hash[1:]
}
