package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// readBatch is how many entries are read at a time; with the largest bodies
// that is 64 MiB, with usual ones a few hundred kilobytes.
const readBatch = 256

// advance extends the tree to size to, has it signed and stores both.
func (s *Sequencer) advance(ctx context.Context, to uint64) error {
	next := s.tree.clone()
	hashes, err := s.grow(ctx, next, to)
	if err != nil {
		return err
	}
	head := Head{Origin: s.Origin, Size: to, Root: next.root(), Time: s.now()}
	msg, err := head.Sign(ctx, s.Signer)
	if err != nil {
		return fmt.Errorf("audit: sign the checkpoint at %d: %w", to, err)
	}
	c := Checkpoint{PrevSize: s.tree.size, Size: to, Note: msg, Hashes: hashes}
	if err := s.Store.AppendCheckpoint(ctx, c); err != nil {
		s.unsure = s.unsure || !errors.Is(err, ErrFork)
		return fmt.Errorf("audit: store the checkpoint at %d: %w", to, err)
	}
	s.tree, s.unsure = next, false
	if s.OnCheckpoint != nil {
		s.OnCheckpoint(head)
	}
	return nil
}

// grow adds the entries up to size to, each examined first, and returns the
// tree's new hashes.
func (s *Sequencer) grow(ctx context.Context, t *tree, to uint64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, 2*(to-t.size)+64)
	for t.size < to {
		batch, err := s.Store.Entries(ctx, t.size, int(min(to-t.size, readBatch)))
		if err != nil {
			return nil, err
		}
		if len(batch) == 0 {
			return nil, fmt.Errorf("%w: entry %d of %d is missing", ErrGap, t.size, to)
		}
		for _, e := range batch {
			if err := examine(e, t.size); err != nil {
				return nil, err
			}
			if s.Genuine != nil {
				if err := s.Genuine(ctx, e); err != nil {
					return nil, err
				}
			}
			hashes = t.add(LeafHash(e.Header), hashes)
		}
	}
	return hashes, nil
}

// examine says whether the entry may become leaf number seq.
func examine(e Entry, seq uint64) error {
	if e.Seq != seq {
		return fmt.Errorf("%w: entry %d is missing, %d stands in its place", ErrGap, seq, e.Seq)
	}
	h, err := ParseHeader(e.Header)
	if err != nil {
		return fmt.Errorf("%w: entry %d: %w", ErrMismatch, seq, err)
	}
	if h.Seq != seq {
		return fmt.Errorf("%w: the header of entry %d says it is %d", ErrGap, seq, h.Seq)
	}
	return checkBody(e, h)
}

// checkBody compares the body with the header's commitment. Without salt and
// body the entry is erased, which is no fault; with one of them alone it is
// damaged.
func checkBody(e Entry, h Header) error {
	if len(e.Salt) == 0 && len(e.Sealed) == 0 {
		return nil
	}
	if Commitment(e.Salt, e.Sealed) != h.Body {
		return fmt.Errorf("%w: %w: entry %d", ErrMismatch, ErrCommitment, e.Seq)
	}
	return nil
}
