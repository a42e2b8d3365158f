package authn_test

import (
	"sync"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/tokens/pskc"
)

// The oldest session gives way, on record and at once; what has run out of time takes no
// place, and nobody else's session ends.
func TestClause5_22_SessionsOfAPersonAreLimited(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	stranger, other := b.Person(pskc.HOTP)
	open := func(customer string, d *banktest.Device) authn.SessionGrant {
		t.Helper()
		v, err := login(t, b, customer, authn.OTP, d.HOTP(), banktest.PIN)
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Forward(time.Second)
		return *v.Session
	}
	live := func(g authn.SessionGrant) bool {
		_, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, nil)
		return err == nil
	}
	theirs := open(stranger.ID, other)
	var all []authn.SessionGrant
	for range 7 {
		all = append(all, open(c.ID, d))
	}
	for i, g := range all {
		if live(g) != (i >= 2) {
			t.Errorf("session %d of 7: live is %v", i+1, live(g))
		}
	}
	if !live(theirs) {
		t.Error("another's session has ended")
	}
	if n := b.Count("session.ended", "ended", "too-many-sessions"); n != 2 {
		t.Errorf("%d ends are on record", n)
	}
	if s, err := b.Store.Session(t.Context(), all[0].Session.ID); err != nil || s.EndReason != "too-many-sessions" || s.EndedAt.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
	b.Clock.Forward(b.Authn.Settings.Idle)
	open(c.ID, d)
	if n := b.Count("session.ended", "", ""); n != 2 {
		t.Errorf("%d sessions have ended for others that had run out of time", n)
	}
	b.Authn.Settings.MaxSessions = 0
	for range 6 {
		open(c.ID, d)
	}
	if n := b.Count("session.ended", "", ""); n != 2 {
		t.Errorf("without a limit %d have ended", n)
	}
}

// Log-ins at the same moment with different tokens do not both take the last place.
func TestClause5_22_LogInsAtOnceKeepTheLimit(t *testing.T) {
	b := banktest.New(t)
	b.Authn.Settings.MaxSessions = 1
	c, first := b.Person(pskc.HOTP)
	devices := []*banktest.Device{first}
	for _, d := range b.Import(3, pskc.HOTP) {
		b.Hand(d, c.ID)
		devices = append(devices, d)
	}
	var all sync.WaitGroup
	for _, d := range devices {
		v := begin(t, b, c.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
		code, credential := d.HOTP(), ""
		for _, o := range v.Attempt.Offers {
			for i := range o.Credentials {
				if cred, err := b.Store.Credential(t.Context(), o.Credentials[i].ID); err == nil && cred.Token == d.ID {
					credential = cred.ID
				}
			}
		}
		all.Go(func() {
			_, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Credential: credential, Secret: code})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	open, err := b.Store.Sessions(t.Context(), c.ID)
	if err != nil || len(open) != 1 {
		t.Errorf("%d sessions, %v; want 1", len(open), err)
	}
}
