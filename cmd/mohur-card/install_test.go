package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What install and uninstall print and leave in a home directory.
func TestInstallCommand(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	theirs := filepath.Join(home, ".config/chromium/NativeMessagingHosts/eu.webeid.json")
	write(t, theirs, `{"name":"eu.webeid","path":"/usr/bin/web-eid"}`, 0o600)
	config := filepath.Join(home, "config.yaml")
	write(t, config, "bank: A Bank\norigins: [https://bank.example]\nhost: az.bank.card\nextensions: [abcdefghijklmnopabcdefghijklmnop]\n", 0o600)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"install --dry-run --config " + config, 1, "eu.webeid.json: refused; it starts /usr/bin/web-eid"},
		{"install --config " + config, 1, "--replace takes its place"},
		{"install --replace --json --config " + config, 0, `"done": "replaced"`},
		{"install --config " + config, 0, "az.bank.card.json: unchanged"},
		{"uninstall --dry-run", 0, "eu.webeid.json: would be restored"},
		{"uninstall --json", 0, `"done": "restored"`},
		{"uninstall", 0, "nothing of this program was there"},
		{"install now", 2, "does not know what to do with"},
		{"install --config " + theirs, 1, "the configuration has faults"},
	} {
		code, out, errs := run(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%s: %d, without %q:\n%s%s", c.args, code, c.want, out, errs)
		}
	}
	if text, err := os.ReadFile(theirs); err != nil || !strings.Contains(string(text), "/usr/bin/web-eid") {
		t.Errorf("theirs is %q, %v", text, err)
	}
}

func TestAProgramThatAnybodyCanWriteIsNotInstalled(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "mohur-card")
	write(t, program, "", 0o700)
	if err := guarded(program); err != nil {
		t.Error(err)
	}
	for path, mode := range map[string]os.FileMode{program: 0o702, dir: 0o703} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := guarded(program); err == nil || !strings.Contains(err.Error(), path+" can be written by anybody") {
			t.Errorf("%s: %v", path, err)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}
