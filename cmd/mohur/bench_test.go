package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn/pin"
	"mohur/hsm"
)

// TestBenchCountsWhatWasGranted runs the whole measurement, small. What it says
// it has done is in the audit log of its bank: every code that a token has shown
// was granted, once.
func TestBenchCountsWhatWasGranted(t *testing.T) {
	temporary := shortDir(t)
	o := benchOptions{connections: []int{1, 2}, duration: 100 * time.Millisecond, tokens: 8, floor: true, dir: temporary}
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	var report *benchReport
	p := &program{in: strings.NewReader(""), out: &buffer{}, err: &buffer{}}
	err := p.inScratch(t.Context(), o.dir, func(ctx context.Context, s *scratch) (err error) {
		run := &benchRun{benchOptions: o, scratch: s, steps: &steps{}, also: func(c *Config) {
			c.Audit.Interval = 50 * time.Millisecond // after each part it is waited for
		}}
		if report, err = run.all(ctx); err != nil {
			return err
		}
		run.checkLog(t)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, temporary)
	all := append(slices.Concat(report.Answers, report.LogIns, report.Floor), report.First.Answers, report.First.LogIns, report.Wrong.Wrong, report.Wrong.Right, report.PIN.Both)
	if len(all) != 3*2+5 {
		t.Fatalf("%+v", report)
	}
	for _, f := range all {
		if f.Connections < 1 || f.Operations < 1 || f.PerSecond <= 0 || f.P50 <= 0 || f.P99 < f.P50 || f.CPU <= 0 || f.HSM < 0 || f.Own <= 0 {
			t.Errorf("%+v", f)
		}
	}
	if report.First.Answers.Operations != 4 || report.First.LogIns.Operations != 4 || report.PIN.AtOnce != 2 {
		t.Errorf("first %+v, PINs %+v", report.First, report.PIN)
	}
	if report.PIN.Argon2id <= 0 || report.PIN.Ratio <= 0 || report.PIN.Peak < report.PIN.Before || report.Wrong.Ratio <= 0 || report.Answers[0].OwnToFloor <= 0 {
		t.Errorf("%+v, %+v", report.PIN, report.Wrong)
	}
	var text bytes.Buffer
	if err := report.tell(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU s/1,000", "own/floor", "answer, first since start", "Argon2id alone", "2 log-ins with PINs at once", "wrong code / right code, CPU"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &text)
		}
	}
}

// checkLog compares the log with the tokens.
func (r *benchRun) checkLog(t *testing.T) {
	t.Helper()
	granted := map[string]bool{}
	for _, line := range proved(t, r.bank.config.Dir) {
		var e struct {
			Header string `json:"header"`
		}
		var h audit.Header
		if json.Unmarshal([]byte(line), &e) != nil || json.Unmarshal([]byte(e.Header), &h) != nil || h.Event != "authentication.answered" || h.Outcome != "granted" {
			continue
		}
		key := fmt.Sprint(h.Credential, "/", h.Version)
		if granted[key] {
			t.Errorf("granted twice: %s", e.Header)
		}
		granted[key] = true
	}
	shown := 0
	for _, c := range slices.Concat(r.people, r.pins) {
		shown += int(c.token.hotpCounter) - 1 // the first one brought the token to life
	}
	if len(granted) != shown || shown == 0 {
		t.Errorf("the tokens have shown %d codes, the log has %d grants", shown, len(granted))
	}
}

// TestBareHashIsTheServers: the run that PINs are compared with has the server's
// parameters.
func TestBareHashIsTheServers(t *testing.T) {
	salt := []byte("0123456789abcdef")
	v := pin.NewVerifier(inTheClear{}, 1)
	for given, want := range map[string]bool{"718294": true, "718295": false} {
		r := pin.Record{Customer: "C", Version: 1, Sealed: append(append([]byte{1}, salt...), bareHash("718294", salt)...)}
		if right, err := v.Verify(t.Context(), r, given); right != want || err != nil {
			t.Errorf("%s: %t, %v", given, right, err)
		}
	}
}

// inTheClear seals nothing.
type inTheClear struct{}

func (inTheClear) Seal(_ context.Context, _ hsm.Key, _ string, plain []byte) ([]byte, error) {
	return plain, nil
}

func (inTheClear) Open(_ context.Context, _ hsm.Key, _ string, sealed []byte) ([]byte, error) {
	return sealed, nil
}

// benchProcess is `mohur bench` as people run it.
type benchProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string // what it makes its directories in
	err  *buffer
	done chan struct{}
}

func startBench(t *testing.T, args ...string) *benchProcess {
	t.Helper()
	path, err := serverBinary()
	if err != nil {
		t.Fatal(err)
	}
	b := &benchProcess{t: t, dir: shortDir(t), err: &buffer{}, done: make(chan struct{})}
	b.cmd = exec.Command(path, append([]string{"bench"}, args...)...)
	b.cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	b.cmd.Stderr = b.err
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(b.done)
		_ = b.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		_ = b.cmd.Process.Kill()
		<-b.done
	})
	return b
}

// awaits waits until a process works in the directory whose command line holds
// the text, and returns its number.
func (b *benchProcess) awaits(text string) (pid int) {
	b.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		for pid, line := range processesIn(b.t, b.dir) {
			if strings.Contains(line, text) {
				return pid
			}
		}
		select {
		case <-b.done:
			b.t.Fatalf("it has ended:\n%s", b.err)
		default:
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("there is no %q", text)
		}
	}
}

// ended waits for the end and returns the exit code.
func (b *benchProcess) ended() int {
	b.t.Helper()
	select {
	case <-b.done:
	case <-time.After(30 * time.Second):
		b.t.Fatal("it goes on")
	}
	return b.cmd.ProcessState.ExitCode()
}

// processesIn are the processes that work in a directory or below it, with their
// command lines.
func processesIn(t *testing.T, dir string) map[int]string {
	t.Helper()
	found := map[int]string{}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range all {
		at, err := os.Readlink(filepath.Join(proc, "cwd"))
		if err != nil || !strings.HasPrefix(at, dir) {
			continue // it has ended, or is another user's
		}
		line, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(proc), "%d", &pid); err == nil && len(line) > 0 {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

// nothingLeft expects no file and no process where a measurement was.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if left := processesIn(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// TestBenchInterrupted: whenever it is interrupted, it ends soon, with an error,
// and leaves nothing.
func TestBenchInterrupted(t *testing.T) {
	for _, at := range []string{"init --dir", "serve --config", "floor-server"} {
		t.Run(at, func(t *testing.T) {
			b := startBench(t, "--floor", "--tokens", "8", "--connections", "2")
			b.awaits(at)
			if err := b.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if code := b.ended(); code != exitFailed || !strings.Contains(b.err.String(), "interrupted") {
				t.Errorf("%d %s", code, b.err)
			}
			nothingLeft(t, b.dir)
		})
	}
}

// TestBenchKilled: those it has started do not outlive it.
func TestBenchKilled(t *testing.T) {
	b := startBench(t, "--floor", "--tokens", "8", "--connections", "2")
	b.awaits("serve --config")
	b.awaits("floor-server")
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	b.ended()
	for deadline := time.Now().Add(10 * time.Second); len(processesIn(t, b.dir)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left running: %v", processesIn(t, b.dir))
		}
	}
}

// TestBenchFails: when the server ends under it, it says so, reports nothing and
// leaves nothing.
func TestBenchFails(t *testing.T) {
	b := startBench(t, "--floor", "--tokens", "8", "--connections", "2", "--duration", "1m")
	first := b.awaits("serve --config")
	server := first
	for server == first { // it is started anew before anything is measured
		server = b.awaits("serve --config")
	}
	time.Sleep(500 * time.Millisecond)
	if err := syscall.Kill(server, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := b.ended(); code != exitFailed || !strings.Contains(b.err.String(), "server has ended: signal: killed") {
		t.Errorf("%d %s", code, b.err)
	}
	nothingLeft(t, b.dir)
}

// TestBenchTouchesNoBank: it is pointed at a bank by everything a command is
// pointed by, and so is the floor, started by hand; the bank stays as it is.
func TestBenchTouchesNoBank(t *testing.T) {
	dir := filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development")
	before := contents(t, dir)
	path, err := serverBinary()
	if err != nil {
		t.Fatal(err)
	}
	temporary := shortDir(t)
	run := func(in string, args ...string) (int, string) {
		cmd := exec.Command(path, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
		cmd.Env = append(os.Environ(), "TMPDIR="+temporary, configVariable+"="+filepath.Join(dir, configName))
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, out := run("", "bench", "floor-server"); code != exitFailed || !strings.Contains(out, "serves nobody else") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := run("", "bench", "floor-server", "mohur.db"); code != exitUsage {
		t.Errorf("%d %s", code, out)
	}
	if code, out := run("", "bench", "floor-server", "--config", "mohur.yaml"); code != exitUsage {
		t.Errorf("%d %s", code, out)
	}
	if code, out := run(`{"seeds":{"cr_1":"AAAA"}}`, "bench", "floor-server"); code != exitOK || !strings.Contains(out, `"address": "127.0.0.1:`) {
		t.Errorf("%d %s", code, out)
	}
	code, out := run("", "bench", "enumeration", "--samples", "8", "--json")
	if code != exitOK {
		t.Fatalf("%d %s", code, out)
	}
	nothingLeft(t, temporary)
	if after := contents(t, dir); after != before {
		t.Errorf("the bank was\n%s\nand is\n%s", before, after)
	}
	var report enumerationReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	report.check(t)
}

// contents are the files of a directory with what is in them.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %x\n", path, sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func (r *enumerationReport) check(t *testing.T) {
	t.Helper()
	if r.Samples != 8 || r.Chance <= 0 {
		t.Errorf("%+v", r)
	}
	for _, stages := range [][]enumerationStage{r.AsIs, r.NoFloor} {
		if len(stages) != 3 {
			t.Fatalf("%+v", r)
		}
		for _, s := range stages {
			for i, k := range s.Kinds {
				if k.Median <= 0 || k.P95 < k.Median || k.AUC < 0 || k.AUC > 1 || i == kindOfNobody && (k.AUC != 0.5 || k.Difference != 0) {
					t.Errorf("%s: %+v", s.Stage, k)
				}
			}
			if len(s.Kinds) != 3 {
				t.Errorf("%+v", s)
			}
		}
	}
	if floor := r.AsIs[2].Kinds; floor[0].Median < 150 || floor[kindOfNobody].Median < 150 {
		t.Errorf("a refusal with a PIN has left before its floor of time: %+v", floor)
	}
	var text bytes.Buffer
	if err := r.tell(&text); err != nil || !strings.Contains(text.String(), "without the floors of time") {
		t.Errorf("%v\n%s", err, &text)
	}
}

// TestBenchSaysWhatHasEnded: an error names the process that ended, and the end
// of what it said.
func TestBenchSaysWhatHasEnded(t *testing.T) {
	temporary := shortDir(t)
	p := &program{in: strings.NewReader(""), out: &buffer{}, err: &buffer{}}
	err := p.inScratch(t.Context(), temporary, func(ctx context.Context, s *scratch) error {
		c, err := s.start(errand{name: "server", args: []string{"serve", "--config", "nosuch.yaml"}})
		if err != nil {
			return err
		}
		<-c.exited
		return errors.New("no answer")
	})
	if err == nil || !strings.Contains(err.Error(), "no answer\nserver has ended: exit status 1") || !strings.Contains(err.Error(), "nosuch.yaml") {
		t.Error(err)
	}
	nothingLeft(t, temporary)
}
