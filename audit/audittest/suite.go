package audittest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"mohur/audit"
)

// Open opens an empty store and returns it with the means to append entries:
// append writes all drafts in one durable write, in their order, through the
// path the store's users take.
type Open func(t *testing.T) (store audit.Store, append func(drafts ...audit.Draft) error)

// Run is the part of the conformance suite that concerns the audit log. Every
// store passes it, with -race.
func Run(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"empty", testEmpty},
		{"entries come back as written", testEntries},
		{"entries are paged", testPages},
		{"appending is contiguous under parallel writes", testParallelAppend},
		{"what was returned stays", testReturnedStays},
		{"hashes", testHashes},
		{"checkpoints follow each other", testFollows},
		{"checkpoints are found by size", testCheckpointFor},
		{"one of many sequencers wins", testOneWins},
		{"sequenced, exported and verified under load", testWhole},
		{"an ended context is an error", testContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, append := open(t)
			test.run(t, &suite{
				Store: store, append: append, drafter: NewDrafter(t, nil), signer: NewSigner(t),
			})
		})
	}
}

const origin = "mohur.example/audit"

type suite struct {
	audit.Store
	append  func(...audit.Draft) error
	drafter *audit.Drafter
	signer  *Signer
}

func (s *suite) drafts(t testing.TB, n int) []audit.Draft {
	t.Helper()
	return Drafts(t, s.drafter, n)
}

// Drafts seals n different events of the bank.
func Drafts(t testing.TB, d *audit.Drafter, n int) []audit.Draft {
	t.Helper()
	var out []audit.Draft
	for i := range n {
		draft, err := d.Draft(t.Context(), audit.Event{
			Name: "authentication.answered", Outcome: "granted", Credential: fmt.Sprintf("cr_%d", i),
			Detail: map[string]int{"n": i},
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, draft)
	}
	return out
}

// add appends n entries in one write and returns their drafts.
func (s *suite) add(t testing.TB, n int) []audit.Draft {
	t.Helper()
	drafts := s.drafts(t, n)
	if err := s.append(drafts...); err != nil {
		t.Fatal(err)
	}
	return drafts
}

func testEmpty(t *testing.T, s *suite) {
	ctx := t.Context()
	if next, err := s.Tail(ctx); next != 0 || err != nil {
		t.Errorf("Tail = %d, %v", next, err)
	}
	if e, err := s.Entries(ctx, 0, 10); len(e) != 0 || err != nil {
		t.Errorf("Entries = %v, %v", e, err)
	}
	if n, err := s.LastCheckpoint(ctx); n != nil || err != nil {
		t.Errorf("LastCheckpoint = %q, %v; want nil", n, err)
	}
	if n, err := s.CheckpointFor(ctx, 1); n != nil || err != nil {
		t.Errorf("CheckpointFor = %q, %v; want nil", n, err)
	}
	if _, err := s.Hashes(ctx, []int64{0}); !errors.Is(err, audit.ErrNoHash) {
		t.Errorf("Hashes: %v, want ErrNoHash", err)
	}
	if err := s.AppendCheckpoint(ctx, s.checkpoint(t, 0, 1)); err == nil {
		t.Error("a checkpoint of an entry that does not exist was stored")
	}
}

func testWhole(t *testing.T, s *suite) {
	seq := &audit.Sequencer{Store: s, Signer: s.signer, Origin: origin, Every: 10}
	var wg sync.WaitGroup
	for range 4 {
		drafts := s.drafts(t, 50)
		wg.Go(func() {
			for _, d := range drafts {
				if err := s.append(d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := seq.Checkpoint(t.Context()); err != nil {
				t.Error(err)
			}
			s.verify(t, 0)
		}
	})
	wg.Wait()
	if err := seq.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.verify(t, 200)
}

// verify exports and verifies; want 0 accepts any number of entries.
func (s *suite) verify(t *testing.T, want uint64) {
	var b bytes.Buffer
	if err := audit.Export(t.Context(), &b, s, audit.ExportOptions{Key: s.signer.VKey(t, origin)}); err != nil {
		t.Error(err)
		return
	}
	r, err := audit.Verify(&b, audit.VerifyOptions{Verifier: s.signer.Verifier(t, origin)})
	nothingYet := r.FirstBad != nil && r.FirstBad.Kind == audit.KindUnsigned
	if err != nil || !r.OK() && (want > 0 || !nothingYet) {
		t.Errorf("verify: %v, %v", r.FirstBad, err)
	}
	if want > 0 && (r.Entries != want || r.Covered != want) {
		t.Errorf("verified %d entries, %d covered, want %d", r.Entries, r.Covered, want)
	}
}

func testContext(t *testing.T, s *suite) {
	s.add(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Entries(ctx, 0, 1); err == nil {
		t.Error("Entries answered")
	}
	if err := s.AppendCheckpoint(ctx, s.checkpoint(t, 0, 1)); err == nil {
		t.Error("AppendCheckpoint answered")
	}
	if n, err := s.LastCheckpoint(t.Context()); n != nil || err != nil {
		t.Errorf("the ended call left %q (%v)", n, err)
	}
}
