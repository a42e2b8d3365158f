package audit

import (
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// maxSkew is how far times may run against the order: events are dated when
// they are drafted and ordered when they are written.
const maxSkew = 5 * time.Second

// begin reads the first line.
func (v *verification) begin(b []byte) bool {
	var is struct {
		Version int `json:"mohur_audit_export"`
	}
	if err := json.Unmarshal(b, &is); err != nil || is.Version == 0 {
		v.fault(KindFormat, one(0), "this is not an audit export")
		return false
	}
	if is.Version != ExportVersion {
		v.fault(KindFormat, one(0), "the export has version %d, known is %d", is.Version, ExportVersion)
		return false
	}
	p, err := parseLine[preamble](b)
	if err == nil && (p.From > maxSize || len(p.Edge) != bits.OnesCount64(p.From)) {
		err = errForm
	}
	if err != nil {
		v.malformed(err)
		return false
	}
	return v.start(p)
}

func (v *verification) start(p preamble) bool {
	v.report.Origin, v.report.From = p.Origin, p.From
	v.tree, v.good, v.signed = &tree{size: p.From, edge: p.Edge}, p.From, p.From
	switch {
	case p.Origin != v.opt.Verifier.Name():
		v.fault(KindFormat, one(p.From), "the export is of %q, the key of %q", p.Origin, v.opt.Verifier.Name())
		return false
	case p.From > 0 && !v.opt.Partial:
		v.fault(KindGap, Range{0, p.From}, "the export starts with entry %d", p.From)
		return false
	case v.trusted != nil && v.trusted.Size < p.From:
		v.fault(KindFormat, one(p.From), "the export starts after the %d entries of the checkpoint given: nothing can be compared", v.trusted.Size)
		return false
	}
	return v.compare()
}

// entry takes one entry.
func (v *verification) entry(l entryLine) bool {
	seq := v.tree.size
	if l.Seq != seq {
		// The leaf covers the header's number; the line's own is easily changed.
		if h, err := ParseHeader([]byte(l.Header)); err != nil || h.Seq != seq {
			return v.misplaced(l.Seq)
		}
		v.fault(KindOrder, one(seq), "its line says it is entry %d", l.Seq)
	}
	v.content(Entry{Seq: seq, Header: []byte(l.Header), Salt: l.Salt, Sealed: l.Sealed}, l.Leaf)
	v.report.Entries++
	v.scratch = v.tree.add(l.Leaf, v.scratch[:0])
	return v.compare()
}

// misplaced judges an entry that is not the next one. Of what should stand here
// it cannot be said yet whether it comes later.
func (v *verification) misplaced(seq uint64) bool {
	next := v.tree.size
	if seq < next {
		v.fault(KindDuplicate, one(seq), "the entry stands there again after entry %d", next-1)
		return false
	}
	v.missing = &Finding{Seq: next, Range: Range{next, seq}, Line: v.line}
	return true
}

// content checks one entry by itself.
func (v *verification) content(e Entry, leaf tlog.Hash) {
	if len(e.Salt) == 0 && len(e.Sealed) == 0 {
		v.report.erase(e.Seq)
	}
	if LeafHash(e.Header) != leaf {
		v.fault(KindHeader, one(e.Seq), "the header and the recorded leaf hash do not belong together")
		return
	}
	h, err := ParseHeader(e.Header)
	if err != nil {
		v.fault(KindHeader, one(e.Seq), "%v", err)
		return
	}
	if h.Seq != e.Seq {
		v.fault(KindOrder, one(e.Seq), "its header says it is entry %d", h.Seq)
	}
	if err := checkBody(e, h); err != nil {
		v.fault(KindBody, one(e.Seq), "salt or body are not the ones the header commits to")
	}
	if v.report.First.IsZero() {
		v.report.First = h.Time
	}
	v.report.Last = h.Time
	if v.waiting.IsZero() {
		v.waiting = h.Time
	}
	v.clock(e.Seq, h.Time)
}

// clock warns once each time the clock has been set back.
func (v *verification) clock(seq uint64, t time.Time) {
	if t.Before(v.newest.Add(-maxSkew)) {
		v.report.warn(Finding{Seq: seq, Range: one(seq), Line: v.line, Kind: KindClock,
			Text: "the time goes back from " + v.newest.Format(time.RFC3339) + " to " + t.Format(time.RFC3339)})
		v.newest = t
	}
	if t.After(v.newest) {
		v.newest = t
	}
}

// search reads on for the entry that was not in its place, to tell an entry that
// was moved from one that is gone.
func (v *verification) search(in *lines) error {
	f := *v.missing
	for {
		b, err := in.next()
		if err != nil {
			var form lineError
			v.fault(KindGap, f.Range, "the entry is missing: entry %d follows", f.Range.To)
			if errors.Is(err, io.EOF) || errors.As(err, &form) {
				return nil
			}
			return err
		}
		if l, err := parseLine[entryLine](b); err == nil && l.Seq == f.Seq {
			v.fault(KindOrder, Range{f.Seq, f.Range.To + 1}, "entry %d stands in its place, it follows in line %d", f.Range.To, in.n)
			return nil
		}
	}
}
