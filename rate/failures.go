package rate

import (
	"sync"
	"time"
)

// Slow is when failures slow somebody down: from From failures within Window he
// waits after each, a second, then twice as long each time, Most at most.
type Slow struct {
	From         int
	Window, Most time.Duration
}

// slots is how finely a window is counted. A failure is forgotten after Window,
// or up to a slot earlier.
const slots = 10

// Failures counts them by name. Its methods may be called by many goroutines.
type Failures struct {
	slow Slow

	mu    sync.Mutex
	tally *Recent[*tally]
}

// tally is the failures of one name: counts of the last slots, the newest slot's
// number, and when the last one was.
type tally struct {
	counts [slots]uint16
	slot   int64
	last   time.Time
}

// NewFailures returns a count of nothing.
func NewFailures(s Slow) *Failures { return &Failures{slow: s, tally: NewRecent[*tally](names)} }

// Add counts a failure of name at now.
func (f *Failures) Add(name string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tally.Get(name)
	if !ok {
		t = &tally{}
		f.tally.Put(name, t)
	}
	f.turn(t, now)
	if at := &t.counts[t.slot%slots]; *at < 1<<16-1 {
		*at++
	}
	t.last = now
}

// Wait returns how long name has to wait at now, 0 when not at all. To ask, or to
// be told to wait, is no failure: whoever waits gets his turn.
func (f *Failures) Wait(name string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tally.Get(name)
	if !ok {
		return 0
	}
	f.turn(t, now)
	since := now.Sub(t.last)
	if since < 0 { // the clock was set back
		since, t.last = 0, now
	}
	return max(0, f.pause(t)-since)
}

// Count returns how many failures of name are within the window at now.
func (f *Failures) Count(name string, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tally.Get(name)
	if !ok {
		return 0
	}
	f.turn(t, now)
	return t.sum()
}

// sum is of the slots that are in the window.
func (t *tally) sum() (n int) {
	for _, c := range t.counts {
		n += int(c)
	}
	return n
}

func (f *Failures) pause(t *tally) time.Duration {
	n := t.sum() - f.slow.From
	switch {
	case n < 0:
		return 0
	case n >= 16: // beyond every Most
		return f.slow.Most
	}
	return min(time.Second<<n, f.slow.Most)
}

// turn forgets the slots that have passed out of the window.
func (f *Failures) turn(t *tally, now time.Time) {
	slot := now.UnixNano() / int64(f.slow.Window/slots)
	if slot+slots <= t.slot { // the clock was set back by more than the window
		*t = tally{slot: slot}
	}
	if slot <= t.slot {
		return
	}
	if slot-t.slot >= slots {
		t.counts = [slots]uint16{}
	}
	for s := max(t.slot+1, slot-slots+1); s <= slot; s++ {
		t.counts[s%slots] = 0
	}
	t.slot = slot
}
