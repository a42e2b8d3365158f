package authn_test

import (
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/tokens/pskc"
)

// Clause 5.3.2: a clock that is set back opens nothing: a time step that was used
// stays used, a lock stays, a session that has ended stays ended.
func TestClause5_3_2_AClockSetBackOpensNothing(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.TOTP)
	b.Clock.Forward(2 * time.Minute)
	code := d.TOTP()
	v, err := login(t, b, c.ID, authn.OTP, code, banktest.PIN)
	if err != nil {
		t.Fatal(err)
	}
	session := v.Session.Session.ID
	if err := b.Authn.End(t.Context(), b.Front(), session, "logout"); err != nil {
		t.Fatal(err)
	}
	// The server is started again each time: what it knows in memory only, such as
	// who has to wait, goes by a clock that nobody can set.
	setBack := func(d time.Duration) {
		t.Helper()
		if err := b.Engine.Close(); err != nil {
			t.Fatal(err)
		}
		b.Clock.Forward(-d)
		b.Open()
	}
	for _, back := range []time.Duration{time.Second, time.Minute, time.Hour} {
		setBack(back)
		for range 2 { // the code that was used, and the code of that earlier moment
			if _, err := login(t, b, c.ID, authn.OTP, code, banktest.PIN); !refused(err) {
				t.Fatalf("%s back: a used step: %v", back, err)
			}
			code = d.TOTP()
		}
		if s, err := b.Store.Session(t.Context(), session); err != nil || s.EndedAt.IsZero() {
			t.Errorf("%s back: the session lives again: %+v, %v", back, s, err)
		}
	}
	// Six refusals have locked the token; no setting back takes the lock away.
	if n := b.Count("credential.locked", "", ""); n == 0 {
		t.Fatal("six refusals have not locked the token: this shows nothing")
	}
	setBack(time.Hour)
	if _, err := login(t, b, c.ID, authn.OTP, d.TOTP(), banktest.PIN); !refused(err) || b.Count("", "", "credential-locked") == 0 {
		t.Errorf("a locked token: %v", err)
	}
}
