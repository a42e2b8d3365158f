package audit_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mohur/audit"
	"mohur/audit/audittest"
)

func TestVerifyReport(t *testing.T) {
	w := newWorld(t).upTo(4, 8, 10)
	w.add(2)
	r := verify(t, w.export(0), w.options())
	first := time.Date(2026, 11, 22, 9, 0, 1, 0, time.UTC)
	want := audit.Report{
		Origin: origin, Entries: 12, Checkpoints: 3, Covered: 10,
		First: first, Last: first.Add(11 * time.Second),
	}
	if r.Origin != want.Origin || r.Entries != 12 || r.Checkpoints != 3 || r.Covered != 10 || r.Uncovered() != 2 ||
		!r.First.Equal(want.First) || !r.Last.Equal(want.Last) || !r.OK() || r.Warned != 0 {
		t.Errorf("report %+v, want %+v", r, want)
	}
}

func TestErasureLeavesTheVerificationWhole(t *testing.T) {
	w := newWorld(t).upTo(4, 8)
	w.add(2)
	for _, seq := range []uint64{0, 3, 5, 4, 9} {
		w.store.Erase(seq)
	}
	w.sign()
	r := verify(t, w.export(0), w.options())
	if !r.OK() || r.Erased != 5 || r.Covered != 10 {
		t.Errorf("%+v %v", r, r.FirstBad)
	}
	// Whoever strips an export of a body does not pass unnoticed: it is named.
	if want := []audit.Range{{From: 0, To: 1}, {From: 3, To: 6}, {From: 9, To: 10}}; !slices.Equal(r.ErasedIn, want) {
		t.Errorf("erased %v, want %v", r.ErasedIn, want)
	}
}

func TestVerifyEmptyLog(t *testing.T) {
	w := newWorld(t)
	if r := verify(t, w.export(0), w.options()); !r.OK() || r.Entries != 0 || r.Uncovered() != 0 {
		t.Errorf("%+v", r)
	}
}

func TestVerifyRefusesWhatIsNotTheFormat(t *testing.T) {
	w := newWorld(t).upTo(4)
	good := split(w.export(0))
	replace := func(line int, old, new string) string {
		l := slices.Clone(good)
		l[line] = strings.Replace(l[line], old, new, 1)
		if l[line] == good[line] {
			t.Fatalf("line %d has no %q: %s", line, old, good[line])
		}
		return l.String()
	}
	for _, c := range []struct {
		name, export string
		kind         audit.Kind
		line         int
	}{
		{"nothing", "", audit.KindFormat, 1},
		{"something else", "hello\n", audit.KindFormat, 1},
		{"an empty line", "\n", audit.KindFormat, 1},
		{"no first line", good[1:].String(), audit.KindFormat, 1},
		{"unknown version", replace(0, `_export":1`, `_export":2`), audit.KindFormat, 1},
		{"another log", replace(0, `"origin":"bank`, `"origin":"tank`), audit.KindFormat, 1},
		{"unknown member in the first line", replace(0, `"key"`, `"x":1,"key"`), audit.KindLine, 1},
		{"an edge without from", replace(0, `}`, `,"edge":[]}`), audit.KindLine, 1},
		{"a from without edge", replace(0, `}`, `,"from":3}`), audit.KindLine, 1},
		{"unknown member", replace(2, `"leaf"`, `"x":1,"leaf"`), audit.KindLine, 3},
		{"repeated member", replace(2, `"leaf"`, `"header":"","leaf"`), audit.KindLine, 3},
		{"other spelling of a member", replace(2, `"header"`, `"Header"`), audit.KindLine, 3},
		{"other order", replace(2, `{"seq":1,`, `{`), audit.KindLine, 3},
		{"a space", replace(2, `,"leaf"`, `, "leaf"`), audit.KindLine, 3},
		{"bad base64", replace(2, `"salt":"`, `"salt":"?`), audit.KindLine, 3},
		{"loose base64", replace(2, `"salt":"`, `"salt":"\n`), audit.KindLine, 3},
		{"other number form", replace(2, `{"seq":1,`, `{"seq":1.0,`), audit.KindLine, 3},
		{"negative", replace(2, `{"seq":1,`, `{"seq":-1,`), audit.KindLine, 3},
		{"two objects", replace(2, "}\n", "}{}\n"), audit.KindLine, 3},
		{"carriage return", replace(2, "}\n", "}\r\n"), audit.KindLine, 3},
		{"over-long line", replace(2, `"body":"`, `"body":"`+strings.Repeat("A", audit.MaxLine)), audit.KindLine, 3},
		{"no header", replace(2, `"header"`, `"heading"`), audit.KindLine, 3},
		{"unknown member in a checkpoint", replace(5, `}`, `,"x":1}`), audit.KindLine, 6},
		{"checkpoint without a note", replace(5, `\n\n`, `\n`), audit.KindSignature, 6},
		{"blank line at the end", good.String() + "\n", audit.KindLine, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := verify(t, c.export, w.options())
			if r.FirstBad == nil || r.FirstBad.Kind != c.kind || r.FirstBad.Line != c.line {
				t.Fatalf("found %v, want %s in line %d", r.FirstBad, c.kind, c.line)
			}
			t.Log(r.FirstBad)
		})
	}
}

func TestVerifyHeaders(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"repeated member": func(h string) string { return strings.Replace(h, `{`, `{"outcome":"refused",`, 1) },
		"unknown version": func(h string) string { return strings.Replace(h, `"v":1`, `"v":2`, 1) },
		"not JSON":        func(string) string { return "granted" },
		"line ends":       func(h string) string { return h + "\n" },
		"local time":      func(h string) string { return strings.Replace(h, `Z"`, `+04:00"`, 1) },
		"no commitment":   func(h string) string { return h[:strings.Index(h, `"body":"`)] + `"body":"AAAA"}` },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).upTo(4)
			w.add(1)
			l := split(w.export(0))
			l.edit(t, 4, true, func(e *audit.EntryLine) { e.Header = change(e.Header) })
			r := verify(t, l.String(), w.options())
			if r.FirstBad == nil || r.FirstBad.Kind != audit.KindHeader || r.FirstBad.Seq != 4 {
				t.Fatalf("found %v", r.FirstBad)
			}
		})
	}
}

func TestVerifyPartialExport(t *testing.T) {
	for _, from := range []uint64{1, 4, 5, 7, 8} {
		w := newWorld(t).upTo(4, 8, 13)
		opt := w.options()
		opt.Partial = true
		r := verify(t, w.export(from), opt)
		if !r.OK() || r.From != from || r.Entries != 13-from || r.Covered != 13 {
			t.Errorf("from %d: %+v %v", from, r, r.FirstBad)
		}
		opt.Checkpoint = w.checkpoint(13)
		if r := verify(t, w.export(from), opt); !r.OK() {
			t.Errorf("from %d with the last checkpoint given: %v", from, r.FirstBad)
		}
		opt.Checkpoint = w.checkpoint(4)
		if r := verify(t, w.export(from), opt); r.OK() != (from <= 4) {
			t.Errorf("from %d with the checkpoint of 4 given: %v", from, r.FirstBad)
		}
		opt.Checkpoint = nil
		l := split(w.export(from))
		l.edit(t, 8, true, refuse)
		if r := verify(t, l.String(), opt); r.FirstBad == nil || r.FirstBad.Kind != audit.KindRoot {
			t.Errorf("from %d: a rewritten entry was not found", from)
		}
	}
}

func TestVerifyPartialExportProvesItsEdge(t *testing.T) {
	w, other := newWorld(t).upTo(4, 8), newWorld(t).upTo(4, 8)
	opt := w.options()
	opt.Partial = true
	l := split(w.export(4))
	foreign, _, _ := strings.Cut(other.export(4), "\n")
	l[0] = strings.Replace(foreign, other.signer.VKey(t, origin), w.signer.VKey(t, origin), 1) + "\n"
	if r := verify(t, l.String(), opt); r.FirstBad == nil || r.FirstBad.Kind != audit.KindRoot {
		t.Errorf("another log's edge: %v", r.FirstBad)
	}
	if err := audit.Export(t.Context(), io.Discard, w.store, audit.ExportOptions{From: 9, Key: "x"}); !errors.Is(err, audit.ErrNotCovered) {
		t.Errorf("an export from an entry not covered: %v", err)
	}
}

func TestVerifyAcceptsRetiredKeys(t *testing.T) {
	w := newWorld(t).upTo(4)
	old := w.signer
	w.signer = audittest.NewSigner(t)
	w.seq = w.sequencer()
	if err := w.seq.Checkpoint(t.Context()); !errors.Is(err, audit.ErrMismatch) {
		t.Fatalf("the old key is unknown: %v", err)
	}
	w.seq.Retired = []note.Verifier{old.Verifier(t, origin)}
	w.upTo(8)
	if r := verify(t, w.export(0), w.options()); r.OK() || r.FirstBad.Kind != audit.KindSignature {
		t.Errorf("without the old key: %v", r.FirstBad)
	}
	opt := w.options()
	opt.Retired = []note.Verifier{old.Verifier(t, origin)}
	if r := verify(t, w.export(0), opt); !r.OK() || r.Checkpoints != 2 {
		t.Errorf("with the old key: %v", r.FirstBad)
	}
	opt.Retired = []note.Verifier{old.Verifier(t, "other.example")}
	if _, err := audit.Verify(strings.NewReader(""), opt); err == nil {
		t.Error("a key of another log was accepted")
	}
}

func TestVerifyWarnsOfClocks(t *testing.T) {
	w := newWorld(t).upTo(4)
	w.move(-time.Hour)
	w.upTo(8)
	r := verify(t, w.export(0), w.options())
	if !r.OK() || r.Warned != 1 || r.Warnings[0].Kind != audit.KindClock || r.Warnings[0].Seq != 4 {
		t.Errorf("%+v %v", r.Warnings, r.FirstBad)
	}
	w.move(-2 * time.Second) // drafted before, written after: no warning
	w.upTo(10)
	if r := verify(t, w.export(0), w.options()); r.Warned != 1 {
		t.Errorf("%+v", r.Warnings)
	}
}

func TestVerifyWarnsOfLongWaiting(t *testing.T) {
	w := newWorld(t).upTo(4)
	w.add(100)
	r := verify(t, w.export(0), w.options())
	if !r.OK() || r.Warned != 1 || r.Warnings[0].Kind != audit.KindWaiting || r.Warnings[0].Range != (audit.Range{From: 4, To: 104}) {
		t.Errorf("%+v %v", r.Warnings, r.FirstBad)
	}
}

func TestVerifyErrors(t *testing.T) {
	w := newWorld(t).upTo(4)
	if _, err := audit.Verify(strings.NewReader(""), audit.VerifyOptions{}); err == nil {
		t.Error("without a key")
	}
	opt := w.options()
	opt.Checkpoint = newWorld(t).upTo(4).checkpoint(4)
	if _, err := audit.Verify(strings.NewReader(w.export(0)), opt); err == nil {
		t.Error("a given checkpoint of another key was accepted")
	}
	broken := errors.New("cable")
	r := io.MultiReader(strings.NewReader(w.export(0)), iotest.ErrReader(broken))
	if _, err := audit.Verify(r, w.options()); !errors.Is(err, broken) {
		t.Errorf("a reading error: %v", err)
	}
	cut := split(w.export(0))[:2].String() + `{"seq":9`
	r = io.MultiReader(strings.NewReader(cut), iotest.ErrReader(broken))
	if _, err := audit.Verify(r, w.options()); !errors.Is(err, broken) {
		t.Errorf("a reading error inside a line: %v", err)
	}
}

func TestVerifyReadsAStream(t *testing.T) {
	w := newWorld(t).upTo(50, 100, 200)
	export := w.export(0)
	if r := verify(t, export, w.options()); !r.OK() {
		t.Fatal(r.FirstBad)
	}
	for name, r := range map[string]io.Reader{
		"byte by byte": iotest.OneByteReader(strings.NewReader(export)),
		"in halves":    iotest.HalfReader(strings.NewReader(export)),
		"EOF early":    iotest.DataErrReader(bytes.NewBufferString(export)),
	} {
		if got, err := audit.Verify(r, w.options()); err != nil || !got.OK() || got.Covered != 200 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// endless makes an export line by line, and measures the heap at its end.
type endless struct {
	model audit.EntryLine // the entry with number 0
	seq   uint64
	rest  []byte
	heap  uint64
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.seq == 800 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			e.heap = m.HeapAlloc
			return 0, io.EOF
		}
		l := e.model
		l.Seq, l.Header = e.seq, strings.Replace(l.Header, seqMember(0), seqMember(e.seq), 1)
		l.Leaf = audit.LeafHash([]byte(l.Header))
		e.rest = []byte(l.String())
		e.seq++
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestVerifyMemoryIsFlat reads some 11 MB and expects none of it to be kept.
func TestVerifyMemoryIsFlat(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Append(w.draft(audit.Event{Name: "x.y", Detail: strings.Repeat("a", 10_000)})); err != nil {
		t.Fatal(err)
	}
	l := split(w.export(0))
	model, err := audit.ParseEntryLine([]byte(strings.TrimSuffix(l[1], "\n")))
	if err != nil {
		t.Fatal(err)
	}
	e := &endless{model: model}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := audit.Verify(io.MultiReader(strings.NewReader(l[0]), e), w.options())
	if err != nil || r.Entries != 800 || r.Faults != 1 || r.FirstBad.Kind != audit.KindUnsigned {
		t.Fatalf("%+v %v %v", r, r.FirstBad, err)
	}
	if e.heap > before.HeapAlloc+4*audit.MaxLine {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapAlloc, e.heap)
	}
}
