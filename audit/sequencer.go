package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mohur/hsm"
)

const (
	defaultEvery    = 1000
	defaultInterval = time.Second
	// maxRetry is the longest wait between attempts while the HSM or the store
	// is away: soon enough to catch up, rare enough not to hinder a repair.
	maxRetry = 30 * time.Second
	// maxRange bounds the entries of one checkpoint, so that catching up after
	// an outage takes many small writes and a constant memory.
	maxRange = 16384
)

// Sequencer turns the durable entries into the signed Merkle tree. One runs per
// log; should a second one run, the store refuses its checkpoints (ErrFork).
//
// It signs nothing that it has not read and placed itself, and nothing past a
// doubt: at a gap, at an entry whose header or body is not what was written, at
// a stored tree that is not the one signed last, it stops. An outage of the HSM
// or the store is waited out; entries are durable before the sequencer hears of
// them, so none is lost, only covered later.
type Sequencer struct {
	Store    Store
	Signer   Signer
	Origin   string          // names the log in its checkpoints, e.g. "bank.example/mohur"
	Every    int             // sign after so many new entries; 0 means 1000
	Interval time.Duration   // and after this time if there is any; 0 means 1s
	Retired  []note.Verifier // earlier audit-signing keys, which may have signed the last checkpoint

	// Genuine says of each entry, before it is signed, whether this server wrote
	// it: Drafter.Genuine. nil takes every entry that is well-formed.
	Genuine func(context.Context, Entry) error

	Now          func() time.Time // nil means time.Now
	OnError      func(error)      // told of every fault that will be retried; nil means slog
	OnCheckpoint func(Head)       // told of every checkpoint stored

	mu   sync.Mutex // one checkpoint at a time
	tree *tree      // as of the last checkpoint; nil until resumed and after a fault
	// unsure says that the last attempt to store a checkpoint ended without an
	// answer, a deadline for instance: it may be there.
	unsure bool

	once  sync.Once
	wake  chan struct{}
	fresh atomic.Int64 // entries heard of since the last round
}

// Notify tells the sequencer that n entries have become durable. It never
// waits; the commit path calls it after every write.
func (s *Sequencer) Notify(n int) {
	every := int64(s.Every)
	if every <= 0 {
		every = defaultEvery
	}
	if s.fresh.Add(int64(n)) < every {
		return
	}
	select {
	case s.woken() <- struct{}{}:
	default: // it is awake already and will read the tail after this write
	}
}

func (s *Sequencer) woken() chan struct{} {
	s.once.Do(func() { s.wake = make(chan struct{}, 1) })
	return s.wake
}

// Run signs checkpoints until the context ends, and then returns nil. Every
// other return is a doubt about the log (ErrGap, ErrFork, ErrMismatch) or an HSM
// that must not be asked again (wrong PIN, missing key): an incident, for people
// to look into. Entries of the last moments are covered at the next start, or by
// a call of Checkpoint after Run.
func (s *Sequencer) Run(ctx context.Context) error {
	interval := s.Interval
	if interval <= 0 {
		interval = defaultInterval
	}
	for delay := interval; ; {
		err := s.Checkpoint(ctx)
		wake := s.woken()
		switch {
		case err != nil && stops(err):
			return err
		case ctx.Err() != nil:
			return nil
		case err == nil:
			delay = interval
		default:
			s.report(ctx, err)
			delay = min(2*delay, max(maxRetry, interval))
			wake = nil // what is away is not asked more often because more is waiting
		}
		if !pause(ctx, delay, wake) {
			return nil
		}
	}
}

// pause waits and reports whether the context lives.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
	case <-wake:
	}
	return true
}

// stops says whether the sequencer must stop for people rather than try again.
func stops(err error) bool {
	var f *hsm.Fault
	if errors.As(err, &f) {
		// Another attempt with a wrong PIN could lock the module.
		return f.Class == hsm.ClassPIN || f.Class == hsm.ClassConfig
	}
	return errors.Is(err, ErrGap) || errors.Is(err, ErrFork) || errors.Is(err, ErrMismatch)
}

func (s *Sequencer) report(ctx context.Context, err error) {
	if s.OnError != nil {
		s.OnError(err)
		return
	}
	slog.ErrorContext(ctx, "audit checkpoint failed, will be retried", "error", err)
}

// Checkpoint covers every entry that is durable when it is called. Run and any
// number of callers may call it at once.
func (s *Sequencer) Checkpoint(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh.Store(0) // before the tail is read: an entry may be counted twice, never missed
	err := s.catchUp(ctx)
	if errors.Is(err, ErrFork) && s.unsure {
		// The write whose outcome was not known has happened after all: the other
		// sequencer was this one. Once more from what is stored; a real fork stays.
		s.tree, s.unsure = nil, false
		err = s.catchUp(ctx)
	}
	if err != nil {
		// What was stored is not known for sure now; the next call reads it anew.
		s.tree = nil
		return err
	}
	return nil
}

func (s *Sequencer) catchUp(ctx context.Context) error {
	if s.tree == nil {
		t, err := s.resume(ctx)
		if err != nil {
			return err
		}
		s.tree = t
	}
	tail, err := s.Store.Tail(ctx)
	if err != nil {
		return err
	}
	if tail < s.tree.size {
		return missingTail(tail, s.tree.size)
	}
	for s.tree.size < tail {
		if err := s.advance(ctx, min(tail, s.tree.size+maxRange)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sequencer) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC().Truncate(time.Microsecond)
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}
