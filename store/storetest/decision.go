package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mohur/payment"
	"mohur/risk"
	"mohur/settle"
	"mohur/store"
)

func decision(id string, at time.Time) payment.Decision {
	return payment.Decision{Past: risk.Past{
		ID: id, In: risk.Payment{Minor: 1, Currency: "AZN", At: at, Facts: risk.Facts{"day_sum": int64(5)}}, Was: risk.Outcome{Policy: 3, Decision: risk.Held}, Codes: []string{"a-rule"},
	}}
}

// testDecisions: kept with what they are of or not at all, read by time in pages, and
// removed by the sweep when they are old.
func testDecisions(t *testing.T, s Store) {
	ids := func(from, to time.Time, cursor string, limit int) (found []string, next string) {
		t.Helper()
		page, err := s.Decisions(t.Context(), from, to, cursor, limit)
		if err != nil || page.Unreadable != 0 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, d := range page.Items {
			found = append(found, d.ID)
		}
		return found, page.Next
	}
	end := epoch.Add(24 * time.Hour)
	if found, next := ids(epoch, end, "", 10); len(found) != 0 || next != "" {
		t.Errorf("%v, %q", found, next)
	}
	var all []string
	for i := range 5 {
		id := fmt.Sprint("tx", i)
		all = append(all, id)
		want(t, s, settle.Done, payment.KeepDecision{Decision: decision(id, epoch.Add(time.Duration(i)*time.Hour))})
	}
	want(t, s, settle.Stale, payment.KeepDecision{Decision: decision("lost", epoch)}, payment.SaveTransaction{Transaction: transaction("tx", 9)})
	if found, next := ids(epoch, end, "", 10); !slices.Equal(found, all) || next != "" {
		t.Errorf("%v, %q", found, next)
	}
	if found, _ := ids(epoch.Add(time.Hour), epoch.Add(3*time.Hour), "", 10); !slices.Equal(found, all[1:3]) {
		t.Errorf("from included, to not: %v", found)
	}
	var pages []string
	for cursor, n := "", 0; ; n++ {
		found, next := ids(epoch, end, cursor, 2)
		pages = append(pages, found...)
		if cursor = next; next == "" || n > 5 {
			break
		}
	}
	if !slices.Equal(pages, all) {
		t.Errorf("in pages: %v", pages)
	}
	if _, err := s.Decisions(t.Context(), epoch, end, "!", 2); err != store.ErrCursor {
		t.Errorf("a cursor that is none: %v", err)
	}
	page, err := s.Decisions(t.Context(), epoch, end, "", 1)
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	d := page.Items[0]
	if d.In.Facts["day_sum"] != int64(5) || d.Was.Decision != risk.Held || d.Codes[0] != "a-rule" || !d.In.At.Equal(epoch) {
		t.Errorf("%+v", d)
	}
	const kept = 400 * 24 * time.Hour
	sweep(t, s, epoch.Add(kept), 100, 0)
	sweep(t, s, epoch.Add(kept+time.Hour+time.Second), 100, 2)
	if found, _ := ids(epoch, end, "", 10); !slices.Equal(found, all[2:]) {
		t.Errorf("after the sweep: %v", found)
	}
	sweep(t, s, epoch.Add(2*kept), 2, 2)
	sweep(t, s, epoch.Add(2*kept), 2, 1)
}
