package parties_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens/pskc"
)

// noticesOf are the notices of a kind that wait for a customer, oldest first.
func noticesOf(t *testing.T, b *banktest.Bank, customer, kind string) (out []notify.Notice) {
	t.Helper()
	all, err := b.Engine.Notices(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if n.Customer == customer && n.Kind == kind {
			out = append(out, n)
		}
	}
	return out
}

func no() *bool  { b := false; return &b }
func yes() *bool { b := true; return &b }

// desk is somebody of the bank's who is not its security.
func desk(b *banktest.Bank) parties.Caller {
	by := b.Staff()
	by.Roles = []parties.Role{parties.Helpdesk, parties.Supervisor}
	return by
}

// in logs the customer in over a channel, and returns the session's id.
func in(t *testing.T, b *banktest.Bank, customer string, d *banktest.Device, ch parties.Channel) (string, error) {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: ch})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.PIN, Secret: banktest.PIN}); err != nil {
		t.Fatal(err)
	}
	if v, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: d.HOTP()}); err != nil {
		return "", err
	}
	return v.Session.Session.ID, nil
}

// Clause 4.6: a suspension says which of the three cases it is, and a resumption takes
// that away.
func TestClause4_6_ThreeClassesOfSuspension(t *testing.T) {
	b := banktest.New(t)
	for _, class := range parties.Classes() {
		c := b.Customer()
		got, err := b.Parties.Suspend(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "why", Class: class})
		if err != nil || got.State != parties.CustomerSuspended || got.Class != class {
			t.Fatalf("%s: %+v, %v", class, got, err)
		}
		if kept, err := b.Parties.Get(t.Context(), c.ID); err != nil || kept.Class != class || kept.Reason != "why" {
			t.Errorf("%s: kept %+v, %v", class, kept, err)
		}
		if got, err = b.Parties.Resume(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "over"}); err != nil || got.Class != "" || got.State != parties.CustomerActive {
			t.Errorf("%s resumed: %+v, %v", class, got, err)
		}
	}
	c := b.Customer()
	for what, h := range map[string]parties.Halt{
		"class":    {Reason: "why", Class: "mood"},
		"reason":   {Class: parties.Legal},
		"channels": {Reason: "why", Channels: []parties.Channel{"pc", "pc"}},
	} {
		if _, err := b.Parties.Suspend(t.Context(), b.Staff(), c.ID, h); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := b.Parties.Resume(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "why", Class: parties.Legal}); !problem.Is(err, problem.Invalid) {
		t.Errorf("a resumption with a class: %v", err)
	}
}

// Clause 4.6: one channel is stopped and the others go on. Sessions and attempts of it
// die at once, and do not come back with it.
func TestClause4_6_AChannelIsStopped(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	onPC, err := in(t, b, c.ID, d, parties.PC)
	if err != nil {
		t.Fatal(err)
	}
	onPhone, err := in(t, b, c.ID, d, parties.Mobile)
	if err != nil {
		t.Fatal(err)
	}
	begun, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.PC})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Parties.Suspend(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "malware there", Class: parties.Technical, Channels: []parties.Channel{parties.PC, parties.Internet}})
	if err != nil || got.State != parties.CustomerActive || !got.Stopped(parties.PC) || !got.Stopped(parties.Internet) || got.Stopped(parties.Mobile) {
		t.Fatalf("%+v, %v", got, err)
	}
	live := func(session string) bool {
		_, _, err := b.Authn.Live(t.Context(), b.Front(), session)
		return err == nil
	}
	if live(onPC) || !live(onPhone) {
		t.Errorf("after the stop: pc %t, mobile %t", live(onPC), live(onPhone))
	}
	if _, err := in(t, b, c.ID, d, parties.PC); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("a log-in over it: %v", err)
	}
	if _, err := in(t, b, c.ID, d, parties.Mobile); err != nil {
		t.Errorf("a log-in over another: %v", err)
	}
	if b.Count("authentication.answered", "refused", "channel-suspended") == 0 {
		t.Error("the log does not say why")
	}
	stop := parties.Halt{Reason: "again", Channels: []parties.Channel{parties.PC}}
	if _, err := b.Parties.Suspend(t.Context(), desk(b), c.ID, stop); !problem.Is(err, problem.Conflict) {
		t.Errorf("stopped twice: %v", err)
	}
	if got, err = b.Parties.Resume(t.Context(), b.Staff(), c.ID, stop); err != nil || got.Stopped(parties.PC) || !got.Stopped(parties.Internet) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := b.Parties.Resume(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "all"}); !problem.Is(err, problem.Conflict) || !strings.Contains(err.Error(), "name in channels") {
		t.Errorf("without the channels: %v", err)
	}
	if live(onPC) {
		t.Error("a session from before came back")
	}
	for _, m := range []struct {
		method authn.Method
		secret string
	}{{authn.PIN, banktest.PIN}, {authn.OTP, d.HOTP()}} {
		v, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: begun.Attempt.ID, Method: m.method, Secret: m.secret})
		if err == nil && v.Session != nil {
			t.Error("an attempt from before was granted")
		}
	}
	if _, err := in(t, b, c.ID, d, parties.PC); err != nil {
		t.Errorf("after the resumption: %v", err)
	}
	for _, kind := range []string{"channel-suspended", "channel-active"} {
		if n := noticesOf(t, b, c.ID, kind); len(n) != 1 {
			t.Errorf("%d notices of %s", len(n), kind)
		}
	}
}

// Clauses 4.3.5, 4.7: the customer is told of a suspension and of its end, each within
// its time.
func TestClause4_3_5_BothNoticesHaveTheirTime(t *testing.T) {
	b := banktest.New(t)
	b.Parties.ResumptionDue = time.Hour
	c := b.Customer()
	if _, err := b.Parties.Suspend(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "a", Class: parties.Breach}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Parties.Resume(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "b"}); err != nil {
		t.Fatal(err)
	}
	for kind, due := range map[string]time.Duration{"customer-suspended": 24 * time.Hour, "customer-active": time.Hour} {
		n := noticesOf(t, b, c.ID, kind)
		if len(n) != 1 || n[0].DueAt.Sub(n[0].CreatedAt) != due {
			t.Errorf("%s: %+v", kind, n)
		}
	}
}

// Clause 4.3.5: who must not be tipped off is not, at the suspension or, unless somebody
// says so, at its end; that nothing was sent is itself on record.
func TestClause4_3_5_ASuppressedNoticeIsEvidence(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	suspend := func(tell *bool) parties.Customer {
		t.Helper()
		got, err := b.Parties.Suspend(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "a case of the law", Class: parties.Legal, Tell: tell})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	resume := func(tell *bool) {
		t.Helper()
		if got, err := b.Parties.Resume(t.Context(), b.Staff(), c.ID, parties.Halt{Reason: "over", Tell: tell}); err != nil || got.Quiet {
			t.Fatal(got, err)
		}
	}
	told := func() [2]int {
		return [2]int{len(noticesOf(t, b, c.ID, "customer-suspended")), len(noticesOf(t, b, c.ID, "customer-active"))}
	}
	if got := suspend(no()); !got.Quiet || told() != [2]int{0, 0} {
		t.Errorf("%+v, notices %v", got, told())
	}
	if resume(nil); told() != [2]int{0, 0} {
		t.Errorf("let back from what he does not know of: %v", told())
	}
	suspend(no())
	if resume(yes()); told() != [2]int{0, 1} {
		t.Errorf("somebody said so: %v", told())
	}
	if suspend(nil); told() != [2]int{1, 1} {
		t.Errorf("an ordinary one: %v", told())
	}
	if resume(nil); told() != [2]int{1, 2} {
		t.Errorf("and its end: %v", told())
	}
	if n := b.Count("customer.suspended", "", "") + b.Count("customer.resumed", "", ""); n != 6 {
		t.Errorf("%d entries", n)
	}
	// The same for a channel.
	stop := parties.Halt{Reason: "a case of the law", Channels: []parties.Channel{parties.PC}, Tell: no()}
	got, err := b.Parties.Suspend(t.Context(), b.Staff(), c.ID, stop)
	if err != nil || !slices.ContainsFunc(got.Bars, func(bar parties.Bar) bool { return bar.Quiet }) {
		t.Fatalf("%+v, %v", got, err)
	}
	stop.Tell = nil
	if _, err := b.Parties.Resume(t.Context(), b.Staff(), c.ID, stop); err != nil || len(noticesOf(t, b, c.ID, "channel-active")) != 0 {
		t.Error("the channel's end was told", err)
	}
}
