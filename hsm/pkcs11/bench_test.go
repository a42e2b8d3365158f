package pkcs11_test

import (
	"syscall"
	"testing"

	"mohur/hsm"
	"mohur/hsm/pkcs11"
)

// bench reports the CPU time per call beside the wall time: on a shared machine
// it is the stable figure.
func bench(b *testing.B, prepare func(*pkcs11.Module) func() error) {
	call := prepare(open(b, provisioned(b)))
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpu()-before)/float64(b.N), "cpu-µs/op")
}

func cpu() (µs float64) {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // fails for no valid argument
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e3
}

func BenchmarkMAC(b *testing.B) {
	part := make([]byte, 64)
	bench(b, func(m *pkcs11.Module) func() error {
		return func() error { _, err := m.MAC(b.Context(), hsm.RowMAC, "bench", part); return err }
	})
}

func BenchmarkHMAC1(b *testing.B) { benchHMAC(b, 1) }

func BenchmarkHMAC3(b *testing.B) { benchHMAC(b, 3) }

func benchHMAC(b *testing.B, n int) {
	messages := make([][]byte, n)
	for i := range messages {
		messages[i] = []byte{0, 0, 0, 0, 0, 0, 0, byte(i)}
	}
	bench(b, func(m *pkcs11.Module) func() error {
		w := wrapped(b, m)
		return func() error { _, err := m.HMAC(b.Context(), w, hsm.SHA1, messages...); return err }
	})
}

func BenchmarkWrapSeed(b *testing.B) {
	seed := make([]byte, 20)
	bench(b, func(m *pkcs11.Module) func() error {
		return func() error { copy(seed, rfcSeed); _, err := m.WrapSeed(b.Context(), seed); return err }
	})
}

func BenchmarkSeal(b *testing.B) {
	text := make([]byte, 32)
	bench(b, func(m *pkcs11.Module) func() error {
		return func() error { _, err := m.Seal(b.Context(), hsm.DataKEK, "a place", text); return err }
	})
}

func BenchmarkOpen(b *testing.B) {
	bench(b, func(m *pkcs11.Module) func() error {
		box, err := m.Seal(b.Context(), hsm.DataKEK, "a place", make([]byte, 32))
		if err != nil {
			b.Fatal(err)
		}
		return func() error { _, err := m.Open(b.Context(), hsm.DataKEK, "a place", box); return err }
	})
}

func BenchmarkSign(b *testing.B) {
	digest := make([]byte, 32)
	bench(b, func(m *pkcs11.Module) func() error {
		return func() error { _, err := m.Sign(b.Context(), hsm.TokenSigning, digest); return err }
	})
}

// BenchmarkParallel is one verification as the server does it, from many
// goroutines: a row MAC and three HMACs.
func BenchmarkParallel(b *testing.B) {
	m := open(b, provisioned(b))
	w := wrapped(b, m)
	b.ReportAllocs()
	b.SetParallelism(8)
	before := cpu()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := m.MAC(b.Context(), hsm.RowMAC, "bench", w.Blob); err != nil {
				b.Error(err)
			}
			if _, err := m.HMAC(b.Context(), w, hsm.SHA1, []byte("1"), []byte("2"), []byte("3")); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric((cpu()-before)/float64(b.N), "cpu-µs/op")
}
