package revocation

import (
	"context"
	"sync"
	"time"
)

// flights lets one of several callers who want the same do the work. It goes on
// when its caller leaves, up to its own time, so that one impatient caller does
// not fail the others.
type flights[V any] struct {
	mu    sync.Mutex
	under map[any]*flight[V]
}

type flight[V any] struct {
	done  chan struct{}
	value V
}

// do returns the work's value, or false when ctx ended first. The work has to
// return soon after its own context ends.
func (f *flights[V]) do(ctx context.Context, key any, limit time.Duration, work func(context.Context) V) (V, bool) {
	f.mu.Lock()
	one := f.under[key]
	if one == nil {
		one = &flight[V]{done: make(chan struct{})}
		if f.under == nil {
			f.under = map[any]*flight[V]{}
		}
		f.under[key] = one
		go func() {
			own, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
			defer cancel()
			defer func() {
				f.mu.Lock()
				delete(f.under, key)
				f.mu.Unlock()
				close(one.done)
			}()
			one.value = work(own)
		}()
	}
	f.mu.Unlock()
	select {
	case <-one.done:
		return one.value, true
	case <-ctx.Done():
		var none V
		return none, false
	}
}
