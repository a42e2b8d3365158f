package storetest

import (
	"math"
	"sync/atomic"
	"testing"
	"time"

	"mohur/settle"
)

func testSums(t *testing.T, s Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Store, string)
	}{
		{"ceiling", testCeiling}, {"release", testRelease},
		{"until", testUntil}, {"late for its time", testLate}, {"two times", testTwoTimes},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s, c.name) })
	}
}

// sum expects a running sum at a time.
func sum(t testing.TB, s Store, key string, at time.Time, wanted int64) {
	t.Helper()
	got, err := s.Reserved(t.Context(), key, at)
	same(t, "sum of "+key, got, err, wanted)
}

func testCeiling(t *testing.T, s Store, key string) {
	sum(t, s, key, epoch, 0)
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 60, Ceiling: 100})
	want(t, s, settle.Over, settle.Reserve{Key: key, Amount: 41, Ceiling: 100})
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 40, Ceiling: 100})
	want(t, s, settle.Over, settle.Reserve{Key: key, Amount: 1, Ceiling: 100})
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 0, Ceiling: 100})
	want(t, s, settle.Over, settle.Reserve{Key: key, Amount: 0, Ceiling: 99})
	want(t, s, settle.Over, settle.Reserve{Key: key, Amount: 0, Ceiling: math.MinInt64})
	want(t, s, settle.Over, settle.Reserve{Key: key, Amount: math.MaxInt64, Ceiling: math.MaxInt64})
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: math.MaxInt64 - 100, Ceiling: math.MaxInt64})
	want(t, s, settle.Over, settle.Reserve{Key: key + "-none", Amount: 0, Ceiling: -1})
	refused(t, s, command(settle.Reserve{Key: key, Amount: -1, Ceiling: 100}))
	refused(t, s, command(settle.Reserve{Key: "", Amount: 1, Ceiling: 100}))
	sum(t, s, key, epoch, math.MaxInt64)
}

func testRelease(t *testing.T, s Store, key string) {
	want(t, s, settle.Done, settle.Release{Key: key, Amount: 5})
	sum(t, s, key, epoch, 0)
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 60, Ceiling: 100})
	want(t, s, settle.Done, settle.Release{Key: key, Amount: 15})
	sum(t, s, key, epoch, 45)
	want(t, s, settle.Done, settle.Release{Key: key, Amount: math.MaxInt64})
	sum(t, s, key, epoch, 0)
	want(t, s, settle.Over, settle.Reserve{Key: key, Amount: 101, Ceiling: 100})
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 100, Ceiling: 100})
	refused(t, s, command(settle.Release{Key: key, Amount: -1}))
	sum(t, s, key, epoch, 100)
}

// testUntil: a sum is forgotten when its time is over. The store's clock is the
// real one, so what is over here was over before.
func testUntil(t *testing.T, s Store, key string) {
	now := time.Now().Truncate(time.Microsecond)
	past, future := now.Add(-time.Minute), now.Add(time.Hour)
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 60, Ceiling: 100, Until: past})
	sum(t, s, key, past.Add(-time.Second), 60)
	sum(t, s, key, past.Add(time.Second), 0)
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 100, Ceiling: 100, Until: future})
	want(t, s, settle.Over, settle.Reserve{Key: key, Amount: 1, Ceiling: 100, Until: future})
	sum(t, s, key, time.Now(), 100)
	sum(t, s, key, future.Add(-time.Second), 100)
	sum(t, s, key, future, 0)
}

// testLate: reservations under way while their time ends still share its
// ceiling.
func testLate(t *testing.T, s Store, key string) {
	late := settle.Reserve{Key: key, Amount: 60, Ceiling: 100, Until: time.Now().Add(-time.Minute)}
	want(t, s, settle.Done, late)
	want(t, s, settle.Over, late)
}

// testTwoTimes: the later time counts, and no time is the latest.
func testTwoTimes(t *testing.T, s Store, key string) {
	hour, day := time.Now().Add(time.Hour), time.Now().Add(24*time.Hour)
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 1, Ceiling: 9, Until: day})
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 1, Ceiling: 9, Until: hour})
	sum(t, s, key, hour.Add(time.Minute), 2)
	sum(t, s, key, day.Add(time.Minute), 0)
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 1, Ceiling: 9})
	want(t, s, settle.Done, settle.Reserve{Key: key, Amount: 1, Ceiling: 9, Until: hour})
	sum(t, s, key, day.Add(time.Minute), 4)
}

// testParallelReservations: 200 at once against one ceiling get what fits under
// it and not one more.
func testParallelReservations(t *testing.T, s Store) {
	const callers, amount, ceiling = 200, 7, 500
	var done atomic.Int64
	parallel(callers, func(int) {
		if settled(t, s, settle.Reserve{Key: "k", Amount: amount, Ceiling: ceiling, Until: time.Now().Add(time.Hour)}).Outcome == settle.Done {
			done.Add(1)
		}
	})
	if done.Load() != ceiling/amount {
		t.Errorf("%d reservations of %d under %d", done.Load(), amount, ceiling)
	}
	sum(t, s, "k", time.Now(), ceiling/amount*amount)

	// Released and reserved at once, the sum is what was not given back.
	parallel(callers, func(i int) {
		if i%2 == 0 {
			settled(t, s, settle.Release{Key: "k", Amount: 1})
		} else {
			settled(t, s, settle.Reserve{Key: "k", Amount: 1, Ceiling: math.MaxInt64})
		}
	})
	sum(t, s, "k", time.Now(), ceiling/amount*amount)
}
