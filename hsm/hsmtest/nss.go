package hsmtest

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mohur/hsm/pkcs11"
)

// nssLibraries is where distributions put NSS's software module.
var nssLibraries = []string{
	"/usr/lib/x86_64-linux-gnu/libsoftokn3.so",
	"/usr/lib/aarch64-linux-gnu/libsoftokn3.so",
	"/usr/lib64/libsoftokn3.so",
}

// nssLabel is how NSS calls the token that keeps keys, and nobody can change it.
const nssLabel = "NSS Certificate DB"

// NSSConfig makes a token of NSS softokn without keys, in a temporary directory:
// the module that shares no line with SoftHSM. A process has one at a time.
func NSSConfig(t testing.TB) pkcs11.Config {
	t.Helper()
	dir := t.TempDir()
	pin := rand.Text()
	file := filepath.Join(dir, "pin")
	if err := os.WriteFile(file, []byte(pin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "certutil", "-N", "-d", "sql:"+dir, "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("NSS (Debian packages libnss3, libnss3-tools): %v %s", err, out)
	}
	profile, err := pkcs11.ProfileNamed("nss")
	if err != nil {
		t.Fatal(err)
	}
	return pkcs11.Config{
		Module: library(t, "NSS (Debian package libnss3)", nssLibraries), TokenLabel: nssLabel, PIN: pin,
		Init:    fmt.Sprintf("configdir='sql:%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=", dir),
		Profile: profile, Logger: slog.New(slog.DiscardHandler),
	}
}

// NSS returns a module on a token of NSSConfig with all keys of the house.
func NSS(t testing.TB) *pkcs11.Module {
	t.Helper()
	cfg := NSSConfig(t)
	cfg.Wait, cfg.CallTimeout = 10*time.Second, 20*time.Second
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	m, err := pkcs11.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// library is the first of the paths that is there.
func library(t testing.TB, what string, paths []string) string {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: scripts/setup does it", what)
	return ""
}
