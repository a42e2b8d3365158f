package bench_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mohur/cmd/mohur/bench"
)

func times(all ...int) []time.Duration {
	out := make([]time.Duration, len(all))
	for i, n := range all {
		out[i] = time.Duration(n)
	}
	return out
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		{nil, 0.5, 0},
		{times(7), 0.99, 7},
		{times(3, 1, 2), 0.5, 2},
		{times(4, 3, 2, 1), 0.5, 2},
		{times(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0.95, 10},
		{times(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0.9, 9},
		{times(1, 2), 0, 1},
		{times(1, 2), 1, 2},
	} {
		if got := bench.Quantile(c.of, c.q); got != c.want {
			t.Errorf("the quantile %g of %v is %d, not %d", c.q, c.of, got, c.want)
		}
	}
}

func TestAUC(t *testing.T) {
	for _, c := range []struct {
		a, b []time.Duration
		want float64
	}{
		{times(1, 2, 3), times(4, 5), 0},
		{times(4, 5), times(1, 2, 3), 1},
		{times(1, 2, 3), times(1, 2, 3), 0.5},
		{times(5, 5), times(5, 5, 5), 0.5},
		{times(1, 4), times(2, 3), 0.5},
		{times(2, 4), times(1, 3), 0.75},
		{times(2, 3), times(2, 1), 0.875}, // 2 ties with 2
	} {
		if got := bench.AUC(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v beside %v: %g, not %g", c.a, c.b, got, c.want)
		}
	}
	if narrow, wide := bench.Chance(1000, 1000), bench.Chance(10, 10); narrow >= wide || math.Abs(narrow-0.0253) > 1e-3 {
		t.Errorf("chance: %g, %g", narrow, wide)
	}
}

const metrics = `# HELP a_total what it counts
# TYPE a_total counter
a_total{op="MAC",out="granted"} 1.5
a_total{op="Sign",out="refused"} 2e+00
a_total_more 100
b 7
`

func TestCounter(t *testing.T) {
	for _, c := range []struct {
		name, has string
		want      float64
	}{{"a_total", "", 3.5}, {"a_total", `out="granted"`, 1.5}, {"b", "", 7}, {"b", "x", 0}, {"c", "", 0}, {"a", "", 0}} {
		if got := bench.Counter([]byte(metrics), c.name, c.has); got != c.want {
			t.Errorf("%s with %q: %g, not %g", c.name, c.has, got, c.want)
		}
	}
}

func FuzzCounter(f *testing.F) {
	f.Add([]byte(metrics), "a_total")
	f.Add([]byte("a"), "a")
	f.Add([]byte(" 1"), "")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		got := bench.Counter(text, name, "")
		if !strings.Contains(string(text), name) && got != 0 {
			t.Errorf("%q is not there and is %g", name, got)
		}
	})
}

// serving is a server and how it is reached.
func serving(t *testing.T, h http.HandlerFunc) (bench.Target, *atomic.Int64) {
	t.Helper()
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		conns.Add(1)
		return ctx
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return bench.Target{Address: strings.TrimPrefix(s.URL, "https://"), TLS: &tls.Config{RootCAs: pool}, Key: "k"}, &conns
}

// TestConn: requests go over one connection, and say what they are to.
func TestConn(t *testing.T) {
	target, conns := serving(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/none" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %s %s %s", r.Method, r.URL, r.Proto, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body)
		if len(body) > 0 {
			w.(http.Flusher).Flush() // an answer without a length
		}
	})
	c, err := bench.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		status, answer, err := c.Post("/p", []byte(`{"a":1}`))
		if want := `POST /p HTTP/1.1 Bearer k application/json {"a":1}`; status != http.StatusTeapot || string(answer) != want || err != nil {
			t.Errorf("%d %q, %v", status, answer, err)
		}
		if status, answer, err = c.Get("/g"); status != http.StatusTeapot || string(answer) != "GET /g HTTP/1.1 Bearer k  " || err != nil {
			t.Errorf("%d %q, %v", status, answer, err)
		}
		if status, answer, err = c.Get("/none"); status != http.StatusNoContent || len(answer) != 0 || err != nil {
			t.Errorf("%d %q, %v", status, answer, err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestConnIsNotDeceived: a server of another name is none of ours.
func TestConnIsNotDeceived(t *testing.T) {
	target, _ := serving(t, func(http.ResponseWriter, *http.Request) {})
	target.TLS = &tls.Config{}
	if c, err := bench.Dial(t.Context(), target); err == nil {
		c.Close()
		t.Error("a certificate of nobody is trusted")
	}
}

// TestRunCountsWhatHappened: every operation is counted once, and all stop when
// the first has nothing left.
func TestRunCountsWhatHappened(t *testing.T) {
	var seen atomic.Int64
	target, conns := serving(t, func(http.ResponseWriter, *http.Request) { seen.Add(1) })
	all, err := bench.DialAll(t.Context(), target, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer bench.CloseAll(all)
	left := []int{5, 1000000, 1000000}
	job := func(n int) func(*bench.Conn) error {
		if left[n]--; left[n] < 0 {
			return nil
		}
		return func(c *bench.Conn) error {
			status, _, err := c.Post("/", nil)
			if status != http.StatusOK {
				return errors.Join(err, fmt.Errorf("%d", status))
			}
			return err
		}
	}
	r, err := bench.Run(t.Context(), all, time.Minute, job)
	if err != nil || r.Operations != int(seen.Load()) || len(r.Took) != r.Operations || r.Operations < 5 || r.Rate() <= 0 {
		t.Errorf("%d operations, %d times, %d seen, %v", r.Operations, len(r.Took), seen.Load(), err)
	}
	left = []int{5, 0, 7}
	seen.Store(0)
	if r, err = bench.Finish(t.Context(), all, job); err != nil || r.Operations != 12 || seen.Load() != 12 {
		t.Errorf("%d operations, %d seen, %v", r.Operations, seen.Load(), err)
	}
	if n := conns.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// TestRunFails: an operation that fails is the error of the run, and nothing is
// counted.
func TestRunFails(t *testing.T) {
	target, _ := serving(t, func(http.ResponseWriter, *http.Request) {})
	all, err := bench.DialAll(t.Context(), target, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer bench.CloseAll(all)
	broken := errors.New("broken")
	calls := 0
	r, err := bench.Run(t.Context(), all, time.Minute, func(n int) func(*bench.Conn) error {
		return func(c *bench.Conn) error {
			if n == 1 {
				if calls++; calls == 10 {
					return broken
				}
			}
			_, _, err := c.Get("/")
			return err
		}
	})
	if !errors.Is(err, broken) || r.Operations != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRunIsInterrupted: who waits for an answer that does not come is let go.
func TestRunIsInterrupted(t *testing.T) {
	release := make(chan struct{})
	target, _ := serving(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithCancel(t.Context())
	all, err := bench.DialAll(ctx, target, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer bench.CloseAll(all)
	_, err = bench.Run(ctx, all, 0, func(int) func(*bench.Conn) error {
		return func(c *bench.Conn) error {
			cancel()
			_, _, err := c.Get("/")
			return err
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestCPU: what the clock says of this process is what the system says of it.
func TestCPU(t *testing.T) {
	var u syscall.Rusage
	read := func() (ours, theirs time.Duration) {
		ours, err := bench.CPU(os.Getpid())
		if err := errors.Join(err, syscall.Getrusage(syscall.RUSAGE_SELF, &u)); err != nil {
			t.Fatal(err)
		}
		return ours, time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	ours, theirs := read()
	for range 300000 {
		sha256.Sum256(make([]byte, 64))
	}
	oursAfter, theirsAfter := read()
	if a, b := oursAfter-ours, theirsAfter-theirs; a <= 0 || (a-b).Abs() > 10*time.Millisecond {
		t.Errorf("%v, the system says %v", a, b)
	}
	if _, err := bench.CPU(1 << 22); err == nil {
		t.Error("a process that is not there has a clock")
	}
}

func TestMemory(t *testing.T) {
	const size = 32 << 20
	if err := bench.ResetPeak(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	before, err := bench.MemoryOf(os.Getpid())
	if err != nil || before.Resident < 1<<20 || before.Peak < before.Resident/2 {
		t.Fatalf("%+v, %v", before, err)
	}
	held, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < size; i += 4096 {
		held[i] = 1
	}
	if err := syscall.Munmap(held); err != nil {
		t.Fatal(err)
	}
	after, err := bench.MemoryOf(os.Getpid())
	if err != nil || after.Peak < before.Resident+size/2 || after.Resident > after.Peak-size/2 {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	if _, err := bench.MemoryOf(1 << 22); err == nil {
		t.Error("a process that is not there has memory")
	}
}
