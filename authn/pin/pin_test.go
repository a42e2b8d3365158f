package pin_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"mohur/authn/pin"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
)

// chosen is a customer's first PIN.
func chosen(t *testing.T, v *pin.Verifier, customer, text string) pin.Record {
	t.Helper()
	r, err := v.Next(t.Context(), pin.Record{Customer: customer}, text, pin.DefaultHistory, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var epoch = time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC)

func TestAPINVerifiesAtItsPlaceOnly(t *testing.T) {
	m := hsmtest.SoftHSM(t)
	v := pin.NewVerifier(m, 2)
	rec := chosen(t, v, "C-1", "271828")
	if again := chosen(t, v, "C-1", "271828"); string(again.Sealed) == string(rec.Sealed) {
		t.Fatal("two hashes of one PIN are equal")
	}
	if rec.Version != 1 || !rec.ChangedAt.Equal(epoch) {
		t.Fatalf("%+v", rec)
	}
	for text, want := range map[string]bool{"271828": true, "271829": false, "27182": false, "2718281": false, "": false, "２７１８２８": false} {
		if got, err := v.Verify(t.Context(), rec, text); err != nil || got != want {
			t.Errorf("PIN %q: %v, %v", text, got, err)
		}
	}
	for name, edit := range map[string]func(*pin.Record){
		"another customer's": func(r *pin.Record) { r.Customer = "C-2" },
		"another version":    func(r *pin.Record) { r.Version = 4 },
		"another age":        func(r *pin.Record) { r.ChangedAt = epoch.AddDate(1, 0, 0) },
		"changed":            func(r *pin.Record) { r.Sealed = r.Sealed[:len(r.Sealed)-1] },
		"empty":              func(r *pin.Record) { r.Sealed = nil },
	} {
		r := rec
		edit(&r)
		got, err := v.Verify(t.Context(), r, "271828")
		if got || !errors.Is(err, pin.ErrRecord) {
			t.Errorf("%s record: %v, %v", name, got, err)
		}
	}
}

// What is sealed but is no record is one that was changed.
func TestASealedBoxThatIsNoPIN(t *testing.T) {
	m := hsmtest.SoftHSM(t)
	v := pin.NewVerifier(m, 2)
	sum := argon2.IDKey([]byte("271828"), make([]byte, 16), 2, 19*1024, 1, 32)
	hash := append(make([]byte, 16), sum...)
	at := binary.BigEndian.AppendUint64(nil, uint64(epoch.Unix()))
	for name, c := range map[string]struct {
		plain []byte
		right bool
	}{
		"the first form":            {append([]byte{1}, hash...), true},
		"the form of today":         {slices.Concat([]byte{2}, at, hash), true},
		"two hashes":                {slices.Concat([]byte{2}, at, hash, hash), true},
		"half a hash":               {slices.Concat([]byte{2}, at, hash, hash[:20]), false},
		"no hash":                   {slices.Concat([]byte{2}, at), false},
		"an unknown form":           {slices.Concat([]byte{3}, at, hash), false},
		"the first form, two of it": {slices.Concat([]byte{1}, hash, hash), false},
		"nothing":                   {nil, false},
	} {
		sealed, err := m.Seal(t.Context(), hsm.PINSeal, "pin/C-1/7", c.plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(t.Context(), pin.Record{Customer: "C-1", Version: 7, Sealed: sealed, ChangedAt: epoch}, "271828")
		if got != c.right || c.right != (err == nil) || err != nil && !errors.Is(err, pin.ErrRecord) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// An HSM that is away is not a wrong PIN and not a damaged record.
func TestAnOutageIsNeither(t *testing.T) {
	m := &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}
	v := pin.NewVerifier(m, 2)
	rec := chosen(t, v, "C-1", "271828")
	m.FailAll(&hsm.Fault{Class: hsm.ClassDevice, Op: "test"})
	if _, err := v.Verify(t.Context(), rec, "271828"); err == nil || errors.Is(err, pin.ErrRecord) {
		t.Errorf("with the HSM away: %v", err)
	}
	if _, err := v.Next(t.Context(), rec, "161718", 5, epoch); err == nil || errors.Is(err, pin.ErrRecord) || errors.Is(err, pin.ErrUsed) {
		t.Errorf("a new one with the HSM away: %v", err)
	}
}

// The last N PINs do not come back; the one before them does.
func TestClause5_22_ThePINsOfTheHistoryDoNotComeBack(t *testing.T) {
	v := pin.NewVerifier(hsmtest.SoftHSM(t), 2)
	const keep = 3
	rec := pin.Record{Customer: "C-1"}
	choose := func(text string) error {
		next, err := v.Next(t.Context(), rec, text, keep, epoch)
		if err == nil {
			rec = next
		}
		return err
	}
	all := []string{"271828", "582013", "930471", "640285"}
	for i, text := range all {
		for _, old := range all[max(0, i-keep):i] {
			if err := choose(old); !errors.Is(err, pin.ErrUsed) {
				t.Errorf("PIN %d: one of the last %d is chosen again: %v", i, keep, err)
			}
		}
		if err := choose(text); err != nil {
			t.Fatal(err)
		}
		if ok, err := v.Verify(t.Context(), rec, text); !ok || err != nil {
			t.Fatalf("PIN %d: %v, %v", i, ok, err)
		}
	}
	if rec.Version != 4 {
		t.Errorf("version %d", rec.Version)
	}
	if ok, err := v.Verify(t.Context(), rec, all[2]); ok || err != nil {
		t.Errorf("a PIN of the history verifies: %v, %v", ok, err)
	}
	if err := choose(all[0]); err != nil {
		t.Errorf("a PIN older than the history: %v", err)
	}
	size := len(rec.Sealed)
	if err := choose("705318"); err != nil || len(rec.Sealed) != size {
		t.Errorf("the history grows: %d, then %d bytes, %v", size, len(rec.Sealed), err)
	}
	// A record whose box was changed has no history to go by.
	rec.Sealed[20] ^= 1
	if err := choose("918273"); !errors.Is(err, pin.ErrRecord) {
		t.Errorf("a changed record: %v", err)
	}
}

// counting is an HSM that knows how many PINs wait to be hashed.
type counting struct {
	pin.HSM
	opened atomic.Int64
}

func (c *counting) Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error) {
	c.opened.Add(1)
	return c.HSM.Open(ctx, key, place, sealed)
}

// Many log-ins at once wait for a slot, and who gives up waiting is not judged.
func TestSlotsBoundTheWork(t *testing.T) {
	m := &counting{HSM: hsmtest.SoftHSM(t)}
	v := pin.NewVerifier(m, 1)
	rec := chosen(t, v, "C-1", "271828")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var right, gone atomic.Int64
	var work sync.WaitGroup
	for range 64 {
		work.Go(func() {
			switch ok, err := v.Verify(ctx, rec, "271828"); {
			case ok && err == nil:
				right.Add(1)
			case errors.Is(err, context.DeadlineExceeded):
				gone.Add(1)
			default:
				t.Errorf("%v, %v", ok, err)
			}
		})
	}
	work.Wait()
	if right.Load() == 0 || right.Load()+gone.Load() != 64 {
		t.Errorf("%d judged, %d gave up", right.Load(), gone.Load())
	}
}
