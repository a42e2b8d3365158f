package authn_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/risk"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

// loginFrom is a log-in with the code of a device, begun from somewhere.
func loginFrom(t *testing.T, b *banktest.Bank, customer, code string, s risk.Signals, ch parties.Channel) (authn.View, error) {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: ch, Signals: s})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	return answer(t, b, v.Attempt.ID, authn.OTP, code)
}

func habits(t *testing.T, b *banktest.Bank, customer string) authn.Activity {
	t.Helper()
	a, err := b.Authn.Habits(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A failed log-in at 10:01 and a granted one at 10:05 are both told, with the log-in
// before: by the clock, whoever failed and with whatever factor.
func TestClause5_34_LastLoginAndLastFailedOne(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	if a := habits(t, b, c.ID); len(a.Granted)+len(a.Refused) != 0 || a.Knows("") || a.LastCountry() != "" {
		t.Fatalf("before anything: %+v", a)
	}
	if _, err := loginFrom(t, b, c.ID, d.HOTP(), risk.Signals{}, parties.PC); err != nil {
		t.Fatal(err)
	}
	first := b.Clock.Now()
	b.Clock.Forward(time.Hour)
	if _, err := loginFrom(t, b, c.ID, "000000", risk.Signals{}, parties.Mobile); !refused(err) {
		t.Fatal(err)
	}
	failed := b.Clock.Now()
	b.Clock.Forward(4 * time.Minute)
	v, err := loginFrom(t, b, c.ID, d.HOTP(), risk.Signals{}, parties.Internet)
	if err != nil {
		t.Fatal(err)
	}
	last := b.Clock.Now()

	near := func(what string, got authn.LogIn, is bool, at time.Time, ch parties.Channel) {
		t.Helper()
		if gap := at.Sub(got.At); !is || gap < 0 || gap > 30*time.Second || got.Channel != ch {
			t.Errorf("%s: %+v, %t; want %s over %s", what, got, is, at, ch)
		}
	}
	a := habits(t, b, c.ID)
	got, is := a.LastLogin()
	near("last", got, is, last, parties.Internet)
	got, is = a.PreviousLogin()
	near("the one before", got, is, first, parties.PC)
	got, is = a.LastFailed()
	near("failed", got, is, failed, parties.Mobile)
	if v.Session.Before == nil {
		t.Fatal("the grant tells nothing")
	}
	got, is = v.Session.Before.LastLogin()
	near("in the grant", got, is, first, parties.PC)
	got, is = v.Session.Before.LastFailed()
	near("in the grant, failed", got, is, failed, parties.Mobile)
	if n := a.FailedSince(failed.Add(-time.Minute)); n != 1 || a.FailedSince(failed.Add(time.Minute)) != 0 {
		t.Errorf("%d failures", n)
	}
	// A day later it does not count any more, and is still told.
	b.Clock.Forward(25 * time.Hour)
	if _, err := loginFrom(t, b, c.ID, "000000", risk.Signals{}, parties.Mobile); !refused(err) {
		t.Fatal(err)
	}
	if a = habits(t, b, c.ID); a.FailedSince(b.Clock.Now().Add(-24*time.Hour)) != 1 || len(a.Failures) != 1 || len(a.Refused) != 2 {
		t.Errorf("a day later: %+v", a)
	}
}

// What is refused is told whatever was wrong with it, also to a customer who is
// suspended, and also what a stranger tried.
func TestClause5_34_EveryFactorCounts(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	tries := []func() error{
		func() error { _, err := login(t, b, c.ID, authn.OTP, "000000", banktest.PIN); return err },
		func() error { _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), "999999"); return err },
		func() error { // nothing of his is a card
			v := begin(t, b, c.ID)
			_, err := answer(t, b, v.Attempt.ID, authn.OCRA, "12345678")
			return err
		},
		func() error {
			if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "4.6", true); err != nil {
				t.Fatal(err)
			}
			_, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN)
			return err
		},
	}
	for i, try := range tries {
		if err := try(); !refused(err) {
			t.Fatalf("try %d: %v", i, err)
		}
		if a := habits(t, b, c.ID); len(a.Refused) != i+1 || a.FailedSince(b.Clock.Now().Add(-time.Hour)) != i+1 || len(a.Granted) != 0 {
			t.Errorf("after try %d: %+v", i, a)
		}
	}
}

// A stranger who guesses without end does not push out who was let in, and the record
// does not grow with him.
func TestClause5_34_AStrangerPushesNothingOut(t *testing.T) {
	b := banktest.New(t)
	b.Authn.Settings.Limits.Failures = 255
	c, d := b.Person(pskc.HOTP)
	for i := range 3 {
		if _, err := loginFrom(t, b, c.ID, d.HOTP(), risk.Signals{DeviceID: "his", Country: "AZ"}, parties.Mobile); err != nil {
			t.Fatal(i, err)
		}
	}
	was := habits(t, b, c.ID)
	for range 6 {
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.PC, Signals: risk.Signals{DeviceID: "the stranger's", Country: "KP"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, "999999"); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := answer(t, b, v.Attempt.ID, authn.OTP, "12345678"); !refused(err) {
				t.Fatal(err)
			}
		}
	}
	a := habits(t, b, c.ID)
	if fmt.Sprint(a.Granted, a.Devices, a.Country) != fmt.Sprint(was.Granted, was.Devices, was.Country) || len(a.Granted) != 3 {
		t.Errorf("log-ins %+v, were %+v", a, was)
	}
	if len(a.Refused) != 10 || len(a.Failures) != 50 || a.Knows("the stranger's") || !a.Knows("his") || a.LastCountry() != "AZ" {
		t.Errorf("refused %d, failures %d: %+v", len(a.Refused), len(a.Failures), a)
	}
	if last, _ := a.LastFailed(); last.Channel != parties.PC {
		t.Errorf("the owner is not told of the stranger: %+v", a.Refused)
	}
}

// The devices and the country are those of granted log-ins; the one not seen for
// longest gives way.
func TestActivityKnowsTwentyDevices(t *testing.T) {
	b := banktest.New(t)
	b.Authn.Settings.MaxSessions = 0
	c, d := b.Person(pskc.HOTP)
	in := func(device, country string) {
		t.Helper()
		if _, err := loginFrom(t, b, c.ID, d.HOTP(), risk.Signals{DeviceID: device, Country: country}, parties.Mobile); err != nil {
			t.Fatal(err)
		}
	}
	in("d0", "AZ")
	in("d1", "TR")
	in("d0", "")           // seen again, and the country is not told
	in("d2", "somewhere!") // not a country
	if a := habits(t, b, c.ID); a.LastCountry() != "TR" || len(a.Devices) != 3 || a.Devices[0].Sum != authn.DeviceOf("d1") {
		t.Fatalf("%+v", a)
	}
	for i := 3; i < 21; i++ {
		in(fmt.Sprint("d", i), "AZ")
	}
	a := habits(t, b, c.ID)
	if len(a.Devices) != 20 || a.Knows("d1") || !a.Knows("d0") || !a.Knows("d20") || len(a.Granted) != 10 {
		t.Errorf("%d devices, %d log-ins: %+v", len(a.Devices), len(a.Granted), a.Devices)
	}
}

// Proofs of acts and payments are no log-ins.
func TestActivityIsOfLogIns(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Action, Action: &authn.NamedAction{Name: "limits.raise", Data: []byte("{}")}, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"000000", d.HOTP()} {
		answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN)
		answer(t, b, v.Attempt.ID, authn.OTP, code)
	}
	if a := habits(t, b, c.ID); a.Version != 0 {
		t.Errorf("%+v", a)
	}
}

// Whoever is nobody leaves a record that goes with his attempt, and none under his name.
func TestClause5_34_NobodyHasNoActivity(t *testing.T) {
	b := banktest.New(t)
	v := begin(t, b, "C-NOBODY")
	m := v.Attempt.Ways[0][0]
	for range 2 {
		answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN)
		if _, err := answer(t, b, v.Attempt.ID, m, "00000000"); !refused(err) {
			t.Fatal(err)
		}
	}
	if a := habits(t, b, "C-NOBODY"); a.Version != 0 {
		t.Errorf("kept under a name that somebody made up: %+v", a)
	}
	if a := habits(t, b, "#"+v.Attempt.ID); a.Version != 2 || !a.ExpiresAt.Equal(v.Attempt.ExpiresAt) {
		t.Errorf("%+v", a)
	}
	if n, err := b.Engine.Sweep(t.Context(), v.Attempt.ExpiresAt.Add(2*time.Hour), 10); err != nil || n != 2 {
		t.Errorf("swept %d, %v", n, err)
	}
	if a := habits(t, b, "#"+v.Attempt.ID); a.Version != 0 {
		t.Errorf("left: %+v", a)
	}
}

// A refusal asks the HSM for as much and writes as much, whoever the log-in is for.
func TestClause5_34_ARefusalCostsTheSameForNobody(t *testing.T) {
	b := banktest.New(t)
	c, _ := b.Person(pskc.HOTP)
	out, _ := b.Person(pskc.HOTP)
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), out.ID, parties.CustomerSuspended, "4.6", true); err != nil {
		t.Fatal(err)
	}
	costs := map[string]string{}
	for _, id := range []string{"C-NOBODY-3", "C-NOBODY-4", c.ID, out.ID} {
		v := begin(t, b, id)
		if v.Attempt.Ways[0][0] != authn.OTP {
			t.Fatalf("%s is asked for %v", id, v.Attempt.Ways)
		}
		for i := range 3 {
			answer(t, b, v.Attempt.ID, authn.PIN, "999999")
			was := b.Authn.Settler
			s := &settling{Store: was}
			b.Authn.Settler = s
			cost := asked(b, func() {
				if _, err := answer(t, b, v.Attempt.ID, authn.OTP, "00000000"); !refused(err) {
					t.Fatal(err)
				}
			})
			b.Authn.Settler = was
			if i > 0 { // what is always the same is remembered from then on
				costs[fmt.Sprint(cost, s.n)] += " " + id
			}
		}
	}
	if len(costs) != 1 {
		t.Errorf("they differ: %v", costs)
	}
}

// What somebody changed in the store is not told and keeps nobody out.
func TestClause5_34_AChangedRecordIsFound(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	if _, err := login(t, b, c.ID, authn.OTP, "000000", banktest.PIN); !refused(err) {
		t.Fatal(err)
	}
	b.Edit(func(f bolttest.File) {
		f.Put("activity", c.ID, bytes.Replace(f.Get("activity", c.ID), []byte("internet"), []byte("extranet"), 1))
	})
	if _, err := b.Authn.Habits(t.Context(), c.ID); err == nil {
		t.Fatal("it is believed")
	}
	v, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN)
	if err != nil || v.Session == nil || v.Session.Before != nil {
		t.Fatalf("%+v, %v", v.Session, err)
	}
	if b.Count("incident.opened", "", "") == 0 {
		t.Error("no incident")
	}
	b.Edit(func(f bolttest.File) { f.Put("activity", c.ID, []byte("?")) })
	if v, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil || v.Session == nil {
		t.Errorf("a damaged record: %v", err)
	}
}

// Parallel answers to many log-ins of one customer are all counted, and block nobody.
func TestClause5_34_ParallelRefusalsAreAllCounted(t *testing.T) {
	b := banktest.New(t)
	b.Authn.Settings.Limits.Failures = 255
	c, d := b.Person(pskc.HOTP)
	var attempts []string
	for range 10 {
		attempts = append(attempts, begin(t, b, c.ID).Attempt.ID)
	}
	var work sync.WaitGroup
	for _, id := range attempts {
		work.Go(func() {
			answer(t, b, id, authn.PIN, "999999")
			b.Authn.Answer(context.WithoutCancel(t.Context()), authn.AnswerCommand{Caller: b.Front(), Attempt: id, Method: authn.OTP, Secret: "00000000"})
		})
	}
	work.Wait()
	n := b.Count("authentication.answered", "refused", "")
	if a := habits(t, b, c.ID); n != 10 || len(a.Failures) != n || a.Version != uint64(n) {
		t.Errorf("%d refused, %d counted, version %d", n, len(a.Failures), a.Version)
	}
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Error(err)
	}
}
