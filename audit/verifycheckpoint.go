package audit

import (
	"bytes"
	"fmt"
	"time"
)

func isCheckpoint(b []byte) bool { return bytes.HasPrefix(b, []byte(`{"checkpoint":`)) }

// checkpoint takes one checkpoint. A bad signature leaves the entries to the
// next checkpoint; a good signature under a wrong root ends everything.
func (v *verification) checkpoint(msg []byte) bool {
	size := v.tree.size
	h, err := OpenCheckpoint(msg, v.keys...)
	if err != nil {
		v.fault(KindSignature, Range{v.good, max(size, v.good+1)}, "the checkpoint after entry %d does not count: %v", int64(size)-1, err)
		return true
	}
	switch {
	case h.Size > size:
		v.fault(KindGap, Range{size, h.Size}, "the entry is missing: a checkpoint of %d entries follows", h.Size)
		return false
	case h.Size < size || h.Size <= v.signed:
		v.fault(KindSize, Range{h.Size, max(size, h.Size+1)}, "a checkpoint of %d entries stands after entry %d", h.Size, int64(size)-1)
		return true
	case v.tree.root() != h.Root:
		v.doubt(KindRoot, Range{v.good, size}, "the recorded hashes do not give the root signed for %d entries: one or more of entries %d to %d were rewritten", size, v.good, size-1)
		return false
	}
	if v.forked {
		v.twoHistories(size)
		return false
	}
	v.clock(size-1, h.Time)
	v.report.Checkpoints++
	v.signed = size
	v.proved(size)
	return true
}

// compare checks the tree against the checkpoint given once it has its size. If
// they differ, the export's own next checkpoint tells a rewritten entry from a
// log that was signed twice.
func (v *verification) compare() bool {
	if v.trusted == nil || v.trusted.Size != v.tree.size {
		return true
	}
	h := *v.trusted
	v.trusted = nil
	if v.tree.root() == h.Root {
		v.proved(h.Size)
		return true
	}
	v.forked = true
	v.doubt(KindFork, Range{v.good, max(h.Size, v.good+1)}, "the first %d entries are not the ones the checkpoint given was signed for", h.Size)
	return true
}

// twoHistories notes that the export fits its own checkpoint of that size, but
// not the one given. Where the two part is not to be seen.
func (v *verification) twoHistories(size uint64) {
	v.report.Faults++
	first := v.report.FirstBad
	if first.Seq < v.good {
		return // it is about something else, before the last good checkpoint
	}
	first.Seq, first.Range.From = v.report.From, v.report.From
	first.Text += fmt.Sprintf("; yet its own checkpoint of %d entries fits: two histories were signed with this key", size)
}

func (v *verification) proved(size uint64) {
	v.good, v.report.Covered, v.waiting = size, size, time.Time{}
}
