package pin_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
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
	r, err := v.Next(t.Context(), pin.Record{Customer: customer}, pin.New{PIN: text, Keep: pin.DefaultHistory, At: epoch})
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
		"another number":     func(r *pin.Record) { r.Number++ },
		"no number":          func(r *pin.Record) { r.Number = 0 },
		"number as version":  func(r *pin.Record) { r.Version, r.Number = r.Number, 0 },
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
	const number = 1<<63 | 7
	for name, c := range map[string]struct {
		plain  []byte
		number uint64
		right  bool
	}{
		"the first form":             {append([]byte{1}, hash...), 0, true},
		"the second form":            {slices.Concat([]byte{2}, at, hash), 0, true},
		"two hashes":                 {slices.Concat([]byte{2}, at, hash, hash), 0, true},
		"the form of today":          {slices.Concat([]byte{3}, at, []byte{1}, hash), number, true},
		"today, without a number":    {slices.Concat([]byte{3}, at, []byte{1}, hash), 0, false},
		"today, a small number":      {slices.Concat([]byte{3}, at, []byte{1}, hash), 7, false},
		"an unknown way":             {slices.Concat([]byte{3}, at, []byte{99}, hash), number, false},
		"no way":                     {slices.Concat([]byte{3}, at), number, false},
		"the first form, numbered":   {append([]byte{1}, hash...), number, false},
		"the second form, numbered":  {slices.Concat([]byte{2}, at, hash), number, false},
		"half a hash":                {slices.Concat([]byte{2}, at, hash, hash[:20]), 0, false},
		"no hash":                    {slices.Concat([]byte{2}, at), 0, false},
		"an unknown form":            {slices.Concat([]byte{4}, at, []byte{0}, hash), number, false},
		"the first form, two of it":  {slices.Concat([]byte{1}, hash, hash), 0, false},
		"nothing":                    {nil, 0, false},
		"a form, and nothing behind": {[]byte{3}, number, false},
	} {
		r := pin.Record{Customer: "C-1", Version: 7, Number: c.number, ChangedAt: epoch}
		var err error
		if r.Sealed, err = m.Seal(t.Context(), hsm.PINSeal, "pin/C-1/"+strconv.FormatUint(r.Bond(), 10), c.plain); err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify(t.Context(), r, "271828")
		if got != c.right || c.right != (err == nil) || err != nil && !errors.Is(err, pin.ErrRecord) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// The way a PIN was set is what it was made with, and no other way is known.
func TestClause5_21_APINKnowsTheWayItWasSet(t *testing.T) {
	v := pin.NewVerifier(hsmtest.SoftHSM(t), 2)
	for _, way := range []string{"", "sms", "email", "letter", "link"} {
		r, err := v.Next(t.Context(), pin.Record{Customer: "C-1"}, pin.New{PIN: "271828", Keep: 1, Way: way, At: epoch})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Way(t.Context(), r); got != way || err != nil {
			t.Errorf("%q: %q, %v", way, got, err)
		}
		r.Number++
		if _, err := v.Way(t.Context(), r); !errors.Is(err, pin.ErrRecord) {
			t.Errorf("a changed record: %v", err)
		}
	}
	if _, err := v.Next(t.Context(), pin.Record{Customer: "C-1"}, pin.New{PIN: "271828", Keep: 1, Way: "pigeon", At: epoch}); err == nil {
		t.Error("an unknown way is taken")
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
	if _, err := v.Next(t.Context(), rec, pin.New{PIN: "161718", Keep: 5, At: epoch}); err == nil || errors.Is(err, pin.ErrRecord) || errors.Is(err, pin.ErrUsed) {
		t.Errorf("a new one with the HSM away: %v", err)
	}
}

// The last N PINs do not come back; the one before them does.
func TestClause5_22_ThePINsOfTheHistoryDoNotComeBack(t *testing.T) {
	v := pin.NewVerifier(hsmtest.SoftHSM(t), 2)
	const keep = 3
	rec := pin.Record{Customer: "C-1"}
	choose := func(text string) error {
		next, err := v.Next(t.Context(), rec, pin.New{PIN: text, Keep: keep, At: epoch})
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
