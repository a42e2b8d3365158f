package rate_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/rate"
)

var start = time.Unix(1_800_000_000, 0)

func TestALimiterLetsBurstAndRateThrough(t *testing.T) {
	l := rate.NewLimiter(rate.Limit{PerSecond: 5, Burst: 60})
	take := func(name string, at time.Duration) time.Duration { return l.Take(name, start.Add(at)) }
	for i := range 60 {
		if w := take("a", 0); w != 0 {
			t.Fatalf("request %d waits %s", i, w)
		}
	}
	for range 100 { // asking again costs nothing
		if w := take("a", 0); w != 200*time.Millisecond {
			t.Fatalf("the 61st waits %s", w)
		}
	}
	if w := take("b", 0); w != 0 {
		t.Errorf("another name waits %s", w)
	}
	if take("a", 200*time.Millisecond) != 0 || take("a", 200*time.Millisecond) == 0 {
		t.Error("one more after a fifth of a second, and only one")
	}
	passed := 0
	for at := time.Second; at < 101*time.Second; at += 10 * time.Millisecond {
		if take("a", at) == 0 {
			passed++
		}
	}
	if passed < 500 || passed > 505 {
		t.Errorf("%d in 100 s at 5 per second", passed)
	}
	for i := range 70 { // the clock was set back: a burst, and no more
		if w := take("a", -24*time.Hour); (w != 0) != (i >= 60) {
			t.Fatalf("request %d after the clock was set back waits %s", i, w)
		}
	}
	if w := rate.NewLimiter(rate.Limit{}).Take("a", start); w == 0 {
		t.Error("the zero limit lets through")
	}
}

func TestParallelRequestsGetNoMoreThanTheBurst(t *testing.T) {
	l := rate.NewLimiter(rate.Limit{PerSecond: 1, Burst: 50})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 20 {
				if l.Take("a", start) == 0 {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 50 {
		t.Errorf("%d passed", passed.Load())
	}
}

func TestFailuresSlowDownAndNeverLock(t *testing.T) {
	f := rate.NewFailures(rate.Slow{From: 10, Window: 10 * time.Minute, Most: time.Minute})
	now := start
	for i := range 9 {
		f.Add("c", now)
		if w := f.Wait("c", now); w != 0 {
			t.Fatalf("after %d failures: %s", i+1, w)
		}
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		f.Add("c", now)
		if w := f.Wait("c", now); w != want*time.Second {
			t.Fatalf("waits %s, want %d s", w, want)
		}
		if f.Wait("c", now.Add(want*time.Second)) != 0 || f.Wait("other", now) != 0 {
			t.Fatal("a wait that does not end, or is not his")
		}
	}
	for range 100_000 {
		f.Add("c", now)
	}
	if w := f.Wait("c", now); w != time.Minute {
		t.Errorf("after very many: %s", w)
	}
	if w := f.Wait("c", now.Add(-time.Minute)); w == 0 || w > time.Minute {
		t.Errorf("after the clock was set back a little: %s", w)
	}
	if w := f.Wait("c", now.Add(61*time.Second)); w != 0 {
		t.Errorf("a minute later: %s", w)
	}
	if w := f.Wait("c", now.Add(-time.Hour)); w != 0 {
		t.Errorf("after the clock was set back an hour: %s", w)
	}
	f.Add("c", now.Add(12*time.Minute))
	if w := f.Wait("c", now.Add(12*time.Minute)); w != 0 {
		t.Errorf("one failure twelve minutes later: %s", w)
	}
}

func TestOnlyTheLastNamesAreHeld(t *testing.T) {
	r := rate.NewRecent[int](100)
	for i := range 1000 {
		r.Put(fmt.Sprint(i), i)
		r.Get("0") // in use
	}
	held := 0
	for i := range 1000 {
		if v, ok := r.Get(fmt.Sprint(i)); ok && v == i {
			held++
		}
	}
	if held < 100 || held > 200 {
		t.Errorf("%d held", held)
	}
	r = rate.NewRecent[int](10)
	r.Put("0", 7)
	for i := range 500 {
		r.Put(fmt.Sprint(i+1), i)
		if v, ok := r.Get("0"); !ok || v != 7 {
			t.Fatal("a name in use was let go of")
		}
	}
}
