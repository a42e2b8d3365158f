package pkcs11_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mohur/hsm/pkcs11"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func TestReadPINFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		pin  string // empty means refused
	}{
		"plain":       {"1234", 0o600, "1234"},
		"line":        {"1234\n", 0o600, "1234"},
		"windows":     {"1234\r\n", 0o400, "1234"},
		"spaces":      {" 12 34 \n", 0o600, " 12 34 "},
		"longest":     {strings.Repeat("x", 255) + "\n", 0o600, strings.Repeat("x", 255)},
		"too long":    {strings.Repeat("x", 256) + "\n", 0o600, ""},
		"far too":     {strings.Repeat("x", 10000), 0o600, ""},
		"empty":       {"", 0o600, ""},
		"only a line": {"\n", 0o600, ""},
		"two lines":   {"12\n34\n", 0o600, ""},
		"NUL":         {"12\x0034", 0o600, ""},
		"group":       {"1234", 0o640, ""},
		"others":      {"1234", 0o604, ""},
		"group write": {"1234", 0o620, ""},
		"execute":     {"1234", 0o601, ""},
	} {
		path := filepath.Join(t.TempDir(), "pin")
		write(t, path, c.text, c.mode)
		pin, err := pkcs11.ReadPINFile(path)
		if pin != c.pin || (err == nil) != (c.pin != "") {
			t.Errorf("%s: %q, %v", name, pin, err)
		}
		if err != nil && strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: the error shows the PIN: %v", name, err)
		}
	}
}

// A mark is the same for the same PIN, however the line ends, and another for
// another PIN or salt; it is too short to find the PIN by.
func TestPINMark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pin")
	mark := func(text, salt string) string {
		t.Helper()
		write(t, path, text, 0o600)
		m, err := pkcs11.PINMark(path, []byte(salt))
		if err != nil || len(m) != 2 {
			t.Fatalf("%x, %v", m, err)
		}
		return string(m)
	}
	first := mark("1234\n", "salt-one")
	if mark("1234", "salt-one") != first {
		t.Error("another mark for the same PIN")
	}
	if mark("1235", "salt-one") == first && mark("1236", "salt-one") == first || mark("1234", "salt-two") == first && mark("1234", "salt-3") == first {
		t.Error("the same mark for others")
	}
	write(t, path, "", 0o600)
	if _, err := pkcs11.PINMark(path, nil); err == nil {
		t.Error("an empty file has a mark")
	}
}

func TestReadPINFileKind(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "absent"), "/dev/null"} {
		if _, err := pkcs11.ReadPINFile(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func TestInitSoftHSM(t *testing.T) {
	dir := t.TempDir()
	cfg, err := pkcs11.InitSoftHSM(dir, "a token")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger = quiet()
	for _, name := range []string{"hsm.pin", "hsm-so.pin", "softhsm2.conf"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	pin, err := pkcs11.ReadPINFile(filepath.Join(dir, "hsm.pin"))
	if err != nil || pin != cfg.PIN || len(pin) < 20 {
		t.Errorf("the PIN file does not hold the PIN: %v", err)
	}
	if so, _ := pkcs11.ReadPINFile(filepath.Join(dir, "hsm-so.pin")); so == pin || len(so) < 20 {
		t.Error("the security officer has no PIN of his own")
	}
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs11.InitSoftHSM(dir, "a token"); err == nil {
		t.Error("a token was made anew over one that has keys")
	}
	open(t, cfg)
}

// TestUseSoftHSM opens a token the way a server does at its second start, and
// refuses to change the configuration under it.
func TestUseSoftHSM(t *testing.T) {
	dir := t.TempDir()
	cfg, err := pkcs11.InitSoftHSM(dir, "mohur-test")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger = quiet()
	if _, err := pkcs11.Provision(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	provisioned(t) // now another token is this process's
	if _, err := pkcs11.Open(t.Context(), cfg); err == nil {
		t.Fatal("the PIN of one token opens another")
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := pkcs11.UseSoftHSM(conf); err != nil {
		t.Fatal(err)
	}
	m := open(t, cfg)
	if err := pkcs11.UseSoftHSM(conf); err != nil {
		t.Error("the same configuration again:", err)
	}
	if _, err := pkcs11.InitSoftHSM(t.TempDir(), "mohur-test"); err == nil {
		t.Error("the configuration was changed under an open token")
	}
	if err := pkcs11.UseSoftHSM(filepath.Join(dir, "absent.conf")); err == nil {
		t.Error("an absent file was taken")
	}
	if err := m.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
