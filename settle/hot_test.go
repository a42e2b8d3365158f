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

func sample(t *testing.T) settle.Hot {
	t.Helper()
	h, err := settle.Hot{
		ID: "cr_1", Counter: 1 << 40, Drift: -3, Fails: 4, Locks: 2, LockedUntil: 1 << 33, Owner: settle.OwnerOf("C-1"), State: settle.HotLive, Version: 9,
	}.Sign(t.Context(), macer{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAHotRowComesBackAsItWas(t *testing.T) {
	h := sample(t)
	b := h.Encode()
	if len(b) > 72 {
		t.Errorf("a row of %d bytes; the layout allows 72", len(b))
	}
	if got := settle.DecodeHot(h.ID, b); got != h {
		t.Errorf("%+v, want %+v", got, h)
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
	for bit := range 8 * len(h.Encode()) {
		b := h.Encode()
		b[bit/8] ^= 1 << (bit % 8)
		if intact(settle.HotRead{Hot: settle.DecodeHot(h.ID, b), Indexed: 9, Found: true}) {
			t.Errorf("bit %d changed unnoticed", bit)
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
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, id string, b []byte) {
		h := settle.DecodeHot(id, b)
		_ = h.State.String()
		if len(b) == 60 && !bytes.Equal(h.Encode(), b) {
			t.Fatalf("%x came back as %x", b, h.Encode())
		}
		if len(b) != 60 && h.State != settle.HotQuarantined {
			t.Fatalf("%d bytes were read as a row", len(b))
		}
	})
}
