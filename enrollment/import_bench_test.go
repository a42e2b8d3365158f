package enrollment_test

import (
	"bytes"
	"context"
	"fmt"
	"syscall"
	"testing"

	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
	"mohur/tokens"
	"mohur/tokens/pskc/pskctest"
)

// BenchmarkImport is the cost of one key of a PSKC file under a transport key, from
// the file to the disk, SoftHSM's part within it: under AES-CBC with a MAC, and under
// AES key wrap, which pads a seed of 20 bytes.
func BenchmarkImport(b *testing.B) {
	b.Run("CBC", func(b *testing.B) {
		benchImport(b, func(doc *bytes.Buffer, key []byte) *pskctest.Writer {
			return pskctest.NewEncryptedWriter(doc, key, "bench", hsm.SHA256)
		})
	})
	b.Run("KW", func(b *testing.B) {
		benchImport(b, func(doc *bytes.Buffer, key []byte) *pskctest.Writer {
			return pskctest.NewWrappedWriter(doc, key, "bench")
		})
	})
}

func benchImport(b *testing.B, writer func(*bytes.Buffer, []byte) *pskctest.Writer) {
	bank := banktest.New(b)
	module := hsmtest.SoftHSM(b)
	key := []byte("0123456789abcdef")
	if err := module.ImportTransport(b.Context(), "bench", bytes.Clone(key)); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { module.DeleteTransport(context.WithoutCancel(b.Context()), "bench") })
	var doc bytes.Buffer
	w := writer(&doc, key)
	for i := range b.N {
		w.Add(pskctest.Key{Serial: fmt.Sprintf("N%08d", i), Secret: seed20})
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	cmd := enrollment.ImportCommand{Caller: bank.Staff(), File: bytes.NewReader(doc.Bytes()), Format: "pskc", TransportKey: "bench"}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	job, err := bank.Enrollment.BeginImport(b.Context(), &cmd)
	if err == nil {
		job, err = bank.Enrollment.RunImport(b.Context(), cmd, job)
	}
	b.StopTimer()
	if err != nil || job.State != tokens.ImportCompleted || job.Imported != b.N {
		b.Fatalf("%+v, %v", job, err)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-µs/op")
}

// processorTime is what this process has used, in microseconds.
func processorTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano()/1000 + u.Stime.Nano()/1000
}
