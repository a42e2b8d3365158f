package stoplist

import (
	"bytes"
	"testing"
	"time"

	"mohur/seal"
)

// sample is a file with a key, a report and what is reserved.
func sample(t testing.TB) []byte {
	t.Helper()
	r := New(CustomerReport, time.Unix(1e9, 0))
	r.Kind, r.Customer, r.Token = "stolen", "C-1", "serial:Ə\n1"
	var text []byte
	for _, n := range []line{{Key: &seal.Key{Person: "p", Wrapped: []byte{1}}}, {Entry: &entry{Report: r, Key: "p", Sealed: []byte{2}}}} {
		b, err := n.encode()
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	return append(text, make([]byte, 100)...)
}

// A report that is edited no longer fits its words, whatever is edited.
func TestThePlaceIsTheWholeReport(t *testing.T) {
	a := New(TokenReport, time.Unix(1e9, 0))
	seen := map[string]bool{}
	for i, change := range []func(*Report){
		func(*Report) {}, func(r *Report) { r.Ack += "0" }, func(r *Report) { r.At = r.At.Add(time.Second) }, func(r *Report) { r.Act = CustomerReport },
		func(r *Report) { r.Kind = "error" }, func(r *Report) { r.Customer = "C" }, func(r *Report) { r.Token = "C" }, func(r *Report) { r.Quiet = true },
		func(r *Report) { r.Caller = "x" }, func(r *Report) { r.Once = NewOnce(Repeat{Key: "k"}) },
	} {
		r := a
		change(&r)
		p, err := r.place()
		if err != nil || seen[p] {
			t.Errorf("change %d: %s, %v", i, p, err)
		}
		seen[p] = true
	}
}

// FuzzParse: whatever lies in the file, reading ends, believes no line without its
// sum, and what it believes is written again as it was.
func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	f.Add(sample(f)[:150])
	f.Add([]byte("\n\x00\n{}\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := parse(b)
		if lines := bytes.Count(b, []byte("\n")); len(c.entries)+c.damaged > lines {
			t.Fatalf("%d reports and %d damaged of %d lines", len(c.entries), c.damaged, lines)
		}
		var again []byte
		for _, e := range c.entries {
			text, err := line{Entry: &e}.encode()
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, text...)
		}
		back := parse(again)
		if back.damaged != 0 || back.torn || len(back.entries) != len(c.entries) {
			t.Fatalf("%d reports came back as %d", len(c.entries), len(back.entries))
		}
		for i := range back.entries {
			was, err1 := c.entries[i].place()
			is, err2 := back.entries[i].place()
			if was != is || err1 != nil || err2 != nil {
				t.Fatal("a report came back changed")
			}
		}
		if x := indexOf(c.entries); x == nil && len(c.entries) > 0 && len(c.entries[0].Targets()) > 0 {
			t.Fatal("a report with targets refuses nothing")
		}
	})
}
