package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// What can be wrong with a log. The sequencer stops at each of them for good:
// a checkpoint is never signed past a doubt.
var (
	// ErrFork says that a checkpoint does not follow the last one stored:
	// somebody else has appended to the tree.
	ErrFork = errors.New("audit: the checkpoint does not follow the last one stored")
	// ErrGap says that an entry is missing or not in its place.
	ErrGap = errors.New("audit: the log has a gap")
	// ErrMismatch says that stored entries or hashes contradict what was signed.
	ErrMismatch = errors.New("audit: the stored log contradicts its checkpoint")
)

// ErrNoHash says that no hash is stored at an index asked for.
var ErrNoHash = errors.New("audit: no such hash in the tree")

// ErrNotCovered says that no checkpoint of the size asked for exists, or that
// none covers the entry asked for yet.
var ErrNotCovered = errors.New("audit: no checkpoint covers this yet")

// Store is what the sequencer, the exporter and the provers need of a store.
// The sequence of an entry is the index of its leaf in the tree; both start at
// 0. All methods may be called by many goroutines. What a method returns is the
// caller's to keep: it stays as it is whatever the store does afterwards. Called
// with an ended context, a method returns an error and has changed nothing.
type Store interface {
	// Tail returns the sequence the next entry will get, which is the number of
	// entries ever written. It grows only in the write that holds the entry, so
	// every entry below it is durable.
	Tail(ctx context.Context) (next uint64, err error)
	// Entries returns at most limit entries with sequence from or above, in
	// order, none when there are none. It hides no damage: where an entry is
	// missing the next one follows, and the callers find the gap.
	Entries(ctx context.Context, from uint64, limit int) ([]Entry, error)
	// Hashes returns the tree's hashes at the indexes (tlog.StoredHashIndex), in
	// the order asked, or an error wrapping ErrNoHash if one is not there.
	Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error)
	// AppendCheckpoint writes the note and the hashes in one durable write, or
	// nothing. It returns what c.Follows says of the last checkpoint and the
	// tail inside that write: two sequencers conflict, they do not fork.
	AppendCheckpoint(ctx context.Context, c Checkpoint) error
	// LastCheckpoint returns the note of the largest checkpoint, nil if none.
	LastCheckpoint(ctx context.Context) ([]byte, error)
	// CheckpointFor returns the note of the smallest checkpoint that covers
	// size entries, nil if none does.
	CheckpointFor(ctx context.Context, size uint64) ([]byte, error)
}

// Checkpoint extends the stored tree from PrevSize entries to Size.
type Checkpoint struct {
	PrevSize uint64
	Size     uint64
	Note     []byte      // the signed note, see Head
	Hashes   []tlog.Hash // the tree's new hashes, from FirstHash on without a hole
}

// FirstHash returns the index (tlog.StoredHashIndex) of the first of Hashes.
func (c Checkpoint) FirstHash() int64 { return tlog.StoredHashCount(int64(c.PrevSize)) }

// Follows says whether the checkpoint may be stored where last is the size of
// the last one (0 if there is none) and tail the number of entries. Every store
// asks it inside the write: ErrFork if another checkpoint came first, another
// error if the checkpoint is not a possible one at all.
func (c Checkpoint) Follows(last, tail uint64) error {
	if c.PrevSize != last {
		return fmt.Errorf("%w: it starts at %d, the last one ends at %d", ErrFork, c.PrevSize, last)
	}
	if c.Size <= c.PrevSize || c.Size > tail || c.Size > maxSize {
		return fmt.Errorf("audit: a checkpoint from %d to %d of %d entries", c.PrevSize, c.Size, tail)
	}
	want := tlog.StoredHashCount(int64(c.Size)) - c.FirstHash()
	if int64(len(c.Hashes)) != want || len(c.Note) == 0 {
		return fmt.Errorf("audit: a checkpoint from %d to %d with %d hashes and a note of %d bytes",
			c.PrevSize, c.Size, len(c.Hashes), len(c.Note))
	}
	return nil
}

func missingTail(tail, signed uint64) error {
	return fmt.Errorf("%w: %d entries are stored, %d were signed: entry %d is the first one missing",
		ErrGap, tail, signed, tail)
}

// notFound makes a missing hash of a signed tree the contradiction it is.
func notFound(err error) error {
	if errors.Is(err, ErrNoHash) {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return err
}
