package audit

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// maxSize bounds the log far above any bank and far below the sizes at which
// the index arithmetic of package tlog would overflow.
const maxSize = 1 << 48

// LeafHash is the hash of an entry in the tree: the leaf hash of RFC 6962
// section 2.1, SHA-256(0x00 ‖ header), over the exact header bytes.
func LeafHash(header []byte) tlog.Hash { return tlog.RecordHash(header) }

// tree is the right edge of the RFC 6962 tree: the roots of its complete
// subtrees, the largest first, one for every set bit of size. It is all that
// appending and computing the root need, so a log of any length is followed in
// the memory of at most 48 hashes.
type tree struct {
	size uint64
	edge []tlog.Hash
}

// add appends a leaf. It appends to stored the hashes this completes, the leaf
// first, in the order of tlog.StoredHashIndex, and returns it.
func (t *tree) add(leaf tlog.Hash, stored []tlog.Hash) []tlog.Hash {
	stored = append(stored, leaf)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.edge) - 1
		leaf = tlog.NodeHash(t.edge[last], leaf)
		t.edge = t.edge[:last]
		stored = append(stored, leaf)
	}
	t.edge = append(t.edge, leaf)
	t.size++
	return stored
}

// root returns the tree's root, for the empty tree SHA-256 of nothing.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // size 0 reads nothing and cannot fail
		return h
	}
	last := len(t.edge) - 1
	h := t.edge[last]
	for _, left := range slices.Backward(t.edge[:last]) {
		h = tlog.NodeHash(left, h)
	}
	return h
}

// clone returns a copy to try on, so that a failed checkpoint changes nothing.
func (t *tree) clone() *tree {
	return &tree{size: t.size, edge: slices.Clone(t.edge)}
}

// edgeIndexes returns where the edge of a tree of that size is stored.
func edgeIndexes(size uint64) []int64 {
	var at []int64
	for done := uint64(0); done < size; {
		level := bits.Len64(size-done) - 1
		at = append(at, tlog.StoredHashIndex(level, int64(done>>level)))
		done += 1 << level
	}
	return at
}

// loadTree reads the edge of the tree of that size from the stored hashes.
func loadTree(ctx context.Context, s Store, size uint64) (*tree, error) {
	if size == 0 {
		return &tree{}, nil
	}
	if size > maxSize {
		return nil, fmt.Errorf("%w: a tree of %d entries", ErrMismatch, size)
	}
	edge, err := readHashes(ctx, s, edgeIndexes(size))
	if err != nil {
		return nil, fmt.Errorf("audit: read the tree at %d: %w", size, err)
	}
	return &tree{size: size, edge: edge}, nil
}

// readHashes asks the store and does not believe a short answer.
func readHashes(ctx context.Context, s Store, indexes []int64) ([]tlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	h, err := s.Hashes(ctx, indexes)
	if err != nil {
		return nil, err
	}
	if len(h) != len(indexes) {
		return nil, fmt.Errorf("audit: asked for %d hashes, got %d", len(indexes), len(h))
	}
	return h, nil
}
