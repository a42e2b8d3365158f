package audit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
	"mohur/audit/audittest"
	"mohur/hsm"
)

// sizes records the checkpoints a sequencer stores.
func sizes(s *audit.Sequencer) func() []uint64 {
	var mu sync.Mutex
	var got []uint64
	s.OnCheckpoint = func(h audit.Head) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, h.Size)
	}
	return func() []uint64 {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

// bubble runs a sequencer in a bubble whose time the test moves.
func bubble(t *testing.T, test func(t *testing.T, w *world, signed func() []uint64, stop func() error)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		signed := sizes(w.seq)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.seq.Run(ctx) }()
		synctest.Wait()
		stop := sync.OnceValue(func() error { cancel(); return <-done })
		test(t, w, signed, stop)
		stop()
	})
}

func want(t *testing.T, signed func() []uint64, sizes ...uint64) {
	t.Helper()
	synctest.Wait()
	if got := signed(); !slices.Equal(got, sizes) {
		t.Errorf("checkpoints at %v, want %v", got, sizes)
	}
}

func TestSequencerSignsEveryInterval(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, signed func() []uint64, stop func() error) {
		w.add(3)
		w.seq.Notify(3)
		want(t, signed)
		time.Sleep(time.Second)
		want(t, signed, 3)
		time.Sleep(time.Minute) // nothing new, nothing signed
		want(t, signed, 3)
		w.add(1) // also without having been told
		time.Sleep(time.Second)
		want(t, signed, 3, 4)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestSequencerSignsEveryThousand(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, signed func() []uint64, _ func() error) {
		start := time.Now()
		for range 10 {
			w.add(100)
			w.seq.Notify(100)
		}
		want(t, signed, 1000)
		w.add(999)
		w.seq.Notify(999)
		want(t, signed, 1000)
		w.add(1)
		w.seq.Notify(1)
		want(t, signed, 1000, 2000)
		if time.Since(start) != 0 {
			t.Error("it waited")
		}
	})
}

func TestSequencerWaitsForTheHSM(t *testing.T) {
	for _, class := range []hsm.Class{hsm.ClassDevice, hsm.ClassSession, hsm.ClassBusy} {
		t.Run(class.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, signed func() []uint64, stop func() error) {
				w.signer.Fail(&hsm.Fault{Class: class, Op: "Sign", Key: hsm.AuditSigning})
				for range 200 {
					w.add(1)
					w.seq.Notify(1000)
					time.Sleep(time.Second)
				}
				want(t, signed)
				if n := w.signer.Calls(); n < 5 || n > 15 {
					t.Errorf("the module that is away was asked %d times in 200 seconds", n)
				}
				w.signer.Fail(nil)
				time.Sleep(30 * time.Second)
				want(t, signed, 200)
				w.add(1) // and at its usual pace again
				time.Sleep(time.Second)
				want(t, signed, 200, 201)
				if err := stop(); err != nil {
					t.Error(err)
				}
				if r := verify(t, w.export(0), w.options()); !r.OK() || r.Covered != 201 {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

func TestSequencerDoesNotRetryAWrongPIN(t *testing.T) {
	for _, class := range []hsm.Class{hsm.ClassPIN, hsm.ClassConfig} {
		bubble(t, func(t *testing.T, w *world, signed func() []uint64, stop func() error) {
			w.signer.Fail(&hsm.Fault{Class: class, Op: "Sign"})
			w.add(1)
			time.Sleep(time.Minute)
			if err := stop(); hsm.ClassOf(err) != class || err == nil {
				t.Errorf("Run = %v", err)
			}
			if w.signer.Calls() != 1 {
				t.Errorf("%d calls", w.signer.Calls())
			}
			want(t, signed)
		})
	}
}

func TestSequencerWaitsForTheStore(t *testing.T) {
	for _, method := range []string{"Tail", "Entries", "Hashes", "LastCheckpoint", "AppendCheckpoint", "AppendCheckpoint*"} {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world, signed func() []uint64, stop func() error) {
				w.upTo(2)
				w.store.FailOn(method, errors.New("disk away"))
				w.add(3)
				time.Sleep(time.Minute)
				w.store.FailOn(method, nil)
				w.add(3)
				time.Sleep(time.Minute)
				if got := signed(); got[len(got)-1] != 8 {
					t.Errorf("checkpoints at %v", got)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
				if r := verify(t, w.export(0), w.options()); !r.OK() || r.Covered != 8 {
					t.Errorf("%+v %v", r, r.FirstBad)
				}
			})
		})
	}
}

func TestSequencerTellsOfRetries(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ func() []uint64, _ func() error) {
		away := errors.New("away")
		w.signer.Fail(away)
		w.add(1)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(w.retried) != 1 || !errors.Is(w.retried[0], away) {
			t.Errorf("told of %v", w.retried)
		}
	})
}

// doubts are what a sequencer must never sign past. Each finds a log of 6
// entries, 4 of them signed.
var doubts = []struct {
	name string
	do   func(*world)
	want error
	says string
}{
	{"removed entry", tamper(func(e []audit.Entry) []audit.Entry { return slices.Delete(e, 4, 5) }), audit.ErrGap, "entry 4"},
	{"removed last entry", tamper(func(e []audit.Entry) []audit.Entry { return e[:5] }), audit.ErrGap, "entry 5"},
	{"swapped", tamper(func(e []audit.Entry) []audit.Entry { e[4], e[5] = e[5], e[4]; return e }), audit.ErrGap, "entry 4"},
	{"renumbered", tamper(func(e []audit.Entry) []audit.Entry { e[4].Header = e[5].Header; return e }), audit.ErrGap, "entry 4"},
	{"changed body", tamper(func(e []audit.Entry) []audit.Entry { e[5].Sealed[20] ^= 1; return e }), audit.ErrMismatch, "entry 5"},
	{"changed salt", tamper(func(e []audit.Entry) []audit.Entry { e[5].Salt[0] ^= 1; return e }), audit.ErrMismatch, "entry 5"},
	{"damaged header", tamper(func(e []audit.Entry) []audit.Entry { e[4].Header[0] = ' '; return e }), audit.ErrMismatch, "entry 4"},
	{"tail cut below the last checkpoint", func(w *world) { w.store.Cut(3) }, audit.ErrGap, "entry 3"},
}

// startDoubts are found when a sequencer starts.
var startDoubts = []struct {
	name string
	do   func(*world)
	want error
	says string
}{
	{"changed last signed entry", tamper(func(e []audit.Entry) []audit.Entry {
		e[3].Header = []byte(strings.Replace(string(e[3].Header), "granted", "refused", 1))
		return e
	}), audit.ErrMismatch, "entry 3"},
	{"removed last signed entry", tamper(func(e []audit.Entry) []audit.Entry { return slices.Delete(e, 3, 4) }), audit.ErrGap, "entry 3"},
	{"changed tree", func(w *world) {
		w.store.TamperHash(tlog.StoredHashIndex(2, 0), tlog.Hash{1})
	}, audit.ErrMismatch, "root"},
	{"changed leaf hash", func(w *world) {
		w.store.TamperHash(tlog.StoredHashIndex(0, 3), tlog.Hash{1})
	}, audit.ErrMismatch, "entry 3"},
	{"changed checkpoint", func(w *world) {
		w.store.TamperCheckpoint(func(_ uint64, n []byte) []byte { return []byte(strings.Replace(string(n), "\n4\n", "\n3\n", 1)) })
	}, audit.ErrMismatch, "signature"},
	{"checkpoint of a stranger", func(w *world) {
		w.store.TamperCheckpoint(func(uint64, []byte) []byte { return newWorld(w.t).upTo(4).checkpoint(4) })
	}, audit.ErrMismatch, "checkpoint"},
	{"removed hashes", func(w *world) { w.store.CutHashes(3) }, audit.ErrMismatch, "no such hash"},
	{"checkpoint that is none", func(w *world) {
		w.store.TamperCheckpoint(func(uint64, []byte) []byte { return []byte("x") })
	}, audit.ErrMismatch, "malformed"},
	{"removed checkpoint", func(w *world) { w.store.CutCheckpoints(0, false) }, audit.ErrMismatch, "goes on after 0"},
}

func tamper(change func([]audit.Entry) []audit.Entry) func(*world) {
	return func(w *world) { w.store.Tamper(change) }
}

func TestSequencerNeverSignsPastADoubt(t *testing.T) {
	check := func(t *testing.T, w *world, s *audit.Sequencer, want error, says string) {
		t.Helper()
		before, _ := w.store.LastCheckpoint(t.Context())
		calls := w.signer.Calls()
		for range 3 {
			if err := s.Checkpoint(t.Context()); !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
				t.Fatalf("Checkpoint = %v, want %v naming %q", err, want, says)
			}
		}
		if err := s.Run(t.Context()); !errors.Is(err, want) {
			t.Errorf("Run = %v", err)
		}
		after, _ := w.store.LastCheckpoint(t.Context())
		if string(before) != string(after) || w.signer.Calls() != calls {
			t.Error("it signed")
		}
	}
	start := func(t *testing.T) *world { w := newWorld(t).upTo(4); w.add(2); return w }
	for _, d := range doubts {
		t.Run(d.name+", running", func(t *testing.T) { w := start(t); d.do(w); check(t, w, w.seq, d.want, d.says) })
	}
	for _, d := range append(doubts, startDoubts...) {
		t.Run(d.name+", starting", func(t *testing.T) { w := start(t); d.do(w); check(t, w, w.sequencer(), d.want, d.says) })
	}
}

func TestSecondSequencerConflicts(t *testing.T) {
	w := newWorld(t).upTo(4)
	second := w.sequencer()
	if err := second.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.upTo(6)
	w.add(1)
	if err := second.Checkpoint(t.Context()); !errors.Is(err, audit.ErrFork) {
		t.Errorf("second sequencer: %v, want ErrFork", err)
	}
	// Elected after the first has gone, it goes on where that one stopped.
	if err := second.Checkpoint(t.Context()); err != nil {
		t.Error(err)
	}
	if r := verify(t, w.export(0), w.options()); !r.OK() || r.Covered != 7 {
		t.Errorf("%+v", r)
	}
}

func TestSequencerRestarts(t *testing.T) {
	w := newWorld(t)
	for size := 1; size < 40; size++ {
		w.seq = w.sequencer()
		w.upTo(size)
	}
	if r := verify(t, w.export(0), w.options()); !r.OK() || r.Checkpoints != 39 {
		t.Errorf("%+v %v", r, r.FirstBad)
	}
}

func TestSequencerCatchesUpInBoundedSteps(t *testing.T) {
	w := newWorld(t)
	drafts := audittest.Drafts(t, w.drafter, audit.MaxRange+10)
	if err := w.store.Append(drafts...); err != nil {
		t.Fatal(err)
	}
	signed := sizes(w.seq)
	w.sign()
	if got := signed(); !slices.Equal(got, []uint64{audit.MaxRange, audit.MaxRange + 10}) {
		t.Errorf("checkpoints at %v", got)
	}
}

func TestSequencerStopsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ func() []uint64, stop func() error) {
		w.add(2)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := w.seq.Checkpoint(t.Context()); err != nil { // the last ones
			t.Error(err)
		}
		if r := verify(t, w.export(0), w.options()); r.Covered != 2 {
			t.Errorf("%+v", r)
		}
	})
}

// late is a store whose first checkpoint is answered with a deadline and written
// only when the second one comes.
type late struct {
	audit.Store
	held *audit.Checkpoint
	n    int
}

func (l *late) AppendCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	if l.n++; l.n == 1 {
		l.held = &c
		return context.DeadlineExceeded
	}
	if l.held != nil {
		if err := l.Store.AppendCheckpoint(ctx, *l.held); err != nil {
			return err
		}
		l.held = nil
	}
	return l.Store.AppendCheckpoint(ctx, c)
}

// A checkpoint whose outcome was not known and that was written after all is no
// fork: the sequencer goes on from it.
func TestAnUnknownOutcomeIsNoFork(t *testing.T) {
	w := newWorld(t)
	w.add(3)
	w.seq.Store = &late{Store: w.store}
	if err := w.seq.Checkpoint(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	w.add(1)
	if err := w.seq.Checkpoint(t.Context()); err != nil {
		t.Fatalf("its own checkpoint was taken for another's: %v", err)
	}
	if r := verify(t, w.export(0), w.options()); !r.OK() || r.Covered != 4 {
		t.Errorf("%+v %v", r, r.FirstBad)
	}
}

// Clause 5.11: what somebody without the HSM adds to the log, or changes before
// it is covered, is not signed.
func TestClause5_11_AForgedEntryIsNotSigned(t *testing.T) {
	w := newWorld(t).upTo(3)
	w.seq.Genuine = w.drafter.Genuine
	w.add(1)
	if err := w.seq.Checkpoint(t.Context()); err != nil {
		t.Fatalf("the server's own entry: %v", err)
	}
	forged := audittest.Drafts(t, w.drafter, 1)
	forged[0].Header.Event = "transaction.approved"
	if err := w.store.Append(forged...); err != nil {
		t.Fatal(err)
	}
	calls := w.signer.Calls()
	if err := w.seq.Checkpoint(t.Context()); !errors.Is(err, audit.ErrMismatch) {
		t.Fatalf("a forged entry: %v", err)
	}
	if w.signer.Calls() != calls {
		t.Error("it was signed")
	}
}
