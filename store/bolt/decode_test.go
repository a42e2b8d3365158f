package bolt

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/incident"
	"mohur/settle"
	"mohur/store"
)

// FuzzDecodeFrame: a frame that is read is the one that would be written.
func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add(frame{version: 1}.encode())
	f.Add(frame{version: 7, indexes: []indexKey{{tokensByAge, "at"}, {expiry, ""}}, body: []byte(`{"id":"a"}`)}.encode())
	f.Add(append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, bytes.Repeat([]byte{0xff}, 9)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := decodeFrame(b)
		if err != nil {
			return
		}
		again, err := decodeFrame(read.encode())
		if err != nil || again.version != read.version || !slices.Equal(again.indexes, read.indexes) || !bytes.Equal(again.body, read.body) {
			t.Errorf("%+v reads as %+v, %v", read, again, err)
		}
	})
}

// FuzzDecodeEntry: the same of an audit entry.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(encodeEntry(audit.Entry{Header: []byte("{}"), Salt: make([]byte, 32), Sealed: []byte("sealed")}))
	f.Add(encodeEntry(audit.Entry{Header: []byte("{}")}))
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b) // stored bytes are gone when the transaction ends
		e, err := decodeEntry(3, b)
		before := encodeEntry(e)
		clear(b)
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%v, want ErrDamaged", err)
			}
			return
		}
		again, err := decodeEntry(3, before)
		if err != nil || !bytes.Equal(again.Header, e.Header) || !bytes.Equal(again.Salt, e.Salt) || !bytes.Equal(again.Sealed, e.Sealed) {
			t.Errorf("%+v reads as %+v, %v", e, again, err)
		}
	})
}

// FuzzDecodeHot: a row is what was written or it is quarantined, and its MAC
// then fits nothing.
func FuzzDecodeHot(f *testing.F) {
	f.Add(settle.Hot{Counter: 1, Drift: -1, Fails: 2, State: settle.HotLive, Version: 9}.Encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h := settle.DecodeHot("id", b)
		if h.ID != "id" {
			t.Errorf("row of %q", h.ID)
		}
		if whole := bytes.Equal(h.Encode(), b); !whole && h != (settle.Hot{ID: "id", State: settle.HotQuarantined}) {
			t.Errorf("%x reads as %+v", b, h)
		}
	})
}

// FuzzCursor: a cursor is refused, or is the one text for its position.
func FuzzCursor(f *testing.F) {
	l := listing[incident.Incident]{table: incidents, index: incidentsByAge}
	f.Add(l.cursor(order(time.Unix(1, 0), "in_1")))
	f.Add("EAAA")
	f.Add(strings.Repeat("_", 3000))
	f.Fuzz(func(t *testing.T, cursor string) {
		at, err := l.start(cursor)
		switch {
		case errors.Is(err, store.ErrCursor) && at == "":
		case err == nil && (cursor == "" || l.cursor(at) == cursor):
		default:
			t.Errorf("%q: %q, %v", cursor, at, err)
		}
	})
}

// TestMoment: moments sort as their times do, from the zero time on.
func TestMoment(t *testing.T) {
	times := []time.Time{
		{}, time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), time.Unix(0, 0), time.Unix(0, 1000),
		time.Unix(1e9, 0), time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 4*3600)), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for i := 1; i < len(times); i++ {
		if moment(times[i-1]) >= moment(times[i]) {
			t.Errorf("%s does not sort before %s", times[i-1], times[i])
		}
	}
	if joined("ab", "c") == joined("a", "bc") || strings.HasPrefix(joined("abc"), joined("ab")) {
		t.Error("parts of a key run together")
	}
}
