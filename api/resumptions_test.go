package api_test

import (
	"testing"
	"time"

	"mohur/approval"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens"
)

// Clause 4.7: what two people decide about a resumption is the suspension that there was
// when it was asked for. A later one is lifted by a later decision only, whether the
// customer, a channel of his, a token or a member of staff is suspended.
func TestClause4_7_AnApprovalLiftsWhatWasDecidedAbout(t *testing.T) {
	c := newChamber(t)
	c.hired(c.anna, "desk", parties.Helpdesk)
	whole, channel, token := c.Customer(), c.Customer(), c.token()
	no := false
	halt := func(id string, channels ...parties.Channel) (func(string), func() bool) {
		return func(reason string) {
				h := parties.Halt{Reason: reason, Class: parties.Legal, Channels: channels, Tell: &no}
				c.must(c.Parties.Suspend(t.Context(), c.Staff(), id, h))
			}, func() bool {
				now, err := c.Parties.Get(t.Context(), id)
				c.must(nil, err)
				return now.State == parties.CustomerSuspended || now.Stopped(parties.Mobile)
			}
	}
	back := func(id string, channels ...parties.Channel) func() {
		return func() {
			c.must(c.Parties.Resume(t.Context(), c.Staff(), id, parties.Halt{Reason: "r", Channels: channels}))
		}
	}
	move := func(m tokens.Move, reason string) {
		c.must(c.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: c.Staff(), Token: token, Move: m, Reason: reason}))
	}
	stopWhole, wholeStopped := halt(whole.ID)
	stopChannel, channelStopped := halt(channel.ID, parties.Mobile)
	staff := func(to parties.CustomerState, reason string) {
		c.must(c.Parties.SetStaffState(t.Context(), c.Staff(), "desk", to, reason))
	}
	for name, v := range map[string]struct {
		path    string
		in      body
		suspend func(reason string)
		resume  func()
		is      func() bool
		lifts   body
	}{
		"customer": {"/v1/customers/" + whole.ID, body{"reason": "r"}, stopWhole, back(whole.ID), wholeStopped,
			body{"request.lifts.0.reason": "first", "request.lifts.0.class": "legal", "request.lifts.0.notice_suppressed": true}},
		"channel": {"/v1/customers/" + channel.ID, body{"reason": "r", "channels": []string{"mobile"}}, stopChannel, back(channel.ID, parties.Mobile), channelStopped,
			body{"request.lifts.0.reason": "first", "request.lifts.0.channel": "mobile"}},
		"token": {"/v1/tokens/" + token, body{"reason": "r"}, func(reason string) { move(tokens.Suspend, reason) }, func() { move(tokens.Resume, "r") },
			func() bool { return c.state(token) == tokens.Suspended }, body{"request.lifts.0.reason": "first"}},
		"staff": {"/v1/staff/desk", body{"reason": "r"}, func(reason string) { staff(parties.CustomerSuspended, reason) }, func() { staff(parties.CustomerActive, "r") },
			func() bool { return get(t, c.world, "~desk").State == parties.CustomerSuspended }, body{"request.lifts.0.reason": "first"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.T = t
			ask := func() *answer {
				if name == "staff" {
					return c.ask(c.as("admin"), "POST", v.path+"/resume", v.in)
				}
				return c.anna.login().ask("POST", v.path+"/resume", v.in)
			}
			ask().refused(409, "conflict") // nothing is suspended
			v.suspend("first")
			id := ask().is(202).str("approval.id")
			c.boris.login().ask("GET", "/v1/approvals/"+id, nil).is(200).has(v.lifts)
			c.ask(c.as("auditor"), "GET", "/v1/approvals/"+id, nil).is(200).has(body{"request": nil})
			v.resume()
			c.Clock.Forward(time.Millisecond)
			v.suspend("second")
			c.boris.approve(id).refused(409, "conflict")
			c.boris.login().ask("GET", "/v1/approvals/"+id, nil).is(200).has(body{"state": "failed"})
			if !v.is() {
				t.Fatal("a suspension was lifted that nobody decided about")
			}
			c.boris.approve(ask().is(202).str("approval.id")).is(200)
			if v.is() {
				t.Error("what was decided about was not lifted")
			}
		})
	}
	c.T = t
	// One that was stored before approvals said what they lift lifts nothing.
	stopWhole("r")
	old, err := c.Approvals.Ask(t.Context(), get(t, c.world, "~anna").Caller(), approval.Request{
		Act: "POST /v1/customers/:id/resume", Path: map[string]string{"id": whole.ID}, Body: []byte(`{"reason":"r"}`)})
	c.must(nil, err)
	if c.boris.approve(old.ID).refused(409, "conflict"); !wholeStopped() {
		t.Error("it names no suspension and lifted one")
	}
}
