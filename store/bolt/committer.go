package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"mohur/store"
)

// How much one commit carries, and how much may wait for the next. The weight,
// in rows about, keeps a large import from making everybody else wait for more
// than its own command.
const (
	maxBatch  = 256
	maxWeight = 2048
	maxQueue  = 4096
)

// request is one thing to be written. run stages it and reports whether it is
// to be kept; it is called once, by the committer.
type request struct {
	key    string
	weight int
	run    func(w *writing) (keep bool, err error)
	done   chan error
}

// submit hands a request to the committer and waits for the disk. An error that
// wraps store.ErrOutcomeUnknown leaves open whether it was written; any other
// says that it was not.
func (s *Store) submit(ctx context.Context, r request) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: not begun: %w", err)
	}
	r.done = make(chan error, 1)
	if err := s.enqueue(&r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-r.done:
		return err
	default:
		return fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, ctx.Err())
	}
}

func (s *Store) enqueue(r *request) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if err := s.refusal(); err != nil {
		return err
	}
	select {
	case s.queue <- r:
		return nil
	default:
		return store.ErrBusy
	}
}

// commitLoop is the only writer. It ends when the queue has been closed and
// everything in it has been answered.
func (s *Store) commitLoop() {
	defer close(s.stopped)
	batch := make([]*request, 0, maxBatch)
	for first := range s.queue {
		batch = s.gather(append(batch[:0], first))
		s.commitBatch(batch)
		clear(batch)
	}
}

// gather takes what waits. There is no timer: while one batch is on its way to
// the disk the next one comes together by itself. Yielding once lets those who
// have just been answered come back with their next request, which doubles what
// a commit carries.
func (s *Store) gather(batch []*request) []*request {
	runtime.Gosched()
	for weight := batch[0].weight; len(batch) < maxBatch && weight < maxWeight; {
		select {
		case r, ok := <-s.queue:
			if !ok {
				return batch
			}
			batch = append(batch, r)
			weight += r.weight
		default:
			return batch
		}
	}
	return batch
}

// commitBatch writes a batch and answers everybody in it, nobody before the
// disk has confirmed: also a Stale may rest on what another request of the same
// batch has written.
func (s *Store) commitBatch(batch []*request) {
	slices.SortStableFunc(batch, func(a, b *request) int { return strings.Compare(a.key, b.key) })
	start := time.Now()
	answers, appended, err := s.transact(batch)
	var lost *fault
	if errors.As(err, &lost) {
		s.failed.Store(lost)
		s.durable.abandon()
		defer s.stop(lost)
	}
	if err == nil {
		s.observe(len(batch), appended, time.Since(start))
	}
	for i, r := range batch {
		if err != nil {
			r.done <- err
		} else {
			r.done <- answers[i]
		}
	}
}

// observe tells those who want to know of a commit, before anybody is answered:
// whoever looks after his answer finds it counted.
func (s *Store) observe(batch, appended int, d time.Duration) {
	if s.options.Observe != nil {
		s.options.Observe(batch, d)
	}
	if appended > 0 && s.options.OnAppend != nil {
		s.options.OnAppend(appended)
	}
}

// transact runs the batch in one transaction and commits it. Without an error,
// answers has one for each request; with one, nobody may be told of success.
func (s *Store) transact(batch []*request) (answers []error, appended int, err error) {
	if s.failed.Load() != nil {
		return nil, 0, s.refusal() // these had been waiting when it happened
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, 0, &fault{fmt.Errorf("begin: %w", err)}
	}
	// A panic is a damaged page or a fault of this program: what the file would
	// look like after this commit is not known, so it must not happen.
	defer func() {
		if p := recover(); p != nil {
			err = &fault{fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
		if err != nil {
			rollback(tx)
		}
	}()
	w, err := newWriting(tx)
	if err != nil {
		return nil, 0, err
	}
	first := w.next
	if answers, err = w.runAll(batch); err != nil {
		return nil, 0, err
	}
	if !w.written {
		return answers, 0, tx.Rollback() // nothing to wait for the disk for
	}
	id := tx.ID()
	if err := s.commit(tx); err != nil {
		return nil, 0, &fault{fmt.Errorf("commit: %w", err)}
	}
	s.durable.confirm(id)
	return answers, int(w.next - first), nil
}

// runAll runs one request after the other. Those that fail, or are not to be
// kept, leave nothing behind.
func (w *writing) runAll(batch []*request) ([]error, error) {
	answers := make([]error, len(batch))
	for i, r := range batch {
		keep, err := r.run(w)
		if err != nil || !keep {
			answers[i] = err
			w.discard()
			continue
		}
		if err := w.apply(); err != nil {
			return nil, err
		}
	}
	return answers, nil
}
