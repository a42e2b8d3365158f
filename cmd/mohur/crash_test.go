package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serverBinary builds the server once for all tests that need it as a process. It
// has no name any more when the tests begin: so nothing stays behind.
var serverBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mohur-binary")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "mohur")
	out, err := exec.Command("go", "build", "-tags", "nomsgpack", "-trimpath", "-buildvcs=false", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	if builtServer, err = os.Open(path); err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), builtServer.Fd()), nil
})

// builtServer keeps the binary open until the process ends.
var builtServer *os.File

// process is a server in a process of its own, which a test may kill.
type process struct {
	*instance
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has
	stderr *buffer
}

// crashDir makes a development directory whose answers are not held back.
func crashDir(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development")
	file := filepath.Join(dir, configName)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer("floor_pin: 150ms", "floor_pin: 0s", "floor_refusal: 25ms", "floor_refusal: 0s").Replace(string(text))
	if changed == string(text) {
		t.Fatalf("the floors are not in the configuration:\n%s", text)
	}
	// Nor are they refused because there are many.
	changed = regexp.MustCompile(`_(rate|burst): \d+`).ReplaceAllString(changed, "_$1: 100000")
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// launch starts the server's binary, with words before it if there are any (a
// tracer), and waits until it answers.
func launch(t *testing.T, dir string, before ...string) *process {
	t.Helper()
	p := launched(t, dir, before...)
	for deadline := time.Now().Add(30 * time.Second); !answered(p.config.Socket); time.Sleep(5 * time.Millisecond) {
		if p.over() || time.Now().After(deadline) {
			t.Fatalf("the server does not come up:\n%s", p.stderr)
		}
	}
	p.address = strings.TrimPrefix(p.config.address(t.Context()), "https://")
	return p
}

// launched starts the server's binary and does not wait.
func launched(t *testing.T, dir string, before ...string) *process {
	t.Helper()
	path, err := serverBinary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{
		instance: &instance{t: t, dir: dir, file: filepath.Join(dir, configName)},
		exited:   make(chan struct{}), stderr: &buffer{},
	}
	if p.config, err = loadConfig(p.file); err != nil {
		t.Fatal(err)
	}
	words := append(before, path, "serve", "--config", p.file, "--listen", "127.0.0.1:0")
	p.cmd = exec.Command(words[0], words[1:]...)
	p.cmd.Stderr = p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a tracer goes with what it traces
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) over() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill is kill -9: nothing of the process runs any more when it returns.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	<-p.exited
}

// ended waits for the process to end by itself and returns its exit code.
func (p *process) ended() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("the server goes on:\n%s", p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// pid is the server's own, also under a tracer.
func (p *process) pid() int {
	p.t.Helper()
	out, err := exec.Command("pgrep", "-P", fmt.Sprint(p.cmd.Process.Pid)).Output()
	if pid := 0; err == nil {
		if _, err := fmt.Sscan(string(out), &pid); err == nil {
			return pid
		}
	}
	return p.cmd.Process.Pid
}

// runs runs a command of the binary against the installation.
func runs(t *testing.T, dir string, args ...string) (code int, out string) {
	t.Helper()
	path, err := serverBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--config", filepath.Join(dir, configName))...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// remembering keeps the id that the server gave the last request: the log names
// it too.
type remembering struct {
	http.RoundTripper
	id string
}

func (r *remembering) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err == nil {
		r.id = resp.Header.Get("X-Request-Id")
	}
	return resp, err
}

// drive points a story at the server as it is now.
func (s *story) drive(p *process) {
	s.base = "https://" + p.address
	s.http = &http.Client{Transport: &remembering{RoundTripper: overNetwork(p.config, s.base, "").http.Transport}}
}

func (s *story) requestID() string { return s.http.Transport.(*remembering).id }

// customers brings people to the bank, each with a PIN and an active token.
func customers(t *testing.T, p *process, n int) []*story {
	t.Helper()
	var people []*story
	for range n {
		s, err := newStory(t.Context(), p.config, "https://"+p.address)
		if err != nil {
			t.Fatal(err)
		}
		s.drive(p)
		for _, ch := range append(openingChapters(), handoverChapters()...) {
			if err := ch.play(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", ch.title, err)
			}
		}
		people = append(people, s)
	}
	return people
}

// grant is what the server has acknowledged: a log-in, or a payment's proof.
type grant struct {
	code    string
	request string // its id, which the log names
	session string
	payment string
}

// logsIn logs in with the next code of the token and returns what was granted.
func (s *story) logsIn(ctx context.Context) (g grant, err error) {
	a, err := s.begin(ctx)
	if err != nil {
		return g, err
	}
	if _, err := s.answer(ctx, a.ID, "pin", s.pin, "pending"); err != nil {
		return g, err
	}
	g.code = s.tokens[0].code()
	full, err := s.answer(ctx, a.ID, "otp", g.code, "granted")
	if err != nil {
		return g, err
	}
	s.session, s.access = full.Session.ID, full.Session.AccessToken
	g.session, g.request = full.Session.ID, s.requestID()
	return g, nil
}

// pays begins a payment and proves it.
func (s *story) pays(ctx context.Context, name string) (g grant, err error) {
	t, err := s.pay(ctx, "step_up", s.order(name, "70.00", "Qaz Idarəsi", "AZ77VTBA00000000001234500001"))
	if err != nil {
		return g, err
	}
	own, err := t.question()
	if err != nil {
		return g, err
	}
	if _, err := s.answer(ctx, own.authentication, "pin", s.pin, "pending"); err != nil {
		return g, err
	}
	if g.code, err = s.tokens[0].answer(own.question); err != nil {
		return g, err
	}
	a, err := s.answer(ctx, own.authentication, "ocra", g.code, "granted")
	if err != nil {
		return g, err
	}
	g.payment, g.request = a.Transaction.ID, s.requestID()
	return g, nil
}

// stands expects what was granted to be in the store.
func (s *story) stands(ctx context.Context, g grant) error {
	if g.payment != "" {
		var t paymentView
		if err := s.ask(ctx, frontend, http.MethodGet, "/v1/transactions/"+g.payment, nil, http.StatusOK, &t); err != nil {
			return err
		}
		if t.State != "approved" {
			return fmt.Errorf("the payment %s was approved and is %s", g.payment, t.State)
		}
		return nil
	}
	return s.ask(ctx, frontend, http.MethodGet, "/v1/sessions/"+g.session, nil, http.StatusOK, nil)
}
