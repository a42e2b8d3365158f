package audit_test

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
)

// TestTreeIsTheOneOfRFC6962 compares the edge, the stored hashes and the root
// with package tlog's at every size up to 300.
func TestTreeIsTheOneOfRFC6962(t *testing.T) {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			out[i] = stored[n]
		}
		return out, nil
	})
	var tree audit.Tree
	for n := range int64(300) {
		header := fmt.Appendf(nil, "entry %d", n)
		want, err := tlog.StoredHashes(n, header, read)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Add(audit.LeafHash(header)); !slices.Equal(got, want) {
			t.Fatalf("at %d the stored hashes differ", n)
		}
		stored = append(stored, want...)
		root, err := tlog.TreeHash(n+1, read)
		if err != nil || tree.Root() != root {
			t.Fatalf("at %d the roots differ (%v)", n, err)
		}
		edge, err := read(audit.EdgeIndexes(uint64(n + 1)))
		if err != nil || !slices.Equal(edge, tree.Edge()) {
			t.Fatalf("at %d the edge is not where it is looked for (%v)", n, err)
		}
	}
}

// TestEmptyRoot is the value of RFC 6962 section 2.1, the hash of nothing.
func TestEmptyRoot(t *testing.T) {
	const want = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	if got := new(audit.Tree).Root().String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
