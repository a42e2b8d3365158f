package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// buffer is a bytes.Buffer that a server may write while a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// command runs the program once.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err buffer
	code = Run(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := command(t, args...)
	if code != exitOK {
		t.Fatalf("mohur %s: %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// instance is a development server in this process. One at a time: SoftHSM reads
// one configuration in a process.
type instance struct {
	t       *testing.T
	dir     string
	file    string
	config  *Config
	address string // host:port of the API
	stop    func() int
	log     *buffer
}

// shortDir is a temporary directory whose path leaves room for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mohur")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start makes a development installation, changes its configuration as told and
// serves it.
func start(t *testing.T, changes ...string) *instance {
	t.Helper()
	dir := filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development")
	file := filepath.Join(dir, configName)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		if !bytes.Contains(text, []byte(changes[i])) {
			t.Fatalf("the configuration does not hold %q", changes[i])
		}
		text = bytes.Replace(text, []byte(changes[i]), []byte(changes[i+1]), 1)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, dir)
}

// serve serves an installation until the test ends or calls stop.
func serve(t *testing.T, dir string) *instance {
	t.Helper()
	in := &instance{t: t, dir: dir, file: filepath.Join(dir, configName), log: &buffer{}}
	var err error
	if in.config, err = loadConfig(in.file); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	var out buffer
	go func() {
		done <- Run(ctx, []string{"serve", "--config", in.file, "--listen", "127.0.0.1:0"}, strings.NewReader(""), &out, in.log)
	}()
	in.stop = sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	t.Cleanup(func() { in.stop() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if answered(in.config.Socket) {
			break
		}
		if time.Now().After(deadline) || len(done) > 0 {
			t.Fatalf("the server does not come up:\n%s%s", out.String(), in.log.String())
		}
	}
	address := in.config.address(t.Context())
	in.address = strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	return in
}

// admin is a client with the key of development.
func (in *instance) admin() *client {
	in.t.Helper()
	key, err := os.ReadFile(filepath.Join(in.dir, adminKeyFile))
	if err != nil {
		in.t.Fatal(err)
	}
	return overNetwork(in.config, "https://"+in.address, strings.TrimSpace(string(key)))
}

// TestClause5_28_OnlyTLS: the listener speaks TLS 1.2 and 1.3 with forward
// secrecy, and nothing below; in the clear it answers nothing.
func TestClause5_28_OnlyTLS(t *testing.T) {
	in := start(t)
	dial := func(change func(*tls.Config)) (tls.ConnectionState, error) {
		settings := in.config.clientTLS()
		settings.ServerName = "localhost"
		change(settings)
		conn, err := tls.Dial("tcp", in.address, settings)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.ConnectionState(), conn.Handshake()
	}
	for _, c := range []struct {
		name   string
		change func(*tls.Config)
		want   uint16 // 0: refused
	}{
		{"TLS 1.3", func(*tls.Config) {}, tls.VersionTLS13},
		{"TLS 1.2", func(s *tls.Config) { s.MaxVersion = tls.VersionTLS12 }, tls.VersionTLS12},
		{"TLS 1.1", func(s *tls.Config) { s.MinVersion, s.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, 0},
		{"TLS 1.0", func(s *tls.Config) { s.MinVersion, s.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, 0},
		{"CBC", func(s *tls.Config) {
			s.MaxVersion = tls.VersionTLS12
			s.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
		}, 0},
		{"a stranger's certificate", func(s *tls.Config) { s.ServerName = "bank.example" }, 0},
	} {
		state, err := dial(c.change)
		if (err == nil) != (c.want != 0) || err == nil && state.Version != c.want {
			t.Errorf("%s: version %x, %v", c.name, state.Version, err)
		}
	}
	resp, err := http.Get("http://" + in.address + "/healthz")
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("in the clear it answers %s", resp.Status)
		}
	}
}

// TestClause5_28_DevelopmentStaysAtHome: no flag takes a development server out
// to where others are.
func TestClause5_28_DevelopmentStaysAtHome(t *testing.T) {
	dir := filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development")
	code, _, stderr := command(t, "serve", "--config", filepath.Join(dir, configName), "--listen", "0.0.0.0:0")
	if code != exitFailed || !strings.Contains(stderr, "which others can reach") {
		t.Errorf("%d %s", code, stderr)
	}
}

// TestPlainHTTP: on this machine alone it may be spoken, when it is asked for.
func TestPlainHTTP(t *testing.T) {
	in := start(t, "plain_http: false", "plain_http: true")
	resp, err := http.Get("http://" + in.address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("ready: %s", resp.Status)
	}
}

// TestStop: a request under way is answered, later ones are not taken, and the
// log ends with a checkpoint over everything.
func TestStop(t *testing.T) {
	in := start(t, "floor_refusal: 25ms", "floor_refusal: 3s")
	var a struct {
		ID      string
		Methods []struct{ Method string }
	}
	for i := 0; len(a.Methods) == 0 || a.Methods[0].Method != "otp"; i++ { // some decoys have a key and nothing else
		begin := map[string]string{"customer": fmt.Sprintf("nobody-%d", i), "purpose": "login", "channel": "pc"}
		if err := in.admin().call(t.Context(), http.MethodPost, "/v1/authentications", begin, &a); err != nil {
			t.Fatal(err)
		}
	}
	responses := "/v1/authentications/" + a.ID + "/responses"
	pin := map[string]string{"method": "pin", "pin": "000000"}
	if err := in.admin().call(t.Context(), http.MethodPost, responses, pin, nil); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		guess := map[string]string{"method": "otp", "code": "000000"}
		answered <- in.admin().call(context.Background(), http.MethodPost, responses, guess, nil)
	}()
	time.Sleep(700 * time.Millisecond) // the guess is being refused, slowly
	began := time.Now()
	if code := in.stop(); code != exitOK {
		t.Errorf("the server ended with %d\n%s", code, in.log.String())
	}
	if took := time.Since(began); took > drainFor {
		t.Errorf("it took %s to stop", took)
	}
	if err := <-answered; err == nil || !strings.Contains(err.Error(), "authentication-failed") {
		t.Errorf("the request under way was answered with %v", err)
	}
	if conn, err := net.Dial("tcp", in.address); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
	out := must(t, "audit", "verify", "--config", in.file)
	if !strings.Contains(out, "in order") || !strings.Contains(out, "; 0 written since") {
		t.Errorf("the log: %s", out)
	}
}

// TestRestart: what was there is there again, and the log goes on.
func TestRestart(t *testing.T) {
	in := start(t)
	out := must(t, "client", "create", "core", "--role", "core", "--json", "--config", in.file)
	_, key, _ := strings.Cut(out, `"key": "`)
	key, _, _ = strings.Cut(key, `"`)
	if code := in.stop(); code != exitOK {
		t.Fatal(in.log.String())
	}
	again := serve(t, in.dir)
	cl := overNetwork(again.config, "https://"+again.address, key)
	if err := cl.call(t.Context(), http.MethodGet, "/v1/transactions", nil, nil); err != nil {
		t.Errorf("a key from before the restart: %v", err)
	}
	if out := must(t, "audit", "verify", "--config", in.file); !strings.Contains(out, "in order") {
		t.Error(out)
	}
}

// TestFatal: when the disk does not confirm, or the HSM hangs, the process ends
// with an error and does not pretend that it could go on.
func TestFatal(t *testing.T) {
	dir := filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development", "--listen", "127.0.0.1:0", "--url", "https://localhost")
	c, err := loadConfig(filepath.Join(dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire(t.Context(), c, slog.New(slog.DiscardHandler), func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk did not confirm")
	fatal := make(chan error, 1)
	fatal <- broken
	var out buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &out}
	if err := p.run(t.Context(), s, fatal, func(error) {}); !errors.Is(err, broken) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(c.Socket); err == nil {
		t.Error("the socket is still there")
	}
}
