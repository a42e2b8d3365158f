package storetest

import (
	"testing"
	"time"

	"mohur/settle"
)

// testMemory: a request is remembered once, with what it changed or not at all,
// until its time is over; its answer is written once.
func testMemory(t *testing.T, s Store) {
	now := time.Now()
	r := settle.Remember{Scope: "sc", BodyMAC: bytesOf("mac"), Until: now.Add(time.Hour).UTC()}
	nothing := func(scope string) {
		t.Helper()
		if m, found, err := s.Memory(t.Context(), scope); err != nil || found {
			t.Errorf("%+v, %v, %v", m, found, err)
		}
	}
	nothing("sc")
	want(t, s, settle.Stale, r, settle.SwapHot{Hot: hot("m", 9)})
	nothing("sc") // with what failed
	want(t, s, settle.Done, r, settle.SwapHot{Hot: hot("m", 1)})
	m, found, err := s.Memory(t.Context(), "sc")
	if err != nil || !found || string(m.BodyMAC) != string(bytesOf("mac")) || len(m.Answer) > 0 || !m.Until.Equal(r.Until) {
		t.Errorf("%+v, %v, %v", m, found, err)
	}
	want(t, s, settle.Exists, r, settle.SwapHot{Hot: hot("m", 2)})
	want(t, s, settle.Done, settle.SwapHot{Hot: hot("m", 2)}) // nothing of it was done

	before := tail(t, s)
	conclude := func(r settle.Remember, answer string) {
		t.Helper()
		if err := s.Conclude(t.Context(), r, []byte(answer)); err != nil {
			t.Error(err)
		}
	}
	answer := func(scope, text string) {
		t.Helper()
		if m, found, err := s.Memory(t.Context(), scope); err != nil || !found || string(m.Answer) != text {
			t.Errorf("%+v, %v, %v; want %q", m, found, err, text)
		}
	}
	conclude(r, "first")
	conclude(r, "second")
	answer("sc", "first")
	other := r
	other.Scope = "changed nothing"
	conclude(other, "whole")
	answer(other.Scope, "whole")
	want(t, s, settle.Exists, other)
	if after := tail(t, s); after != before {
		t.Errorf("%d entries for answers", after-before)
	}

	wins := make(chan settle.Outcome, 64)
	r.Scope = "raced"
	parallel(64, func(int) {
		got, err := s.Settle(t.Context(), command(r))
		if err != nil {
			t.Error(err)
		}
		wins <- got.Outcome
	})
	won := 0
	for range 64 {
		if <-wins == settle.Done {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}

	r.Scope, r.Until = "over", now.Add(-time.Second).UTC()
	want(t, s, settle.Done, r)
	nothing("over")
	want(t, s, settle.Done, r) // before any sweep
	sweep(t, s, now, 100, 1)
	sweep(t, s, now.Add(2*time.Hour), 100, 3)
	nothing("sc")
	nothing("raced")
}

// testFirstUse: of those who use a name, one is the first, until its time is over.
func testFirstUse(t *testing.T, s Store) {
	until := time.Now().Add(time.Hour)
	before := tail(t, s)
	use := func(name string, until time.Time) bool {
		first, err := s.FirstUse(t.Context(), name, until)
		if err != nil {
			t.Error(err)
		}
		return first
	}
	first := make(chan bool, 64)
	parallel(64, func(int) { first <- use("raced", until) })
	n := 0
	for range 64 {
		if <-first {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d were the first", n)
	}
	if !use("another", until) || use("another", until) {
		t.Error("another name is no use of the first one")
	}
	want(t, s, settle.Exists, settle.Remember{Scope: "another", Until: until})
	over := time.Now().Add(-time.Second)
	for range 2 {
		if !use("over", over) {
			t.Error("a name is kept when its time is over")
		}
	}
	if after := tail(t, s); after != before {
		t.Errorf("%d entries for uses", after-before)
	}
	sweep(t, s, time.Now(), 100, 1)
	sweep(t, s, until.Add(time.Second), 100, 2)
}
