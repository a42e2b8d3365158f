// Package bolt keeps the bank in one file, with bbolt. It guarantees:
//
//   - what was answered as done is on the disk: one goroutine commits, and it
//     answers after the disk has confirmed; what a reader is told has been
//     confirmed too;
//   - a command is there with all its effects and its audit entries or with
//     nothing, and no command in a shared commit disturbs another;
//   - the audit sequence has no gap, whatever fails and whenever the power goes;
//   - after a write that the disk did not confirm, nothing is read or written
//     any more: the owner of the process is told, and opens the file anew.
//
// Against whoever can edit the file it guarantees little: a damaged page is an
// error, and the index of last versions contradicts a hot row that was edited or
// put back. The rest is proved by the MACs and by the audit log.
//
// A file belongs to one process.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"mohur/audit"
	"mohur/authn"
	"mohur/authn/pin"
	"mohur/enrollment"
	"mohur/incident"
	"mohur/notify"
	"mohur/parties"
	"mohur/payment"
	"mohur/settle"
	"mohur/tokens"
)

var (
	_ settle.Store       = (*Store)(nil)
	_ audit.Store        = (*Store)(nil)
	_ parties.Store      = (*Store)(nil)
	_ tokens.Store       = (*Store)(nil)
	_ tokens.ImportStore = (*Store)(nil)
	_ authn.Store        = (*Store)(nil)
	_ pin.Store          = (*Store)(nil)
	_ enrollment.Store   = (*Store)(nil)
	_ payment.Store      = (*Store)(nil)
	_ incident.Store     = (*Store)(nil)
	_ notify.Store       = (*Store)(nil)
)

// Options say where a store is and who is told of what it does.
type Options struct {
	Path string // of the file, made with mode 0600 if it is not there
	Node string // name of this node in audit headers; for the whole life of the file

	// MustExist refuses to make the file: a server whose disk has not been
	// mounted must not begin a new bank in its place.
	MustExist bool

	Now    func() time.Time // by which reservations are forgotten; nil means time.Now
	Logger *slog.Logger     // nil means none

	KeepDecisions time.Duration // how long decisions on payments stay; 0 means 400 days

	// Fatal is told, once, that the disk did not confirm a write. Everybody who
	// waited has an error by then, and the store refuses everything; what is
	// left to do is to end the process. It runs in a goroutine of its own.
	Fatal func(error)
	// OnAppend is told how many audit entries a commit has made durable, and
	// Observe how many requests it carried and how long it took. Both are called
	// by the committer, so they must not wait. nil means nobody.
	OnAppend func(entries int)
	Observe  func(batch int, d time.Duration)
}

// Store is an open file. All methods may be called by many goroutines.
type Store struct {
	options Options
	node    string
	now     func() time.Time
	db      *bbolt.DB
	commit  func(*bbolt.Tx) error // a field, so that a test can be a disk that fails

	queue   chan *request
	durable *durable
	touches touches
	failed  atomic.Pointer[fault]

	closing sync.RWMutex // held for reading while something is put into queue
	closed  atomic.Bool
	stopped chan struct{} // closed when the committer has ended
}

// Open opens the store, making it if the file is not there. It reads the whole
// structure of the file: about half a second for a million tokens.
func Open(o Options) (*Store, error) {
	if o.Path == "" || o.Node == "" {
		return nil, errors.New("store: needs a path and the name of this node")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.KeepDecisions <= 0 {
		o.KeepDecisions = keepDecisions
	}
	db, err := openDB(o.Path, o.MustExist)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", o.Path, err)
	}
	s := &Store{
		options: o, node: o.Node, now: o.Now, db: db, commit: (*bbolt.Tx).Commit,
		queue: make(chan *request, maxQueue), stopped: make(chan struct{}),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.begin(); err != nil {
		db.Close()
		return nil, fmt.Errorf("store: open %s: %w", o.Path, err)
	}
	go s.commitLoop()
	return s, nil
}

// begin prepares the file and notes what is confirmed: everything in it.
func (s *Store) begin() error {
	if err := s.db.Update(func(tx *bbolt.Tx) error { return prepare(tx, s.node) }); err != nil {
		return err
	}
	if err := syncDir(s.options.Path); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		s.durable = newDurable(tx.ID())
		return nil
	})
}

// Close writes what was accepted, answers it, waits for reads under way and
// lets go of the file. Whatever comes later is store.ErrClosed.
func (s *Store) Close() error {
	if err := s.flushTouches(context.Background()); err != nil && s.refusal() == nil {
		s.options.Logger.Warn("the last touches of sessions were not written: these sessions end up to a minute earlier", "error", err)
	}
	s.closing.Lock()
	first := s.closed.CompareAndSwap(false, true)
	if first {
		close(s.queue)
	}
	s.closing.Unlock()
	<-s.stopped
	if !first {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("store: close: %w", err)
	}
	return nil
}

// Check reports whether the store takes reads and writes; readiness asks it.
func (s *Store) Check(ctx context.Context) error {
	return s.view(ctx, func(reading) error { return nil })
}
