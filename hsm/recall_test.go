package hsm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"mohur/hsm"
	"mohur/hsm/hsmtest"
)

// asked counts the MACs a module is asked for.
type asked struct {
	hsm.Module
	n atomic.Int64
}

func (a *asked) MAC(ctx context.Context, key hsm.Key, label string, parts ...[]byte) ([]byte, error) {
	a.n.Add(1)
	return a.Module.MAC(ctx, key, label, parts...)
}

// TestRecallAnswersAsTheModule: whatever was asked before, the answer is the
// module's, and only what was asked before word for word is not asked again.
func TestRecallAnswersAsTheModule(t *testing.T) {
	m := &asked{Module: hsmtest.SoftHSM(t)}
	r := hsm.NewRecall(m, 100)
	inputs := []struct {
		key   hsm.Key
		label string
		parts []string
		calls int64 // in three rounds
	}{
		{hsm.RowMAC, "row/v1", []string{"a", "bc"}, 1},
		{hsm.RowMAC, "row/v1", []string{"ab", "c"}, 1},
		{hsm.RowMAC, "row/v1", []string{"abc"}, 1},
		{hsm.RowMAC, "row/v1a", []string{"bc"}, 1},
		{hsm.RowMAC, "row/v1", []string{"a", "bd"}, 1},
		{hsm.RowMAC, "row/v1", nil, 1},
		{hsm.IdempotencyMAC, "row/v1", []string{"a", "bc"}, 3}, // may be a secret
	}
	for _, in := range inputs {
		var parts [][]byte
		for _, p := range in.parts {
			parts = append(parts, []byte(p))
		}
		want, err := m.Module.MAC(t.Context(), in.key, in.label, parts...)
		if err != nil {
			t.Fatal(err)
		}
		m.n.Store(0)
		for range 3 {
			got, err := r.MAC(t.Context(), in.key, in.label, parts...)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s %q: %x, %v, want %x", in.label, in.parts, got, err, want)
			}
			clear(got) // what was given away does not change what is remembered
		}
		if m.n.Load() != in.calls {
			t.Errorf("%s %q: the module was asked %d times, want %d", in.label, in.parts, m.n.Load(), in.calls)
		}
	}
}

// TestRecallIsBounded: what was asked for longest is forgotten, what is in use is
// not.
func TestRecallIsBounded(t *testing.T) {
	m := &asked{Module: hsmtest.SoftHSM(t)}
	r := hsm.NewRecall(m, 10)
	ask := func(text string) {
		if _, err := r.MAC(t.Context(), hsm.RowMAC, "row/v1", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	ask("old")
	for i := range 100 {
		ask(fmt.Sprint(i))
		ask("used")
	}
	if m.n.Load() != 102 {
		t.Errorf("%d calls for 102 rows while each was in use", m.n.Load())
	}
	ask("old")
	ask("99")
	if m.n.Load() != 103 {
		t.Errorf("%d calls: the oldest alone was to be asked again", m.n.Load())
	}
}

func (a *asked) MACs(ctx context.Context, key hsm.Key, inputs ...hsm.Input) ([][]byte, error) {
	a.n.Add(int64(len(inputs)))
	return a.Module.MACs(ctx, key, inputs...)
}

// TestRecallOfMany: each input has the MAC that it has alone, in its place; only those
// that are not remembered are asked for, and those of an import push out none.
func TestRecallOfMany(t *testing.T) {
	m := &asked{Module: hsmtest.SoftHSM(t)}
	r := hsm.NewRecall(m, 10)
	inputs := func(from, to int) (in []hsm.Input) {
		for i := from; i < to; i++ {
			in = append(in, hsm.Input{Label: "row/v1", Parts: [][]byte{[]byte("many"), []byte(fmt.Sprint(i))}})
		}
		return in
	}
	ask := func(key hsm.Key, in []hsm.Input, calls int64) {
		t.Helper()
		m.n.Store(0)
		macs, err := r.MACs(t.Context(), key, in...)
		if err != nil || len(macs) != len(in) || m.n.Load() != calls {
			t.Fatalf("%d MACs with %d calls, want %d: %v", len(macs), m.n.Load(), calls, err)
		}
		for i, mac := range macs {
			want, err := m.Module.MAC(t.Context(), key, in[i].Label, in[i].Parts...)
			if err != nil || !bytes.Equal(mac, want) {
				t.Fatalf("input %d: %x, %v, want %x", i, mac, err, want)
			}
			clear(mac) // what was given away does not change what is remembered
		}
	}
	ask(hsm.RowMAC, nil, 0)
	ask(hsm.RowMAC, inputs(2, 4), 2)
	ask(hsm.RowMAC, inputs(0, 6), 4)
	ask(hsm.RowMAC, append(inputs(3, 4), inputs(6, 7)...), 1)
	ask(hsm.RowMAC, inputs(1000, 1200), 200) // those of an import
	ask(hsm.RowMAC, inputs(0, 7), 0)
	ask(hsm.IdempotencyMAC, inputs(0, 2), 2)
	ask(hsm.IdempotencyMAC, inputs(0, 2), 2)
	faulty := &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}
	r = hsm.NewRecall(faulty, 10)
	faulty.FailIn("MAC", &hsm.Fault{Class: hsm.ClassDevice, Op: "test"})
	if macs, err := r.MACs(t.Context(), hsm.RowMAC, inputs(0, 2)...); err == nil || macs != nil {
		t.Errorf("%x, %v from a module that is away", macs, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	faulty.Heal()
	if _, err := r.MACs(ended, hsm.RowMAC, inputs(0, 2)...); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// TestRecallRemembersNoFault: an outage is told each time, and is over when the
// module is back.
func TestRecallRemembersNoFault(t *testing.T) {
	m := &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}
	r := hsm.NewRecall(m, 10)
	m.FailAll(&hsm.Fault{Class: hsm.ClassDevice, Op: "test"})
	for range 2 {
		if sum, err := r.MAC(t.Context(), hsm.RowMAC, "row/v1"); err == nil {
			t.Fatalf("%x from a module that is away", sum)
		}
	}
	m.Heal()
	if _, err := r.MAC(t.Context(), hsm.RowMAC, "row/v1"); err != nil {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := r.MAC(ended, hsm.RowMAC, "row/v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

func TestRecallServesMany(t *testing.T) {
	r := hsm.NewRecall(hsmtest.SoftHSM(t), 5)
	want := map[string][]byte{}
	for i := range 20 {
		text := fmt.Sprint(i)
		sum, err := r.Module.MAC(t.Context(), hsm.RowMAC, "row/v1", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want[text] = sum
	}
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for i := range 200 {
				text := fmt.Sprint(i % 20)
				if sum, err := r.MAC(t.Context(), hsm.RowMAC, "row/v1", []byte(text)); err != nil || !bytes.Equal(sum, want[text]) {
					t.Errorf("%s: %x, %v", text, sum, err)
				}
			}
		})
	}
	work.Wait()
}
