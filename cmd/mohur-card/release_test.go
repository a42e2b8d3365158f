package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"mohur/agent/release"
)

// outcome starts a program in a home of its own and returns all that it says.
func outcome(t *testing.T, program, home string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A release as it is built: the program verifies its own files, and one that was
// changed does not work.
func TestClause5_21_ReleaseIsVerified(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "mohur-card")
	if err != nil {
		t.Fatal(err)
	}
	dir, home := t.TempDir(), t.TempDir()
	name := "mohur-card-1.2.3-linux-amd64"
	program := filepath.Join(dir, name)
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X main.version=1.2.3 -X main.releaseKey="+public, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum, err := release.Sum(program)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := release.Sign([]release.Entry{{Name: name, SHA256: sum}}, private)
	if err != nil {
		t.Fatal(err)
	}
	sums := filepath.Join(dir, release.SumsName)
	write(t, sums, string(signed), 0o600)

	says := func(want string, good bool, program string, args ...string) {
		t.Helper()
		out, err := outcome(t, program, home, args...)
		if (err == nil) != good || !strings.Contains(out, want) {
			t.Errorf("%s: %v, without %q:\n%s", args, err, want, out)
		}
	}
	says("good, signed by mohur-card", true, program, "verify", program)
	says("is as it was released", false, program, "doctor", "--offline", "--lang", "en") // it has other faults
	says("there is no configuration", false, program, "serve")

	// A program with one more byte still runs, and finds that it is another.
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(dir, "mohur-card")
	write(t, changed, string(text)+"x", 0o700)
	says("not as it was released", false, changed, "serve")
	says("not as it was released", false, changed, "pin")
	says("not as it was released", false, changed, "install")
	says("The program is not as it was released", false, changed, "doctor", "--offline", "--lang", "en")
	says("FAULT: it is not in the release", false, program, "verify", changed)
	// Nor does it answer a browser.
	native := exec.CommandContext(t.Context(), changed, "chrome-extension://hhfjknhakihgfnenioplkcnnbfjnpbcd/")
	native.Env = append(os.Environ(), "HOME="+home)
	native.Stdin = strings.NewReader("\x16\x00\x00\x00" + `{"command":"quit"     }`)
	if out, err := native.Output(); err == nil || !bytes.Contains(out, []byte("ERR_WEBEID_NATIVE_FATAL")) {
		t.Errorf("a browser: %v, %s", err, out)
	}

	write(t, sums, strings.Replace(string(signed), "0", "1", 1), 0o600)
	says("not signed with the release key", false, program, "verify", program)
	says("not signed with the release key", false, program, "serve")
	_, other, err := note.GenerateKey(rand.Reader, "mohur-card")
	if err != nil {
		t.Fatal(err)
	}
	write(t, sums, string(signed), 0o600)
	says("not signed with the release key", false, program, "verify", program, "--key", other)
}
