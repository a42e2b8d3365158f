package bolt

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"mohur/audit"
	"mohur/payment"
	"mohur/risk"
	"mohur/settle"
)

// A decision that cannot be read, or lies under another's time, is left out and told of;
// the others are read.
func TestDecisionsThatAreNoneAreLeftOut(t *testing.T) {
	o := Options{Path: filepath.Join(t.TempDir(), "mohur.db"), Node: "n1"}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2027, 1, 2, 3, 4, 5, 6000, time.UTC)
	d := payment.Decision{Past: risk.Past{ID: "tx_1", In: risk.Payment{Minor: 1, Currency: "AZN", At: at}}}
	if r, err := s.Settle(t.Context(), settle.Command{Effects: []settle.Effect{payment.KeepDecision{Decision: d}}, Entries: []audit.Draft{testDraft("x")}}); err != nil || r.Outcome != settle.Done {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(o.Path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(names[inDecisions]))
		for key, row := range map[string]string{order(at, "tx_0"): "garbage", order(at.Add(time.Second), "tx_2"): string(d.Encode()), moment(at): "no id"} {
			if err := b.Put([]byte(key), []byte(row)); err != nil {
				return err
			}
		}
		return nil
	}), db.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	page, err := s.Decisions(t.Context(), at, at.Add(time.Hour), "", 10)
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != "tx_1" || page.Unreadable != 3 || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
	_, faults, err := s.Examine(t.Context(), names[inDecisions], "", 10)
	if err != nil || len(faults) != 3 {
		t.Errorf("%+v, %v", faults, err)
	}
}
