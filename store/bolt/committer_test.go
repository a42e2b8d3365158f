package bolt

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"mohur/audit"
	"mohur/settle"
	"mohur/store"
)

// held is a store whose committer waits at a gate, so that a test decides what
// comes together in one batch.
func held(t *testing.T, o Options) (s *Store, open func()) {
	t.Helper()
	s = openTest(t, o)
	gate := make(chan bool)
	entered := make(chan bool)
	go s.submit(t.Context(), request{key: "gate", weight: maxWeight, run: func(*writing) (bool, error) {
		entered <- true
		<-gate
		return false, nil
	}})
	<-entered
	return s, func() { close(gate) }
}

// queued waits until n requests wait.
func queued(s *Store, n int) {
	for len(s.queue) < n {
		time.Sleep(time.Millisecond)
	}
}

// TestBatchOrder: a batch is written in the order of keys, which the tree
// likes, and those of one key in the order in which they came.
func TestBatchOrder(t *testing.T) {
	s, open := held(t, Options{})
	var order []string
	done := make(chan error, 9)
	for i, key := range []string{"c", "a", "b", "a", "c", "a", "", "b", "a"} {
		go func() {
			done <- s.submit(t.Context(), request{key: key, weight: 1, run: func(*writing) (bool, error) {
				order = append(order, fmt.Sprint(key, i))
				return false, nil
			}})
		}()
		queued(s, i+1)
	}
	open()
	for range 9 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if want := []string{"6", "a1", "a3", "a5", "a8", "b2", "b7", "c0", "c4"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}

// TestBatchNeighbours: in one batch, those that fail, whether with an outcome or
// an error, change nothing for those that do not.
func TestBatchNeighbours(t *testing.T) {
	var commits, appended atomic.Int64
	s, open := held(t, Options{
		Observe:  func(int, time.Duration) { commits.Add(1) },
		OnAppend: func(n int) { appended.Add(int64(n)) },
	})
	type answer struct {
		i   int
		r   settle.Result
		err error
	}
	done := make(chan answer, 100)
	for i := range 100 {
		c := testCommand(fmt.Sprintf("%02d", i), 1)
		switch i % 4 {
		case 1: // a stale second effect
			c.Effects = append(c.Effects, settle.SwapHot{Hot: settle.Hot{ID: "none", State: settle.HotLive, Version: 5}})
		case 2: // a second entry that cannot be stamped
			c.Entries = append(c.Entries, audit.Draft{Header: audit.Header{Time: time.Unix(0, 1)}})
		}
		go func() {
			r, err := s.Settle(t.Context(), c)
			done <- answer{i, r, err}
		}()
	}
	queued(s, 100)
	open()
	seqs := map[uint64]bool{}
	for range 100 {
		switch a := <-done; a.i % 4 {
		case 1:
			if a.err != nil || a.r.Outcome != settle.Stale {
				t.Errorf("%d: %s, %v; want stale", a.i, a.r.Outcome, a.err)
			}
		case 2:
			if a.err == nil {
				t.Errorf("%d: %s, want an error", a.i, a.r.Outcome)
			}
		default:
			if a.err != nil || a.r.Outcome != settle.Done {
				t.Errorf("%d: %s, %v; want done", a.i, a.r.Outcome, a.err)
			}
			seqs[a.r.Seq] = true
		}
	}
	if events := wholeLog(t, s); len(events) != 50 || len(seqs) != 50 {
		t.Errorf("%d entries, %d sequences; want 50", len(events), len(seqs))
	}
	if commits.Load() != 2 || appended.Load() != 50 { // the gate's and theirs
		t.Errorf("%d commits, %d entries told of", commits.Load(), appended.Load())
	}
}

// TestNothingWritten: a batch of which nothing is kept does not wait for the
// disk.
func TestNothingWritten(t *testing.T) {
	s := openTest(t, Options{})
	s.commit = func(*bbolt.Tx) error { t.Error("committed"); return nil }
	if r, err := s.Settle(t.Context(), testCommand("a", 2)); err != nil || r.Outcome != settle.Stale {
		t.Errorf("%s, %v", r.Outcome, err)
	}
}

// TestBusy: what waits is bounded, and whoever comes beyond it is told so at
// once.
func TestBusy(t *testing.T) {
	s, open := held(t, Options{})
	done := make(chan error, maxQueue)
	for i := range maxQueue {
		go func() {
			_, err := s.Settle(t.Context(), testCommand(fmt.Sprint(i), 1))
			done <- err
		}()
	}
	queued(s, maxQueue)
	if _, err := s.Settle(t.Context(), testCommand("beyond", 1)); !errors.Is(err, store.ErrBusy) {
		t.Errorf("beyond the bound: %v, want ErrBusy", err)
	}
	open()
	for range maxQueue {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	mustSettle(t, s, testCommand("beyond", 1))
}

// TestBatchBounds: no batch carries more than its share.
func TestBatchBounds(t *testing.T) {
	var largest atomic.Int64
	s, open := held(t, Options{Observe: func(n int, _ time.Duration) { largest.Store(max(largest.Load(), int64(n))) }})
	const callers = 3 * maxBatch
	done := make(chan error, callers+2)
	for i := range callers {
		go func() {
			_, err := s.Settle(t.Context(), testCommand(fmt.Sprint(i), 1))
			done <- err
		}()
	}
	queued(s, callers)
	open()
	for range callers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if largest.Load() != maxBatch {
		t.Errorf("the largest batch carried %d, the bound is %d", largest.Load(), maxBatch)
	}
}
