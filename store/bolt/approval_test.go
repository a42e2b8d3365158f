package bolt

import (
	"path/filepath"
	"testing"
	"time"

	"mohur/approval"
	"mohur/audit"
	"mohur/settle"
)

// An approval that an earlier build wrote is no damage, and goes in its time.
func TestApprovalsOfAnEarlierBuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := openTest(t, Options{Path: path})
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	old := table[approval.Approval]{rows: inApprovals, key: approvals.key, indexes: func(a *approval.Approval) []indexKey {
		return []indexKey{{approvalsByAge, order(a.MadeAt, a.ID)}}
	}}
	save, err := old.save(&approval.Approval{ID: "ap_1", State: approval.Waiting, MadeAt: at, ExpiresAt: at.Add(time.Hour), Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.submit(t.Context(), request{weight: 1, run: func(w *writing) (bool, error) {
		outcome, err := save(w)
		return outcome == settle.Done, err
	}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Options{Path: path})
	if _, err := s.Settle(t.Context(), settle.Command{Entries: []audit.Draft{testDraft("x")}}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"approval", "expiry"} {
		_, faults, err := s.Examine(t.Context(), part, "", 10)
		if err != nil || len(faults) > 0 {
			t.Errorf("%s: %v, %v", part, faults, err)
		}
	}
	if n, err := s.Sweep(t.Context(), at.AddDate(2, 0, 0), 100); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}
