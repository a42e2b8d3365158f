package audittest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
)

// checkpoint returns a possible checkpoint from one size to another, with
// hashes that tell their index.
func (s *suite) checkpoint(t testing.TB, from, to uint64) audit.Checkpoint {
	t.Helper()
	note, err := audit.Head{Origin: origin, Size: to, Time: s.drafter.Now().UTC().Truncate(1e6)}.Sign(t.Context(), s.signer)
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Checkpoint{PrevSize: from, Size: to, Note: note}
	for i := c.FirstHash(); i < tlog.StoredHashCount(int64(to)); i++ {
		c.Hashes = append(c.Hashes, tellingHash(i))
	}
	return c
}

func tellingHash(i int64) tlog.Hash { return tlog.RecordHash(fmt.Append(nil, i)) }

func testHashes(t *testing.T, s *suite) {
	s.add(t, 9)
	for _, c := range [][2]uint64{{0, 3}, {3, 4}, {4, 9}} {
		if err := s.AppendCheckpoint(t.Context(), s.checkpoint(t, c[0], c[1])); err != nil {
			t.Fatal(err)
		}
	}
	end := tlog.StoredHashCount(9)
	at := []int64{end - 1, 0, 4, 4, 7, 1}
	got, err := s.Hashes(t.Context(), at)
	if err != nil || len(got) != len(at) {
		t.Fatalf("Hashes: %d, %v", len(got), err)
	}
	for i, h := range got {
		if h != tellingHash(at[i]) {
			t.Errorf("hash %d is another one", at[i])
		}
	}
	if _, err := s.Hashes(t.Context(), []int64{0, end}); !errors.Is(err, audit.ErrNoHash) {
		t.Errorf("a hash past the end: %v, want ErrNoHash", err)
	}
}

func testFollows(t *testing.T, s *suite) {
	s.add(t, 10)
	if err := s.AppendCheckpoint(t.Context(), s.checkpoint(t, 0, 4)); err != nil {
		t.Fatal(err)
	}
	last, _ := s.LastCheckpoint(t.Context())
	short := s.checkpoint(t, 4, 8)
	short.Hashes = short.Hashes[1:]
	for name, c := range map[string]audit.Checkpoint{
		"from the beginning": s.checkpoint(t, 0, 6), "inside": s.checkpoint(t, 3, 6), "with a hole": s.checkpoint(t, 5, 6),
	} {
		if err := s.AppendCheckpoint(t.Context(), c); !errors.Is(err, audit.ErrFork) {
			t.Errorf("%s: %v, want ErrFork", name, err)
		}
	}
	for name, c := range map[string]audit.Checkpoint{
		"empty": {PrevSize: 4, Size: 4, Note: last}, "past the tail": s.checkpoint(t, 4, 11), "short of hashes": short,
	} {
		if err := s.AppendCheckpoint(t.Context(), c); err == nil {
			t.Errorf("%s: stored", name)
		}
	}
	if now, err := s.LastCheckpoint(t.Context()); !bytes.Equal(now, last) || err != nil {
		t.Errorf("a refused checkpoint changed the last one (%v)", err)
	}
	if _, err := s.Hashes(t.Context(), []int64{tlog.StoredHashCount(4)}); !errors.Is(err, audit.ErrNoHash) {
		t.Errorf("a refused checkpoint left hashes: %v", err)
	}
	if err := s.AppendCheckpoint(t.Context(), s.checkpoint(t, 4, 10)); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func testCheckpointFor(t *testing.T, s *suite) {
	s.add(t, 300)
	notes := map[uint64][]byte{}
	// 255 and 256 tell keys in numeric order from keys in byte order.
	for prev, sizes := uint64(0), []uint64{2, 9, 10, 255, 256, 300}; len(sizes) > 0; sizes = sizes[1:] {
		c := s.checkpoint(t, prev, sizes[0])
		if err := s.AppendCheckpoint(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		notes[c.Size], prev = c.Note, c.Size
	}
	for size, want := range map[uint64]uint64{0: 2, 1: 2, 2: 2, 3: 9, 9: 9, 10: 10, 11: 255, 256: 256, 257: 300, 300: 300, 301: 0} {
		got, err := s.CheckpointFor(t.Context(), size)
		if err != nil || !bytes.Equal(got, notes[want]) {
			t.Errorf("CheckpointFor(%d): not the one of %d (%v)", size, want, err)
		}
	}
	if got, err := s.LastCheckpoint(t.Context()); !bytes.Equal(got, notes[300]) || err != nil {
		t.Errorf("LastCheckpoint: not the one of 300 (%v)", err)
	}
}

func testOneWins(t *testing.T, s *suite) {
	s.add(t, 20)
	for round := range uint64(10) {
		var wg sync.WaitGroup
		results := make(chan error, 8)
		for range cap(results) {
			c := s.checkpoint(t, round*2, round*2+2)
			wg.Go(func() { results <- s.AppendCheckpoint(t.Context(), c) })
		}
		wg.Wait()
		won := 0
		for range cap(results) {
			if err := <-results; err == nil {
				won++
			} else if !errors.Is(err, audit.ErrFork) {
				t.Errorf("round %d: %v, want ErrFork", round, err)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d sequencers won", round, won)
		}
	}
}
