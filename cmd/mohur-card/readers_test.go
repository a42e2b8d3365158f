package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A smart card service that takes connections and never answers stops no command.
func TestAServiceThatHangsIsTold(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	program := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, name := range []string{"watch", "readers"} {
		cmd := exec.CommandContext(ctx, program, name)
		cmd.Env = append(os.Environ(), "PCSCLITE_CSOCK_NAME="+socket)
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil || err == nil || !strings.Contains(string(out), "smart card service") {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}
