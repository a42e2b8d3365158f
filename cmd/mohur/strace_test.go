package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// needStrace skips where strace is missing or must not trace; scripts/setup
// installs it.
func needStrace(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("strace", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v %s", err, out)
	}
}

// oneConnection makes a story speak HTTP/1.1 on one connection, so that in a
// trace a write to it is an answer.
func (s *story) oneConnection(p *process) {
	s.drive(p)
	s.http.Transport.(*remembering).RoundTripper = &http.Transport{
		TLSClientConfig: p.config.clientTLS(), MaxConnsPerHost: 1, DisableCompression: true,
	}
}

// call is one system call of a trace. A call that another thread interrupted in
// the trace is complete where it is resumed.
type call struct {
	at   float64 // Unix time in seconds, of its start, or of its end if it was resumed
	name string
	file string // what its file descriptor is
	ok   bool
}

var (
	wholeCall   = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (\w+)\(\d+<(.*?)>[,)].* = (-?\d+)`)
	begunCall   = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (\w+)\(\d+<(.*?)>.*<unfinished \.\.\.>$`)
	resumedCall = regexp.MustCompile(`^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>.* = (-?\d+)`)
)

// readTrace reads what strace -f -ttt -y has written. A write counts from its
// start on, since what is written may have arrived by its end; everything else is
// there when it has ended.
func readTrace(t *testing.T, path string) (calls []call) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begun := map[string]call{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := begunCall.FindStringSubmatch(lines.Text()); m != nil {
			c := call{at: seconds(m[2]), name: m[3], file: m[4], ok: true}
			begun[m[1]] = c
			if c.name == "write" {
				calls = append(calls, c)
			}
			continue
		}
		if m := resumedCall.FindStringSubmatch(lines.Text()); m != nil {
			c := begun[m[1]]
			delete(begun, m[1])
			c.at, c.ok = seconds(m[2]), !strings.HasPrefix(m[4], "-")
			if c.name == m[3] && c.name != "write" {
				calls = append(calls, c)
			}
			continue
		}
		if m := wholeCall.FindStringSubmatch(lines.Text()); m != nil {
			calls = append(calls, call{at: seconds(m[2]), name: m[3], file: m[4], ok: !strings.HasPrefix(m[5], "-")})
		}
	}
	return calls
}

func seconds(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n
}

func now() float64 { return float64(time.Now().UnixMicro()) / 1e6 }

// TestClause5_3_2_NoAnswerBeforeTheDisk: the system calls of the server show that
// between a customer's answer and the verdict the store was written and the disk
// has confirmed it, for every log-in and every payment.
func TestClause5_3_2_NoAnswerBeforeTheDisk(t *testing.T) {
	needStrace(t)
	dir := crashDir(t)
	trace := filepath.Join(t.TempDir(), "trace")
	p := launch(t, dir, "strace", "-f", "-ttt", "-y", "--seccomp-bpf", "-e", "trace=fdatasync,fsync,pwrite64,write", "-o", trace)
	s := customers(t, p, 1)[0]
	s.oneConnection(p)
	if err := s.ask(t.Context(), nobody, http.MethodGet, "/healthz", nil, http.StatusOK, nil); err != nil {
		t.Fatal(err)
	}
	type span struct{ from, to float64 }
	var acks []span
	for n := range 10 {
		began := now()
		if _, err := s.logsIn(t.Context()); err != nil {
			t.Fatal(err)
		}
		acks = append(acks, span{began, now()})
		began = now()
		if _, err := s.pays(t.Context(), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
		acks = append(acks, span{began, now()})
	}
	if code := p.stopTraced(); code != exitOK {
		t.Errorf("the server ended with %d:\n%s", code, p.stderr)
	}
	calls := readTrace(t, trace)
	syncs := 0
	for i, a := range acks {
		// A log-in is three requests and a payment too, each with its own commit. Of
		// each the answer is the write to the connection; before it, since the answer
		// before, the head of the store was written and confirmed.
		answers, confirmed, written := 0, false, false
		for _, c := range calls {
			if c.at < a.from || c.at > a.to {
				continue
			}
			switch {
			case c.file == p.config.Store.Path && c.name == "pwrite64":
				written = true
			case c.file == p.config.Store.Path && c.ok:
				confirmed = written
				syncs++
			case c.name == "write" && (strings.HasPrefix(c.file, "TCP") || strings.HasPrefix(c.file, "socket:")):
				if !confirmed {
					t.Errorf("operation %d: answer %d left before the disk had confirmed", i, answers)
				}
				answers++
				confirmed, written = false, false
			}
		}
		if answers != 3 {
			t.Errorf("operation %d: %d answers in the trace, want 3", i, answers)
		}
	}
	t.Logf("%d operations, %d answers, %d confirmations of the disk", len(acks), 3*len(acks), syncs)
}

// stopTraced ends the server, not the tracer, by SIGTERM.
func (p *process) stopTraced() int {
	p.t.Helper()
	if out, err := exec.Command("kill", "-TERM", fmt.Sprint(p.pid())).CombinedOutput(); err != nil {
		p.t.Fatalf("%v %s", err, out)
	}
	return p.ended()
}

// TestClause5_3_2_ADiskThatFailsEndsTheProcess: from the moment the disk does not
// confirm, nobody is told of a success, and the process ends with 1, to be started
// anew on what is really there.
func TestClause5_3_2_ADiskThatFailsEndsTheProcess(t *testing.T) {
	needStrace(t)
	dir := crashDir(t)
	trace := filepath.Join(t.TempDir(), "trace")
	p := launch(t, dir)
	s := customers(t, p, 1)[0]
	s.oneConnection(p)
	var acks []grant
	var sent []float64
	tracer := exec.Command("strace", "-f", "-ttt", "-y", "-p", fmt.Sprint(p.cmd.Process.Pid), "-o", trace,
		"-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1+")
	for n := 0; !p.over() && n < 500; n++ {
		if n == 5 {
			if err := tracer.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tracer.Wait() }()
		}
		began := now()
		g, err := s.logsIn(context.Background())
		if err != nil {
			break
		}
		acks, sent = append(acks, g), append(sent, began)
	}
	if code := p.ended(); code != exitFailed {
		t.Errorf("the server ended with %d, want %d", code, exitFailed)
	}
	if log := p.stderr.String(); !strings.Contains(log, "the disk did not confirm a write") || !strings.Contains(log, "input/output error") {
		t.Errorf("its log does not say why:\n%s", log)
	}
	_ = tracer.Wait() // it ends with what it traces
	failed := 0.0
	for _, c := range readTrace(t, trace) {
		if c.name == "fdatasync" && !c.ok {
			failed = c.at
			break
		}
	}
	if failed == 0 || len(acks) < 5 {
		t.Fatalf("%d grants, and a fault at %v: this shows nothing", len(acks), failed)
	}
	for i, at := range sent {
		if at > failed {
			t.Errorf("log-in %d was begun after the fault and granted", i)
		}
	}
	again := launch(t, dir)
	s.drive(again)
	afterwards(t, s, acks, acks)

	// A disk that fails from the first moment on is no reason to hang either.
	again.kill()
	never := launched(t, dir, "strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO")
	if code := never.ended(); code != exitFailed || !strings.Contains(never.stderr.String(), "input/output error") {
		t.Errorf("it ended with %d:\n%s", code, never.stderr)
	}
}
