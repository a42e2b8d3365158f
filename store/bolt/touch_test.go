package bolt

import (
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn"
	"mohur/settle"
)

var loggedIn = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// touchedStore has one session and counts its commits.
func touchedStore(t *testing.T, path string) (*Store, *atomic.Int64) {
	t.Helper()
	commits := new(atomic.Int64)
	s := openTest(t, Options{Path: path, Observe: func(int, time.Duration) { commits.Add(1) }})
	c := testCommand("a", 1)
	c.Effects = append(c.Effects, authn.SaveSession{Session: authn.Session{
		ID: "se", Customer: "C-1", AuthTime: loggedIn, LastUsed: loggedIn, ExpiresAt: loggedIn.Add(12 * time.Hour), Version: 1,
	}})
	mustSettle(t, s, c)
	commits.Store(0)
	return s, commits
}

func lastUsed(t *testing.T, s *Store) time.Time {
	t.Helper()
	session, err := s.Session(t.Context(), "se")
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Sessions(t.Context(), "C-1")
	if err != nil || len(list) != 1 || !list[0].LastUsed.Equal(session.LastUsed) {
		t.Fatalf("listed %+v, %v, and read %s", list, err, session.LastUsed)
	}
	return session.LastUsed
}

func touch(t *testing.T, s *Store, at time.Time) {
	t.Helper()
	if err := s.TouchSession(t.Context(), "se", at); err != nil {
		t.Fatal(err)
	}
	if got := lastUsed(t, s); !got.Equal(at) {
		t.Fatalf("touched at %s, last used %s", at, got)
	}
}

// crash opens what the disk has at this moment, as after the loss of the process.
func crash(t *testing.T, path string) *Store {
	t.Helper()
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	left := filepath.Join(t.TempDir(), "left.db")
	to, err := os.OpenFile(left, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, Options{Path: left, MustExist: true})
}

// An hour of a customer who does something every second: a write a minute, and a crash
// at any moment loses less than a minute, which ends the session earlier and never later.
func TestClause5_22_ATouchIsNotAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank.db")
	s, commits := touchedStore(t, path)
	for second := 1; second <= 3600; second++ {
		at := loggedIn.Add(time.Duration(second) * time.Second)
		touch(t, s, at)
		if second%607 == 0 {
			left := lastUsed(t, crash(t, path))
			if left.After(at) || at.Sub(left) >= touchEvery {
				t.Errorf("after a crash at %s it was last used %s", at, left)
			}
		}
	}
	if n := commits.Load(); n != 60 {
		t.Errorf("3600 touches were %d commits, want 60", n)
	}
	if err := s.TouchSession(t.Context(), "se", loggedIn); err != nil || lastUsed(t, s) != loggedIn.Add(time.Hour) {
		t.Errorf("a touch moved it back: %v", err)
	}
}

func TestTouchesThatWaitAreWrittenInTheEnd(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *Store) *Store{
		"by the sweep": func(t *testing.T, s *Store) *Store {
			if _, err := s.Sweep(t.Context(), loggedIn, 10); err != nil {
				t.Fatal(err)
			}
			return crash(t, s.options.Path)
		},
		"by Close": func(t *testing.T, s *Store) *Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return openTest(t, Options{Path: s.options.Path, MustExist: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := touchedStore(t, filepath.Join(t.TempDir(), "bank.db"))
			at := loggedIn.Add(touchEvery - time.Second)
			touch(t, s, at)
			after := end(t, s)
			if got := lastUsed(t, after); !got.Equal(at) {
				t.Errorf("last used %s, want %s", got, at)
			}
			if n := len(s.touches.unwritten()); n != 0 {
				t.Errorf("%d touches wait still", n)
			}
			if n := len(s.touches.last); n != 0 {
				t.Errorf("%d touches are kept for ever", n)
			}
		})
	}
}

// What waits revives nothing: an end is an end, and its record keeps the touch before it.
func TestClause5_22_ATouchThatWaitsRevivesNothing(t *testing.T) {
	s, _ := touchedStore(t, filepath.Join(t.TempDir(), "bank.db"))
	touch(t, s, loggedIn.Add(10*time.Second))
	session, err := s.Session(t.Context(), "se")
	if err != nil {
		t.Fatal(err)
	}
	session.Version, session.EndedAt, session.EndReason = 2, loggedIn.Add(11*time.Second), "logout"
	c := testCommand("a", 2)
	c.Effects = append(c.Effects, authn.SaveSession{Session: session})
	if r, err := s.Settle(t.Context(), c); err != nil || r.Outcome != settle.Done {
		t.Fatalf("%+v, %v: a touch must not make the end stale", r, err)
	}
	if err := s.TouchSession(t.Context(), "se", loggedIn.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context(), loggedIn, 10); err != nil {
		t.Fatal(err)
	}
	got, err := s.Session(t.Context(), "se")
	if err != nil || got.EndedAt.IsZero() || !got.LastUsed.Equal(loggedIn.Add(10*time.Second)) {
		t.Errorf("%+v, %v", got, err)
	}
}

// When no more can wait, a touch is written as it comes.
func TestTouchesThatWaitAreBounded(t *testing.T) {
	s, commits := touchedStore(t, filepath.Join(t.TempDir(), "bank.db"))
	s.touches.last = make(map[string]waiting, maxTouches)
	for i := range maxTouches {
		s.touches.last[string(rune(i))+"-"+time.Duration(i).String()] = waiting{at: loggedIn}
	}
	touch(t, s, loggedIn.Add(time.Second))
	if n := commits.Load(); n != 1 || len(s.touches.last) != maxTouches {
		t.Errorf("%d commits, %d wait", n, len(s.touches.last))
	}
}
