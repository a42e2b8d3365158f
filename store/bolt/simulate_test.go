package bolt

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"mohur/audit"
	"mohur/payment"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/settle"
)

// simulateMillion is how many decisions TestSimulateMillion makes up; without it, it is
// skipped. `make simulate-million` sets it.
const simulateMillion = "MOHUR_DECISIONS"

// TestSimulateMillion writes as many decisions as a bank makes in months and replays
// them: how long it takes, what it holds, and that neither the same policy changes
// anything nor a page is lost.
func TestSimulateMillion(t *testing.T) {
	many, _ := strconv.Atoi(os.Getenv(simulateMillion))
	if many == 0 {
		t.Skip("takes long: make simulate-million")
	}
	path := filepath.Join(t.TempDir(), "mohur.db")
	s, err := Open(Options{Path: path, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := policy.Recommended()
	began := time.Now()
	for done := 0; done < many; done += 1000 {
		c := settle.Command{Entries: []audit.Draft{testDraft("x")}}
		for i := done; i < min(done+1000, many); i++ {
			c.Effects = append(c.Effects, payment.KeepDecision{Decision: madeUp(p, i, began)})
		}
		if r, err := s.Settle(t.Context(), c); err != nil || r.Outcome != settle.Done {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d decisions written in %v; the file has %d MB", many, time.Since(began).Round(time.Second), info.Size()>>20)
	tight := p
	tight.LinkedUpTo, tight.Version = p.LinkedUpTo/2, p.Version+1
	for _, try := range []risk.Policy{p, tight} {
		before, peak := heap(), uint64(0)
		replayed, spent := time.Now(), processor(t)
		table, err := risk.Replay(try, s.everyDecision(t.Context(), &peak))
		if err != nil || table.Decisions != int64(many) {
			t.Fatalf("%d decisions, %v", table.Decisions, err)
		}
		took := time.Since(replayed)
		t.Logf("version %d: %d replayed in %v, %.1f µs of processor time each; heap %d MB before, %d MB at most; stricter %d, weaker %d, %d days", try.Version, many,
			took.Round(10*time.Millisecond), float64(processor(t)-spent)/float64(many)/1e3, before>>20, peak>>20, table.Stricter, table.Weaker, len(table.Days))
		if changed := table.Stricter + table.Weaker; (try.Version == p.Version) != (changed == 0) || peak > before+64<<20 {
			t.Errorf("%d changed; %d MB more", changed, (peak-before)>>20)
		}
	}
}

// processor is the time this process has used.
func processor(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// everyDecision reads page after page and notes the most that is in use.
func (s *Store) everyDecision(ctx context.Context, peak *uint64) iter.Seq2[risk.Past, error] {
	return func(yield func(risk.Past, error) bool) {
		for cursor, n := "", 0; ; n++ {
			page, err := s.Decisions(ctx, time.Time{}, time.Now().Add(time.Hour), cursor, 1000)
			if err != nil {
				yield(risk.Past{}, err)
				return
			}
			for _, d := range page.Items {
				if !yield(d.Past, nil) {
					return
				}
			}
			if n%20 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				*peak = max(*peak, m.HeapAlloc)
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
	}
}

// madeUp is the decision on a payment of a bank's day, made up from its number.
func madeUp(p risk.Policy, i int, now time.Time) payment.Decision {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	chance := func(percent int) bool { return r.IntN(100) < percent }
	in := risk.Payment{
		Minor: 1 + r.Int64N(1<<uint(8+r.IntN(15))), Currency: "AZN", At: now.Add(-time.Duration(i) * 8 * time.Second).In(time.FixedZone("", 4*3600)), Exempt: true,
		Signals: risk.Signals{IP: "-", UserAgent: "-", DeviceID: "-", Country: "AZ"}, LowValueCount: r.Int64N(5), LowValueSum: r.Int64N(10000),
		Facts: risk.Facts{
			"service": "transactional", "channel": "internet", "device_known": !chance(5), "network_changed": chance(10), "country_changed": chance(1), "payer_country": "AZ",
			"payee_country": "AZ", "country": "AZ", "payee_new": chance(20), "payees": int64(1), "day_sum": r.Int64N(1e6), "day_count": r.Int64N(10), "hour_sum": r.Int64N(1e5), "hour_count": r.Int64N(4),
			"payee_day_sum": r.Int64N(1e5), "payee_day_count": r.Int64N(3), "failed_attempts": r.Int64N(2), "session_age": r.Int64N(3600), "token_age": r.Int64N(300),
			"contacts_age": r.Int64N(1e8), "credential_age": r.Int64N(1e8), "mds_status": "none", "compromised": false, "malware": false, "company": false,
			"payee_trusted": chance(10), "own_account": false, "recurring": false,
		},
	}
	v := p.Decide(in)
	d := payment.Decision{Past: risk.Past{ID: fmt.Sprintf("tx_%026d", i), In: in, Was: v.Outcome(), Score: v.Score}}
	for _, reason := range v.Reasons {
		d.Codes = append(d.Codes, reason.Code)
	}
	return d
}
