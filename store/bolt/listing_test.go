package bolt

import (
	"fmt"
	"testing"

	"mohur/audit"
	"mohur/settle"
	"mohur/tokens"
)

// TestScanBounds: a filter that next to nothing passes costs a bounded read a
// call, over more snapshots than one, and no record is skipped between them.
func TestScanBounds(t *testing.T) {
	const total = scanLimit + 2*scanChunk
	s := openTest(t, Options{})
	for n := 0; n < total; {
		c := settle.Command{Entries: []audit.Draft{testDraft("import")}}
		for range scanChunk {
			id := fmt.Sprintf("%06d", n)
			c.Effects = append(c.Effects, tokens.SaveToken{Token: tokens.Token{ID: id, Batch: id, Version: 1}})
			n++
		}
		mustSettle(t, s, c)
	}
	find := func(batch, cursor string, count int, more bool) string {
		t.Helper()
		page, next, err := s.Tokens(t.Context(), tokens.Filter{Batch: batch}, cursor, 5)
		if err != nil || len(page) != count || (next != "") != more {
			t.Fatalf("batch %s at %q: %d tokens, next %q, %v; want %d", batch, cursor, len(page), next, err, count)
		}
		return next
	}
	// Newest first: the last one written is read first.
	find(fmt.Sprintf("%06d", total-scanLimit+scanChunk), "", 1, true)
	next := find("000000", "", 0, true)
	find("000000", next, 1, false)
	find("none", next, 0, false)
	page, next, err := s.Tokens(t.Context(), tokens.Filter{}, "", scanChunk)
	if err != nil || len(page) != scanChunk || next == "" {
		t.Fatal(len(page), next, err)
	}
	first, _, err := s.Tokens(t.Context(), tokens.Filter{}, next, 1)
	if err != nil || len(first) != 1 || first[0].ID != fmt.Sprintf("%06d", total-scanChunk-1) {
		t.Errorf("after a page as long as a snapshot: %+v, %v", first, err)
	}
}
