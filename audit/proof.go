package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Inclusion proves that a header is entry Index of the log a checkpoint was
// signed for (RFC 6962 section 2.1.1), to somebody who has neither the log nor
// trust in its keeper.
type Inclusion struct {
	Index      uint64           `json:"index"`
	Size       uint64           `json:"size"`
	Proof      tlog.RecordProof `json:"proof"`
	Checkpoint string           `json:"checkpoint"`
}

// Consistency proves that the log of a later checkpoint begins with all entries
// of an earlier one, unchanged and in order (RFC 6962 section 2.1.2).
type Consistency struct {
	Earlier string         `json:"earlier"` // checkpoints
	Later   string         `json:"later"`
	Proof   tlog.TreeProof `json:"proof"`
}

var errProof = errors.New("audit: the proof does not fit its checkpoint")

// ProveInclusion proves entry index under the checkpoint of that size, or under
// the last one if size is 0. It returns ErrNotCovered if there is no checkpoint
// of that size or if it does not reach the entry.
func ProveInclusion(ctx context.Context, s Store, index, size uint64) (Inclusion, error) {
	msg, head, err := checkpointOf(ctx, s, size)
	if err != nil {
		return Inclusion{}, err
	}
	if index >= head.Size {
		return Inclusion{}, fmt.Errorf("%w: entry %d, the checkpoint has %d", ErrNotCovered, index, head.Size)
	}
	proof, err := tlog.ProveRecord(int64(head.Size), int64(index), hashReader(ctx, s))
	if err != nil {
		return Inclusion{}, fmt.Errorf("audit: prove entry %d: %w", index, err)
	}
	return Inclusion{Index: index, Size: head.Size, Proof: proof, Checkpoint: string(msg)}, nil
}

// Check verifies the proof for the exact header bytes and returns what the
// checkpoint says.
func (p Inclusion) Check(header []byte, keys ...note.Verifier) (Head, error) {
	head, err := OpenCheckpoint([]byte(p.Checkpoint), keys...)
	if err != nil {
		return Head{}, err
	}
	if p.Size != head.Size || p.Index >= head.Size {
		return Head{}, errProof
	}
	if err := tlog.CheckRecord(p.Proof, int64(p.Size), head.Root, int64(p.Index), LeafHash(header)); err != nil {
		return Head{}, fmt.Errorf("%w: %w", errProof, err)
	}
	return head, nil
}

// ProveConsistency proves that the checkpoint of size to extends the one of
// size from; to 0 means the last one.
func ProveConsistency(ctx context.Context, s Store, from, to uint64) (Consistency, error) {
	later, head, err := checkpointOf(ctx, s, to)
	if err != nil {
		return Consistency{}, err
	}
	if from == 0 || from > head.Size {
		return Consistency{}, fmt.Errorf("%w: from %d to %d", ErrNotCovered, from, head.Size)
	}
	earlier, _, err := checkpointOf(ctx, s, from)
	if err != nil {
		return Consistency{}, err
	}
	proof, err := tlog.ProveTree(int64(head.Size), int64(from), hashReader(ctx, s))
	if err != nil {
		return Consistency{}, fmt.Errorf("audit: prove %d from %d: %w", head.Size, from, err)
	}
	return Consistency{Earlier: string(earlier), Later: string(later), Proof: proof}, nil
}

// Check verifies the proof and returns what the two checkpoints say.
func (c Consistency) Check(keys ...note.Verifier) (earlier, later Head, err error) {
	if earlier, err = OpenCheckpoint([]byte(c.Earlier), keys...); err != nil {
		return Head{}, Head{}, err
	}
	if later, err = OpenCheckpoint([]byte(c.Later), keys...); err != nil {
		return Head{}, Head{}, err
	}
	if earlier.Origin != later.Origin {
		return Head{}, Head{}, errProof
	}
	if err := tlog.CheckTree(c.Proof, int64(later.Size), later.Root, int64(earlier.Size), earlier.Root); err != nil {
		return Head{}, Head{}, fmt.Errorf("%w: %w", errProof, err)
	}
	return earlier, later, nil
}

// checkpointOf returns the checkpoint of exactly that size, the last one for 0.
func checkpointOf(ctx context.Context, s Store, size uint64) ([]byte, Head, error) {
	msg, err := s.LastCheckpoint(ctx)
	if size > 0 {
		msg, err = s.CheckpointFor(ctx, size)
	}
	if err != nil {
		return nil, Head{}, err
	}
	if msg == nil {
		return nil, Head{}, fmt.Errorf("%w: size %d", ErrNotCovered, size)
	}
	head, err := readHead(msg)
	if err == nil && size > 0 && head.Size != size {
		err = fmt.Errorf("%w: size %d, the next one has %d", ErrNotCovered, size, head.Size)
	}
	return msg, head, err
}

func hashReader(ctx context.Context, s Store) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return s.Hashes(ctx, indexes)
	})
}
