package parties_test

import (
	"testing"

	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
)

// Clause 4.3.5: who does not know that he is suspended hears nothing of a channel
// either: that it is active again would be wrong, and that it is not would warn him.
func TestClause4_3_5_WhoIsQuietlySuspendedHearsNothingOfChannels(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	set := func(to parties.CustomerState, h parties.Halt) parties.Customer {
		t.Helper()
		f := b.Parties.Suspend
		if to == parties.CustomerActive {
			f = b.Parties.Resume
		}
		h.Reason = "r"
		got, err := f(t.Context(), desk(b), c.ID, h)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	told := func(kind string) int { return len(noticesOf(t, b, c.ID, kind)) }
	pc, mobile := []parties.Channel{parties.PC}, []parties.Channel{parties.Mobile}
	set(parties.CustomerSuspended, parties.Halt{Channels: pc}) // he is told of this one
	set(parties.CustomerSuspended, parties.Halt{Tell: no()})
	if got := set(parties.CustomerSuspended, parties.Halt{Channels: mobile}); !got.Bars[0].Quiet || told("channel-suspended") != 1 {
		t.Errorf("stopped: %+v, %d notices", got.Bars, told("channel-suspended"))
	}
	set(parties.CustomerActive, parties.Halt{Channels: pc})
	if told("channel-active") != 0 {
		t.Error("he was told that a channel is active again")
	}
	set(parties.CustomerSuspended, parties.Halt{Channels: pc, Tell: yes()})
	if set(parties.CustomerActive, parties.Halt{Channels: pc, Tell: yes()}); told("channel-active") != 1 || told("channel-suspended") != 2 {
		t.Error("somebody said so, and he was not told")
	}
	set(parties.CustomerActive, parties.Halt{Tell: no()})
	if set(parties.CustomerActive, parties.Halt{Channels: mobile}); told("channel-active") != 1 {
		t.Error("let back from what he does not know of")
	}
}

// Clauses 4.3.5, 4.6: the bank's security makes of a suspension that stands another one,
// and quiet; nobody else does. Who was not told is not told by that.
func TestClause4_6_SecurityReplacesASuspension(t *testing.T) {
	b := banktest.New(t)
	security := desk(b)
	security.Roles = []parties.Role{parties.Security}
	for name, channels := range map[string][]parties.Channel{"whole": nil, "channel": {parties.PC}} {
		c := b.Customer()
		stands := func(got parties.Customer) parties.Suspended {
			if channels == nil {
				return parties.Suspended{Since: got.Since, Reason: got.Reason, Class: got.Class, Quiet: got.Quiet}
			}
			bar := got.Bars[0]
			return parties.Suspended{Since: bar.Since, Reason: bar.Reason, Class: bar.Class, Quiet: bar.Quiet}
		}
		first, err := b.Parties.Suspend(t.Context(), desk(b), c.ID, parties.Halt{Reason: "a", Class: parties.Technical, Channels: channels})
		if err != nil {
			t.Fatal(err)
		}
		legal := parties.Halt{Reason: "b", Class: parties.Legal, Channels: channels, Tell: no()}
		if _, err := b.Parties.Suspend(t.Context(), desk(b), c.ID, legal); !problem.Is(err, problem.Conflict) {
			t.Errorf("%s, by another: %v", name, err)
		}
		was, err := (parties.Halt{Channels: channels}).Lifted(first)
		if err != nil || len(was) != 1 {
			t.Fatal(was, err)
		}
		b.Clock.Forward(1)
		n, entries := len(noticesOf(t, b, c.ID, "customer-suspended"))+len(noticesOf(t, b, c.ID, "channel-suspended")), b.Count("customer.suspended", "", "")
		got, err := b.Parties.Suspend(t.Context(), security, c.ID, legal)
		if s := stands(got); err != nil || s.Reason != "b" || s.Class != parties.Legal || !s.Quiet || !s.Since.After(was[0].Since) {
			t.Fatalf("%s: %+v, %v", name, s, err)
		}
		if _, err := b.Parties.Suspend(t.Context(), security, c.ID, legal); !problem.Is(err, problem.Conflict) {
			t.Errorf("%s, the same again: %v", name, err)
		}
		legal.Reason, legal.Tell = "c", nil
		if got, err = b.Parties.Suspend(t.Context(), security, c.ID, legal); err != nil || !stands(got).Quiet {
			t.Errorf("%s, another reason: %+v, %v", name, stands(got), err)
		}
		if now := len(noticesOf(t, b, c.ID, "customer-suspended")) + len(noticesOf(t, b, c.ID, "channel-suspended")); now != n || b.Count("customer.suspended", "", "") != entries+2 {
			t.Errorf("%s: %d notices before, %d after", name, n, now)
		}
		// What was asked for the first one does not lift this one.
		if _, err := b.Parties.Resume(t.Context(), desk(b), c.ID, parties.Halt{Reason: "r", Channels: channels, Lifts: was}); !problem.Is(err, problem.Conflict) {
			t.Errorf("%s: an earlier resumption: %v", name, err)
		}
		if was, err = (parties.Halt{Channels: channels}).Lifted(got); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Parties.Resume(t.Context(), desk(b), c.ID, parties.Halt{Reason: "r", Channels: channels, Lifts: was}); err != nil {
			t.Errorf("%s: its own: %v", name, err)
		}
		if _, err := (parties.Halt{Channels: channels}).Lifted(c); !problem.Is(err, problem.Conflict) {
			t.Errorf("%s: nothing to lift: %v", name, err)
		}
	}
}
