package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
)

// hashGroup is how many of the tree's hashes lie in one row. One each would
// double what they take, and the puts of a checkpoint with them.
const hashGroup = 16

// AppendCheckpoint implements audit.Store.
func (s *Store) AppendCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	return s.submit(ctx, request{
		key:    "audit-checkpoint",
		weight: 1 + len(c.Hashes)/hashGroup,
		run: func(w *writing) (bool, error) {
			last, _, err := lastCheckpoint(w.reading)
			if err != nil {
				return false, err
			}
			if err := c.Follows(last, w.next); err != nil {
				return false, err
			}
			if err := putHashes(w, uint64(c.FirstHash()), c.Hashes); err != nil {
				return false, err
			}
			return true, w.put(inCheckpoints, sequence(c.Size), bytes.Clone(c.Note))
		},
	})
}

// putHashes adds hashes behind those that are there.
func putHashes(w *writing, first uint64, hashes []tlog.Hash) error {
	for len(hashes) > 0 {
		group, filled := first/hashGroup, first%hashGroup
		row := w.get(inHashes, sequence(group))
		if uint64(len(row)) != filled*tlog.HashSize {
			return damaged(inHashes, fmt.Sprint(group), fmt.Errorf("it has %d bytes, the checkpoint begins after %d hashes", len(row), filled))
		}
		n := min(len(hashes), int(hashGroup-filled))
		row = append(make([]byte, 0, hashGroup*tlog.HashSize), row...)
		for _, h := range hashes[:n] {
			row = append(row, h[:]...)
		}
		if err := w.put(inHashes, sequence(group), row); err != nil {
			return err
		}
		first, hashes = first+uint64(n), hashes[n:]
	}
	return nil
}

// Hashes implements audit.Store.
func (s *Store) Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	err := s.view(ctx, func(r reading) error {
		for i, index := range indexes {
			if index < 0 {
				return fmt.Errorf("%w: index %d", audit.ErrNoHash, index)
			}
			row := r.get(inHashes, sequence(uint64(index)/hashGroup))
			at := int(index%hashGroup) * tlog.HashSize
			if len(row) < at+tlog.HashSize {
				return fmt.Errorf("%w: index %d", audit.ErrNoHash, index)
			}
			copy(hashes[i][:], row[at:])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return hashes, nil
}

// lastCheckpoint returns the size and the note of the largest checkpoint, zero
// if there is none.
func lastCheckpoint(r reading) (size uint64, note []byte, err error) {
	k, v := r.in(inCheckpoints).Cursor().Last()
	if k == nil {
		return 0, nil, nil
	}
	if len(k) != 8 {
		return 0, nil, damaged(inCheckpoints, fmt.Sprintf("%x", k), errors.New("it is not a size"))
	}
	return binary.BigEndian.Uint64(k), v, nil
}

// LastCheckpoint implements audit.Store.
func (s *Store) LastCheckpoint(ctx context.Context) (note []byte, err error) {
	err = s.view(ctx, func(r reading) error {
		_, stored, err := lastCheckpoint(r)
		note = bytes.Clone(stored)
		return err
	})
	return note, err
}

// CheckpointFor implements audit.Store.
func (s *Store) CheckpointFor(ctx context.Context, size uint64) (note []byte, err error) {
	err = s.view(ctx, func(r reading) error {
		_, stored := r.in(inCheckpoints).Cursor().Seek([]byte(sequence(size)))
		note = bytes.Clone(stored)
		return nil
	})
	return note, err
}
