package storetest

import (
	"fmt"
	"testing"
	"time"

	"mohur/authn"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
	"mohur/tokens"
)

func sweep(t testing.TB, s Store, now time.Time, max, wanted int) {
	t.Helper()
	if n, err := s.Sweep(t.Context(), now, max); err != nil || n != wanted {
		t.Errorf("Sweep at %s: %d, %v; want %d", now.Format(time.DateTime), n, err, wanted)
	}
}

// testSweep: what has been over for long enough goes, with everything that led
// to it; what may still be asked for stays, and so does all that is for ever.
func testSweep(t *testing.T, s Store) {
	sweep(t, s, epoch.Add(1e4*time.Hour), 100, 0)
	want(t, s, settle.Done,
		authn.SaveAttempt{Attempt: attempt("at", 1)}, authn.SaveSession{Session: session("se", 1)},
		enrollment.SaveSecret{Secret: secret("as", 1)}, tokens.SaveToken{Token: token("tk", 1)},
		parties.SaveCustomer{Customer: customer("cu-1", 1)}, payment.SaveTransaction{Transaction: transaction("tx", 1)},
		settle.Reserve{Key: "until", Amount: 1, Ceiling: 1, Until: epoch}, settle.Reserve{Key: "kept", Amount: 1, Ceiling: 1},
	)
	if err := s.TouchSession(t.Context(), "se", epoch.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	before := tail(t, s)
	expired := attempt("", 1).ExpiresAt
	sweep(t, s, epoch, 100, 0)
	sweep(t, s, expired.Add(time.Hour-time.Second), 100, 1) // the sum, an hour after epoch
	if _, err := s.Attempt(t.Context(), "at"); err != nil {
		t.Errorf("an attempt within the hour: %v", err)
	}
	sweep(t, s, expired.Add(time.Hour+time.Second), 100, 1)
	_, err := s.Attempt(t.Context(), "at")
	absent(t, "attempt", err)
	_, err = s.AttemptByChallenge(t.Context(), bytesOf("at"))
	absent(t, "attempt by challenge", err)
	if open, err := s.OpenAttempts(t.Context(), "cu-1", epoch); err != nil || len(open) > 0 {
		t.Errorf("open attempts: %v, %v", open, err)
	}

	sweep(t, s, session("", 1).ExpiresAt.Add(24*time.Hour-time.Second), 100, 1) // the secret
	if open, err := s.OpenSecrets(t.Context(), "cu-1", "activate", "tk-1"); err != nil || len(open) > 0 {
		t.Errorf("open secrets: %v, %v", open, err)
	}
	if _, err := s.Session(t.Context(), "se"); err != nil {
		t.Errorf("a session within the day: %v", err)
	}
	sweep(t, s, session("", 1).ExpiresAt.Add(24*time.Hour+time.Second), 100, 1)
	_, err = s.Session(t.Context(), "se")
	absent(t, "session", err)
	if open, err := s.Sessions(t.Context(), "cu-1"); err != nil || len(open) > 0 {
		t.Errorf("sessions: %v, %v", open, err)
	}
	sweep(t, s, epoch.Add(1e6*time.Hour), 100, 0)
	testSurvivors(t, s, before)
	testSweepMax(t, s)
}

func testSurvivors(t *testing.T, s Store, entries uint64) {
	for what, read := range map[string]func() error{
		"customer":    func() error { _, err := s.Customer(t.Context(), "cu-1"); return err },
		"token":       func() error { _, err := s.Token(t.Context(), "tk"); return err },
		"transaction": func() error { _, err := s.TransactionByReference(t.Context(), "REF/tx"); return err },
	} {
		if err := read(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	sum(t, s, "kept", epoch, 1)
	if tail(t, s) != entries {
		t.Error("a sweep has changed the log")
	}
	// What was removed left nothing that a new one of its name would trip over.
	want(t, s, settle.Done, authn.SaveAttempt{Attempt: attempt("at", 1)}, authn.SaveSession{Session: session("se", 1)})
	if r, err := s.Session(t.Context(), "se"); err != nil || !r.LastUsed.Equal(epoch) {
		t.Errorf("a new session with the touch of an old one: %+v, %v", r, err)
	}
	sweep(t, s, epoch.Add(1e4*time.Hour), 100, 2)
}

// testSweepMax: no more than asked for at once, the oldest first, and what was
// moved to a later time not before it.
func testSweepMax(t *testing.T, s Store) {
	var effects []settle.Effect
	for i := range 700 {
		a := attempt(fmt.Sprintf("m%03d", i), 1)
		a.ExpiresAt = epoch.Add(time.Duration(i) * time.Second)
		effects = append(effects, authn.SaveAttempt{Attempt: a})
	}
	late := attempt("m000", 2)
	late.ExpiresAt = epoch.Add(1e4 * time.Hour)
	want(t, s, settle.Done, append(effects, authn.SaveAttempt{Attempt: late})...)
	now := epoch.Add(100 * time.Hour)
	sweep(t, s, now, 0, 0)
	sweep(t, s, now, 1, 1)
	_, err := s.Attempt(t.Context(), "m001")
	absent(t, "the oldest", err)
	sweep(t, s, now, 600, 600)
	sweep(t, s, now, 600, 98)
	got, err := s.Attempt(t.Context(), "m000")
	same(t, "the one with a later time", got, err, late)
}
