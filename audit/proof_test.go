package audit_test

import (
	"encoding/json"
	"errors"
	"testing"

	"mohur/audit"
)

func TestInclusionProof(t *testing.T) {
	w := newWorld(t).upTo(1, 5, 8, 13)
	w.add(1)
	key := w.signer.Verifier(t, origin)
	entries, err := w.store.Entries(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []uint64{1, 5, 8, 13} {
		for index := range size {
			p, err := audit.ProveInclusion(t.Context(), w.store, index, size)
			if err != nil {
				t.Fatal(err)
			}
			if h, err := p.Check(entries[index].Header, key); err != nil || h.Size != size {
				t.Errorf("entry %d at %d: %v", index, size, err)
			}
			if _, err := p.Check(entries[(index+1)%13].Header, key); err == nil {
				t.Errorf("entry %d at %d also proves another header", index, size)
			}
		}
	}
	for _, c := range [][2]uint64{{13, 0}, {13, 13}, {5, 5}, {0, 2}, {0, 14}} {
		if _, err := audit.ProveInclusion(t.Context(), w.store, c[0], c[1]); !errors.Is(err, audit.ErrNotCovered) {
			t.Errorf("entry %d at %d: %v, want ErrNotCovered", c[0], c[1], err)
		}
	}
}

func TestInclusionProofIsBound(t *testing.T) {
	w := newWorld(t).upTo(8)
	key := w.signer.Verifier(t, origin)
	entries, _ := w.store.Entries(t.Context(), 0, 8)
	for name, change := range map[string]func(*audit.Inclusion){
		"index": func(p *audit.Inclusion) { p.Index++ }, "index too large": func(p *audit.Inclusion) { p.Index = 1 << 63 },
		"size":  func(p *audit.Inclusion) { p.Size-- },
		"hash":  func(p *audit.Inclusion) { p.Proof[0][0] ^= 1 },
		"short": func(p *audit.Inclusion) { p.Proof = p.Proof[1:] },
		"note":  func(p *audit.Inclusion) { p.Checkpoint = string(newWorld(t).upTo(8).checkpoint(8)) },
	} {
		p, err := audit.ProveInclusion(t.Context(), w.store, 3, 0)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q audit.Inclusion
		if err := json.Unmarshal(wire, &q); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Check(entries[3].Header, key); err != nil {
			t.Fatalf("after the wire: %v", err)
		}
		change(&q)
		if _, err := q.Check(entries[3].Header, key); err == nil {
			t.Errorf("%s changed: still proves", name)
		}
	}
}

func TestConsistencyProof(t *testing.T) {
	w := newWorld(t).upTo(1, 5, 8, 13)
	key := w.signer.Verifier(t, origin)
	sizes := []uint64{1, 5, 8, 13}
	for i, from := range sizes {
		for _, to := range sizes[i:] {
			p, err := audit.ProveConsistency(t.Context(), w.store, from, to)
			if err != nil {
				t.Fatal(err)
			}
			if a, b, err := p.Check(key); err != nil || a.Size != from || b.Size != to {
				t.Errorf("%d to %d: %v", from, to, err)
			}
			p.Earlier = string(fork(w).checkpoint(8))
			if _, _, err := p.Check(key); err == nil {
				t.Errorf("%d to %d: a fork is consistent", from, to)
			}
		}
	}
	for _, c := range [][2]uint64{{0, 13}, {8, 5}, {2, 13}, {5, 12}, {14, 0}} {
		if _, err := audit.ProveConsistency(t.Context(), w.store, c[0], c[1]); !errors.Is(err, audit.ErrNotCovered) {
			t.Errorf("%d to %d: %v, want ErrNotCovered", c[0], c[1], err)
		}
	}
}
