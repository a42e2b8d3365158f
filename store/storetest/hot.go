package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"mohur/settle"
)

// testHot: a row is swapped for its successor and for nothing else.
func testHot(t *testing.T, s Store) {
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("a", 2)})
	want(t, s, settle.Done, settle.SwapHot{Hot: hot("a", 1)})
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("a", 1)})
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("a", 3)})
	want(t, s, settle.Done, settle.SwapHot{Hot: hot("a", 2)})
	want(t, s, settle.Done, settle.SwapHot{Hot: hot("pin/b", 1)})
	refused(t, s, command(settle.SwapHot{Hot: hot("c", 0)}))
	refused(t, s, command(settle.SwapHot{Hot: hot("", 1)}))
	damaged := hot("c", 1)
	damaged.State = 0
	refused(t, s, command(settle.SwapHot{Hot: damaged}))

	rows, err := s.Hot(t.Context(), "pin/b", "none", "a", "a")
	same(t, "rows", rows, err, []settle.HotRead{
		{Hot: hot("pin/b", 1), Indexed: 1, Found: true},
		{Hot: settle.Hot{ID: "none"}},
		{Hot: hot("a", 2), Indexed: 2, Found: true},
		{Hot: hot("a", 2), Indexed: 2, Found: true},
	})
	rows, err = s.Hot(t.Context())
	same(t, "no rows", rows, err, []settle.HotRead{})
	testQuarantine(t, s)
}

// testQuarantine: it is written whatever stands in the row, only as what it is,
// and only above what the index knows.
func testQuarantine(t *testing.T, s Store) {
	for _, id := range []string{"a", "new"} {
		refused(t, s, command(settle.Quarantine{Hot: hot(id, 9)}))
		q := quarantined(id, 9)
		want(t, s, settle.Done, settle.Quarantine{Hot: q})
		want(t, s, settle.Stale, settle.Quarantine{Hot: q})
		want(t, s, settle.Stale, settle.Quarantine{Hot: quarantined(id, 8)})
		rows, err := s.Hot(t.Context(), id)
		same(t, "quarantined", rows, err, []settle.HotRead{{Hot: q, Indexed: 9, Found: true}})
		want(t, s, settle.Stale, settle.SwapHot{Hot: hot(id, 3)})
		want(t, s, settle.Done, settle.SwapHot{Hot: hot(id, 10)})
		want(t, s, settle.Done, settle.Quarantine{Hot: quarantined(id, 12)})
	}
}

func quarantined(id string, version uint64) settle.Hot {
	q := hot(id, version)
	q.State = settle.HotQuarantined
	return q
}

// testTamper: what was changed behind the store's back is seen, and never built
// upon.
func testTamper(t *testing.T, s Store) {
	attacker, ok := s.(Tamper)
	if !ok {
		t.Skip("this engine's test has no way to edit a row")
	}
	read := func(id string) settle.HotRead {
		rows, err := s.Hot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return rows[0]
	}
	for _, id := range []string{"back", "gone", "cut", "edited"} {
		want(t, s, settle.Done, settle.SwapHot{Hot: hot(id, 1)}, settle.SwapHot{Hot: hot(id, 2)})
	}

	attacker.EditHot(t, "back", func([]byte) []byte { return hot("back", 1).Encode() })
	if r := read("back"); r.Hot != hot("back", 1) || r.Indexed != 2 || !r.Found {
		t.Errorf("an old row put back: %+v", r)
	}
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("back", 2)})
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("back", 3)})

	attacker.EditHot(t, "gone", func([]byte) []byte { return nil })
	if r := read("gone"); r.Found || r.Indexed != 2 {
		t.Errorf("a removed row: %+v", r)
	}
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("gone", 1)})
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("gone", 3)})
	want(t, s, settle.Exists, addCredential("gone", "S"))

	attacker.EditHot(t, "cut", func(row []byte) []byte { return row[:len(row)-1] })
	if r := read("cut"); r.Hot.State != settle.HotQuarantined || r.Hot.MAC != [settle.MACSize]byte{} {
		t.Errorf("a row cut short: %+v", r)
	}
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("cut", 1)})
	want(t, s, settle.Stale, settle.SwapHot{Hot: hot("cut", 3)})

	attacker.EditHot(t, "edited", func(row []byte) []byte { row[7]++; return row })
	if r := read("edited"); r.Hot.Counter != hot("edited", 2).Counter+1 || r.Hot.MAC != hot("edited", 2).MAC {
		t.Errorf("an edited row does not come back as edited: %+v", r)
	}
	for _, id := range []string{"back", "gone", "cut", "edited"} {
		want(t, s, settle.Stale, settle.Quarantine{Hot: quarantined(id, 2)})
		q := quarantined(id, 3)
		want(t, s, settle.Done, settle.Quarantine{Hot: q})
		if r := read(id); r.Hot != q || r.Indexed != 3 {
			t.Errorf("quarantined %s: %+v", id, r)
		}
	}
}

// parallel runs f n times at once.
func parallel(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

// testOneWins: of 64 who present the same version one is done, each time, and
// the row is his.
func testOneWins(t *testing.T, s Store) {
	const callers, rounds = 64, 16
	want(t, s, settle.Done, settle.SwapHot{Hot: hot("c", 1)})
	for round := range rounds {
		var winners atomic.Int64
		var winner atomic.Uint64
		before := tail(t, s)
		parallel(callers, func(i int) {
			h := hot("c", uint64(round)+2)
			h.Counter = uint64(i)
			switch r := settled(t, s, settle.SwapHot{Hot: h}); r.Outcome {
			case settle.Done:
				winners.Add(1)
				winner.Store(uint64(i))
			case settle.Stale:
			default:
				t.Errorf("outcome %s", r.Outcome)
			}
		})
		rows, err := s.Hot(t.Context(), "c")
		if err != nil || winners.Load() != 1 || rows[0].Hot.Counter != winner.Load() || rows[0].Indexed != rows[0].Hot.Version {
			t.Fatalf("round %d: %d winners, the last %d, row %+v, %v", round, winners.Load(), winner.Load(), rows, err)
		}
		if grown := tail(t, s) - before; grown != 1 {
			t.Fatalf("round %d: %d entries, want the winner's", round, grown)
		}
	}
}

// testGuesses: a thousand wrong guesses at once, each evaluated only if its
// count is settled: no more than the limit is.
func testGuesses(t *testing.T, s Store) {
	const guesses, limit = 1000, 5
	first := hot("g", 1)
	first.Fails = 0
	want(t, s, settle.Done, settle.SwapHot{Hot: first})
	var evaluated, beyond atomic.Int64
	parallel(guesses, func(int) {
		for {
			rows, err := s.Hot(t.Context(), "g")
			if err != nil {
				t.Error(err)
				return
			}
			h := rows[0].Hot.Next()
			if h.Fails++; h.Fails > limit {
				beyond.Add(1)
				return
			}
			if settled(t, s, settle.SwapHot{Hot: h}).Outcome == settle.Done {
				evaluated.Add(1)
				return
			}
		}
	})
	if evaluated.Load() != limit || beyond.Load() != guesses-limit {
		t.Errorf("%d guesses evaluated, %d refused; the limit is %d", evaluated.Load(), beyond.Load(), limit)
	}
}
