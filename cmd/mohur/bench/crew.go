package bench

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Job gives worker n its next operation, everything about it made ready, or nil
// when it has none left.
type Job func(n int) func(*Conn) error

// Round is what a crew has done.
type Round struct {
	Operations int
	Elapsed    time.Duration
	Took       []time.Duration // of each operation, in no order
}

// Add adds what was done in another round.
func (r *Round) Add(other Round) {
	r.Operations += other.Operations
	r.Elapsed += other.Elapsed
	r.Took = append(r.Took, other.Took...)
}

// Rate is operations a second.
func (r Round) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Operations) / r.Elapsed.Seconds()
}

// Run lets a worker at each connection do one operation after another, for so
// long, or until the first of them has none left: there are always as many at
// work as there are connections. Of an operation only itself is timed, not how
// it was made ready. The first that fails stops all, and is the error.
func Run(ctx context.Context, conns []*Conn, lasting time.Duration, job Job) (Round, error) {
	return run(ctx, conns, lasting, job, true)
}

// Finish is Run until nobody has anything left.
func Finish(ctx context.Context, conns []*Conn, job Job) (Round, error) {
	return run(ctx, conns, 0, job, false)
}

func run(ctx context.Context, conns []*Conn, lasting time.Duration, job Job, together bool) (Round, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var over atomic.Bool
	if lasting > 0 {
		defer time.AfterFunc(lasting, func() { over.Store(true) }).Stop()
	}
	took := make([][]time.Duration, len(conns))
	began := time.Now()
	var crew sync.WaitGroup
	for n, c := range conns {
		crew.Go(func() {
			for !over.Load() && ctx.Err() == nil {
				operation := job(n)
				if operation == nil {
					if together {
						over.Store(true)
					}
					return
				}
				start := time.Now()
				if err := operation(c); err != nil {
					cancel(err)
					return
				}
				took[n] = append(took[n], time.Since(start))
			}
		})
	}
	crew.Wait()
	r := Round{Elapsed: time.Since(began), Took: slices.Concat(took...)}
	r.Operations = len(r.Took)
	if ctx.Err() != nil {
		return Round{}, context.Cause(ctx)
	}
	return r, nil
}
