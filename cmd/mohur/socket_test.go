package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mohur/parties"
)

// openSocket listens at a path and closes at the end of the test.
func openSocket(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := listenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestSocketMode: the socket is for its owner alone from the first moment,
// whatever the umask is.
func TestSocketMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(shortDir(t), "s")
	openSocket(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// TestSocketStale: a socket that was left behind is replaced, one that is
// answered is not, and nothing else is ever removed.
func TestSocketStale(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	openSocket(t, path)
	if _, err := listenSocket(t.Context(), path); !errors.Is(err, errRunning) {
		t.Errorf("a live socket: %v", err)
	}
	file := filepath.Join(filepath.Dir(path), "f")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(t.Context(), file); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	long := "/" + strings.Repeat("a", maxSocketPath)
	if _, err := listenSocket(t.Context(), long); err == nil || !strings.Contains(err.Error(), "101 bytes, 100 are possible") {
		t.Errorf("a long path: %v", err)
	}
}

// TestSocketPeer: who connects is asked of the kernel. Even where the modes of
// directory and socket let everybody in, another user is not heard.
func TestSocketPeer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed: scripts/setup")
	}
	dir := shortDir(t)
	path := filepath.Join(dir, "s")
	l := openSocket(t, path)
	for name, mode := range map[string]os.FileMode{dir: 0o755, path: 0o666} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	server := &http.Server{ConnContext: withPeer, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, ok := hostCaller(r, false)
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, by.ID)
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	ask := func(uid uint32) (string, error) {
		cmd := exec.Command(curl, "-s", "--max-time", "10", "--unix-socket", path, "http://mohur/")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		cmd.Dir = "/"
		out, err := cmd.Output()
		return string(out), err
	}
	if out, err := ask(0); err != nil || out != "host:root" {
		t.Errorf("root: %q %v", out, err)
	}
	if out, err := ask(65534); err == nil || out != "" {
		t.Errorf("another user was answered: %q %v", out, err)
	}
}

// TestAdmitted: the server's own user and root, nobody else.
func TestAdmitted(t *testing.T) {
	for _, c := range []struct {
		uid  uint32
		own  int
		want bool
	}{{0, 0, true}, {0, 1000, true}, {1000, 1000, true}, {1001, 1000, false}, {1000, 0, false}, {1<<32 - 1, -1, false}} {
		if admitted(c.uid, c.own) != c.want {
			t.Errorf("uid %d at a server of %d", c.uid, c.own)
		}
	}
}

// TestClause5_3_6_HostRoles: running the server gives nobody a role over
// customers and tokens; in development alone it gives all.
func TestClause5_3_6_HostRoles(t *testing.T) {
	by := localCaller(0, false)
	if by.Development || by.Has(parties.Operator, parties.Supervisor, parties.Helpdesk, parties.Security, parties.Frontend, parties.Core) {
		t.Errorf("too much: %+v", by)
	}
	if !by.Has(parties.Admin) || !by.Has(parties.Custodian) || !by.Has(parties.Auditor) || by.Kind != "host" || by.ID != "host:root" {
		t.Errorf("too little: %+v", by)
	}
	dev := localCaller(4294967, true)
	if !dev.Development || !slices.Equal(dev.Roles, parties.Roles()) || dev.ID != "host:4294967" {
		t.Errorf("development: %+v", dev)
	}
	if _, ok := hostCaller(&http.Request{}, true); ok {
		t.Error("a request that did not come over the socket has a caller")
	}
}

// TestNotify: systemd hears what it is told, and its absence hinders nobody.
func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	notify("READY=1")
	path := filepath.Join(shortDir(t), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	notify("READY=1")
	b := make([]byte, 64)
	n, err := l.Read(b)
	if err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("%q %v", b[:n], err)
	}
}

// What lay in a buffer is gone once somebody waits with it for the next request.
func TestASocketReadsIntoACleanBuffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := openSocket(t, path)
	near, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if _, err := near.Write([]byte("next")); err != nil {
		t.Fatal(err)
	}
	buffer := []byte("the request before, with a key")
	if n, err := far.Read(buffer); err != nil || string(buffer) != "next"+strings.Repeat("\x00", len(buffer)-n) {
		t.Errorf("%q, %v", buffer, err)
	}
}
