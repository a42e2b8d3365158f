package enrollment_test

import (
	"testing"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
	"mohur/store/bolt"
	"mohur/store/bolttest"
	"mohur/storecheck"
	"mohur/tokens/pskc"
)

// entersBy logs in with a PIN and a code.
func entersBy(b *banktest.Bank, customer, pin, code string) bool {
	b.T.Helper()
	v, err := b.Authn.Begin(b.T.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		b.T.Fatal(err)
	}
	for _, a := range []authn.AnswerCommand{{Method: authn.PIN, Secret: pin}, {Method: authn.OTP, Secret: code}} {
		a.Caller, a.Attempt = b.Front(), v.Attempt.ID
		if v, err = b.Authn.Answer(b.T.Context(), a); err != nil {
			return false
		}
	}
	return v.Session != nil
}

// checked is what a check of the store finds.
func checked(b *banktest.Bank) storecheck.Report {
	b.T.Helper()
	check := &storecheck.Check{
		Store: b.Engine, HSM: b.HSM, Settler: b.Store, Audit: b.Audit, Now: b.Clock.Now, Bound: b.Store.Checks(b.Engine.Secret), Parts: bolt.Parts(),
	}
	r, err := check.Run(b.T.Context())
	if err != nil {
		b.T.Fatal(err)
	}
	return r
}

// Whoever writes the file and knows an earlier PIN has the customer set a new one,
// by putting back another record or by removing it, with its row and index too. The
// earlier PIN opens nothing after that either, and a check of the store finds it.
func TestClause5_27_AnOldPINNeverOpensAgain(t *testing.T) {
	const known = "834917"
	for name, c := range map[string]struct {
		spoil func(f bolttest.File, customer string, first []byte)
		again []string // the PINs set after it, up to the version that is known
	}{
		"the first put back": {func(f bolttest.File, id string, first []byte) { f.Put("pin", id, first) }, []string{"940281"}},
		"removed":            {func(f bolttest.File, id string, _ []byte) { f.Delete("pin", id) }, []string{"940281", "719463"}},
		"removed with its row": {func(f bolttest.File, id string, _ []byte) {
			f.Delete("pin", id)
			f.Delete("hot", "pin/"+id)
			f.Delete("hot-version", "pin/"+id)
		}, []string{"940281", "719463"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := banktest.New(t)
			who, d := b.Person(pskc.HOTP)
			var first, second []byte
			b.Edit(func(f bolttest.File) { first = f.Get("pin", who.ID) })
			b.SetPIN(who.ID, known)
			b.Edit(func(f bolttest.File) { second = f.Get("pin", who.ID) })
			b.SetPIN(who.ID, "602758")
			b.Edit(func(f bolttest.File) { c.spoil(f, who.ID, first) })
			for _, pin := range []string{banktest.PIN, known, "602758"} {
				if entersBy(b, who.ID, pin, d.HOTP()) {
					t.Fatalf("%s opens after the edit", pin)
				}
			}
			if name == "removed" { // found when it is to be replaced: refused this once
				sent, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: who.ID, Purpose: "pin", Channel: "sms"})
				if err != nil {
					t.Fatal(err)
				}
				cmd := enrollment.PINCommand{Caller: b.Front(), Customer: who.ID, PIN: "940281", Proof: enrollment.Proof{ActivationSecret: sent.Text}}
				if err := b.Enrollment.SetPIN(t.Context(), cmd); !problem.Is(err, problem.AuthenticationFailed) {
					t.Fatal(err)
				}
			}
			for _, pin := range c.again {
				b.SetPIN(who.ID, pin)
			}
			mine := c.again[len(c.again)-1]
			if !entersBy(b, who.ID, mine, d.HOTP()) {
				t.Fatal("the customer's new PIN does not open")
			}
			b.Edit(func(f bolttest.File) { f.Put("pin", who.ID, second) })
			found := false
			for _, f := range checked(b).Findings {
				found = found || f.Part == "pin" && f.ID == who.ID && f.Kind == storecheck.KindRecord
			}
			if !found {
				t.Error("a check of the store does not find the record")
			}
			if entersBy(b, who.ID, known, d.HOTP()) {
				t.Error("the old PIN opens again")
			}
			rows, err := b.Store.Hot(t.Context(), "pin/"+who.ID)
			if err != nil || rows[0].Hot.State.String() != "quarantined" {
				t.Errorf("the PIN is %s, %v", rows[0].Hot.State, err)
			}
		})
	}
}
