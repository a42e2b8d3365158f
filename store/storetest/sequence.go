package storetest

import (
	"fmt"
	"sync"
	"testing"

	"mohur/audit"
	"mohur/settle"
)

// testSequence: under parallel writers, a third of whom fail, the log has every
// entry of those who were told so, none of the others, in one sequence from 0
// without a gap; each command's entries stand together from its Seq on.
func testSequence(t *testing.T, s Store) {
	const writers, each = 32, 12
	var mu sync.Mutex
	told := map[uint64]string{}
	parallel(writers, func(writer int) {
		for n := range each {
			c := settle.Command{Effects: []settle.Effect{settle.SwapHot{Hot: hot(fmt.Sprint("w", writer), uint64(n)+1)}}}
			for e := range 1 + n%3 {
				c.Entries = append(c.Entries, draft(fmt.Sprintf("w%d.n%d.e%d", writer, n, e)))
			}
			failing := settle.Command{Effects: []settle.Effect{stale(writer)}, Entries: []audit.Draft{draft("failed")}}
			if r, err := s.Settle(t.Context(), failing); err != nil || r.Outcome != settle.Stale {
				t.Errorf("a stale command: %s, %v", r.Outcome, err)
			}
			r, err := s.Settle(t.Context(), c)
			if err != nil || r.Outcome != settle.Done {
				t.Errorf("writer %d: %s, %v", writer, r.Outcome, err)
				return
			}
			mu.Lock()
			for i, d := range c.Entries {
				told[r.Seq+uint64(i)] = d.Header.Event
			}
			mu.Unlock()
		}
	})
	entries := wholeLog(t, s)
	if len(entries) != len(told) || uint64(len(entries)) != tail(t, s) {
		t.Fatalf("%d entries, %d told of, tail %d", len(entries), len(told), tail(t, s))
	}
	for _, e := range entries {
		h, err := audit.ParseHeader(e.Header)
		if err != nil || h.Seq != e.Seq || h.Event != told[e.Seq] || h.Node == "" || h.Body != audit.Commitment(e.Salt, e.Sealed) {
			t.Fatalf("entry %d: %+v, %v; told %q", e.Seq, h, err, told[e.Seq])
		}
	}
}

// stale is an effect that never succeeds.
func stale(i int) settle.Effect { return settle.SwapHot{Hot: hot(fmt.Sprint("stale", i), 7)} }

// wholeLog reads the log page by page and expects it to begin at 0 and to have
// no gap.
func wholeLog(t testing.TB, s Store) (all []audit.Entry) {
	t.Helper()
	for {
		page, err := s.Entries(t.Context(), uint64(len(all)), 97)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			if e.Seq != uint64(len(all)) {
				t.Fatalf("entry %d stands in the place of %d", e.Seq, len(all))
			}
			all = append(all, e)
		}
		if len(page) == 0 {
			return all
		}
	}
}
