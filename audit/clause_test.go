package audit_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
	"mohur/audit/audittest"
)

// attack is what somebody did to a log of 12 entries with checkpoints at 4, 8
// and 10, and what the verifier must say of it.
type attack struct {
	name  string
	do    func(t *testing.T, w *world, l lines) lines
	opt   func(t *testing.T, w *world, o *audit.VerifyOptions)
	kind  audit.Kind
	seq   uint64
	to    uint64 // end of the range; 0 means that the entry is pinned down
	proof uint64 // what must still be covered
}

var attacks = []attack{
	{name: "changed header", kind: audit.KindHeader, seq: 5, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines { l.edit(t, 5, false, refuse); return l }},
	{name: "changed header and recorded leaf hash", kind: audit.KindRoot, seq: 4, to: 8, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines { l.edit(t, 5, true, refuse); return l }},
	{name: "changed header in the store", kind: audit.KindHeader, seq: 6, proof: 10,
		do: func(_ *testing.T, w *world, _ lines) lines {
			w.store.Tamper(func(e []audit.Entry) []audit.Entry {
				e[6].Header = []byte(strings.Replace(string(e[6].Header), "granted", "refused", 1))
				return e
			})
			return split(w.export(0))
		}},
	{name: "one changed carelessly, another carefully", kind: audit.KindHeader, seq: 4, to: 8, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines {
			l.edit(t, 7, true, refuse)
			l.edit(t, 5, false, refuse)
			return l
		}},
	{name: "changed body", kind: audit.KindBody, seq: 2, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			l.edit(t, 2, false, func(e *audit.EntryLine) { e.Sealed[20] ^= 1 })
			return l
		}},
	{name: "changed salt", kind: audit.KindBody, seq: 9, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			l.edit(t, 9, false, func(e *audit.EntryLine) { e.Salt[0] ^= 1 })
			return l
		}},
	{name: "body taken away, salt left", kind: audit.KindBody, seq: 3, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			l.edit(t, 3, false, func(e *audit.EntryLine) { e.Sealed = nil })
			return l
		}},
	{name: "body of another entry", kind: audit.KindBody, seq: 1, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			var other audit.EntryLine
			l.edit(t, 2, false, func(e *audit.EntryLine) { other = *e })
			l.edit(t, 1, false, func(e *audit.EntryLine) { e.Salt, e.Sealed = other.Salt, other.Sealed })
			return l
		}},
	{name: "changed recorded leaf hash", kind: audit.KindHeader, seq: 4, to: 8, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines {
			l.edit(t, 6, false, func(e *audit.EntryLine) { e.Leaf[0] ^= 1 })
			return l
		}},
	{name: "removed entry", kind: audit.KindGap, seq: 6, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines { i := l.entry(t, 6); return slices.Delete(l, i, i+1) }},
	{name: "removed entries", kind: audit.KindGap, seq: 2, to: 6, proof: 0,
		do: func(t *testing.T, _ *world, l lines) lines {
			return slices.Delete(l, l.entry(t, 2), l.entry(t, 6))
		}},
	{name: "removed entry before a checkpoint", kind: audit.KindGap, seq: 7, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines { i := l.entry(t, 7); return slices.Delete(l, i, i+1) }},
	{name: "removed from the store", kind: audit.KindGap, seq: 6, proof: 4,
		do: func(_ *testing.T, w *world, _ lines) lines {
			w.store.Tamper(func(e []audit.Entry) []audit.Entry { return slices.Delete(e, 6, 7) })
			return split(w.export(0))
		}},
	{name: "removed and the rest renumbered", kind: audit.KindOrder, seq: 6, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.entry(t, 6)
			l = slices.Delete(l, i, i+1)
			for seq := uint64(7); seq < 12; seq++ {
				l.edit(t, seq, false, func(e *audit.EntryLine) { e.Seq-- })
			}
			return l
		}},
	{name: "swapped entries", kind: audit.KindOrder, seq: 5, to: 7, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.entry(t, 5)
			l[i], l[i+1] = l[i+1], l[i]
			return l
		}},
	{name: "swapped contents", kind: audit.KindOrder, seq: 4, to: 8, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines {
			l.edit(t, 5, false, func(e *audit.EntryLine) { e.Seq = 99 })
			l.edit(t, 6, false, func(e *audit.EntryLine) { e.Seq = 5 })
			l.edit(t, 99, false, func(e *audit.EntryLine) { e.Seq = 6 })
			i := l.entry(t, 6)
			l[i], l[i+1] = l[i+1], l[i]
			return l
		}},
	{name: "duplicated", kind: audit.KindDuplicate, seq: 5, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines { i := l.entry(t, 5); return slices.Insert(l, i, l[i]) }},
	{name: "inserted", kind: audit.KindDuplicate, seq: 5, proof: 4,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.entry(t, 5)
			l = slices.Insert(l, i, l[i])
			l.edit(t, 5, true, refuse)
			return l
		}},
	{name: "inserted and the rest renumbered", kind: audit.KindRoot, seq: 4, to: 8, proof: 4, do: insertRenumbered},
	{name: "changed header after the last checkpoint", kind: audit.KindHeader, seq: 11, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines { l.edit(t, 11, false, refuse); return l }},
	{name: "tail cut below a given checkpoint", kind: audit.KindCut, seq: 8, to: 10, proof: 8,
		do:  func(t *testing.T, _ *world, l lines) lines { return l[:l.entry(t, 8)] },
		opt: given(10)},
	{name: "everything cut below a given checkpoint", kind: audit.KindCut, seq: 0, to: 10, proof: 0,
		do:  func(_ *testing.T, _ *world, l lines) lines { return l[:1] },
		opt: given(10)},
	{name: "tail cut in the store", kind: audit.KindGap, seq: 9, proof: 8,
		do: func(_ *testing.T, w *world, _ lines) lines { w.store.Cut(9); return split(w.export(0)) }},
	{name: "head cut", kind: audit.KindGap, seq: 0, to: 4, proof: 0,
		do: func(_ *testing.T, w *world, _ lines) lines { return split(w.export(4)) }},
	{name: "truncated line", kind: audit.KindLine, seq: 9, proof: 8,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.entry(t, 9)
			return append(l[:i], l[i][:len(l[i])/2])
		}},
	{name: "truncated line end", kind: audit.KindLine, seq: 11, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.entry(t, 11)
			return append(l[:i], strings.TrimSuffix(l[i], "\n"))
		}},
	{name: "checkpoint with foreign signature", kind: audit.KindSignature, seq: 4, to: 8, proof: 10,
		do: func(t *testing.T, w *world, l lines) lines {
			return resign(t, w, l, 8, audittest.NewSigner(t), func(*audit.Head) {})
		}},
	{name: "all checkpoints with foreign signatures", kind: audit.KindSignature, seq: 0, to: 4, proof: 0,
		do: func(t *testing.T, w *world, l lines) lines {
			thief := audittest.NewSigner(t)
			for _, size := range []uint64{4, 8, 10} {
				l = resign(t, w, l, size, thief, func(*audit.Head) {})
			}
			return l
		}},
	{name: "checkpoint root altered", kind: audit.KindSignature, seq: 4, to: 8, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.checkpointAfter(t, 7)
			note, err := audit.ParseCheckpointLine([]byte(strings.TrimSuffix(l[i], "\n")))
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.SplitN(note, "\n", 4)
			parts[2] = tlog.RecordHash(nil).String()
			l[i] = audit.CheckpointLine(strings.Join(parts, "\n"))
			return l
		}},
	{name: "checkpoint root altered and signed", kind: audit.KindRoot, seq: 4, to: 8, proof: 4,
		do: func(t *testing.T, w *world, l lines) lines {
			return resign(t, w, l, 8, w.signer, func(h *audit.Head) { h.Root[0] ^= 1 })
		}},
	{name: "checkpoint of another log", kind: audit.KindSignature, seq: 4, to: 8, proof: 10,
		do: func(t *testing.T, w *world, l lines) lines {
			return resign(t, w, l, 8, w.signer, func(h *audit.Head) { h.Origin = "other.example/mohur" })
		}},
	{name: "checkpoint moved", kind: audit.KindSize, seq: 4, to: 5, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.checkpointAfter(t, 3)
			l[i], l[i+1] = l[i+1], l[i]
			return l
		}},
	{name: "checkpoint repeated", kind: audit.KindSize, seq: 4, proof: 10,
		do: func(t *testing.T, _ *world, l lines) lines {
			i := l.checkpointAfter(t, 3)
			return slices.Insert(l, i, l[i])
		}},
	{name: "no checkpoint left", kind: audit.KindUnsigned, seq: 0, to: 12, proof: 0,
		do: func(_ *testing.T, _ *world, l lines) lines {
			return slices.DeleteFunc(l, func(s string) bool { return strings.HasPrefix(s, `{"checkpoint":`) })
		}},
	{name: "forked sequencer: its checkpoint among our entries", kind: audit.KindRoot, seq: 4, to: 8, proof: 4,
		do: func(t *testing.T, w *world, l lines) lines {
			l[l.checkpointAfter(t, 7)] = audit.CheckpointLine(string(fork(w).checkpoint(8)))
			return l
		}},
	{name: "forked sequencer: its log against our checkpoint", kind: audit.KindFork, seq: 0, to: 8, proof: 4,
		do:  func(_ *testing.T, w *world, _ lines) lines { return split(fork(w).export(0)) },
		opt: given(8)},
	{name: "forked sequencer, after a changed body", kind: audit.KindBody, seq: 1, proof: 4,
		do: func(t *testing.T, w *world, _ lines) lines {
			l := split(fork(w).export(0))
			l.edit(t, 1, false, func(e *audit.EntryLine) { e.Salt[0] ^= 1 })
			return l
		},
		opt: given(8)},
	{name: "rewritten since a given checkpoint was signed", kind: audit.KindFork, seq: 4, to: 8, proof: 4,
		do:  func(t *testing.T, _ *world, l lines) lines { l.edit(t, 5, true, refuse); return l },
		opt: given(8)},
}

func TestClause5_11_AuditNamesTheFirstBadEntry(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			w := newWorld(t).upTo(4, 8, 10)
			w.add(2)
			opt := w.options()
			if a.opt != nil {
				a.opt(t, w, &opt)
			}
			if r := verify(t, w.export(0), opt); !r.OK() {
				t.Fatalf("before the attack: %v", r.FirstBad)
			}
			r := verify(t, a.do(t, w, split(w.export(0))).String(), opt)
			if a.to == 0 {
				a.to = a.seq + 1
			}
			checkFinding(t, r, a)
		})
	}
}

func checkFinding(t *testing.T, r audit.Report, a attack) {
	t.Helper()
	f := r.FirstBad
	if f == nil || r.OK() || r.Faults == 0 {
		t.Fatalf("not found: %+v", r)
	}
	t.Log(f)
	if f.Kind != a.kind || f.Range.To != a.to {
		t.Errorf("found %s in %v, want %s in [%d %d)", f.Kind, f.Range, a.kind, a.seq, a.to)
	}
	if f.Range.From != a.seq {
		t.Errorf("found in %v, want from %d", f.Range, a.seq)
	}
	if r.Covered != a.proof {
		t.Errorf("%d entries are covered, want %d", r.Covered, a.proof)
	}
	if f.Line == 0 || f.Text == "" {
		t.Errorf("no line or text: %+v", f)
	}
}

// given has the verifier know the checkpoint of that size beforehand.
func given(size uint64) func(*testing.T, *world, *audit.VerifyOptions) {
	return func(_ *testing.T, w *world, o *audit.VerifyOptions) { o.Checkpoint = w.checkpoint(size) }
}

// resign replaces the checkpoint of that size by one of another signer.
func resign(t *testing.T, w *world, l lines, size uint64, s *audittest.Signer, change func(*audit.Head)) lines {
	t.Helper()
	h, err := audit.OpenCheckpoint(w.checkpoint(size), w.signer.Verifier(t, origin))
	if err != nil {
		t.Fatal(err)
	}
	change(&h)
	note, err := h.Sign(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	l[l.checkpointAfter(t, size-1)] = audit.CheckpointLine(string(note))
	return l
}

// fork returns the world in which, after entry 3, something else happened, and a
// second sequencer with the same key signed it.
func fork(w *world) *world {
	other := newWorld(w.t)
	other.signer, other.now = w.signer, w.now
	other.seq = other.sequencer()
	entries, err := w.store.Entries(w.t.Context(), 0, 4)
	if err != nil {
		w.t.Fatal(err)
	}
	other.upTo(4)
	other.store.CutCheckpoints(0, true)
	other.store.Tamper(func([]audit.Entry) []audit.Entry { return entries })
	other.seq = other.sequencer()
	other.sign()
	return other.upTo(8, 10)
}

// insertRenumbered puts a forged entry at 5 and moves the others up, in line,
// header and leaf hash; the two last entries make room.
func insertRenumbered(t *testing.T, _ *world, l lines) lines {
	forged := l[l.entry(t, 5)]
	for seq := uint64(11); seq >= 5; seq-- {
		l.edit(t, seq, true, func(e *audit.EntryLine) {
			e.Header = strings.Replace(e.Header, seqMember(e.Seq), seqMember(e.Seq+1), 1)
			e.Seq++
		})
	}
	l = slices.Insert(l, l.entry(t, 6), forged)
	l.edit(t, 5, true, refuse)
	// Each checkpoint goes back to where its size is reached.
	for _, seq := range []uint64{4, 8, 10} {
		at := l.checkpointAfter(t, seq)
		if seq > 4 {
			l[at], l[at-1] = l[at-1], l[at]
		}
	}
	return l
}
