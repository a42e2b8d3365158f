package enrollment_test

import (
	"bytes"
	"testing"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/parties"
	"mohur/store/bolt"
	"mohur/storecheck"
	"mohur/tokens"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// Clause 5.20: a token that came back and was wiped is filled anew under its own
// serial and key id. Before that, and with the seed of before, it is refused; what
// the old seed made opens nothing.
func TestClause5_20_AWipedTokenIsFilledAnew(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP, pskc.OCRA)
	was, err := b.Store.Token(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	file := func(seeds ...string) pskctest.File {
		var f pskctest.File
		for i, kind := range []pskc.Algorithm{pskc.HOTP, pskc.OCRA}[:len(seeds)] {
			k := pskctest.Key{Manufacturer: "Example", Serial: d.Serial, KeyID: d.Serial + "-" + string(kind), Algorithm: kind, Digits: 6, Secret: []byte(seeds[i])}
			if kind == pskc.OCRA {
				k.Digits, k.Suite = 8, enrollment.OCRASuite
			}
			f.Keys = append(f.Keys, k)
		}
		return f
	}
	const one, two = "a new seed of 32 bytes, HOTP....", "a new seed of 32 bytes, OCRA...."
	for _, m := range []tokens.Move{tokens.Revoke, tokens.Return, tokens.Wipe} {
		if job := run(t, b, file(one, two).Plain(), ""); job.Imported != 0 || job.Rejected != 2 {
			t.Fatalf("before %s: %+v", m, job)
		}
		if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: d.ID, Move: m, Reason: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	old := string(d.Secret(pskc.HOTP))
	if job := run(t, b, file(old).Plain(), ""); job.Imported != 0 || job.Rejected != 1 {
		t.Fatalf("the seed of before: %+v", job)
	}
	if tk, err := b.Store.Token(t.Context(), d.ID); err != nil || tk.State != tokens.Wiped {
		t.Fatalf("it is %s after that, %v", tk.State, err)
	}
	if job := run(t, b, file(one, two).Plain(), ""); job.Imported != 2 || job.Rejected != 0 {
		t.Fatalf("filled anew: %+v", job)
	}
	now, err := b.Store.Token(t.Context(), d.ID)
	if err != nil || now.State != tokens.InStock || now.Customer != "" || len(now.Credentials) != 2 || len(now.Former) != 2 || now.Former[0] != was.Credentials[0] {
		t.Fatalf("%+v, %v", now, err)
	}
	if last := now.History[len(now.History)-1]; last.Move != tokens.Restock || last.To != tokens.InStock {
		t.Errorf("the history ends with %+v", last)
	}
	if job := run(t, b, file(old).Plain(), ""); job.Imported != 0 {
		t.Errorf("the seed of before, later: %+v", job)
	}

	// The next customer uses it; the old seed opens neither his door nor the first one's.
	next := b.Customer()
	b.SetPIN(next.ID, banktest.PIN)
	d.Refill(pskc.HOTP, []byte(one))
	d.Refill(pskc.OCRA, []byte(two))
	b.Hand(d, next.ID)
	if !opens(b, next.ID, d.HOTP()) {
		t.Error("the new seed does not open")
	}
	d.Refill(pskc.HOTP, []byte(old))
	for _, customer := range []string{c.ID, next.ID} {
		for range 3 {
			if opens(b, customer, d.HOTP()) {
				t.Error("the old seed opens")
			}
		}
	}
	check := &storecheck.Check{
		Store: b.Engine, HSM: b.HSM, Settler: b.Store, Audit: b.Audit, Now: b.Clock.Now, Bound: b.Store.Checks(b.Engine.Secret), Parts: bolt.Parts(),
	}
	if r, err := check.Run(t.Context()); err != nil || r.Found != 0 {
		t.Errorf("a check of the store: %+v, %v", r.Findings, err)
	}
}

// opens logs a customer in.
func opens(b *banktest.Bank, customer, code string) bool {
	b.T.Helper()
	v, err := b.Authn.Begin(b.T.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		b.T.Fatal(err)
	}
	for _, a := range []authn.AnswerCommand{{Method: authn.PIN, Secret: banktest.PIN}, {Method: authn.OTP, Secret: code}} {
		a.Caller, a.Attempt = b.Front(), v.Attempt.ID
		if v, err = b.Authn.Answer(b.T.Context(), a); err != nil {
			return false
		}
	}
	return v.Session != nil
}

// Clause 5.20: nor does the seed of before come back after the key that wraps seeds
// has a next version, under which the same seed is another blob.
func TestClause5_20_ARotationForgetsNoSeed(t *testing.T) {
	b := banktest.New(t)
	_, d := b.Person(pskc.HOTP)
	for _, m := range []tokens.Move{tokens.Revoke, tokens.Return, tokens.Wipe} {
		if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: d.ID, Move: m, Reason: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hsmtest.SoftHSM(t).Rotate(t.Context(), hsm.SeedKEK); err != nil {
		t.Fatal(err)
	}
	file := func(seed []byte) []byte {
		return pskctest.File{Keys: []pskctest.Key{{
			Manufacturer: "Example", Serial: d.Serial, KeyID: d.Serial + "-again", Algorithm: pskc.HOTP, Digits: 6, Secret: bytes.Clone(seed),
		}}}.Plain()
	}
	if job := run(t, b, file(d.Secret(pskc.HOTP)), ""); job.Imported != 0 || job.Rejected != 1 {
		t.Errorf("the seed of before: %+v", job)
	}
	if job := run(t, b, file(bytes.Repeat([]byte{7}, 20)), ""); job.Imported != 1 {
		t.Errorf("another seed: %+v", job)
	}
}
