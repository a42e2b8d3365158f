package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How long the soak lasts, and where its samples and profiles go: `make soak` sets
// both. Without, a short one runs with the other tests.
const (
	soakVariable    = "SOAK"
	soakOutVariable = "SOAK_OUT"
	shortSoak       = 20 * time.Second
)

// How much more the server may hold in the last tenth of the time than in the
// third. Of the heap, as much as its bounded memories may still grow by, which take
// longer than ten minutes to fill: 10 MiB of MACs of rows, 8 MiB of where attempts
// were begun, and the names of those who are counted (docs/performance.md). What
// leaked would be 500 bytes in each request. Of goroutines, those of requests that
// happen to be under way.
const (
	heapMayGrow       = 16 << 20
	goroutinesMayGrow = 10
)

// TestSoak: under everything a bank does, minute after minute, the server does not
// hold more and more: its heap and its goroutines stay flat. What lies outside of
// Go's memory is told beside them and is not judged: SoftHSM keeps some bytes of
// every object it has made, and another module is another matter.
func TestSoak(t *testing.T) {
	length := shortSoak
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil || length < shortSoak {
			t.Fatalf("%s=%s needs to be a time of %s or more, as 10m", soakVariable, text, shortSoak)
		}
	} else if testing.Short() {
		t.Skipf("even a short soak takes %s; `make soak` makes one of ten minutes", shortSoak)
	}
	out := cmp.Or(os.Getenv(soakOutVariable), t.TempDir())
	if err := os.MkdirAll(out, 0o700); err != nil {
		t.Fatal(err)
	}
	p := launch(t, soakDir(t))
	w := newCrew(t, p)
	w.start()
	all := observe(t, p, w, length, out)
	w.stop()
	tellSoak(t, all, w, out)
	heap, goroutines := growth(all, sample.heapBytes), growth(all, sample.goroutineCount)
	if heap > heapMayGrow {
		t.Errorf("the heap grows: %.1f MiB from the third tenth to the last, more than %d", mib(heap), heapMayGrow>>20)
	}
	if goroutines > goroutinesMayGrow {
		t.Errorf("the goroutines grow: by %d from the third tenth to the last, more than %d", goroutines, goroutinesMayGrow)
	}
	if t.Failed() {
		t.Logf("compare: go tool pprof -diff_base %[1]s/heap-start.pb.gz %[1]s/heap-end.pb.gz", out)
	}
}

// sample is what a server holds at a moment, in bytes but for the counts.
type sample struct {
	at         time.Duration // since the beginning
	requests   int64
	calls      int64 // of the HSM
	heap       int64 // live objects, after a collection
	goroutines int64
	files      int64
	rss        int64
	mapped     int64 // of it, pages of files: the program, the libraries, what was just read of the store
	outside    int64 // of Go's heap: the C library's, the module's, and what the runtime needs beside it
	store      int64 // the file, which grows by what it is told
}

func (s sample) heapBytes() int64      { return s.heap }
func (s sample) goroutineCount() int64 { return s.goroutines }

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// growth is how much more a figure's least is in the last tenth than in the third, of
// leastSamples at least. The least, because a PIN that is being hashed has 19 MiB
// while it is.
func growth(all []sample, figure func(sample) int64) int64 {
	n := min(max(len(all)/10, leastSamples), len(all))
	least := func(some []sample) int64 {
		return figure(slices.MinFunc(some, func(a, b sample) int { return cmp.Compare(figure(a), figure(b)) }))
	}
	from := min(2*len(all)/10, len(all)-n)
	return least(all[len(all)-n:]) - least(all[from:from+n])
}

// leastSamples are enough that one of them, on a busy machine too, finds no PIN being
// hashed.
const leastSamples = 6

// TestGrowth: what grows is found, what goes up and down is not.
func TestGrowth(t *testing.T) {
	var leak, saw []sample
	for i := range int64(100) {
		leak = append(leak, sample{heap: 50<<20 + i<<19}) // 512 KiB each time
		saw = append(saw, sample{heap: 50<<20 + i%7<<20})
	}
	if n := growth(leak, sample.heapBytes); n <= heapMayGrow {
		t.Errorf("of a leak only %d bytes are seen", n)
	}
	if n := growth(saw, sample.heapBytes); n > heapMayGrow {
		t.Errorf("what goes up and down is taken for a growth of %d bytes", n)
	}
}

// observe takes samples, and the profiles after the first tenth and at the end.
func observe(t *testing.T, p *process, w *crew, length time.Duration, out string) (all []sample) {
	t.Helper()
	keep := func(when string) {
		for _, kind := range []string{"heap", "goroutine"} {
			_, text := profiled(t, p.config, kind+"?gc=1")
			if err := os.WriteFile(filepath.Join(out, kind+"-"+when+".pb.gz"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	began, every, told := time.Now(), min(length/200, 3*time.Second), 0
	t.Logf("%8s %9s %9s %10s %6s %9s %10s %11s %9s", "time", "requests", "heap MiB", "goroutines", "files", "RSS MiB", "mapped MiB", "outside MiB", "store MiB")
	for i := 1; time.Since(began) < length; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * every)))
		s := take(t, p, w)
		s.at = time.Since(began)
		all = append(all, s)
		if now := int(s.at * 20 / length); now > told {
			if told < 2 && now >= 2 {
				keep("start")
			}
			told = now
			t.Logf("%8s %9d %9.1f %10d %6d %9.1f %10.1f %11.1f %9.1f", s.at.Round(time.Second), s.requests, mib(s.heap), s.goroutines, s.files,
				mib(s.rss), mib(s.mapped), mib(s.outside), mib(s.store))
		}
	}
	keep("end")
	return all
}

// take asks the server's socket and the kernel.
func take(t *testing.T, p *process, w *crew) sample {
	t.Helper()
	s := sample{requests: w.requests.Load()}
	_, heap := profiled(t, p.config, "heap?gc=1&debug=1")
	s.heap = figureIn(t, heap, `# HeapAlloc = (\d+)`)
	_, goroutines := profiled(t, p.config, "goroutine?debug=1")
	s.goroutines = figureIn(t, goroutines, `^goroutine profile: total (\d+)`)
	status := read(t, fmt.Sprintf("/proc/%d/status", p.pid()))
	s.rss = figureIn(t, status, `VmRSS:\s+(\d+) kB`) << 10
	s.mapped = figureIn(t, status, `RssFile:\s+(\d+) kB`) << 10
	s.outside = outside(t, read(t, fmt.Sprintf("/proc/%d/smaps", p.pid())))
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid()))
	if err != nil {
		t.Fatal(err)
	}
	s.files = int64(len(files))
	info, err := os.Stat(p.config.Store.Path)
	if err != nil {
		t.Fatal(err)
	}
	s.store = info.Size()
	s.calls = w.hsmCalls()
	return s
}

// outside is what is resident, of no file, and not in Go's heap. The heap's place
// in the address space is drawn at the start, far from everything that has a name:
// the program, the libraries, the C library's own heap.
func outside(t *testing.T, smaps []byte) (n int64) {
	t.Helper()
	const far = 1 << 36
	var named []uint64
	anonymous := map[uint64]int64{}
	at := uint64(0)
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		if from, _, is := strings.Cut(fields[0], "-"); is {
			var err error
			if at, err = strconv.ParseUint(from, 16, 64); err != nil {
				t.Fatal(err)
			}
			if len(fields) > 5 {
				named = append(named, at)
			}
		} else if fields[0] == "Anonymous:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			anonymous[at] = kib << 10
		}
	}
	for at, size := range anonymous {
		if slices.ContainsFunc(named, func(near uint64) bool { return max(at, near)-min(at, near) < far }) {
			n += size
		}
	}
	return n
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func figureIn(t *testing.T, text []byte, pattern string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(string(matched(t, text, pattern)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// matched is the first group of a pattern.
func matched(t *testing.T, text []byte, pattern string) []byte {
	t.Helper()
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %.200q", pattern, text)
	}
	return m[1]
}

// tellSoak shows what was done and how it went, and keeps every sample.
func tellSoak(t *testing.T, all []sample, w *crew, out string) {
	t.Helper()
	table := "seconds\trequests\thsm_calls\theap\tgoroutines\tfiles\trss\tmapped\toutside\tstore\n"
	for _, s := range all {
		table += fmt.Sprintf("%.1f\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", s.at.Seconds(), s.requests, s.calls, s.heap, s.goroutines, s.files, s.rss, s.mapped, s.outside, s.store)
	}
	if err := os.WriteFile(filepath.Join(out, "samples.tsv"), []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []struct {
		name   string
		figure func(sample) int64
	}{
		{"heap", sample.heapBytes}, {"goroutines", sample.goroutineCount},
		{"RSS", func(s sample) int64 { return s.rss }}, {"outside", func(s sample) int64 { return s.outside }},
	} {
		t.Logf("%-10s %s", line.name, graph(all, line.figure))
	}
	first, last := all[len(all)*2/10], all[len(all)-1]
	t.Logf("done: %s", w.done())
	t.Logf("from the third tenth to the last: heap %+.1f MiB, goroutines %+d; outside of Go %+.1f MiB in %d calls of the HSM, %d bytes each",
		mib(growth(all, sample.heapBytes)), growth(all, sample.goroutineCount),
		mib(last.outside-first.outside), last.calls-first.calls, (last.outside-first.outside)/max(1, last.calls-first.calls))
	t.Logf("samples and profiles are in %s", out)
}

// graph draws a figure from its least to its most.
func graph(all []sample, figure func(sample) int64) string {
	const steps = "▁▂▃▄▅▆▇█"
	var values []int64
	for i := range min(60, len(all)) {
		values = append(values, figure(all[i*len(all)/min(60, len(all))]))
	}
	low, high := slices.Min(values), slices.Max(values)
	var line strings.Builder
	for _, v := range values {
		line.WriteRune([]rune(steps)[(v-low)*7/max(1, high-low)])
	}
	return fmt.Sprintf("%s  %d … %d", &line, low, high)
}
