package hsmtest

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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
