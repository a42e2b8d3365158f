package storetest

import (
	"testing"
	"time"

	"mohur/approval"
	"mohur/parties"
	"mohur/settle"
)

func waiting(id string, version uint64, at time.Time) approval.Approval {
	return approval.Approval{
		ID: id, Act: "POST /v1/tokens/:ref/destroy", Sealed: bytesOf(id), SHA256: bytesOf("sum" + id),
		Maker:  approval.Maker{Kind: "staff", ID: "~ayla", Name: "ayla", Roles: []parties.Role{parties.Supervisor}},
		MadeAt: at, ExpiresAt: at.Add(24 * time.Hour), State: approval.Waiting, Version: version,
	}
}

// testApprovals: one is decided once, and the list has the newest first.
func testApprovals(t *testing.T, s Store) {
	_, err := s.Approval(t.Context(), "ap-1")
	absent(t, "approval", err)
	for i, id := range []string{"ap-1", "ap-2", "ap-3"} {
		want(t, s, settle.Done, approval.Save{Approval: waiting(id, 1, epoch.Add(time.Duration(i)*time.Minute))})
	}
	want(t, s, settle.Exists, approval.Save{Approval: waiting("ap-1", 1, epoch)})
	decided := waiting("ap-2", 2, epoch.Add(time.Minute))
	decided.State, decided.Checker, decided.DecidedAt, decided.Reason = approval.Rejected, "~orkhan", epoch.Add(time.Hour), "not seen"
	want(t, s, settle.Done, approval.Save{Approval: decided})
	want(t, s, settle.Stale, approval.Save{Approval: decided})
	got, err := s.Approval(t.Context(), "ap-2")
	same(t, "approval", got, err, decided)

	id := func(a approval.Approval) string { return a.ID }
	page, next, err := s.Approvals(t.Context(), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "first page", ids(page, id), "ap-3", "ap-2")
	page, next, err = s.Approvals(t.Context(), next, 2)
	if err != nil || next != "" {
		t.Fatal(err, next)
	}
	expect(t, "second page", ids(page, id), "ap-1")

	// Decided or not, half a year after they expired they are gone; the log stays.
	before := tail(t, s)
	over := waiting("", 1, epoch).ExpiresAt.Add(180 * 24 * time.Hour)
	sweep(t, s, over.Add(-time.Second), 100, 0)
	sweep(t, s, over.Add(time.Minute), 100, 2)
	_, err = s.Approval(t.Context(), "ap-2")
	absent(t, "an old approval", err)
	page, _, err = s.Approvals(t.Context(), "", 10)
	if err != nil || tail(t, s) != before {
		t.Errorf("%v, or a sweep has changed the log", err)
	}
	expect(t, "what is left", ids(page, id), "ap-3")
}

// testStaff: the members of staff are those under an id that no customer has.
func testStaff(t *testing.T, s Store) {
	list := func() []string {
		all, err := s.Staff(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ids(all, func(c parties.Customer) string { return c.ID })
	}
	expect(t, "none", list())
	for _, id := range []string{"zz", "AA", parties.Subject("orkhan"), "9", parties.Subject("ayla")} {
		c := customer(id, 1)
		if parties.IsStaff(id) {
			c.Roles = []parties.Role{parties.Supervisor}
		}
		want(t, s, settle.Done, parties.SaveCustomer{Customer: c})
	}
	expect(t, "staff", list(), parties.Subject("ayla"), parties.Subject("orkhan"))
	got, err := s.Staff(t.Context())
	c := customer(parties.Subject("ayla"), 1)
	c.Roles = []parties.Role{parties.Supervisor}
	same(t, "a member of staff", got[0], err, c)
}
