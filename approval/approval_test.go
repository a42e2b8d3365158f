package approval_test

import (
	"encoding/json"
	"testing"
	"time"

	"mohur/approval"
	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
)

func maker() (parties.Caller, approval.Request) {
	by := parties.Caller{Kind: "staff", ID: "~anna", Name: "anna", Roles: []parties.Role{parties.Supervisor}}
	return by, approval.Request{Act: "POST /v1/tokens/:ref/destroy", Path: map[string]string{"ref": "tk_1"}, Body: json.RawMessage(`{"reason": "r"}`)}
}

func checker(id string) parties.Caller {
	return parties.Caller{Kind: "staff", ID: id, Name: id[1:], Roles: []parties.Role{parties.Supervisor}}
}

// The hash covers which approval it is, whose, until when and the whole request: a
// proof for one is no proof for another.
func TestClause5_3_6_TheHashIsOfTheWholeRequest(t *testing.T) {
	b := banktest.New(t)
	by, r := maker()
	seen := map[string]bool{}
	ask := func(by parties.Caller, r approval.Request) approval.Approval {
		t.Helper()
		a, err := b.Approvals.Ask(t.Context(), by, r)
		if err != nil {
			t.Fatal(err)
		}
		if seen[a.Hash()] {
			t.Error("two approvals have one hash")
		}
		seen[a.Hash()] = true
		return a
	}
	a := ask(by, r)
	ask(by, r)
	other := r
	other.Path = map[string]string{"ref": "tk_2"}
	c := ask(by, other)

	_, got, err := b.Approvals.ToDecide(t.Context(), checker("~boris"), a.ID)
	if err != nil || got.Act != r.Act || got.Path["ref"] != "tk_1" || string(got.Body) != `{"reason":"r"}` {
		t.Errorf("%+v, %v", got, err)
	}
	// The request of one in the place of another opens nowhere; with another hash it
	// is none.
	swapped := a
	swapped.Sealed = c.Sealed
	if _, err := b.Approvals.Request(t.Context(), swapped); !problem.Is(err, problem.Unavailable) {
		t.Errorf("another's request: %v", err)
	}
	for name, edit := range map[string]func(*approval.Approval){
		"maker":  func(a *approval.Approval) { a.Maker.ID = "~boris" },
		"expiry": func(a *approval.Approval) { a.ExpiresAt = a.ExpiresAt.Add(time.Hour) },
		"hash":   func(a *approval.Approval) { a.SHA256 = c.SHA256 },
	} {
		edited := a
		edit(&edited)
		if _, err := b.Approvals.Request(t.Context(), edited); !problem.Is(err, problem.Unavailable) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestClause5_3_6_WhoDecides(t *testing.T) {
	b := banktest.New(t)
	by, r := maker()
	r.About = "~carla"
	a, err := b.Approvals.Ask(t.Context(), by, r)
	if err != nil {
		t.Fatal(err)
	}
	everybody := parties.Caller{Kind: "client", ID: "cl_all", Roles: parties.Roles()}
	supervisor := parties.Caller{Kind: "client", ID: "cl_one", Roles: []parties.Role{parties.Supervisor}}
	host := parties.Caller{Kind: "host", ID: "host:root", Roles: parties.Roles()}
	for _, c := range []struct {
		who   parties.Caller
		alone bool
		may   bool
	}{
		{checker("~boris"), false, true}, {by, false, false}, {checker("~carla"), false, false}, {everybody, false, false}, {host, false, false}, {supervisor, false, false},
		{checker("~boris"), true, true}, {by, true, false}, {checker("~carla"), true, false}, {everybody, true, true}, {supervisor, true, false},
	} {
		b.Approvals.Alone = c.alone
		_, _, err := b.Approvals.ToDecide(t.Context(), c.who, a.ID)
		if (err == nil) != c.may || err != nil && !problem.Is(err, problem.Forbidden) {
			t.Errorf("%s, development %v: %v", c.who.ID, c.alone, err)
		}
	}
	b.Approvals.Alone = false
	if _, _, err := b.Approvals.ToDecide(t.Context(), checker("~boris"), "ap_none"); !problem.Is(err, problem.NotFound) {
		t.Errorf("no approval: %v", err)
	}
	b.Clock.Forward(approval.DefaultLife)
	if _, _, err := b.Approvals.ToDecide(t.Context(), checker("~boris"), a.ID); !problem.Is(err, problem.Expired) {
		t.Errorf("too late: %v", err)
	}
}
