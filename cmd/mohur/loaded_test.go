package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// loadedVariable is how many tokens TestMemoryLoaded imports: `make memory` says
// 60000, a bank's. Without, it is a small bank that only shows that it works.
const loadedVariable = "MOHUR_TOKENS"

// What the server may have resident, idle and with a bank's tokens in its store,
// in bytes. The aim idle is 45 MB, and was met until the language of policies came: CEL
// with its parser is 6 MB of program that every server holds, and what decides payments
// with it another 1.7 (docs/performance.md).
const (
	idleMost   = 54_000_000
	loadedMost = 120_000_000
)

// TestMemoryLoaded: what the server's process has resident after its start, after
// the import of a bank's tokens, and after customers have logged in. The sweep of
// the store is left out: while it reads, once a day, the pages of the file that it
// has just read count too.
func TestMemoryLoaded(t *testing.T) {
	tokens, logIns := 600, 12
	if text := os.Getenv(loadedVariable); text != "" {
		var err error
		if tokens, err = strconv.Atoi(text); err != nil || tokens < 1000 {
			t.Fatalf("%s=%s needs to be a number from 1000 on", loadedVariable, text)
		}
		logIns = 1000
	} else if testing.Short() {
		t.Skip("it takes some seconds; `make memory` makes the long one")
	}
	dir := soakDir(t)
	file := filepath.Join(dir, configName)
	text := regexp.MustCompile(`(?m)^  sweep: .*$`).ReplaceAll(read(t, file), []byte("  sweep: 0s"))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 16)
	rand.Read(key)
	p := launch(t, dir)
	time.Sleep(time.Second)
	idle := tellMemory(t, p, "idle")
	if idle.rss > idleMost {
		t.Errorf("idle it has %d bytes, more than %d", idle.rss, idleMost)
	}
	if code, out := runs(t, dir, "keys", "import-transport", "acme", "--hex", hex.EncodeToString(key)); code != exitOK {
		t.Fatal(out)
	}
	devices := make([]*demoToken, tokens)
	for i := range devices {
		devices[i] = newDemoToken(fmt.Sprintf("LOAD-%06d", i))
	}
	began := time.Now()
	if code, out := runs(t, dir, "token", "import", seedFile(t, key, devices), "--transport-key", "acme"); code != exitOK {
		t.Fatal(out)
	}
	t.Logf("%d tokens imported in %s", tokens, time.Since(began).Round(time.Second))
	tellMemory(t, p, "just now")
	settled(tokens)
	imported := tellMemory(t, p, "imported")
	var group sync.WaitGroup
	next := make(chan *demoToken)
	for range 8 {
		group.Go(func() {
			for d := range next {
				b := &bearer{&person{t: t, cl: p.admin(), id: "C-" + d.serial}, d, "718294"}
				b.person = newPerson(t, p.instance, b.id)
				b.receive(d.serial, d.code)
				if state := b.answer(d.code()); state != "granted" {
					t.Errorf("%s: %s", b.id, state)
				}
				b.cl.http.CloseIdleConnections()
			}
		})
	}
	began = time.Now()
	for _, d := range devices[:logIns] {
		next <- d
	}
	close(next)
	group.Wait()
	t.Logf("%d customers made and logged in, in %s", logIns, time.Since(began).Round(time.Second))
	tellMemory(t, p, "just now")
	settled(tokens)
	loaded := tellMemory(t, p, "logged in")
	if most := max(imported.rss, loaded.rss); most > loadedMost {
		t.Errorf("loaded it has %d bytes, more than %d", most, loadedMost)
	}
}

// settled waits until the server has let go of what it has read of a large store.
func settled(tokens int) {
	if tokens >= 1000 {
		time.Sleep(letGoEvery + time.Second)
	}
}

// resident is what a process has in memory, in bytes.
type resident struct {
	rss, peak, anonymous, file, heap, outside int64
}

func tellMemory(t *testing.T, p *process, when string) (r resident) {
	t.Helper()
	status := read(t, fmt.Sprintf("/proc/%d/status", p.pid()))
	for name, to := range map[string]*int64{"VmRSS": &r.rss, "VmHWM": &r.peak, "RssAnon": &r.anonymous, "RssFile": &r.file} {
		*to = figureIn(t, status, name+`:\s+(\d+) kB`) << 10
	}
	r.outside = outside(t, read(t, fmt.Sprintf("/proc/%d/smaps", p.pid())))
	resp, err := p.admin().http.Get("https://" + p.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	inuse, err := strconv.ParseFloat(string(matched(t, metrics, `\ngo_memstats_heap_inuse_bytes (\S+)`)), 64)
	if err != nil {
		t.Fatal(err)
	}
	r.heap = int64(inuse)
	info, err := os.Stat(p.config.Store.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%-10s RSS %6.1f MiB (peak %6.1f) = %6.1f of files + %6.1f of Go's heap (in use %5.1f) + %5.1f outside; store %.0f MiB",
		when, mib(r.rss), mib(r.peak), mib(r.file), mib(r.anonymous-r.outside), mib(r.heap), mib(r.outside), mib(info.Size()))
	return r
}
