package enrollment_test

import (
	"errors"
	"testing"

	"mohur/audit"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/parties"
	"mohur/settle"
	"mohur/tokens"
)

// The number of the metadata goes up only, is kept over a restart, with evidence, and
// is not read from a record that somebody edited.
func TestClause5_27_TheNumberOfTheMetadataIsKept(t *testing.T) {
	b := banktest.New(t)
	const signer = "mds.test"
	floor := func(want int64) {
		t.Helper()
		n, err := b.Enrollment.MetadataFloor(t.Context(), signer)
		if err != nil || n.No != want {
			t.Errorf("%+v, %v; want %d", n, err, want)
		}
	}
	floor(0)
	keep := func(no int64, sha string) error {
		return b.Enrollment.KeepMetadata(t.Context(), signer, fido.Number{No: no, SHA256: sha})
	}
	for _, step := range []struct {
		no   int64
		sha  string
		good bool
		want int64
	}{{7, "a", true, 7}, {7, "a", true, 7}, {7, "b", false, 7}, {6, "a", false, 7}, {9, "c", true, 9}, {8, "d", false, 9}} {
		if err := keep(step.no, step.sha); (err == nil) != step.good {
			t.Errorf("%+v: %v", step, err)
		}
		floor(step.want)
	}
	if n := b.Count("fido.metadata.number", "kept", ""); n != 2 {
		t.Errorf("%d entries", n)
	}
	if err := b.Enrollment.KeepMetadata(t.Context(), "mds.other", fido.Number{No: 1, SHA256: "z"}); err != nil {
		t.Error(err)
	}
	if err := b.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	b.Open()
	floor(9)

	m, err := b.Engine.Metadata(t.Context(), signer)
	if err != nil {
		t.Fatal(err)
	}
	m.No, m.Version = 3, m.Version+1
	d, err := b.Audit.Draft(t.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Engine.Settle(t.Context(), settle.Command{Effects: []settle.Effect{tokens.SaveMetadata{Metadata: m}}, Entries: []audit.Draft{d}})
	if err != nil || r.Outcome != settle.Done {
		t.Fatalf("%s, %v", r.Outcome, err)
	}
	if n, err := b.Enrollment.MetadataFloor(t.Context(), signer); !errors.Is(err, parties.ErrTampered) || n.No != 0 {
		t.Errorf("an edited record: %+v, %v", n, err)
	}
	if b.Count("incident.opened", "", "record.tampered") != 1 {
		t.Error("no incident")
	}
}
