package seal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"mohur/audit/audittest"
	"mohur/hsm"
	"mohur/seal"
)

const here = "customer/name/cu_1"

// ring is a keyring over a software HSM, with a clock the test moves.
type ring struct {
	*seal.Keyring
	hsm *audittest.Sealer
	now time.Time
}

func newRing() *ring {
	r := &ring{hsm: audittest.NewSealer(), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	r.Keyring = &seal.Keyring{HSM: r.hsm, Now: func() time.Time { return r.now }}
	return r
}

func (r *ring) key(t testing.TB, person string) seal.Key {
	t.Helper()
	k, err := r.New(t.Context(), person)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (r *ring) seal(t testing.TB, k seal.Key, plain string) []byte {
	t.Helper()
	box, err := r.Seal(t.Context(), k, here, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// wants opens the box and expects the plaintext, or the error if there is one.
func (r *ring) wants(t testing.TB, k seal.Key, place string, box []byte, plain string, want error) {
	t.Helper()
	got, err := r.Open(t.Context(), k, place, box)
	if !errors.Is(err, want) || string(got) != plain {
		t.Errorf("opened %q, %v; want %q, %v", got, err, plain, want)
	}
}

func TestWhatIsSealedOpens(t *testing.T) {
	r := newRing()
	k := r.key(t, "cu_1")
	for _, plain := range []string{"", "a", "Əli Məmmədov", string(make([]byte, 100_000))} {
		box := r.seal(t, k, plain)
		r.wants(t, k, here, box, plain, nil)
		if len(plain) > 8 && bytes.Contains(box, []byte(plain)) { // a single byte is there by chance
			t.Error("the box shows what it holds")
		}
	}
	if bytes.Equal(r.seal(t, k, "a"), r.seal(t, k, "a")) {
		t.Error("two boxes of the same are equal")
	}
	// Another server with the same HSM opens it too.
	box := r.seal(t, k, "x")
	other := &ring{Keyring: &seal.Keyring{HSM: r.hsm}}
	other.wants(t, k, here, box, "x", nil)
}

func TestBoxOpensNowhereElse(t *testing.T) {
	r := newRing()
	mine, theirs := r.key(t, "cu_1"), r.key(t, "cu_2")
	box := r.seal(t, mine, "x")
	r.wants(t, mine, "customer/name/cu_2", box, "", seal.ErrOpen)
	r.wants(t, mine, "", box, "", seal.ErrOpen)
	r.wants(t, theirs, here, box, "", seal.ErrOpen)
	r.wants(t, r.key(t, "cu_1"), here, box, "", seal.ErrOpen) // the same person's next key
}

func TestTamperedBoxDoesNotOpen(t *testing.T) {
	r := newRing()
	k := r.key(t, "cu_1")
	box := r.seal(t, k, "the body")
	for at := range box {
		bad := bytes.Clone(box)
		bad[at] ^= 1
		r.wants(t, k, here, bad, "", seal.ErrOpen)
	}
	for n := range box {
		r.wants(t, k, here, box[:n], "", seal.ErrOpen)
	}
	r.wants(t, k, here, append(bytes.Clone(box), 0), "", seal.ErrOpen)
	r.wants(t, k, here, nil, "", seal.ErrOpen)
}

func TestErasedKeyOpensNothing(t *testing.T) {
	r := newRing()
	k := r.key(t, "cu_1")
	box := r.seal(t, k, "x")
	k.Wrapped = nil // although the key is still in memory
	r.wants(t, k, here, box, "", seal.ErrErased)
	if _, err := r.Seal(t.Context(), k, here, nil); !errors.Is(err, seal.ErrErased) {
		t.Errorf("sealed for an erased person: %v", err)
	}
}

func TestWrappedKeyIsBoundToItsPerson(t *testing.T) {
	r := newRing()
	k := r.key(t, "cu_1")
	box := r.seal(t, k, "x")
	moved := seal.Key{Person: "cu_2", Wrapped: k.Wrapped}
	if _, err := r.Open(t.Context(), moved, here, box); hsm.ClassOf(err) != hsm.ClassBlob {
		t.Errorf("a key moved to another person: %v, want a blob fault", err)
	}
	bad := seal.Key{Person: "cu_1", Wrapped: bytes.Clone(k.Wrapped)}
	bad.Wrapped[20] ^= 1
	if _, err := r.Open(t.Context(), bad, here, box); hsm.ClassOf(err) != hsm.ClassBlob {
		t.Errorf("a changed key: %v, want a blob fault", err)
	}
}

func TestKeyStaysInMemoryForFiveMinutes(t *testing.T) {
	r := newRing()
	k := r.key(t, "cu_1")
	box := r.seal(t, k, "x")
	calls := r.hsm.Calls()
	for range 4 {
		r.now = r.now.Add(time.Minute)
		r.wants(t, k, here, box, "x", nil)
	}
	r.now = r.now.Add(time.Minute - 1)
	r.wants(t, k, here, box, "x", nil)
	if n := r.hsm.Calls() - calls; n != 0 {
		t.Errorf("%d calls within five minutes", n)
	}
	away := errors.New("away")
	r.hsm.Fail(away)
	r.wants(t, k, here, box, "x", nil)
	r.now = r.now.Add(1) // five minutes, counted from the unwrapping and not from the last use
	r.wants(t, k, here, box, "", away)
	if _, err := r.Seal(t.Context(), k, here, nil); !errors.Is(err, away) {
		t.Errorf("sealed with a key that ran out: %v", err)
	}
	r.hsm.Fail(nil)
	r.wants(t, k, here, box, "x", nil)
}

func TestReplacedKeyIsNotServedFromMemory(t *testing.T) {
	r := newRing()
	old := r.key(t, "cu_1")
	box := r.seal(t, old, "x")
	replaced := r.key(t, "cu_1")
	r.wants(t, replaced, here, box, "", seal.ErrOpen)
	again := r.seal(t, replaced, "y")
	r.wants(t, replaced, here, again, "y", nil)
	r.wants(t, old, here, again, "", seal.ErrOpen)
}

func TestFailuresAreNotKept(t *testing.T) {
	r := newRing()
	k := r.key(t, "cu_1")
	away := errors.New("away")
	r.hsm.Fail(away)
	if _, err := r.New(t.Context(), "cu_2"); !errors.Is(err, away) {
		t.Errorf("New: %v", err)
	}
	if _, err := r.Seal(t.Context(), k, here, nil); !errors.Is(err, away) {
		t.Errorf("Seal: %v", err)
	}
	r.hsm.Fail(nil)
	r.wants(t, k, here, r.seal(t, k, "x"), "x", nil)
}

// lengths answers with a key of no use.
type lengths struct{ n int }

func (l lengths) Seal(context.Context, hsm.Key, string, []byte) ([]byte, error) {
	return []byte("w"), nil
}

func (l lengths) Open(context.Context, hsm.Key, string, []byte) ([]byte, error) {
	return make([]byte, l.n), nil
}

func TestOnlyKeysOf32BytesAreUsed(t *testing.T) {
	for _, n := range []int{0, 16, 24, 31, 33} {
		r := &seal.Keyring{HSM: lengths{n}}
		if _, err := r.Seal(t.Context(), seal.Key{Person: "a", Wrapped: []byte("w")}, here, nil); err == nil {
			t.Errorf("a key of %d bytes was used", n)
		}
	}
}

// TestMemoryOfKeysIsBounded passes the bound and looks for wrong answers. The
// oldest gives way, and only that one: the others are still there.
func TestMemoryOfKeysIsBounded(t *testing.T) {
	r := newRing()
	first, second := r.key(t, "first"), r.key(t, "second")
	box, later := r.seal(t, first, "x"), r.seal(t, second, "y")
	for i := range 4095 {
		r.seal(t, r.key(t, fmt.Sprint(i)), "")
	}
	calls := r.hsm.Calls()
	r.wants(t, second, here, later, "y", nil)
	if r.hsm.Calls() != calls {
		t.Error("another key than the oldest was let go of")
	}
	r.wants(t, first, here, box, "x", nil)
	if r.hsm.Calls() == calls {
		t.Error("more than 4096 keys were kept")
	}
}

// BenchmarkKeyOfSomebodyElse is the use of a key that is not in memory, among as
// many as are kept: that of every customer of a large bank. The module's call is
// left out.
func BenchmarkKeyOfSomebodyElse(b *testing.B) {
	r := &seal.Keyring{HSM: lengths{32}}
	keys := make([]seal.Key, 20000)
	for i := range keys {
		keys[i] = seal.Key{Person: fmt.Sprint(i), Wrapped: []byte("w")}
	}
	for i := 0; b.Loop(); i++ {
		if _, err := r.Seal(b.Context(), keys[i%len(keys)], here, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestKeyringIsForManyGoroutines(t *testing.T) {
	r := newRing()
	keys := []seal.Key{r.key(t, "a"), r.key(t, "b"), r.key(t, "c")}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 50 {
				k := keys[(i+n)%len(keys)]
				plain := fmt.Sprint(i, n)
				box, err := r.Seal(t.Context(), k, here, []byte(plain))
				if err != nil {
					t.Error(err)
				}
				r.wants(t, k, here, box, plain, nil)
			}
		})
	}
	wg.Wait()
}

// FuzzOpen: nothing but a box made by Seal opens.
func FuzzOpen(f *testing.F) {
	r := newRing()
	k := r.key(f, "cu_1")
	box := r.seal(f, k, "x")
	f.Add(box)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := r.Open(t.Context(), k, here, b); err == nil && !bytes.Equal(b, box) {
			t.Errorf("%x opens as %q", b, plain)
		}
	})
}
