package storecheck_test

import (
	"bytes"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/banktest"
	"mohur/risk/policy"
	"mohur/rulebook"
	"mohur/settle"
	"mohur/store/bolttest"
	"mohur/storecheck"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// Attack 3: uses that were used do not come back. Put back with its index, the row is
// older than the log.
func TestAttack03_UsesPutBackAreFound(t *testing.T) {
	b := banktest.New(t)
	b.Uses = 3
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	must(t, login(b, c.ID, d.HOTP(), banktest.PIN))
	clean(t, b, "a key of limited uses")
	old := keep(b, id)
	must(t, login(b, c.ID, d.HOTP(), banktest.PIN))
	if login(b, c.ID, d.HOTP(), banktest.PIN) == nil {
		t.Fatal("a key was used more often than it may be")
	}
	clean(t, b, "a key that is used up")
	old.putBack(b, id)
	found(t, check(t, b, true), storecheck.KindPutBack, id, "put back")
	if login(b, c.ID, d.HOTP(), banktest.PIN) == nil {
		t.Error("it is granted by the row that was put back")
	}
	clean(t, b, "the key in quarantine")
}

// Clause 5.27: a permit that was edited, and a device's name that leads nowhere, are
// found.
func TestClause5_27_PermitsAndNamesAreChecked(t *testing.T) {
	b := banktest.New(t)
	b.Person(pskc.HOTP)
	if _, err := settle.Write(t.Context(), b.Store, b.Audit, []settle.Effect{tokens.SavePermit{Permit: tokens.Permit{ID: "im_1", State: tokens.PermitAsked, Maker: "cl_staff", Version: 1}}}, []audit.Event{{Name: "import.permitted", Outcome: "asked", Detail: 1}}); err != nil {
		t.Fatal(err)
	}
	clean(t, b, "a permit")
	var was []byte
	b.Edit(func(f bolttest.File) {
		was = f.Get("permit", "im_1")
		f.Put("permit", "im_1", bytes.Replace(was, []byte(`"asked"`), []byte(`"open!"`), 1))
	})
	found(t, check(t, b, false), storecheck.KindRecord, "im_1", "does not fit its MAC")
	b.Edit(func(f bolttest.File) {
		f.Put("permit", "im_1", was)
		f.Put("unique-token-name", "x", []byte("tk_none"))
	})
	found(t, check(t, b, false), storecheck.KindStructure, "x", "name of a token that is not there")
}

// Clause 5.2: a policy that was taken away together with the list that names it, and an
// older list in its place, is missed: the log tells of its adoption.
func TestClause5_2_APolicyThatTheLogKnowsIsMissed(t *testing.T) {
	b := banktest.New(t)
	save := func(head rulebook.Head, event string, effects ...settle.Effect) {
		r, err := settle.Write(t.Context(), b.Store, b.Audit, append(effects, rulebook.SaveHead{Head: head}), []audit.Event{{Name: event, Outcome: "x", Policy: 2}})
		if must(t, err); r.Outcome != settle.Done {
			t.Fatal(r.Outcome)
		}
	}
	save(rulebook.Head{Version: 1}, "policy.kept")
	var old []byte
	b.Edit(func(f bolttest.File) { old = f.Get("policy", "head") })
	text := strings.Replace(string(policy.Default().Source), "version: 1", "version: 2", 1)
	save(rulebook.Head{Versions: []int{2}, Version: 2}, "policy.adopted", rulebook.SavePolicy{Policy: rulebook.Policy{Version: 2, YAML: text, Board: "1", Maker: "x", At: b.Clock.Now()}})
	clean(t, b, "a policy")
	b.Edit(func(f bolttest.File) { f.Delete("policy", "2"); f.Put("policy", "head", old) })
	found(t, check(t, b, false), storecheck.KindMissing, "2", "version 2 of the policy was adopted")
}
