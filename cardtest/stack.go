package cardtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for what takes no time on a machine that is not busy.
const patience = 20 * time.Second

// Reader is the name of a stack's reader, as PC/SC tells it: that of an ACR38U.
const Reader = "ACS ACR38U-CCID 00 00"

// Stack is a pcscd with one virtual reader, in processes and files of its own. It
// ends with the test.
type Stack struct {
	t      testing.TB
	dir    string
	port   int
	held   []net.Listener // names that keep the ports ours among stacks
	socket *net.UnixListener

	mu     sync.Mutex
	daemon *exec.Cmd
	log    lockedBuffer
	card   net.Conn
	used   bool // a card was in since the start
}

// NewStack starts one. Without its packages the test fails: nothing stands in for
// them.
func NewStack(t testing.TB) *Stack {
	t.Helper()
	needed(t, "pcscd", "/usr/sbin/pcscd")
	needed(t, "vsmartcard-vpcd", driver)
	dir, err := os.MkdirTemp("", "mohur-pcsc-") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	s := &Stack{t: t, dir: dir}
	t.Cleanup(s.end)
	s.choosePorts()
	if s.socket, err = net.ListenUnix("unix", &net.UnixAddr{Name: s.Socket(), Net: "unix"}); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "conf")
	text := fmt.Sprintf("FRIENDLYNAME \"ACS ACR38U-CCID\"\nDEVICENAME /dev/null:%d\nLIBPATH %s\nCHANNELID 0\n", s.port, driver)
	if err := os.Mkdir(conf, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(conf, "reader"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

const driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"

// needed fails the test if a file of a package is missing.
func needed(t testing.TB, pkg string, paths ...string) string {
	t.Helper()
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Fatalf("%s is missing: install the Debian package %s (scripts/setup does)", paths[0], pkg)
	return ""
}

// OpenSC returns OpenSC's PKCS#11 module.
func OpenSC(t testing.TB) string {
	t.Helper()
	return needed(t, "opensc-pkcs11", "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so")
}

// choosePorts finds two ports in a row that are free, for the driver opens both. A
// name in the kernel's own space keeps them ours among stacks until we end.
func (s *Stack) choosePorts() {
	for range 200 {
		port := 20_000 + rand.IntN(20_000)*2 // no secret
		name, err := net.Listen("unix", "@mohur-vpcd-"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		if isFree(port) && isFree(port+1) {
			s.port, s.held = port, append(s.held, name)
			return
		}
		_ = name.Close()
	}
	s.t.Fatal("no two free ports in a row")
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Socket is the path that clients find this pcscd by.
func (s *Stack) Socket() string { return filepath.Join(s.dir, "pcscd.comm") }

// Env is what a client's process needs in its environment.
func (s *Stack) Env() []string { return []string{"PCSCLITE_CSOCK_NAME=" + s.Socket()} }

// Command makes a command that is a client of this stack.
func (s *Stack) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), name, args...)
	cmd.Env = append(os.Environ(), s.Env()...)
	cmd.Env = append(cmd.Env, "LC_ALL=C")
	return cmd
}

// Start starts pcscd, after a Stop, and waits for its reader.
func (s *Stack) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := s.socket.File()
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	// As systemd hands a socket over. LISTEN_PID is the daemon's own, which only the
	// process itself knows before it becomes the daemon.
	s.daemon = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec /usr/sbin/pcscd -f -C -c "$0"`, filepath.Join(s.dir, "conf"))
	s.daemon.ExtraFiles = []*os.File{file}
	s.daemon.Stdout, s.daemon.Stderr = &s.log, &s.log
	s.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.daemon.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if !isFree(s.port) {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("pcscd opens no reader at port %d:\n%s", s.port, s.log.String())
		}
	}
}

// Stop ends pcscd at once, as if the service had died; the card is out then.
func (s *Stack) Stop() {
	s.Pull()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.daemon != nil {
		_ = s.daemon.Process.Kill()
		_ = s.daemon.Wait() // it says that it was killed
		s.daemon, s.used = nil, false
	}
}

// Insert puts a card into the reader; one that is in comes out first. It waits
// until PC/SC has seen all that.
func (s *Stack) Insert(c *Card) {
	s.t.Helper()
	s.Pulled()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(s.port), patience)
	if err != nil {
		s.t.Fatalf("the virtual reader: %v\n%s", err, s.log.String())
	}
	s.mu.Lock()
	s.card, s.used = conn, true
	s.mu.Unlock()
	go func() {
		defer conn.Close()
		_ = c.serve(conn, quickAck(conn.(*net.TCPConn))) // it ends when the card is pulled
	}()
	s.await(true)
}

// Pull takes the card out of the reader, whatever it is doing. It does not wait
// until anybody sees that; Pulled does.
func (s *Stack) Pull() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.card != nil {
		_ = s.card.Close()
		s.card = nil
	}
}

// Pulled takes the card out and waits until PC/SC has seen it.
func (s *Stack) Pulled() {
	s.t.Helper()
	s.Pull()
	if s.used {
		s.await(false)
	}
}

func (s *Stack) await(card bool) {
	s.t.Helper()
	var out []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		out, _ = s.Command("opensc-tool", "-l").CombinedOutput()
		for line := range bytes.Lines(out) {
			if bytes.Contains(line, []byte(Reader)) && bytes.Contains(line, []byte("Yes")) == card {
				return
			}
		}
	}
	s.t.Fatalf("PC/SC does not see the card (%t):\n%s\n%s", card, out, s.log.String())
}

func (s *Stack) end() {
	s.Stop()
	if s.socket != nil {
		_ = s.socket.Close()
	}
	for _, l := range s.held {
		_ = l.Close()
	}
	_ = os.RemoveAll(s.dir)
}

// lockedBuffer keeps what the daemon says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
