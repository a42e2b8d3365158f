package pkcs11_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"fmt"
	"strconv"
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

func BenchmarkDecryptCBC(b *testing.B) {
	bench(b, func(m *pkcs11.Module) func() error {
		benchTransport(b, m)
		iv, box := make([]byte, 16), make([]byte, 80)
		return func() error { _, err := m.DecryptCBC(b.Context(), hsm.Transport("x"), iv, box); return err }
	})
}

// BenchmarkDecryptKW unwraps a seed of 20 bytes padded to 24, and one of 64.
func BenchmarkDecryptKW(b *testing.B) {
	for _, n := range []int{24, 64} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			box := make([]byte, n+8)
			bench(b, func(m *pkcs11.Module) func() error {
				benchTransport(b, m)
				return func() error {
					_, err := m.DecryptKW(b.Context(), hsm.Transport("x"), box)
					if hsm.ClassOf(err) != hsm.ClassBlob { // which it is found to be at the end of the work
						return err
					}
					return nil
				}
			})
		})
	}
}

func benchTransport(b *testing.B, m *pkcs11.Module) {
	if err := m.ImportTransport(b.Context(), "x", bytes.Clone(transportValue)); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkDecryptRSA(b *testing.B) {
	for _, bits := range []int{2048, 3072, 4096} {
		for _, padding := range []hsm.RSAPadding{hsm.PKCS1v15, hsm.OAEP} {
			b.Run(fmt.Sprintf("%d/%v", bits, padding), func(b *testing.B) {
				bench(b, func(m *pkcs11.Module) func() error {
					public, err := m.MakeTransport(b.Context(), "x", bits)
					if err != nil {
						b.Fatal(err)
					}
					box, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, make([]byte, 32), nil)
					if err != nil {
						b.Fatal(err)
					}
					if padding == hsm.PKCS1v15 {
						box = encryptedPKCS1(public, make([]byte, 32))
					}
					return func() error { _, err := m.DecryptRSA(b.Context(), hsm.Transport("x"), padding, box); return err }
				})
			})
		}
	}
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
