package authn_test

import (
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/tokens/pskc"
)

// Where the bank sets an age, an old PIN logs nobody in and still changes itself.
func TestClause5_22_AnOldPINProvesOnlyItsOwnChange(t *testing.T) {
	b := banktest.New(t)
	b.Authn.Settings.PINMaxAge = 90 * 24 * time.Hour
	c, d := b.Person(pskc.HOTP)
	b.Clock.Forward(90*24*time.Hour - time.Minute)
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Fatalf("before its age: %v", err)
	}
	b.Clock.Forward(2 * time.Minute)
	for range 6 { // it is no failure, and locks nothing
		if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
			t.Fatalf("after its age: %v", err)
		}
	}
	if b.Count("authentication.answered", "refused", "pin-expired") != 6 || b.Count("pin.locked", "", "") != 0 {
		t.Error("the log does not tell why, or it locked")
	}
	prove := func(action string) authn.View {
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
			Caller: b.Front(), Customer: c.ID, Purpose: authn.Action, Action: &authn.NamedAction{Name: action, Data: []byte("{}")}, Channel: parties.Internet,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
		v, err = answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP())
		if err != nil && !refused(err) {
			t.Fatal(err)
		}
		return v
	}
	if v := prove("payees.add"); v.Attempt.State == authn.Granted {
		t.Error("an old PIN proves another act")
	}
	v := prove("customer.pin")
	cmd := enrollment.PINCommand{Caller: b.Front(), Customer: c.ID, PIN: "930471", Proof: enrollment.Proof{Authentication: v.Attempt.ID}}
	if err := b.Enrollment.SetPIN(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), "930471"); err != nil {
		t.Fatalf("with the new PIN: %v", err)
	}
}

// Who reads a notice does not learn which factor was wrong (RTS Art. 4(3)(a)).
func TestClause5_22_ANoticeOfALockNamesNoFactor(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	for range 5 {
		if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), "930471"); !refused(err) {
			t.Fatal(err)
		}
	}
	notices, err := b.Store.Notices(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	locked := 0
	for _, n := range notices {
		if strings.Contains(n.Kind, "locked") {
			locked++
			if n.Kind != "credential-locked" {
				t.Errorf("the notice is %q", n.Kind)
			}
		}
	}
	if locked != 1 {
		t.Errorf("%d notices of the lock", locked)
	}
}
