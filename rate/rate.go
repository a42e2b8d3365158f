// Package rate says who has to wait. A Limiter spreads requests (GCRA, the leaky
// bucket of ITU-T I.371 Annex A); Failures slow down who guesses. Both forget by
// themselves, hold a bounded number of names, and never lock: a wait ends.
//
// What they know is in memory. A restart, or somebody who brings more names than
// are held, gains some tries; what bounds guessing for good are the failures and
// locks in the hot rows, which are on the disk.
package rate

import (
	"sync"
	"time"
)

// Limit is how much is let through: PerSecond on average, Burst at once. The
// zero Limit lets nothing through, so that one that was forgotten is noticed.
type Limit struct{ PerSecond, Burst int }

// names is how many names are held, twice at most; about 10 MB a Limiter.
const names = 1 << 16

// Limiter lets each name have its Limit. Its methods may be called by many
// goroutines.
type Limiter struct {
	limit Limit

	mu   sync.Mutex
	next *Recent[time.Time] // theoretical arrival time of the next request
}

// NewLimiter returns a limiter that has seen nobody.
func NewLimiter(l Limit) *Limiter { return &Limiter{limit: l, next: NewRecent[time.Time](names)} }

// Take lets one request of name through at now, or returns how long it has to
// wait. What waits is not counted: asking too early costs nothing.
func (l *Limiter) Take(name string, now time.Time) (wait time.Duration) {
	if l.limit.PerSecond <= 0 || l.limit.Burst <= 0 {
		return time.Minute
	}
	every := time.Second / time.Duration(l.limit.PerSecond)
	early := every * time.Duration(l.limit.Burst-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	at, _ := l.next.Get(name)
	// What lies further ahead than a full burst is from before the clock was set
	// back: it starts anew, or nobody would pass until the clock has caught up.
	if at.Before(now) || at.Sub(now) > early+every {
		at = now
	}
	if wait = at.Sub(now) - early; wait > 0 {
		return wait
	}
	l.next.Put(name, at.Add(every))
	return 0
}

// Recent is a map that holds the last names used: at least most of them, at most
// twice as many. It is not safe for concurrent use.
type Recent[V any] struct {
	most       int
	young, old map[string]V
}

// NewRecent returns an empty one.
func NewRecent[V any](most int) *Recent[V] {
	return &Recent[V]{most: most, young: make(map[string]V)}
}

// Get returns what is held for a name, which counts as a use of it.
func (r *Recent[V]) Get(name string) (V, bool) {
	if v, ok := r.young[name]; ok {
		return v, true
	}
	v, ok := r.old[name]
	if ok {
		r.Put(name, v)
	}
	return v, ok
}

// Put holds a value for a name. When half of it is full, the other half, with
// the names used longest ago, is let go of.
func (r *Recent[V]) Put(name string, v V) {
	if _, ok := r.young[name]; !ok && len(r.young) >= r.most {
		r.old, r.young = r.young, make(map[string]V)
	}
	r.young[name] = v
}
