package payment

import (
	"context"
	"slices"
	"sync"

	"mohur/problem"
)

// turns let payments of one customer that got into each other's way go one after the
// other. The store's compare-and-swap stays the judge, also between nodes.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line // of the customers whose turn somebody has
}

// line are those who wait, each at a channel that is closed when it is his turn.
type line struct{ proven, others []chan struct{} }

// Turn waits until it is the turn of one more payment of the customer and returns the
// function that ends it. Who has it waits for nothing but authn.Service.Alone. Turn is
// for a proof, whose answer has little time: it goes before payments that are begun.
func (s *Service) Turn(ctx context.Context, customer string) (end func(), err error) {
	return s.turns.wait(ctx, customer, func(l *line) *[]chan struct{} { return &l.proven })
}

// after is Turn for anything else.
func (s *Service) after(ctx context.Context, customer string) (end func(), err error) {
	return s.turns.wait(ctx, customer, func(l *line) *[]chan struct{} { return &l.others })
}

func (q *turns) wait(ctx context.Context, customer string, place func(*line) *[]chan struct{}) (end func(), err error) {
	end = func() { q.next(customer) }
	q.mu.Lock()
	l, taken := q.lines[customer]
	if !taken {
		if q.lines == nil {
			q.lines = map[string]*line{}
		}
		q.lines[customer] = &line{}
		q.mu.Unlock()
		return end, nil
	}
	mine := make(chan struct{})
	waiting := place(l)
	*waiting = append(*waiting, mine)
	q.mu.Unlock()
	select {
	case <-mine:
		return end, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	i := slices.Index(*waiting, mine)
	if i >= 0 {
		*waiting = slices.Delete(*waiting, i, i+1)
	}
	q.mu.Unlock()
	if i < 0 { // it came at the same moment
		end()
	}
	return nil, problem.Away(ctx.Err())
}

// next passes the turn on.
func (q *turns) next(customer string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[customer]
	for _, waiting := range []*[]chan struct{}{&l.proven, &l.others} {
		if len(*waiting) > 0 {
			close((*waiting)[0])
			*waiting = (*waiting)[1:]
			return
		}
	}
	delete(q.lines, customer)
}
