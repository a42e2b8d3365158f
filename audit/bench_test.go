package audit_test

import (
	"io"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/audit/audittest"
)

// BenchmarkSequencer measures leaves per second, read, examined, hashed, signed
// in software and stored in memory.
func BenchmarkSequencer(b *testing.B) {
	w := newWorld(b)
	drafts := audittest.Drafts(b, w.drafter, audit.MaxRange)
	b.ResetTimer()
	n := 0
	for b.Loop() {
		b.StopTimer()
		w.store, n = &audittest.Memory{}, n+len(drafts)
		if err := w.store.Append(drafts...); err != nil {
			b.Fatal(err)
		}
		w.seq = w.sequencer()
		b.StartTimer()
		w.sign()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "leaves/s")
}

// BenchmarkVerify measures entries per second of an export with a checkpoint
// every thousand.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	for range 10 {
		if err := w.store.Append(audittest.Drafts(b, w.drafter, 1000)...); err != nil {
			b.Fatal(err)
		}
		w.sign()
	}
	export := w.export(0)
	b.SetBytes(int64(len(export)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r, err := audit.Verify(strings.NewReader(export), w.options())
		if err != nil || !r.OK() {
			b.Fatal(r.FirstBad, err)
		}
		n += 10000
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "leaves/s")
}

// BenchmarkExport measures entries per second out of memory.
func BenchmarkExport(b *testing.B) {
	w := newWorld(b)
	if err := w.store.Append(audittest.Drafts(b, w.drafter, 10000)...); err != nil {
		b.Fatal(err)
	}
	w.sign()
	n := 0
	for b.Loop() {
		if err := audit.Export(b.Context(), io.Discard, w.store, audit.ExportOptions{Key: "k"}); err != nil {
			b.Fatal(err)
		}
		n += 10000
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "leaves/s")
}

// BenchmarkNotify is what the store's commit path pays.
func BenchmarkNotify(b *testing.B) {
	s := newWorld(b).seq
	for b.Loop() {
		s.Notify(1)
	}
}
