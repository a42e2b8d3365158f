package audit

import (
	"fmt"
	"time"
)

// Kind says what is wrong, for programs; Finding.Text says it for people.
type Kind string

// The kinds of faults, and of warnings.
const (
	KindFormat    Kind = "format"    // not an export of a known version, or of another log
	KindLine      Kind = "line"      // a line that is not of the format, cut off or too long
	KindGap       Kind = "gap"       // an entry is missing
	KindDuplicate Kind = "duplicate" // an entry stands there twice
	KindOrder     Kind = "order"     // an entry stands in another's place
	KindHeader    Kind = "header"    // a header is not the one its leaf hash was taken of
	KindBody      Kind = "body"      // salt or body are not the ones the header commits to
	KindSignature Kind = "signature" // a checkpoint is not signed by the log's key
	KindSize      Kind = "size"      // a checkpoint stands in the wrong place
	KindRoot      Kind = "root"      // the entries do not give the signed root
	KindCut       Kind = "cut"       // the log is shorter than the checkpoint given
	KindFork      Kind = "fork"      // the log is not the one the checkpoint given is of
	KindUnsigned  Kind = "unsigned"  // there are entries and no checkpoint at all

	KindClock   Kind = "clock"   // warning: time goes backwards
	KindWaiting Kind = "waiting" // warning: entries wait long for a checkpoint
)

// Range is the entries From ≤ sequence < To.
type Range struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Finding is one fault or warning.
type Finding struct {
	Seq   uint64 `json:"seq"`   // the first entry that is bad, or with Range the first that may be
	Range Range  `json:"range"` // the entries among which the fault lies; one, if it is pinned down
	Line  int    `json:"line"`  // of the export, from 1
	Kind  Kind   `json:"kind"`
	Text  string `json:"text"`
}

// String says where and what.
func (f Finding) String() string {
	where := fmt.Sprintf("entry %d", f.Seq)
	if f.Range.To > f.Range.From+1 {
		where = fmt.Sprintf("entries %d to %d", f.Range.From, f.Range.To-1)
	}
	return fmt.Sprintf("%s (line %d): %s: %s", where, f.Line, f.Kind, f.Text)
}

// maxWarnings bounds the warnings kept; the rest is counted.
const maxWarnings = 20

// Report is the result of a verification.
//
// Entries below Covered are proved by a signature: they are the ones that were
// signed, unless a finding names them. Those above, usually of the last second,
// are only consistent in themselves.
type Report struct {
	Origin      string    `json:"origin"`
	From        uint64    `json:"from"`                // first entry of the export
	Entries     uint64    `json:"entries"`             // read
	Erased      uint64    `json:"erased"`              // of them without a body, which is no fault
	ErasedIn    []Range   `json:"erased_in,omitempty"` // where they are, the first 1,000 runs of them
	Checkpoints int       `json:"checkpoints"`         // verified
	Covered     uint64    `json:"covered"`             // size of the last good checkpoint
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Faults      int       `json:"faults"`
	FirstBad    *Finding  `json:"first_bad,omitempty"`
	Warned      int       `json:"warned"`
	Warnings    []Finding `json:"warnings,omitempty"` // the first 20
}

// OK says that no fault was found.
func (r Report) OK() bool { return r.Faults == 0 && r.FirstBad == nil }

// Uncovered returns how many of the entries read no checkpoint covers yet.
func (r Report) Uncovered() uint64 {
	end := r.From + r.Entries
	return end - min(end, max(r.Covered, r.From))
}

// fault counts f and keeps it if it is the first.
func (r *Report) fault(f Finding) {
	r.Faults++
	if r.FirstBad == nil {
		r.FirstBad = &f
	}
}

func (r *Report) warn(f Finding) {
	r.Warned++
	if len(r.Warnings) < maxWarnings {
		r.Warnings = append(r.Warnings, f)
	}
}

// maxErased bounds the runs of erased entries that are kept: what is not named is
// still counted.
const maxErased = 1000

// erase counts an entry without a body and notes where it is. That it was rightly
// erased is for people to say, so they have to know which one it is.
func (r *Report) erase(seq uint64) {
	r.Erased++
	if last := len(r.ErasedIn) - 1; last >= 0 && r.ErasedIn[last].To == seq {
		r.ErasedIn[last].To++
	} else if len(r.ErasedIn) < maxErased {
		r.ErasedIn = append(r.ErasedIn, one(seq))
	}
}

func one(seq uint64) Range { return Range{seq, seq + 1} }
