package hsmtest

import (
	"embed"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"mohur/hsm/pkcs11"
)

//go:embed testdata/tunnel.c
var sources embed.FS

var p11kitClients = []string{
	"/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
	"/usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
	"/usr/lib64/pkcs11/p11-kit-client.so",
}

// Network is a "network HSM": a SoftHSM behind p11-kit's server, in processes of
// its own that a test stops, kills and starts again. Its clients are processes
// too, started with Env: p11-kit's client reads its address from there.
type Network struct {
	// Module is the PKCS#11 library of a client.
	Module string
	// Client is p11-kit's client itself, to which Module leads.
	Client string

	t      testing.TB
	conf   string
	socket string

	mu    sync.Mutex
	child *exec.Cmd
}

// NewNetwork starts one over the SoftHSM configured in the file conf.
func NewNetwork(t testing.TB, conf string) *Network {
	t.Helper()
	dir, err := os.MkdirTemp("", "mohur-net-") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{t: t, conf: conf, socket: filepath.Join(dir, "hsm.sock"), Module: filepath.Join(dir, "tunnel.so")}
	n.Client = library(t, "p11-kit (Debian package p11-kit-modules)", p11kitClients)
	t.Cleanup(func() {
		n.Kill()
		_ = os.RemoveAll(dir)
	})
	buildTunnel(t, dir, n.Module)
	n.Start()
	return n
}

// buildTunnel compiles the module that carries through p11-kit what p11-kit does
// not know.
func buildTunnel(t testing.TB, dir, path string) {
	t.Helper()
	text, err := sources.ReadFile("testdata/tunnel.c")
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "tunnel.c")
	if err := os.WriteFile(source, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	if out, err := exec.Command(cc, "-O1", "-Wall", "-shared", "-fPIC", "-o", path, source, "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

// Env is what a client's process needs in its environment.
func (n *Network) Env() []string {
	return []string{"P11_KIT_SERVER_ADDRESS=unix:path=" + n.socket, "MOHUR_TUNNEL_NEAR=" + n.Client}
}

// Lacking is what a client's process needs besides for an HSM that lacks the
// mechanisms p11-kit does not know: key wrapping, GCM and CBC.
func (n *Network) Lacking() []string { return []string{"MOHUR_TUNNEL_HIDES=1"} }

// Start starts the HSM and waits until it listens.
func (n *Network) Start() {
	n.t.Helper()
	softHSM, err := pkcs11.FindSoftHSM()
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = os.Remove(n.socket)
	n.child = exec.Command("p11-kit", "server", "--foreground", "--provider", n.Module, "--name", n.socket, "pkcs11:")
	n.child.Env = append(os.Environ(), "SOFTHSM2_CONF="+n.conf, "MOHUR_TUNNEL_FAR="+softHSM)
	// The server has a child for each client: a group of their own is stopped
	// and killed as a whole.
	n.child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.child.Start(); err != nil {
		n.t.Fatalf("p11-kit (Debian package p11-kit): %v", err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(n.socket); err == nil {
			return
		}
		if time.Now().After(end) {
			n.t.Fatal("p11-kit's server does not listen")
		}
	}
}

// Hang stops every process of the HSM: calls under way and new ones do not
// return. Resume lets them go on.
func (n *Network) Hang() { n.signal(syscall.SIGSTOP) }

// Resume ends what Hang began.
func (n *Network) Resume() { n.signal(syscall.SIGCONT) }

// Kill ends the HSM at once: its clients lose the connection.
func (n *Network) Kill() {
	n.signal(syscall.SIGKILL)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.child != nil {
		_ = n.child.Wait() // it says that it was killed
		n.child = nil
	}
}

func (n *Network) signal(s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.child == nil {
		return
	}
	if err := syscall.Kill(-n.child.Process.Pid, s); err != nil {
		n.t.Errorf("signal %v to the HSM: %v", s, err)
	}
}
