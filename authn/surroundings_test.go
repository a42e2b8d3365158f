package authn_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/risk"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

// Of an address its network is kept, and of what is none nothing.
func TestNetworks(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.0/24", "192.0.2.255": "192.0.2.0/24", "192.0.3.1": "192.0.3.0/24", "::ffff:192.0.2.7": "192.0.2.0/24",
		"2001:db8:1:2::3": "2001:db8:1::/48", "2001:db8:1:ffff::": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48",
		"": "", "192.0.2": "", "192.0.2.1, 10.0.0.1": "", "192.0.2.1:443": "", "bank.test": "",
	} {
		if got := authn.NetworkOf(ip); got != want {
			t.Errorf("%q: %q, want %q", ip, got, want)
		}
	}
}

// A session keeps where its log-in was begun, in coarse traces only.
func TestASessionKnowsWhereItsLogInWasBegun(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	login := func(s risk.Signals) authn.Session {
		t.Helper()
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet, Signals: s})
		if err != nil {
			t.Fatal(err)
		}
		for m, secret := range map[authn.Method]string{authn.PIN: banktest.PIN, authn.OTP: d.HOTP()} {
			got, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: m, Secret: secret})
			if err != nil {
				t.Fatal(err)
			}
			if got.Session != nil {
				s, err := b.Store.Session(t.Context(), got.Session.Session.ID)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
		}
		t.Fatal("no session")
		return authn.Session{}
	}
	from := login(risk.Signals{IP: "192.0.2.77", UserAgent: "u", DeviceID: "phone-17", Country: "AZ"}).From
	if from.Network != "192.0.2.0/24" || from.Country != "AZ" || from.Device != authn.DeviceOf("phone-17") || len(from.Device) != 22 || from.Device == authn.DeviceOf("phone-18") {
		t.Errorf("%+v", from)
	}
	if from := login(risk.Signals{IP: "?", Country: "Azerbaijan"}).From; from != (authn.Surroundings{}) {
		t.Errorf("of what means nothing: %+v", from)
	}
}

// IssuedAt reads what was verified already, and nothing of what is no token.
func TestIssuedAt(t *testing.T) {
	payload := func(text string) string { return "e30." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".x" }
	for token, want := range map[string]int64{
		payload(`{"iat":1792000000}`): 1792000000, payload(`{"iat":-1}`): 0, payload(`{"iat":1e300}`): 0, payload(`{"iat":"1"}`): 0, payload(`{}`): 0, payload(`[`): 0,
		"": 0, ".": 0, "a.b.c": 0, "a.=.c": 0,
	} {
		at, ok := authn.IssuedAt(token)
		if ok != (want != 0) || ok && !at.Equal(time.Unix(want, 0)) {
			t.Errorf("%q: %v, %v", token, at, ok)
		}
	}
}

// FuzzIssuedAt: whatever is shown, it is a moment or none.
func FuzzIssuedAt(f *testing.F) {
	for _, seed := range []string{"", "a.eyJpYXQiOjE3OTIwMDAwMDB9.b", "...", "a.e30.b", "a.eyJpYXQiOjk5OTk5OTk5OTk5OTk5OTk5OX0.b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if at, ok := authn.IssuedAt(token); ok && (at.Unix() <= 0 || at.Year() > 2300) {
			t.Errorf("%q: %v", token, at)
		}
	})
}

// Refused answers stand against a customer until each factor was answered right.
func TestWhatStandsAgainstACustomer(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	var session authn.Session
	try := func(code string) {
		t.Helper()
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet})
		if err != nil {
			t.Fatal(err)
		}
		b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.PIN, Secret: banktest.PIN})
		got, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: code})
		if err == nil && got.Session != nil {
			session = got.Session.Session
		}
	}
	stands := func(want int) {
		t.Helper()
		got, err := b.Authn.Standing(t.Context(), session.Customer, session.Credential)
		if err != nil || got.Refused != want || !got.Whole || got.Model != "none" || got.Since.IsZero() {
			t.Errorf("%+v, %v, want %d", got, err, want)
		}
	}
	try(d.HOTP())
	stands(0)
	try("000000")
	stands(1)
	try("000001")
	stands(2)
	try(d.HOTP())
	stands(0)
	if got, err := b.Authn.Standing(t.Context(), session.Customer, "cr_other"); !errors.Is(err, parties.ErrNotFound) {
		t.Errorf("a credential that is not his: %+v, %v", got, err)
	}
	b.Edit(func(f bolttest.File) {
		row := bytes.Clone(f.Get("hot", session.Credential))
		row[9] = 0x7f // failures
		f.Put("hot", session.Credential, row)
	})
	if got, err := b.Authn.Standing(t.Context(), session.Customer, session.Credential); err != nil || got.Whole {
		t.Errorf("a row that was changed: %+v, %v", got, err)
	}
}
