package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	berrors "go.etcd.io/bbolt/errors"

	"mohur/store"
)

// view runs f on a snapshot. What f returns must be its own: stored bytes are
// gone when the snapshot ends. A panic is a damaged page; it fails this read
// only, and is told in the log with its place.
func (s *Store) view(ctx context.Context, f func(reading) error) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: not read: %w", err)
	}
	if err := s.refusal(); err != nil {
		return err
	}
	tx, err := s.db.Begin(false)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("store: read: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			s.options.Logger.ErrorContext(ctx, "a read met a damaged page", "path", s.options.Path, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", store.ErrDamaged, p)
		}
		rollback(tx)
	}()
	if !s.durable.wait(tx.ID()) {
		return s.refusal()
	}
	return f(reading{tx})
}

// one returns a single record, or parties.ErrNotFound.
func one[T any](ctx context.Context, s *Store, t table[T], id string) (rec T, err error) {
	err = s.view(ctx, func(r reading) (err error) {
		rec, err = t.load(r, id)
		return err
	})
	return rec, err
}

// durable is the last transaction the disk has confirmed. A snapshot sees a
// transaction from the moment its head is written, which is before the disk has
// confirmed it; what such a snapshot says must not leave the store yet, since
// with the power it could be gone.
type durable struct {
	mu   sync.Mutex
	more sync.Cond
	last int
	lost bool
}

func newDurable(last int) *durable {
	d := &durable{last: last}
	d.more.L = &d.mu
	return d
}

func (d *durable) confirm(id int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = id
	d.more.Broadcast()
}

// abandon lets go those who wait for a confirmation that will not come.
func (d *durable) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = true
	d.more.Broadcast()
}

// wait returns true once the transaction is confirmed. It waits for one sync of
// the disk at most: only the transaction being committed can be unconfirmed.
func (d *durable) wait(id int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id > d.last && !d.lost {
		d.more.Wait()
	}
	return id <= d.last
}
