package authn_test

import (
	"testing"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens/pskc"
)

// A client that is a front end spends what it began, whatever else it may do; the bank's
// own people spend what a front end began.
func TestWhoSpendsAProof(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := acted(t, b, c.ID, d, "payees.add", "{}")
	both := b.Front()
	both.ID, both.Roles = "cl_another", []parties.Role{parties.Frontend, parties.Core}
	operator := b.Front()
	operator.ID, operator.Roles = "cl_counter", []parties.Role{parties.Operator}
	for what, x := range map[string]struct {
		by   parties.Caller
		good bool
	}{"who began it": {b.Front(), true}, "a front end and core": {both, false}, "the counter": {operator, true}} {
		_, err := b.Authn.Spend(t.Context(), x.by, id, c.ID, "payees.add", []byte("{}"))
		if (err == nil) != x.good || err != nil && !problem.Is(err, problem.ProofRequired) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A granted proof that names no credential, as versions before kept none, and one whose
// credential moved since it was judged, consume nothing.
func TestAProofIsBoundToItsCredential(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := acted(t, b, c.ID, d, "payees.add", "{}")
	effects, err := b.Authn.Spend(t.Context(), b.Front(), id, c.ID, "payees.add", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Enrollment.Report(t.Context(), b.Staff(), d.ID, "stolen", ""); err != nil {
		t.Fatal(err)
	}
	if r, err := settle.Write(t.Context(), b.Store, b.Audit, effects, []audit.Event{{Name: "test", Outcome: "spent"}}); err != nil || r.Outcome != settle.Stale {
		t.Errorf("after the report: %+v, %v", r, err)
	}
	c, d = b.Person(pskc.HOTP)
	id = acted(t, b, c.ID, d, "payees.add", "{}")
	a, err := b.Store.Attempt(t.Context(), id)
	if err != nil || a.Credential == "" {
		t.Fatalf("%+v, %v", a, err)
	}
	a.Credential = ""
	a.Version++
	if r, err := settle.Write(t.Context(), b.Store, b.Audit, []settle.Effect{authn.SaveAttempt{Attempt: a}}, []audit.Event{{Name: "test", Outcome: "saved"}}); err != nil || r.Outcome != settle.Done {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := b.Authn.Spend(t.Context(), b.Front(), id, c.ID, "payees.add", []byte("{}")); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("without a credential: %v", err)
	}
}
