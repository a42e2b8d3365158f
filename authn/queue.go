package authn

import (
	"context"
	"slices"
	"sync"
	"time"

	"mohur/problem"
)

// queueLength is how many answers for one credential may wait; the next is told
// to come back.
const queueLength = 16

// queue lets the answers for one credential go one after the other, so that
// parallel guesses are counted before the next is evaluated and no work is
// thrown away on stale versions. The store's compare-and-swap stays the judge.
type queue struct {
	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	turn    chan struct{} // holds one token: whose turn it is
	waiting int
}

// enter waits for the turn on all keys and returns the function that leaves, and
// whether somebody was before it on one of them. Keys are taken in sorted order,
// so that two callers never wait for each other.
func (q *queue) enter(ctx context.Context, keys ...string) (leave func(), waited bool, err error) {
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var held []string
	leave = func() {
		for _, k := range slices.Backward(held) {
			q.leave(k)
		}
	}
	for _, k := range keys {
		after, err := q.wait(ctx, k)
		if err != nil {
			leave()
			return nil, false, err
		}
		waited = waited || after
		held = append(held, k)
	}
	return leave, waited, nil
}

func (q *queue) wait(ctx context.Context, key string) (after bool, err error) {
	q.mu.Lock()
	if q.lines == nil {
		q.lines = make(map[string]*line)
	}
	l := q.lines[key]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		q.lines[key] = l
	}
	if l.waiting > queueLength {
		q.mu.Unlock()
		return false, &problem.Error{Code: problem.TooMany, Detail: "too many answers at once; try again", RetryAfter: time.Second, Limit: "queue"}
	}
	after = l.waiting > 0
	l.waiting++
	q.mu.Unlock()
	select {
	case l.turn <- struct{}{}:
		return after, nil
	case <-ctx.Done():
		q.gone(key, l)
		return false, problem.Away(ctx.Err())
	}
}

func (q *queue) leave(key string) {
	q.mu.Lock()
	l := q.lines[key]
	q.mu.Unlock()
	<-l.turn
	q.gone(key, l)
}

func (q *queue) gone(key string, l *line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l.waiting--; l.waiting == 0 {
		delete(q.lines, key)
	}
}
