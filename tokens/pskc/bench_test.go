package pskc_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"mohur/hsm"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// BenchmarkRead is the cost of one key, both passes together, with the transport
// key in memory: what comes on top of the HSM.
func BenchmarkRead(b *testing.B) {
	for name, encrypt := range map[string]bool{"plain": false, "encrypted": true} {
		b.Run(name, func(b *testing.B) {
			doc, opt := batch(1000).Plain(), plain
			if encrypt {
				doc, opt = batch(1000).Encrypted(transport), encrypted
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)) / 1000)
			for n := 0; n < b.N; n += 1000 {
				if _, err := pskc.Read(b.Context(), bytes.NewReader(doc), opt, func(pskc.Key) error { return nil }, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLargeFile shows that memory does not grow with the file: the live heap
// in the middle of it, less 30 or so bytes a key to know duplicates by.
func BenchmarkLargeFile(b *testing.B) {
	for _, keys := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(liveHeap(b, keys))/1e3, "kB-live")
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*keys), "µs/key")
		})
	}
}

func TestMemoryIsFlat(t *testing.T) {
	small, large := liveHeap(t, 100), liveHeap(t, 5000)
	if grown := large - small; grown > 5000*100 {
		t.Errorf("4,900 keys more hold %d bytes more", grown)
	}
}

// liveHeap reads a file of so many keys from disk and returns what the reader
// holds at its last key.
func liveHeap(t testing.TB, keys int) int64 {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "keys.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := pskctest.NewEncryptedWriter(file, transport, "transport", hsm.SHA256)
	for i := range keys {
		w.Add(pskctest.Key{Serial: fmt.Sprintf("S-%06d", i), Secret: seed20})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file.Seek(0, 0)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, during := heap(), int64(0)
	sum, err := pskc.Read(t.Context(), file, encrypted, func(k pskc.Key) error {
		if k.Index == keys {
			during = heap()
		}
		return nil
	}, nil)
	if err != nil || sum.Delivered != keys {
		t.Fatalf("%+v %v", sum, err)
	}
	return during - before
}
