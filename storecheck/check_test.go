package storecheck_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/ident"
	"mohur/parties"
	"mohur/payment"
	"mohur/risk"
	"mohur/rulebook"
	"mohur/settle"
	"mohur/store/bolt"
	"mohur/store/bolttest"
	"mohur/storecheck"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// check runs a check of the bank as it is.
func check(t *testing.T, b *banktest.Bank, quarantine bool) storecheck.Report {
	t.Helper()
	last, total := 0, 0
	c := &storecheck.Check{
		Store: b.Engine, HSM: b.HSM, Settler: b.Store, Audit: b.Audit, Now: b.Clock.Now, Bound: b.Store.Checks(b.Engine.Secret),
		Parts: bolt.Parts(), Quarantine: quarantine, By: b.Staff(), Progress: func(done, of int) { last, total = done, of },
	}
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatalf("%v after %+v", err, r)
	}
	if last != total && (r.Found == 0 || r.Findings[0].Kind != storecheck.KindLog) {
		t.Errorf("it ended at %d of %d", last, total)
	}
	return r
}

// found expects one finding: of this kind, about this id, in these words.
func found(t *testing.T, r storecheck.Report, kind storecheck.Kind, id, words string) {
	t.Helper()
	if r.Found != 1 || len(r.Findings) != 1 {
		t.Fatalf("%d findings, want one: %+v", r.Found, r.Findings)
	}
	if f := r.Findings[0]; f.Kind != kind || f.ID != id || !strings.Contains(f.Text, words) || f.Do == "" {
		t.Errorf("found %+v, want %s of %s: …%s…", f, kind, id, words)
	}
}

func clean(t *testing.T, b *banktest.Bank, when string) storecheck.Report {
	t.Helper()
	r := check(t, b, false)
	if r.Found != 0 {
		t.Fatalf("%s: %+v", when, r.Findings)
	}
	return r
}

// login logs a customer in with a HOTP code and his PIN.
func login(b *banktest.Bank, customer, code, pin string) error {
	ctx := context.Background()
	v, err := b.Authn.Begin(ctx, authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		return err
	}
	if _, err = b.Authn.Answer(ctx, authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.PIN, Secret: pin}); err != nil {
		return err
	}
	_, err = b.Authn.Answer(ctx, authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: code})
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func credentialOf(t *testing.T, b *banktest.Bank, d *banktest.Device) string {
	t.Helper()
	tk, err := b.Store.Token(t.Context(), d.ID)
	must(t, err)
	return tk.Credentials[0]
}

// rows are what a thief keeps to put back later: a hot row and its index.
type rows struct{ hot, index []byte }

func keep(b *banktest.Bank, id string) (r rows) {
	b.Edit(func(f bolttest.File) { r = rows{f.Get("hot", id), f.Get("hot-version", id)} })
	return r
}

func (r rows) putBack(b *banktest.Bank, id string) {
	b.Edit(func(f bolttest.File) { f.Put("hot", id, r.hot); f.Put("hot-version", id, r.index) })
}

// A store in which everything has happened that a token's life holds is clean,
// before and after: no move is without its version in the log.
func TestAnUntouchedStoreIsClean(t *testing.T) {
	b := banktest.New(t)
	clean(t, b, "a new bank")
	c, d := b.Person(pskc.HOTP, pskc.OCRA)
	clean(t, b, "a token activated")
	must(t, login(b, c.ID, d.HOTP(), banktest.PIN))
	if login(b, c.ID, "000000", banktest.PIN) == nil || login(b, c.ID, d.HOTP(), "999999") == nil {
		t.Fatal("a wrong answer was granted")
	}
	for _, m := range []tokens.Move{tokens.Suspend, tokens.Resume, tokens.Revoke} {
		_, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: d.ID, Move: m, Reason: "r"})
		must(t, err)
		clean(t, b, string(m))
	}
	b.SetPIN(c.ID, "582013")
	other, locked := b.Person(pskc.HOTP)
	for range 5 {
		_ = login(b, other.ID, "000000", banktest.PIN)
	}
	_, err := b.Enrollment.Unlock(t.Context(), b.Staff(), locked.ID, "r")
	must(t, err)
	b.Import(3, pskc.TOTP)
	if r := clean(t, b, "all that"); r.Compared != 2+1+3+2 || r.Entries == 0 || r.Rows < 20 {
		t.Errorf("it looked at %+v", r)
	}
	faults, err := b.Engine.Structure(t.Context())
	if err != nil || len(faults) != 0 {
		t.Errorf("the tree: %v, %v", faults, err)
	}
}

// Attack 3: row and index put back together deceive every read. The log does not
// let them: the credential is found before the thief has used it, and after.
func TestAttack03_ARowPutBackWithItsIndexIsFound(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	old := keep(b, id)
	code := d.HOTP()
	must(t, login(b, c.ID, code, banktest.PIN))
	old.putBack(b, id)
	found(t, check(t, b, false), storecheck.KindPutBack, id, "codes used since could be used again")

	// The thief was quicker: the code of before is accepted again, and row, index
	// and log agree on the last version. What lies behind gives it away.
	must(t, login(b, c.ID, code, banktest.PIN))
	found(t, check(t, b, false), storecheck.KindPutBack, id, "a code may have been accepted twice")

	if r := check(t, b, true); r.Found != 1 || !r.Findings[0].Quarantined {
		t.Fatalf("%+v", r)
	}
	if login(b, c.ID, d.HOTP(), banktest.PIN) == nil {
		t.Error("a credential in quarantine was granted")
	}
	if q, i := b.Count("credential.quarantined", "", "row-put-back"), b.Count("incident.opened", "", ""); q != 1 || i != 1 {
		t.Errorf("%d quarantines and %d incidents in the log", q, i)
	}
	if r := clean(t, b, "once the matter is closed"); r.Quarantined != 1 {
		t.Errorf("%+v", r)
	}
	// Even out of quarantine nobody comes by putting a row back.
	old.putBack(b, id)
	found(t, check(t, b, false), storecheck.KindPutBack, id, "put back together")
}

// A PIN put back whole, record, row and index, is found as well.
func TestAttack03_APINPutBackIsFound(t *testing.T) {
	b := banktest.New(t)
	c, _ := b.Person(pskc.HOTP)
	old := keep(b, "pin/"+c.ID)
	var record []byte
	b.Edit(func(f bolttest.File) { record = f.Get("pin", c.ID) })
	b.SetPIN(c.ID, "582013")
	clean(t, b, "a new PIN")
	b.Edit(func(f bolttest.File) { f.Put("pin", c.ID, record) })
	found(t, check(t, b, false), storecheck.KindRecord, c.ID, "an older or another one")
	old.putBack(b, "pin/"+c.ID)
	found(t, check(t, b, false), storecheck.KindPutBack, c.ID, "put back together")
	check(t, b, true)
	b.SetPIN(c.ID, "480273")
	clean(t, b, "with a PIN after the quarantine")
}

// Clause 5.32: the count of exempt payments put back together with its index would
// give more payments without a proof. It is found.
func TestClause5_32_AnAllowancePutBackIsFound(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	pay := func() {
		t.Helper()
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet})
		must(t, err)
		_, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.PIN, Secret: banktest.PIN})
		must(t, err)
		v, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: d.HOTP()})
		must(t, err)
		party := payment.Party{Name: "A", Account: "AZ1", Bank: "B", Country: "AZ"}
		paid, err := b.Payments.Create(t.Context(), payment.CreateCommand{
			Caller: b.Front(), Session: v.Session.Session.ID, Reference: "R-" + ident.Text(8), Channel: parties.Internet, Service: "transactional",
			Amount: payment.Money{Value: "20.00", Currency: "AZN"}, Purpose: "p", Payer: party, Payee: party,
			Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d", Country: "AZ"},
		})
		must(t, err)
		if paid.Transaction.Exemption == "" {
			t.Fatalf("%+v", paid.Transaction)
		}
	}
	pay()
	id := "allowance/" + c.ID
	old := keep(b, id)
	pay()
	clean(t, b, "two exempt payments")
	old.putBack(b, id)
	found(t, check(t, b, false), storecheck.KindPutBack, id, "put back together")
	if r := check(t, b, true); r.Quarantined != 1 {
		t.Errorf("%+v", r)
	}
	clean(t, b, "in quarantine")
}

// Clause 5.3.2: what a writer of the file changes is named.
func TestClause5_3_2_WhatWasEditedIsNamed(t *testing.T) {
	flip := func(bucket, key string, at int) func(bolttest.File) {
		return func(f bolttest.File) {
			v := f.Get(bucket, key)
			v[(at+len(v))%len(v)] ^= 1
			f.Put(bucket, key, v)
		}
	}
	replace := func(bucket, key, old, new string) func(bolttest.File) {
		return func(f bolttest.File) {
			v := f.Get(bucket, key)
			if !bytes.Contains(v, []byte(old)) {
				f.Get(bucket, "a record that holds "+old)
			}
			f.Put(bucket, key, bytes.Replace(v, []byte(old), []byte(new), 1))
		}
	}
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	must(t, login(b, c.ID, d.HOTP(), banktest.PIN))
	id := credentialOf(t, b, d)
	cred, err := b.Engine.Credential(t.Context(), id)
	must(t, err)
	pinRecord, err := b.Engine.PIN(t.Context(), c.ID)
	must(t, err)
	// Without a list of policies a start asks the log for them, and takes no gap in it.
	_, err = settle.Write(t.Context(), b.Store, b.Audit, []settle.Effect{rulebook.SaveHead{Head: rulebook.Head{Version: 1}}}, []audit.Event{{Name: "policy.kept", Outcome: "none"}})
	must(t, err)
	for name, c := range map[string]struct {
		edit  func(bolttest.File)
		kind  storecheck.Kind
		id    string
		words string
	}{
		"a hot row":                {flip("hot", id, 3), storecheck.KindRow, id, "does not fit its MAC"},
		"an index alone":           {flip("hot-version", id, -1), storecheck.KindRow, id, "the index says"},
		"a hot row removed":        {func(f bolttest.File) { f.Delete("hot", id); f.Delete("hot-version", id) }, storecheck.KindRow, id, "no hot row"},
		"a credential":             {replace("credential", id, `"digits":6`, `"digits":7`), storecheck.KindRecord, id, "does not fit its MAC"},
		"a token":                  {replace("token", d.ID, `"profile":"oath"`, `"profile":"oath-pin"`), storecheck.KindRecord, d.ID, "the token is not what the server wrote"},
		"a customer":               {replace("customer", c.ID, `"state":"active"`, `"state":"aktive"`), storecheck.KindRecord, c.ID, "the customer is not"},
		"the pseudonym of a PIN":   {replace("pin", c.ID, pinRecord.Pseudonym, cred.Pseudonym), storecheck.KindUnlogged, c.ID, ""},
		"a row of an index":        {func(f bolttest.File) { f.Delete("token-by-customer", f.KeyEndingIn("token-by-customer", d.ID)) }, storecheck.KindStructure, d.ID, "the index token-by-customer does not lead to it"},
		"an entry of the log":      {func(f bolttest.File) { f.Delete("audit", "\x00\x00\x00\x00\x00\x00\x00\x02") }, storecheck.KindLog, "2", "missing"},
		"a record that is no JSON": {flip("customer", c.ID, -1), storecheck.KindStructure, c.ID, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			was := file(t, b)
			b.Edit(c.edit)
			r := check(t, b, false)
			if name == "the pseudonym of a PIN" { // its row is compared with another's versions, and its own is missed
				if r.Found == 0 {
					t.Error("nothing was found")
				}
			} else {
				found(t, r, c.kind, c.id, c.words)
			}
			restore(t, b, was)
			clean(t, b, "put right again")
		})
	}
}

// While the bank works, a check finds nothing that is not there.
func TestACheckBesideTheWork(t *testing.T) {
	b := banktest.New(t)
	type person struct {
		id string
		d  *banktest.Device
	}
	var people []person
	for range 3 {
		c, d := b.Person(pskc.HOTP)
		people = append(people, person{c.ID, d})
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, p := range people {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := login(b, p.id, p.d.HOTP(), banktest.PIN); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 8 {
		clean(t, b, "beside the work")
	}
	stop()
	all.Wait()
}
