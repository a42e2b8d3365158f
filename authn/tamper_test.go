package authn_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"mohur/authn"
	"mohur/banktest"
	"mohur/problem"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

// row reads what stands under a key.
func row(b *banktest.Bank, bucket, key string) (out []byte) {
	b.Edit(func(f bolttest.File) { out = f.Get(bucket, key) })
	return out
}

// put replaces what stands under a key.
func put(b *banktest.Bank, bucket, key string, value []byte) {
	b.Edit(func(f bolttest.File) { f.Put(bucket, key, value) })
}

// nobody checks that a right code and PIN are refused, that the credential is in
// quarantine with one incident, and that it stays there.
func nobody(t *testing.T, b *banktest.Bank, customer string, d *banktest.Device) {
	t.Helper()
	for range 2 {
		if _, err := login(t, b, customer, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
			t.Fatalf("after the change: %v", err)
		}
	}
	if q, i := b.Count("credential.quarantined", "", ""), b.Count("incident.opened", "", ""); q != 1 || i != 1 {
		t.Fatalf("%d quarantines and %d incidents in the log, want one of each", q, i)
	}
	incidents, _, err := b.Store.Incidents(t.Context(), "", 10)
	if err != nil || len(incidents) != 1 {
		t.Fatalf("incidents: %v, %v", incidents, err)
	}
}

// Clause 5.3.2: any byte of a hot row that is changed is found, and grants
// nobody.
func TestClause5_3_2_AChangedHotRowIsQuarantined(t *testing.T) {
	for _, at := range []int{0, 7, 8, 9, 10, 11, 12, 20, 36, 43, 44, 59} {
		t.Run(fmt.Sprintf("byte %d", at), func(t *testing.T) {
			b := banktest.New(t)
			c, d := b.Person(pskc.HOTP)
			id := credentialOf(t, b, d)
			was := row(b, "hot", id)
			if len(was) != 60 {
				t.Fatalf("a hot row of %d bytes", len(was))
			}
			was[at] ^= 1
			put(b, "hot", id, was)
			nobody(t, b, c.ID, d)
		})
	}
}

// Clause 5.3.2: an old row put back, with or without the failures it forgets,
// is found by the index of last versions.
func TestClause5_3_2_AnOldHotRowPutBackIsQuarantined(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	old := row(b, "hot", id)
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Fatal(err)
	}
	put(b, "hot", id, old)
	nobody(t, b, c.ID, d)
}

// A row that was removed is not a row without failures.
func TestClause5_3_2_AMissingHotRowIsQuarantined(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	b.Edit(func(f bolttest.File) { f.Delete("hot", id) })
	nobody(t, b, c.ID, d)
}

// Another token's row, whole and signed, is not this token's.
func TestClause5_3_2_AnothersHotRowIsQuarantined(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	_, other := b.Person(pskc.HOTP)
	foreign := row(b, "hot", credentialOf(t, b, other))
	put(b, "hot", credentialOf(t, b, d), foreign)
	nobody(t, b, c.ID, d)
}

// Clause 5.27: a credential's record with another seed, or other parameters, is
// quarantined; a thief cannot put his own token under a victim's name.
func TestClause5_27_AChangedCredentialIsQuarantined(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	_, thief := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	mine := row(b, "credential", credentialOf(t, b, thief))
	put(b, "credential", id, bytes.ReplaceAll(mine, []byte(credentialOf(t, b, thief)), []byte(id)))
	nobody(t, b, c.ID, d)
}

// Clause 5.27: a token record edited to name a victim gives nothing.
func TestClause5_27_ATokenMovedToAVictimIsNothing(t *testing.T) {
	b := banktest.New(t)
	victim, _ := b.Person(pskc.OCRA)
	thief, d := b.Person(pskc.HOTP)
	tk, err := b.Enrollment.Token(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.ReplaceAll(row(b, "token", tk.ID), []byte(thief.ID), []byte(victim.ID))
	b.Edit(func(f bolttest.File) {
		key := f.KeyEndingIn("token-by-customer", tk.ID)
		f.Put("token-by-customer", strings.ReplaceAll(key, thief.ID, victim.ID), []byte(tk.ID))
		f.Put("token", tk.ID, edited)
	})
	v := begin(t, b, victim.ID)
	for _, o := range v.Attempt.Offers {
		if o.Method == authn.OTP {
			t.Fatalf("the thief's token is offered to the victim: %+v", o)
		}
	}
	if _, err := login(t, b, victim.ID, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
		t.Fatal(err)
	}
	if n := b.Count("incident.opened", "", "record.tampered"); n != 1 {
		t.Fatalf("%d incidents", n)
	}
}

// A PIN record put back after the PIN was changed is found.
func TestClause5_27_AnOldPINPutBackIsQuarantined(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	old := row(b, "pin", c.ID)
	b.SetPIN(c.ID, "582013")
	put(b, "pin", c.ID, old)
	for range 2 {
		if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
			t.Fatalf("the old PIN: %v", err)
		}
	}
	if n := b.Count("credential.quarantined", "", "pin-record-changed"); n != 1 {
		t.Fatalf("%d quarantines", n)
	}
}

func credentialOf(t *testing.T, b *banktest.Bank, d *banktest.Device) string {
	t.Helper()
	tk, err := b.Enrollment.Token(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return tk.Credentials[0]
}

// A module that answers with other keys than the bank's, after a failover for
// instance, makes every row look changed. That is an outage: nothing is
// quarantined, no incident is opened, and all is well when the module is back.
func TestClause5_3_5_AnotherModulesKeysAreAnOutage(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	was := row(b, "hot", id)
	changed := bytes.Clone(was)
	changed[50] ^= 1
	put(b, "hot", id, changed)
	v := begin(t, b, c.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	b.HSM.FailIn("Check", hsmAway)
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); !problem.Is(err, problem.Unavailable) {
		t.Fatalf("with another module's keys: %v", err)
	}
	b.HSM.Heal()
	if n := b.Count("credential.quarantined", "", "") + b.Count("incident.opened", "", ""); n != 0 {
		t.Fatalf("%d quarantines and incidents", n)
	}
	put(b, "hot", id, was)
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Fatalf("with the module back: %v", err)
	}
}
