package bolt

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"mohur/audit"
	"mohur/settle"
)

// mapped is how much of the store's file the process has in memory, in bytes.
func mapped(t *testing.T, s *Store) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	own := false
	for line := range strings.Lines(string(text)) {
		kib := 0
		if fields := strings.Fields(line); strings.Contains(fields[0], "-") {
			own = fields[len(fields)-1] == s.options.Path
		} else if own {
			if _, err := fmt.Sscanf(line, "Rss: %d kB", &kib); err == nil {
				n += kib << 10
			}
		}
	}
	return n
}

// TestLetGo: a store that has been read through does not stay in memory, and is
// the same as before, also while it is read and written.
func TestLetGo(t *testing.T) {
	s := openTest(t, Options{})
	const rows = 20000
	for from := 0; from < rows; from += 1000 {
		cmd := settle.Command{Entries: []audit.Draft{testDraft("filled")}}
		for i := range int64(1000) {
			cmd.Effects = append(cmd.Effects, settle.SwapHot{Hot: benchHot(int64(from)+i, 1)})
		}
		if r, err := s.Settle(t.Context(), cmd); err != nil || r.Outcome != settle.Done {
			t.Fatal(r, err)
		}
	}
	read := func(n int) []settle.HotRead {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = benchHot(int64(i), 1).ID
		}
		rows, err := s.Hot(t.Context(), ids...)
		if err != nil {
			t.Error(err)
		}
		return rows
	}
	was := read(rows)
	before := mapped(t, s)
	if err := s.LetGo(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := mapped(t, s)
	if before < 1<<20 || after > before/4 {
		t.Errorf("of %d bytes, %d are still in memory", before, after)
	}
	if fmt.Sprint(read(rows)) != fmt.Sprint(was) {
		t.Error("what is read is another store than before")
	}

	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				if len(read(1000)) != 1000 {
					t.Error("rows are missing")
				}
				if err := s.LetGo(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() {
		for v := uint64(2); v < 20; v++ {
			r, err := s.Settle(t.Context(), settle.Command{
				Effects: []settle.Effect{settle.SwapHot{Hot: benchHot(7, v)}}, Entries: []audit.Draft{testDraft("moved")},
			})
			if err != nil || r.Outcome != settle.Done {
				t.Error(r, err)
			}
		}
	})
	group.Wait()
	if rows, err := s.Hot(t.Context(), benchHot(7, 1).ID); err != nil || rows[0].Hot.Version != 19 || rows[0].Indexed != 19 {
		t.Errorf("%+v, %v", rows, err)
	}
}
