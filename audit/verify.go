package audit

import (
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// VerifyOptions says what a verifier knows beforehand.
type VerifyOptions struct {
	Verifier note.Verifier   // the log's key, from ParseVerifier
	Retired  []note.Verifier // its earlier keys, of the same name

	// Checkpoint is one that was kept elsewhere: the log must contain exactly
	// the entries it was signed for. Only this shows that the end was cut off
	// together with its checkpoints.
	Checkpoint []byte
	// Partial accepts an export that does not start with the first entry.
	Partial bool
}

// Verify reads an export (format.md) and checks everything that can be checked
// with the public key alone, in memory that does not grow with the log. A fault
// of the log is in the report; an error means that the verification did not
// take place: reading failed, or the options are unusable.
//
// After a changed header or body it goes on, with the recorded leaf hash, so
// that the next checkpoint tells whether this entry is the only bad one. Where
// somebody rewrote an entry and its recorded hash, only the signed root shows
// it, and the finding names the range since the last good checkpoint. A missing
// or misplaced entry, or a wrong root, ends the verification.
func Verify(r io.Reader, opt VerifyOptions) (Report, error) {
	v, err := newVerification(opt)
	if err != nil {
		return Report{}, err
	}
	in := newLines(r)
	for v.missing == nil {
		b, err := in.next()
		v.line = in.n
		var form lineError
		switch {
		case errors.Is(err, io.EOF):
			v.end()
			return v.report, nil
		case errors.As(err, &form):
			v.malformed(form)
			return v.report, nil
		case err != nil:
			return v.report, fmt.Errorf("audit: read line %d: %w", in.n, err)
		}
		if !v.read(b) {
			return v.report, nil
		}
	}
	err = v.search(in)
	return v.report, err
}

type verification struct {
	opt     VerifyOptions
	keys    []note.Verifier
	trusted *Head // opt.Checkpoint, until its size is reached
	forked  bool  // its root was another

	report  Report
	line    int
	tree    *tree       // nil before the first line
	scratch []tlog.Hash // for tree.add, whose hashes a verifier does not keep
	good    uint64      // entries before it are proved
	signed  uint64      // size of the last good checkpoint of the export
	newest  time.Time   // latest time read
	waiting time.Time   // when the first entry not covered was written
	missing *Finding    // an entry not in its place, still to be looked for
}

func newVerification(opt VerifyOptions) (*verification, error) {
	if opt.Verifier == nil {
		return nil, errors.New("audit: a verifier key is needed")
	}
	v := &verification{opt: opt, keys: append([]note.Verifier{opt.Verifier}, opt.Retired...)}
	for _, k := range opt.Retired {
		if k.Name() != opt.Verifier.Name() {
			return nil, fmt.Errorf("audit: the key of %q is not one of %q", k.Name(), opt.Verifier.Name())
		}
	}
	if opt.Checkpoint != nil {
		h, err := OpenCheckpoint(opt.Checkpoint, v.keys...)
		if err != nil {
			return nil, fmt.Errorf("audit: the checkpoint given: %w", err)
		}
		v.trusted = &h
	}
	return v, nil
}

// fault notes a fault that lies in r.
func (v *verification) fault(kind Kind, r Range, format string, args ...any) {
	v.report.fault(Finding{Seq: r.From, Range: r, Line: v.line, Kind: kind, Text: fmt.Sprintf(format, args...)})
}

func (v *verification) next() uint64 {
	if v.tree == nil {
		return 0
	}
	return v.tree.size
}

func (v *verification) malformed(err error) {
	v.fault(KindLine, one(v.next()), "the line cannot be read: %v; nothing after it was verified", err)
}

// doubt notes that the entries in r do not add up. If one of them has been found
// bad already, that one stays the first finding, but is no longer known to be
// the only one.
func (v *verification) doubt(kind Kind, r Range, format string, args ...any) {
	first := v.report.FirstBad
	if first == nil || first.Seq < v.good {
		v.fault(kind, r, format, args...)
		return
	}
	v.report.Faults++
	first.Range = r
	first.Text += "; " + fmt.Sprintf(format, args...)
}

// read takes one line and says whether the next one may be read.
func (v *verification) read(b []byte) bool {
	if v.tree == nil {
		return v.begin(b)
	}
	if isCheckpoint(b) {
		l, err := parseLine[checkpointLine](b)
		if err != nil {
			v.malformed(err)
			return false
		}
		return v.checkpoint([]byte(l.Checkpoint))
	}
	l, err := parseLine[entryLine](b)
	if err != nil {
		v.malformed(err)
		return false
	}
	return v.entry(l)
}

// end judges what only the end shows.
func (v *verification) end() {
	switch size := v.next(); {
	case v.tree == nil:
		v.fault(KindFormat, one(0), "the export is empty")
	case v.trusted != nil:
		v.fault(KindCut, Range{size, v.trusted.Size},
			"the log ends before this entry; the checkpoint given, of %s, covers %d entries",
			v.trusted.Time.Format(time.RFC3339), v.trusted.Size)
	case v.report.Entries > 0 && v.report.Covered <= v.report.From:
		v.fault(KindUnsigned, Range{v.report.From, size}, "no checkpoint covers any of the entries: nothing is proved")
	case !v.waiting.IsZero() && v.newest.Sub(v.waiting) > maxWait:
		v.report.warn(Finding{Seq: v.good, Range: Range{v.good, size}, Line: v.line, Kind: KindWaiting,
			Text: "no checkpoint for more than a minute: the sequencer stood still, or checkpoints were removed"})
	}
}

// maxWait is how long entries wait for a checkpoint before the verifier warns.
const maxWait = time.Minute
