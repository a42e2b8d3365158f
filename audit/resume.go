package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mohur/hsm"
)

// resume reads the last checkpoint and returns the tree it was signed for, after
// checking the signature, the stored root and that its entries are still there.
func (s *Sequencer) resume(ctx context.Context) (*tree, error) {
	head, err := s.lastHead(ctx)
	if err != nil {
		return nil, err
	}
	tail, err := s.Store.Tail(ctx)
	if err != nil {
		return nil, err
	}
	if tail < head.Size {
		return nil, missingTail(tail, head.Size)
	}
	t, err := loadTree(ctx, s.Store, head.Size)
	if err != nil {
		return nil, notFound(err)
	}
	if head.Size > 0 && t.root() != head.Root {
		return nil, fmt.Errorf("%w: the stored tree of %d entries has the root %s, the checkpoint %s",
			ErrMismatch, head.Size, t.root(), head.Root)
	}
	if err := s.checkEnd(ctx, head.Size); err != nil {
		return nil, err
	}
	return t, s.checkLast(ctx, head.Size)
}

// checkEnd makes sure that the stored tree ends where the last checkpoint does:
// both are written at once, so a longer tree has lost a checkpoint.
func (s *Sequencer) checkEnd(ctx context.Context, size uint64) error {
	_, err := readHashes(ctx, s.Store, []int64{tlog.StoredHashCount(int64(size))})
	switch {
	case errors.Is(err, ErrNoHash):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: the stored tree goes on after %d entries, the last checkpoint ends there", ErrMismatch, size)
}

// lastHead returns the last checkpoint, verified; the zero Head if there is none.
func (s *Sequencer) lastHead(ctx context.Context) (Head, error) {
	msg, err := s.Store.LastCheckpoint(ctx)
	if err != nil || msg == nil {
		return Head{}, err
	}
	pub, err := s.Signer.Public(ctx, hsm.AuditSigning)
	if err != nil {
		return Head{}, err
	}
	key, err := NewVerifier(s.Origin, pub)
	if err != nil {
		return Head{}, err
	}
	head, err := OpenCheckpoint(msg, append([]note.Verifier{key}, s.Retired...)...)
	if err != nil {
		return Head{}, fmt.Errorf("%w: the last checkpoint stored: %w", ErrMismatch, err)
	}
	return head, nil
}

// checkLast compares the last covered entry with its leaf, which the edge that
// was just compared with the signed root does not always contain.
func (s *Sequencer) checkLast(ctx context.Context, size uint64) error {
	if size == 0 {
		return nil
	}
	last, err := s.Store.Entries(ctx, size-1, 1)
	if err != nil {
		return err
	}
	if len(last) == 0 || last[0].Seq != size-1 {
		return fmt.Errorf("%w: entry %d, the last one signed, is missing", ErrGap, size-1)
	}
	leaf, err := readHashes(ctx, s.Store, []int64{tlog.StoredHashIndex(0, int64(size-1))})
	if err != nil {
		return notFound(err)
	}
	if LeafHash(last[0].Header) != leaf[0] {
		return fmt.Errorf("%w: entry %d, the last one signed, was changed", ErrMismatch, size-1)
	}
	return nil
}
