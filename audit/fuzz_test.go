package audit_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mohur/audit"
)

// headers returns the headers an export has by number, read without the
// verifier's help.
func headers(export string) map[uint64]string {
	out := map[uint64]string{}
	for line := range strings.Lines(export) {
		var e struct {
			Seq    *uint64
			Header string
		}
		if err := json.Unmarshal([]byte(line), &e); err == nil && e.Seq != nil {
			out[*e.Seq] = e.Header
		}
	}
	return out
}

// FuzzVerify: whatever is fed, the verifier does not panic, and what it finds in
// order has the vector's headers wherever a checkpoint covers them. With the
// vector's last checkpoint in hand nothing but the whole vector is in order.
//
// The input is a change of the vector, cut bytes at one place replaced by
// others, which keeps inputs small and still reaches every stream there is.
func FuzzVerify(f *testing.F) {
	good := vector(f)
	for _, at := range []int{0, 1, 300, len(good) / 2, len(good) - 1} {
		f.Add(uint(at), uint(0), []byte{})
		f.Add(uint(at), uint(1), []byte{'0'})
		f.Add(uint(at), uint(len(good)), []byte{})
	}
	for l, at := split(good), 0; len(l) > 1; l = l[1:] {
		f.Add(uint(at), uint(len(l[0])), []byte{})                                   // removed
		f.Add(uint(at), uint(0), []byte(l[0]))                                       // doubled
		f.Add(uint(at), uint(len(l[0])+len(l[1])), []byte(l[1]+l[0]))                // swapped
		f.Add(uint(at), uint(len(l[0])), []byte(strings.ReplaceAll(l[0], "1", "2"))) // edited
		at += len(l[0])
	}
	opt, strict := vectorOptions(f), vectorOptions(f)
	opt.Partial, strict.Checkpoint = true, lastNote(f)
	truth := headers(good)
	f.Fuzz(func(t *testing.T, at, cut uint, insert []byte) {
		at = min(at, uint(len(good)))
		export := good[:at] + string(insert) + good[at+min(cut, uint(len(good))-at):]
		found, r, s := headers(export), verify(t, export, opt), verify(t, export, strict)
		for seq, h := range found {
			if r.OK() && seq < r.Covered && h != truth[seq] {
				t.Errorf("entry %d was changed, and is said to be covered", seq)
			}
		}
		for seq, h := range truth {
			if s.OK() && found[seq] != h {
				t.Errorf("entry %d was changed or removed, and nothing was found", seq)
			}
		}
	})
}

// FuzzHeader: a header that is accepted has one encoding, the bytes read, and
// whatever text an event carries is written in a form that is accepted.
func FuzzHeader(f *testing.F) {
	for _, h := range headers(vector(f)) {
		f.Add([]byte(h))
	}
	f.Add([]byte("\xff\x00\u2028\"\\</script>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := audit.ParseHeader(b); err == nil {
			if again, err := json.Marshal(h); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%q is also %q (%v)", b, again, err)
			}
		}
		d := audit.Draft{Header: audit.Header{
			V: audit.FormatVersion, Time: time.Unix(1, 0).UTC(), Event: string(b), Reason: string(b), Body: audit.Commitment(nil, b),
		}}
		e, err := d.Stamp(string(b), 1)
		if err != nil {
			return // too long
		}
		if _, err := audit.ParseHeader(e.Header); err != nil {
			t.Errorf("%q is written and not read: %v", e.Header, err)
		}
	})
}

// FuzzCheckpoint: a text that is accepted is the one its meaning is written as,
// and no note opens under the vector's key but with a text that key signed.
func FuzzCheckpoint(f *testing.F) {
	signed := map[string]bool{}
	for line := range strings.Lines(vector(f)) {
		note, err := audit.ParseCheckpointLine([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil || note == "" {
			continue
		}
		text, _, _ := strings.Cut(note, "\n\n")
		signed[text+"\n"] = true
		f.Add([]byte(note))
		f.Add([]byte(text + "\n"))
	}
	if len(signed) != 4 {
		f.Fatalf("%d checkpoints", len(signed))
	}
	key := vectorOptions(f).Verifier
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := audit.ParseHead(string(b)); err == nil && h.Text() != string(b) {
			t.Errorf("%q is also %q", b, h.Text())
		}
		if h, err := audit.OpenCheckpoint(b, key); err == nil && !signed[h.Text()] {
			t.Errorf("%q was never signed", h.Text())
		}
	})
}
