package storetest

import (
	"testing"
	"time"

	"mohur/authn"
	"mohur/settle"
)

func sessionID(s authn.Session) string { return s.ID }

// testSessions: those of a customer that have not ended, newest first.
func testSessions(t *testing.T, s Store) {
	for i, id := range []string{"a", "b", "c"} {
		r := session(id, 1)
		r.AuthTime = epoch.Add(time.Duration(i) * time.Minute)
		want(t, s, settle.Done, authn.SaveSession{Session: r})
	}
	other := session("d", 1)
	other.Customer = "cu-2"
	want(t, s, settle.Done, authn.SaveSession{Session: other})
	list := func(customer string) []string {
		sessions, err := s.Sessions(t.Context(), customer)
		if err != nil {
			t.Fatal(err)
		}
		return ids(sessions, sessionID)
	}
	expect(t, "sessions", list("cu-1"), "c", "b", "a")

	ended := session("b", 2)
	ended.EndedAt, ended.EndReason = epoch.Add(time.Hour), "logout"
	want(t, s, settle.Done, authn.SaveSession{Session: ended})
	expect(t, "after one has ended", list("cu-1"), "c", "a")
	expect(t, "another customer", list("cu-2"), "d")
	expect(t, "nobody's", list("cu-"))
	got, err := s.Session(t.Context(), "b")
	same(t, "ended", got, err, ended)
}

// testTouches: a touch moves LastUsed forward, never back, never in a session
// that has ended, and never makes another's change stale.
func testTouches(t *testing.T, s Store) {
	used := func() time.Time {
		r, err := s.Session(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.Sessions(t.Context(), "cu-1")
		if err != nil || len(list) > 0 && !list[0].LastUsed.Equal(r.LastUsed) {
			t.Errorf("listed %+v, read %+v, %v", list, r, err)
		}
		return r.LastUsed
	}
	touch := func(at, wanted time.Time) {
		t.Helper()
		before := tail(t, s)
		if err := s.TouchSession(t.Context(), "a", at); err != nil {
			t.Fatal(err)
		}
		if got := used(); !got.Equal(wanted) {
			t.Errorf("touched at %s: last used %s, want %s", at, got, wanted)
		}
		if tail(t, s) != before {
			t.Error("a touch has written an entry")
		}
	}
	absent(t, "touch", s.TouchSession(t.Context(), "a", epoch))
	want(t, s, settle.Done, authn.SaveSession{Session: session("a", 1)})
	minute := epoch.Add(time.Minute)
	touch(minute, minute)
	touch(epoch.Add(time.Second), minute)
	touch(epoch.Add(-time.Hour), minute)
	touch(minute.Add(time.Nanosecond), minute.Add(time.Nanosecond))
	testTouchAndEnd(t, s, touch)
}

func testTouchAndEnd(t *testing.T, s Store, touch func(at, wanted time.Time)) {
	latest := epoch.Add(10 * time.Minute)
	parallel(16, func(i int) {
		if err := s.TouchSession(t.Context(), "a", epoch.Add(time.Duration(i-5)*time.Minute)); err != nil {
			t.Error(err)
		}
	})
	touch(epoch, latest)

	// Decided before those touches, and still of the version after the first.
	ended := session("a", 2)
	ended.EndedAt, ended.EndReason = epoch.Add(time.Hour), "logout"
	want(t, s, settle.Done, authn.SaveSession{Session: ended})
	touch(epoch.Add(2*time.Hour), latest)
	got, err := s.Session(t.Context(), "a")
	if err != nil || !got.EndedAt.Equal(ended.EndedAt) || got.Version != 2 {
		t.Errorf("a touch has revived the session: %+v, %v", got, err)
	}
}
