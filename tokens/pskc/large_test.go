package pskc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// A file of 100 MB is read as it comes from the disk: what is held does not grow
// with it but for a few bytes a key, by which duplicates are known.
func TestAttack12_AFileOf100MB(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "keys.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const keys = largeFile / 4000
	remark := "<!--" + strings.Repeat("x", 4000) + "-->\n"
	w := pskctest.NewWriter(file)
	for i := range keys {
		w.Add(pskctest.Key{Serial: fmt.Sprintf("S-%07d", i), Secret: seed20})
		if _, err := file.WriteString(remark); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most, n := heap(), uint64(0), 0
	sum, err := pskc.Read(t.Context(), file, plain, func(pskc.Key) error {
		if n++; n%1000 == 0 {
			most = max(most, heap()) // garbage and all
		}
		return nil
	}, nil)
	if err != nil || sum.Delivered != keys || sum.Bytes < largeFile {
		t.Fatalf("%d keys of %d in %d bytes: %v", sum.Delivered, keys, sum.Bytes, err)
	}
	if grown := int64(most) - int64(before); grown > 24<<20 {
		t.Errorf("reading %d bytes with %d keys took %d bytes more", sum.Bytes, keys, grown)
	}
}
