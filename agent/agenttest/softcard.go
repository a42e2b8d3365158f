// Package agenttest has a card for tests of the card agent: a SoftHSM token with
// keys and certificates, behind a module that counts PIN tries, hangs, crashes or
// loses its card on command. The module is loaded by child processes only.
package agenttest

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Functions of the module, for SoftCard.Set with "hang" and "crash".
const (
	Initialize = 0
	SlotList   = 4
	Login      = 18
	SignInit   = 42
	SignCall   = 43
)

// PIN is that of every SoftCard.
const PIN = "246801"

// SoftCard is a card made of SoftHSM.
type SoftCard struct {
	Module string // to load; it is one of SoftHSM's tokens at a time
	Label  string
	dir    string
	env    []string
}

// Key is what goes on a card: a certificate and its key.
type Key struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// softHSM is where distributions put the library.
var softHSM = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib64/libsofthsm2.so"}

// NewSoftCard makes a card that holds the keys under the ids 1, 2, 3…
func NewSoftCard(t testing.TB, label string, keys ...Key) *SoftCard {
	t.Helper()
	library := ""
	for _, path := range softHSM {
		if _, err := os.Stat(path); err == nil {
			library = path
		}
	}
	if library == "" {
		t.Fatal("SoftHSM is not installed: the Debian package is softhsm2")
	}
	dir := t.TempDir()
	c := &SoftCard{Module: shim(t, dir), Label: label, dir: dir}
	c.env = append(os.Environ(), "SOFTHSM2_CONF="+filepath.Join(dir, "softhsm2.conf"), "MOHUR_CARD_MODULE="+library, "MOHUR_CARD_SHIM="+dir)
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := "directories.tokendir = " + filepath.Join(dir, "tokens") + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(filepath.Join(dir, "softhsm2.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run(t, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "13579135")
	for i, k := range keys {
		c.put(t, library, fmt.Sprintf("%02x", i+1), k)
	}
	return c
}

func (c *SoftCard) put(t testing.TB, library, id string, k Key) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k.Key)
	if err != nil {
		t.Fatal(err)
	}
	for typ, der := range map[string][]byte{"privkey": der, "cert": k.Certificate.Raw} {
		file := filepath.Join(c.dir, typ)
		if err := os.WriteFile(file, der, 0o600); err != nil {
			t.Fatal(err)
		}
		c.run(t, "pkcs11-tool", "--module", library, "--token-label", c.Label, "--login", "--pin", PIN,
			"--write-object", file, "--type", typ, "--id", id, "--label", "key "+id)
	}
}

func (c *SoftCard) run(t testing.TB, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = c.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Env is the environment in which a child process finds the card.
func (c *SoftCard) Env() []string { return c.env }

// Set gives the module an order: "hang" and "crash" at a function, "tries" left of
// the PIN, "only" one mechanism, and, with any number, "gone" for a card that was
// taken out, "lost" for one that goes while it signs, "wrong" for a wrong
// signature, "noise" on standard output, "fork" for a helper beside a hang.
func (c *SoftCard) Set(t testing.TB, name string, n int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(strconv.Itoa(n)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Unset takes an order back.
func (c *SoftCard) Unset(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// Get returns a number that the module keeps: "tries" left, "logins" so far. It is
// -1 when there is none.
func (c *SoftCard) Get(t testing.TB, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if os.IsNotExist(err) {
		return -1
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// shim builds the module in the card's directory.
func shim(t testing.TB, dir string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(dir, "shim.so")
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc" // as cgo does
	}
	out, err := exec.Command(cc, "-O1", "-Wall", "-shared", "-fPIC", "-o", path, filepath.Join(filepath.Dir(here), "testdata", "shim.c"), "-ldl").CombinedOutput()
	if err != nil {
		t.Fatalf("the module of these tests cannot be built: %v\n%s", err, out)
	}
	return path
}

// InUse tells whether a process runs whose command line or environment has the
// card's directory: a child that was left behind.
func (c *SoftCard) InUse(t testing.TB) bool {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if text, err := os.ReadFile(entry); err == nil && strings.Contains(string(text), "MOHUR_CARD_SHIM="+c.dir+"\x00") {
			return true
		}
	}
	return false
}

// Leaks tells which running process of this card has the PIN on its command line or
// in its environment, in one of the forms it could have there.
func (c *SoftCard) Leaks(t testing.TB, pin string) string {
	t.Helper()
	forms := []string{pin, base64.StdEncoding.EncodeToString([]byte(pin)), hex.EncodeToString([]byte(pin))}
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		env, err := os.ReadFile(filepath.Join(entry, "environ"))
		if err != nil || !strings.Contains(string(env), "MOHUR_CARD_SHIM="+c.dir+"\x00") {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(entry, "cmdline"))
		for _, form := range forms {
			if strings.Contains(string(args), form) || strings.Contains(string(env), form) {
				return fmt.Sprintf("%s has %q", entry, form)
			}
		}
	}
	return ""
}
