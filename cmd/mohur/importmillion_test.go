package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mohur/hsm"
	"mohur/tokens/pskc/pskctest"
)

// importKeys is how many keys TestImportMillion imports; without it, it is skipped.
// `make import-million` sets it.
const importKeys = "MOHUR_IMPORT_KEYS"

// perFile is the most keys a file may have.
const perFile = 200_000

// TestImportMillion imports as many tokens as a bank has, in files as large as they
// may be, with the module in a process of its own. The third file is cut off by a
// kill -9 and gone on with. It tells the time, the processor time of a seed on both
// sides, and what the server holds, which does not grow.
func TestImportMillion(t *testing.T) {
	keys, _ := strconv.Atoi(os.Getenv(importKeys))
	if keys == 0 {
		t.Skip("takes long: make import-million")
	}
	r := newRemote(t, "call_timeout", "30s")
	r.serve()
	transport := make([]byte, 32)
	rand.Read(transport)
	must(t, "keys", "import-transport", "acme", "--hex", hex.EncodeToString(transport), "--config", r.file)
	size := min(perFile, max(1, keys/5))
	done, spent, hsmSpent, most := 0, time.Duration(0), time.Duration(0), 0
	for n := 0; done < keys; n++ {
		file := millionFile(t, transport, done, min(size, keys-done))
		o := importOptions{format: "pskc", transportKey: "acme", batch: fmt.Sprint("file-", n)}
		began, before, hsmBefore := time.Now(), cpuOf(r.cmd.Process.Pid), cpuOf(moduleProcess(t))
		job := r.watch(file, o, &most, n == 2)
		if n == 2 {
			before = 0 // another process
		}
		took, own, module := time.Since(began), cpuOf(r.cmd.Process.Pid)-before, cpuOf(moduleProcess(t))-hsmBefore
		in := min(size, keys-done)
		if job.State != "completed" || job.Imported != in || job.Total != in || job.Rejected != 0 {
			t.Fatalf("file %d: %+v", n, job)
		}
		done += in
		if n != 2 {
			spent, hsmSpent = spent+own, hsmSpent+module
		}
		t.Logf("file %d: %d keys in %v, %.0f a second; a key: %.0f µs of the server, %.0f µs of the module's process; the server holds %d MB, the store has %d MB",
			n, in, took.Round(time.Second), float64(in)/took.Seconds(), micro(own, in), micro(module, in), most>>20, sizeOf(r.config.Store.Path)>>20)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d keys: a key takes %.0f µs of the server and %.0f µs of the module's process; the server held %d MB at most",
		done, micro(spent, done-size), micro(hsmSpent, done-size), most>>20)
	if most > 200<<20 {
		t.Errorf("the server held %d MB", most>>20)
	}
}

func micro(d time.Duration, n int) float64 { return float64(d.Microseconds()) / float64(max(1, n)) }

// watch imports a file and notes the most memory the server has held. With kill, the
// server is killed when half of it is in, and the file sent again.
func (r *remote) watch(file string, o importOptions, most *int, kill bool) importView {
	r.t.Helper()
	job := r.sends(file, o)
	note := func(job importView) bool {
		*most = max(*most, heldBy(r.cmd.Process.Pid))
		time.Sleep(200 * time.Millisecond)
		return kill && job.Total > 0 && job.Imported > job.Total/2
	}
	job = r.until(job, note)
	if !kill {
		return job
	}
	_ = r.cmd.Process.Kill()
	<-r.done
	r.serve()
	first := job
	began := time.Now()
	if job = r.sends(file, o); job.ID != first.ID {
		r.t.Errorf("it is another import: %+v", job)
	}
	kill = false
	job = r.until(job, note)
	r.t.Logf("killed at %d of %d; gone on with in %v", first.Imported, first.Total, time.Since(began).Round(time.Second))
	return job
}

// millionFile writes keys under a transport key, with serials from a number on.
func millionFile(t *testing.T, key []byte, from, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.xml")
	var text bytes.Buffer
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := pskctest.NewEncryptedWriter(&text, key, "acme", hsm.SHA256)
	seed := make([]byte, 20)
	for i := range n {
		rand.Read(seed)
		w.Add(pskctest.Key{Serial: fmt.Sprintf("M%09d", from+i), Secret: seed})
		if text.Len() > 1<<20 || i == n-1 {
			if i == n-1 {
				w.Close()
			}
			if _, err := text.WriteTo(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// heldBy is the memory of a process that is its own: not files mapped into it.
func heldBy(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // of one that is gone, nothing
	for line := range strings.Lines(string(text)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	return 0
}

// cpuOf is the processor time a process has used.
func cpuOf(pid int) time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	ticks := 0
	for _, f := range fields[11:13] {
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// moduleProcess is the process in which p11-kit runs the module: a grandchild of
// this one that it has started for the server's connection.
func moduleProcess(t *testing.T) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parent, busiest := map[int]int{}, 0
	named := map[int]bool{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		parent[pid], _ = strconv.Atoi(fields[1])
		named[pid] = bytes.Contains(text[:bytes.LastIndexByte(text, ')')], []byte("p11-kit"))
	}
	for pid := range parent {
		ours := parent[pid] == os.Getpid() || parent[parent[pid]] == os.Getpid()
		if named[pid] && ours && (busiest == 0 || cpuOf(pid) > cpuOf(busiest)) {
			busiest = pid
		}
	}
	return busiest
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
