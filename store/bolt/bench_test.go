package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/audit"
	"mohur/settle"
)

// benchRows is how many hot rows a bank of the benchmark has.
const benchRows = 100_000

// BenchmarkSettle is the cost of an answer: the hot row of some token swapped
// and one audit entry, durably.
func BenchmarkSettle(b *testing.B) {
	for _, callers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			var commits atomic.Int64
			s, versions := benchStore(b, func(int, time.Duration) { commits.Add(1) })
			commits.Store(0)
			benchSettle(b, s, versions, callers)
			b.ReportMetric(float64(b.N)/float64(commits.Load()), "op/commit")
		})
	}
}

func benchSettle(b *testing.B, s *Store, versions []uint64, callers int) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	for range callers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				row := i * 7919 % benchRows
				if err := benchAnswer(s, row, atomic.AddUint64(&versions[row], 1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "op/s")
}

func benchAnswer(s *Store, row int64, version uint64) error {
	r, err := s.Settle(context.Background(), settle.Command{
		Effects: []settle.Effect{settle.SwapHot{Hot: benchHot(row, version)}},
		Entries: []audit.Draft{benchDraft},
	})
	if err == nil && r.Outcome != settle.Done {
		err = fmt.Errorf("row %d, version %d: %s", row, version, r.Outcome)
	}
	return err
}

func benchHot(row int64, version uint64) settle.Hot {
	return settle.Hot{ID: fmt.Sprintf("cr_%026x", uint64(row)*0x9E3779B97F4A7C15), State: settle.HotLive, Version: version}
}

var benchDraft = audit.Draft{
	Header: audit.Header{
		V: 1, Time: time.Now().UTC().Truncate(time.Microsecond), Event: "authentication.answered", Outcome: "granted",
		Subject: "su_0123456789abcdefghjkmnpqrs", Credential: "ps_0123456789abcdefghjkmnpqrs",
		Caller: "cl_0123456789abcdefghjkmnpqrs", Request: "rq_0123456789abcdefghjkmnpqrs",
		Body: audit.Commitment(nil, nil),
	},
	Salt: make([]byte, 32), Sealed: make([]byte, 300),
}

// benchStore returns a store with every row at version 1.
func benchStore(b *testing.B, observe func(int, time.Duration)) (*Store, []uint64) {
	b.Helper()
	s, err := Open(Options{Path: filepath.Join(b.TempDir(), "bank.db"), Node: "n1", Observe: observe})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	versions := make([]uint64, benchRows)
	for row := int64(0); row < benchRows; {
		c := settle.Command{Entries: []audit.Draft{benchDraft}}
		for range 5000 {
			c.Effects = append(c.Effects, settle.SwapHot{Hot: benchHot(row, 1)})
			versions[row] = 1
			row++
		}
		if r, err := s.Settle(b.Context(), c); err != nil || r.Outcome != settle.Done {
			b.Fatal(r.Outcome, err)
		}
	}
	return s, versions
}
