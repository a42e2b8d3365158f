package settle_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/settle"
)

// macer is HMAC in memory: only the rows are on trial here.
type macer struct{}

func (macer) MAC(_ context.Context, key hsm.Key, label string, parts ...[]byte) ([]byte, error) {
	m := hmac.New(sha256.New, []byte(key))
	for _, p := range append([][]byte{[]byte(label)}, parts...) {
		m.Write([]byte{byte(len(p))})
		m.Write(p)
	}
	return m.Sum(nil), nil
}

func sample(t *testing.T) settle.Hot { return used(t, 0) }

// used is a row that counts uses.
func used(t *testing.T, uses uint64) settle.Hot {
	t.Helper()
	h, err := settle.Hot{
		ID: "cr_1", Counter: 1 << 40, Drift: -3, Fails: 4, Locks: 2, LockedUntil: 1 << 33, Owner: settle.OwnerOf("C-1"), State: settle.HotLive, Version: 9, Uses: uses,
	}.Sign(t.Context(), macer{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAHotRowComesBackAsItWas(t *testing.T) {
	for uses, size := range map[uint64]int{0: 60, 1: 68, 1 << 63: 68} {
		h := used(t, uses)
		b := h.Encode()
		if len(b) != size {
			t.Errorf("a row of %d bytes, want %d", len(b), size)
		}
		if got := settle.DecodeHot(h.ID, b); got != h {
			t.Errorf("%+v, want %+v", got, h)
		}
	}
}

// Clause 5.3.2: no bit of a row changes unnoticed, nor its place, nor its
// version, nor its absence.
func TestClause5_3_2_NoBitOfAHotRowChangesUnnoticed(t *testing.T) {
	h := sample(t)
	intact := func(r settle.HotRead) bool {
		t.Helper()
		ok, err := r.Intact(t.Context(), macer{})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !intact(settle.HotRead{Hot: h, Indexed: 9, Found: true}) {
		t.Fatal("the row as written is not intact")
	}
	counting := used(t, 3)
	for _, h := range []settle.Hot{h, counting} {
		for bit := range 8 * len(h.Encode()) {
			b := h.Encode()
			b[bit/8] ^= 1 << (bit % 8)
			if intact(settle.HotRead{Hot: settle.DecodeHot(h.ID, b), Indexed: 9, Found: true}) {
				t.Errorf("bit %d changed unnoticed", bit)
			}
		}
	}
	row := counting.Encode()
	if !intact(settle.HotRead{Hot: settle.DecodeHot(h.ID, row), Indexed: 9, Found: true}) {
		t.Error("a row with uses is not intact as written")
	}
	for name, b := range map[string][]byte{
		"the count taken out": append(row[:44:44], row[52:]...), "the count set to zero": append(append(row[:44:44], make([]byte, 8)...), row[52:]...),
		"a count put in": append(append(h.Encode()[:44:44], 0, 0, 0, 0, 0, 0, 0, 1), h.Encode()[44:]...),
	} {
		if intact(settle.HotRead{Hot: settle.DecodeHot(h.ID, b), Indexed: 9, Found: true}) {
			t.Error(name)
		}
	}
	if intact(settle.HotRead{Hot: settle.DecodeHot("cr_2", h.Encode()), Indexed: 9, Found: true}) {
		t.Error("another credential's row")
	}
	if intact(settle.HotRead{Hot: h, Indexed: 10, Found: true}) || intact(settle.HotRead{Hot: h, Indexed: 8, Found: true}) {
		t.Error("a version the index does not know")
	}
	if intact(settle.HotRead{Hot: h, Indexed: 9}) || intact(settle.HotRead{}) {
		t.Error("a row that is not there")
	}
}

func TestLocks(t *testing.T) {
	now := time.Unix(1000, 0)
	for until, locked := range map[int64]bool{0: false, 999: false, 1000: false, 1001: true, settle.LockedForGood: true} {
		if (settle.Hot{LockedUntil: until}).Locked(now) != locked {
			t.Errorf("locked until %d, at 1000: %v", until, !locked)
		}
	}
}

func FuzzDecodeHot(f *testing.F) {
	f.Add("cr_1", settle.Hot{ID: "cr_1", Version: 1, State: settle.HotLive}.Encode())
	f.Add("cr_1", settle.Hot{ID: "cr_1", Version: 1, State: settle.HotLive, Uses: 7}.Encode())
	f.Add("cr_1", make([]byte, 68))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, id string, b []byte) {
		h := settle.DecodeHot(id, b)
		_ = h.State.String()
		known := len(b) == 60 || len(b) == 68 && !bytes.Equal(b[44:52], make([]byte, 8))
		if known && !bytes.Equal(h.Encode(), b) {
			t.Fatalf("%x came back as %x", b, h.Encode())
		}
		if !known && (h != settle.Hot{ID: id, State: settle.HotQuarantined}) {
			t.Fatalf("%d bytes were read as a row", len(b))
		}
	})
}
