package audit_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"mohur/audit"
)

func TestExportOutlivesLostHashes(t *testing.T) {
	w := newWorld(t).upTo(4, 8)
	want := w.export(0)
	w.store.CutHashes(2)
	if got := w.export(0); got != want {
		t.Error("the leaf hashes computed are not the ones stored")
	}
}

func TestExportShowsAChangedTree(t *testing.T) {
	w := newWorld(t).upTo(4, 8)
	w.store.TamperHash(tlog.StoredHashIndex(0, 5), tlog.Hash{1})
	if r := verify(t, w.export(0), w.options()); r.OK() || r.FirstBad.Seq > 5 || r.FirstBad.Range.To <= 5 {
		t.Errorf("%v", r.FirstBad)
	}
}

// TestExportWritesWhatItFinds: bytes that no header may hold are exported, and
// found by the verifier at their entry.
func TestExportWritesWhatItFinds(t *testing.T) {
	for _, bad := range []string{"", "\xff", "\x00\x01\r\n\t", "\u2028\"\\", strings.Repeat("\x00", 1000)} {
		w := newWorld(t).upTo(4, 8)
		w.store.Tamper(func(e []audit.Entry) []audit.Entry { e[6].Header = []byte(bad); return e })
		r := verify(t, w.export(0), w.options())
		if r.OK() || r.FirstBad.Kind != audit.KindHeader || r.FirstBad.Seq != 6 || r.Covered != 8 {
			t.Errorf("%q: %v", bad, r.FirstBad)
		}
	}
}

func TestExportEndsWhateverTheStoreHolds(t *testing.T) {
	for name, change := range map[string]func([]audit.Entry) []audit.Entry{
		"nothing":      func([]audit.Entry) []audit.Entry { return nil },
		"backwards":    func(e []audit.Entry) []audit.Entry { slices.Reverse(e); return e },
		"all the same": func(e []audit.Entry) []audit.Entry { return slices.Repeat(e[3:4], 20) },
		"far away":     func(e []audit.Entry) []audit.Entry { e[5].Seq = 1 << 40; return e },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).upTo(4, 8)
			w.add(2)
			w.store.Tamper(change)
			if r := verify(t, w.export(0), w.options()); r.OK() {
				t.Error("found in order")
			}
		})
	}
}

func TestExportErrors(t *testing.T) {
	w := newWorld(t).upTo(4, 8)
	away := errors.New("disk away")
	for _, method := range []string{"Tail", "Entries", "Hashes", "LastCheckpoint", "CheckpointFor"} {
		w.store.FailOn(method, away)
		opt := audit.ExportOptions{From: 4, Key: "k"}
		if err := audit.Export(t.Context(), io.Discard, w.store, opt); !errors.Is(err, away) {
			t.Errorf("%s: %v", method, err)
		}
		w.store.FailOn(method, nil)
	}
	if err := audit.Export(t.Context(), full{}, w.store, audit.ExportOptions{Key: "k"}); !errors.Is(err, errFull) {
		t.Errorf("writing: %v", err)
	}
	w.store.TamperCheckpoint(func(uint64, []byte) []byte { return []byte("x") })
	if err := audit.Export(t.Context(), new(bytes.Buffer), w.store, audit.ExportOptions{Key: "k"}); !errors.Is(err, audit.ErrMismatch) {
		t.Errorf("a checkpoint that is none: %v", err)
	}
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
