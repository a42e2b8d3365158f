package audittest

import (
	"reflect"
	"sync"
	"testing"

	"mohur/audit"
)

func testEntries(t *testing.T, s *suite) {
	drafts := append(s.add(t, 3), s.add(t, 2)...)
	got, err := s.Entries(t.Context(), 0, 100)
	if err != nil || len(got) != len(drafts) {
		t.Fatalf("Entries: %d, %v", len(got), err)
	}
	for i, e := range got {
		h, err := audit.ParseHeader(e.Header)
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		want, err := drafts[i].Stamp(h.Node, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(e, want) {
			t.Errorf("entry %d is\n%+v, want\n%+v", i, e, want)
		}
	}
}

func testPages(t *testing.T, s *suite) {
	s.add(t, 10)
	for _, c := range []struct {
		from  uint64
		limit int
		want  []uint64
	}{
		{0, 3, []uint64{0, 1, 2}}, {3, 3, []uint64{3, 4, 5}}, {8, 10, []uint64{8, 9}},
		{9, 1, []uint64{9}}, {10, 5, nil}, {1 << 40, 5, nil},
	} {
		got, err := s.Entries(t.Context(), c.from, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var seqs []uint64
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		if !reflect.DeepEqual(seqs, c.want) {
			t.Errorf("Entries(%d, %d) = %v, want %v", c.from, c.limit, seqs, c.want)
		}
	}
	if next, err := s.Tail(t.Context()); next != 10 || err != nil {
		t.Errorf("Tail = %d, %v", next, err)
	}
}

func testParallelAppend(t *testing.T, s *suite) {
	const writers, writes, each = 8, 20, 2
	var wg sync.WaitGroup
	for range writers {
		drafts := s.drafts(t, writes*each)
		wg.Go(func() {
			for i := range writes {
				if err := s.append(drafts[i*each : (i+1)*each]...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Entries(t.Context(), 0, writers*writes*each+1)
	if err != nil || len(got) != writers*writes*each {
		t.Fatalf("Entries: %d, %v", len(got), err)
	}
	for i, e := range got {
		h, err := audit.ParseHeader(e.Header)
		if err != nil || e.Seq != uint64(i) || h.Seq != e.Seq {
			t.Fatalf("at %d stands %d, its header says %d (%v)", i, e.Seq, h.Seq, err)
		}
	}
}

// testReturnedStays finds a store that hands out its own memory: a page of a
// mapped file would change, or fault, under the reader.
func testReturnedStays(t *testing.T, s *suite) {
	s.add(t, 2)
	first, err := s.Entries(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	kept := clone(first[0])
	for range 50 {
		s.add(t, 20)
	}
	if !reflect.DeepEqual(first[0], kept) {
		t.Error("an entry changed after it was returned")
	}
	clear(first[0].Header)
	again, err := s.Entries(t.Context(), 0, 1)
	if err != nil || !reflect.DeepEqual(again[0], kept) {
		t.Errorf("the caller's change reached the store (%v)", err)
	}
}
