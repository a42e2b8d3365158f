package bolt

import (
	"fmt"

	"go.etcd.io/bbolt"

	"mohur/store"
)

// fault is what the store does not survive: after it nobody knows what is on
// the disk, so nothing is read or written until the file is opened anew. To the
// callers of that moment the outcome is unknown: the disk may yet have kept it.
type fault struct{ cause error }

func (f *fault) Error() string {
	return fmt.Sprintf("store: the disk did not confirm a write: %v", f.cause)
}

func (f *fault) Unwrap() []error { return []error{store.ErrOutcomeUnknown, f.cause} }

// refusal says why the store takes nothing any more, nil while it does.
func (s *Store) refusal() error {
	if f := s.failed.Load(); f != nil {
		return fmt.Errorf("store: stopped after a fault: %v", f.cause)
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	return nil
}

// stop tells the owner of the process, in a goroutine of its own: what the owner
// does then, Close above all, may wait for this one.
func (s *Store) stop(f *fault) {
	s.options.Logger.Error("the store has stopped: a write was not confirmed", "path", s.options.Path, "error", f.cause)
	if s.options.Fatal != nil {
		go s.options.Fatal(f)
	}
}

// rollback ends a transaction that must not be committed, whatever state a
// fault has left it in.
func rollback(tx *bbolt.Tx) {
	defer func() { _ = recover() }() // the fault is already being reported
	_ = tx.Rollback()                // and an error here says only that it had ended
}
