package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWith: the settings go in, others of their names go, the rest stays.
func TestWith(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"", "a.b=1:c=2"},
		{"x=3", "x=3:a.b=1:c=2"},
		{"c=9:x=3:a.b=1", "x=3:a.b=1:c=2"},
		{":a.bc=1::", "a.bc=1:a.b=1:c=2"},
	} {
		if got := with(c.value, ":", []string{"a.b=1", "c=2"}); got != c.want {
			t.Errorf("%q becomes %q, not %q", c.value, got, c.want)
		}
	}
}

// bare is this process's environment without what clears memory.
func bare() []string {
	return slices.DeleteFunc(os.Environ(), func(s string) bool {
		return strings.HasPrefix(s, "GLIBC_TUNABLES=") || strings.HasPrefix(s, "GODEBUG=") || strings.HasPrefix(s, anewVariable+"=")
	})
}

// TestClause5_3_1_ServeClearsMemory: a server that nobody told to overwrites what
// it frees all the same. It is still the process that was started, with its name,
// and tells systemd so; what else was set stays set.
func TestClause5_3_1_ServeClearsMemory(t *testing.T) {
	dir := filepath.Join(shortDir(t), "dev")
	must(t, "init", "--dir", dir, "--development")
	config, err := loadConfig(filepath.Join(dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(shortDir(t), "n")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	cmd := exec.Command("mohur", "serve", "--config", config.File, "--listen", "127.0.0.1:0")
	cmd.Env = append(bare(), "GODEBUG=clobberfree=0,gctrace=0", "NOTIFY_SOCKET="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	_ = systemd.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 64)
	n, err := systemd.Read(b)
	if err != nil || string(b[:n]) != "READY=1" {
		t.Fatalf("systemd was told %q, %v\n%s", b[:n], err, log.String())
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
	// The C library has cut up its own setting where it lies.
	for _, want := range []string{"\x00GLIBC_TUNABLES=glibc.malloc.perturb=165", "glibc.malloc.tcache_count=0\x00", "\x00GODEBUG=gctrace=0,clobberfree=1\x00"} {
		if !strings.Contains("\x00"+string(env), want) {
			t.Errorf("the server began without %q: %q, %v", want, env, err)
		}
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid)); err != nil || strings.TrimSpace(string(name)) != "mohur" {
		t.Errorf("the process is called %q, %v", name, err)
	}
	if out := must(t, "doctor", "--config", config.File); !strings.Contains(out, "the server overwrites what it frees") {
		t.Errorf("the doctor:\n%s", out)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the server ended with %v\n%s", err, log.String())
		}
	case <-time.After(20 * time.Second):
		t.Error("SIGTERM does not end the server")
	}
}

// TestBeginsAnewOnce: a process that has begun anew goes on whatever its
// environment is, one that has the settings does not begin anew, and one that
// cannot does not serve.
func TestBeginsAnewOnce(t *testing.T) {
	for _, c := range clearing {
		t.Setenv(c.variable, "")
	}
	t.Setenv(anewVariable, "1") // somebody else's
	var env []string
	p := &program{exec: func(_ string, _, e []string) error {
		env = e
		return syscall.EACCES
	}}
	err := p.beginAnew(t.Context())
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "start it with GLIBC_TUNABLES=glibc.malloc.perturb=165:glibc.malloc.tcache_count=0 GODEBUG=clobberfree=1") {
		t.Errorf("one that cannot: %v", err)
	}
	if !slices.Contains(env, "GODEBUG=clobberfree=1") || !slices.Contains(env, fmt.Sprint(anewVariable, "=", os.Getpid())) {
		t.Errorf("it would begin with %q", env)
	}
	env = nil
	if err := p.beginAnew(t.Context()); err != nil || env != nil { // it has them now
		t.Errorf("with the settings: %v, %q", err, env)
	}
	for _, c := range clearing {
		t.Setenv(c.variable, "")
	}
	if err := p.beginAnew(t.Context()); err != nil || env != nil { // they were lost, and it has its number
		t.Errorf("a second time: %v, %q", err, env)
	}
	if err := (&program{}).beginAnew(t.Context()); err != nil {
		t.Errorf("in a process that is not its own: %v", err)
	}
	t.Setenv(anewVariable, "")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.beginAnew(ended); !errors.Is(err, context.Canceled) || env != nil {
		t.Errorf("told to stop: %v, %q", err, env)
	}
}
