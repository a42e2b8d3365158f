package lock_test

import (
	"testing"
	"time"

	"mohur/authn/lock"
	"mohur/settle"
)

// The whole ladder, failure by failure.
func TestClause5_22_TheLadderOfLocks(t *testing.T) {
	start := time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		limits lock.Limits
		each   int
		want   []time.Duration // 0: for good
	}{
		"defaults":    {lock.Limits{}, 5, []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 0}},
		"one failure": {lock.Limits{Failures: 1, Ladder: []time.Duration{time.Hour}}, 1, []time.Duration{time.Hour, 0}},
		"three":       {lock.Limits{Failures: 3, Ladder: []time.Duration{time.Minute, 24 * time.Hour}}, 3, []time.Duration{time.Minute, 24 * time.Hour, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var h settle.Hot
			now := start
			for rung, life := range c.want {
				var change lock.Change
				for n := range c.each {
					if h.Locked(now) || n > 0 && change != lock.None {
						t.Fatalf("rung %d: locked after %d failures", rung, n)
					}
					h, change = c.limits.Fail(h, now)
				}
				want := lock.Timed
				switch {
				case life == 0:
					want = lock.Forever
				case rung == len(c.want)-2:
					want = lock.Warning
				}
				if change != want || !h.Locked(now) {
					t.Fatalf("rung %d: %v, want %v", rung, change, want)
				}
				if life == 0 {
					if !h.Locked(now.AddDate(100, 0, 0)) {
						t.Fatal("a lock for good ends")
					}
					return
				}
				if !h.Locked(now.Add(life-time.Second)) || h.Locked(now.Add(life)) {
					t.Fatalf("rung %d: locked until %v", rung, time.Unix(h.LockedUntil, 0).Sub(now))
				}
				now = now.Add(life)
			}
		})
	}
}

func TestASuccessForgets(t *testing.T) {
	now := time.Now()
	var h settle.Hot
	for range 9 {
		h, _ = lock.Limits{}.Fail(h, now)
	}
	h.Counter, h.Version = 7, 9
	if got := lock.Forget(h); got != (settle.Hot{Counter: 7, Version: 9}) {
		t.Errorf("%+v", got)
	}
}

func TestALadderHasBoundsNobodyConfiguresPast(t *testing.T) {
	m := time.Minute
	for _, c := range []struct {
		ladder []time.Duration
		good   bool
	}{
		{lock.Defaults().Ladder, true},
		{[]time.Duration{m}, true},
		{[]time.Duration{m, m, m, m, 24 * time.Hour}, true},
		{nil, false},
		{[]time.Duration{59 * time.Second}, false},
		{[]time.Duration{m, 25 * time.Hour}, false},
		{[]time.Duration{5 * m, m}, false},
		{[]time.Duration{m, m, m, m, m, m}, false},
	} {
		if why := lock.Fault(c.ladder); (why == "") != c.good {
			t.Errorf("%v: %q", c.ladder, why)
		}
	}
}
