package browser

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows/registry"
)

// below makes a hive in a key and a directory of the test's own.
func below(t *testing.T, name string) hive {
	t.Helper()
	path := `Software\mohur-card-test\` + name
	root, _, err := registry.CreateKey(registry.CURRENT_USER, path, registry.ALL_ACCESS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return hive{root, name + `\`, filepath.Join(t.TempDir(), name)}
}

func TestRegistry(t *testing.T) {
	m := &Machine{user: below(t, "user"), system: below(t, "system")}
	hosts, err := Hosts("", nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(t.TempDir(), "eu.webeid.json")
	if err := os.WriteFile(theirs, []byte(`{"name":"eu.webeid","path":"web-eid.exe"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	user := m.user.(hive)
	if err := user.set(Chrome, WebEID, "", theirs); err != nil {
		t.Fatal(err)
	}
	o := Order{Program: `C:\mohur\mohur-card.exe`, Hosts: hosts}
	count := func(done []Action, what string) (n int) {
		for _, a := range done {
			if a.Done == what {
				n++
			}
		}
		return n
	}
	if done, err := m.Install(o); !errors.Is(err, ErrRefused) || count(done, Refused) != 1 || count(done, Written) != 7 {
		t.Fatalf("%v, %v", done, err)
	}
	if path, err := user.value(Chrome, WebEID, ""); err != nil || path != theirs {
		t.Errorf("theirs is %q, %v", path, err)
	}
	o.Replace = true
	if done, err := m.Install(o); err != nil || count(done, Replaced) != 1 || count(done, Unchanged) != 7 {
		t.Fatalf("%v, %v", done, err)
	}
	if done, err := m.Install(o); err != nil || count(done, Unchanged) != 8 {
		t.Errorf("again: %v, %v", done, err)
	}
	if all, err := m.Registrations(); err != nil || len(all) != 8 || all[1].Program != o.Program || !all[1].Ours {
		t.Errorf("%+v, %v", all, err)
	}
	if done, err := m.Uninstall(false, false); err != nil || count(done, Restored) != 1 || count(done, Removed) != 7 {
		t.Errorf("%v, %v", done, err)
	}
	if path, err := user.value(Chrome, WebEID, ""); err != nil || path != theirs {
		t.Errorf("theirs is not back: %q, %v", path, err)
	}
	if left, err := os.ReadDir(user.dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if done, err := m.Uninstall(false, false); err != nil || len(done) != 0 {
		t.Errorf("again: %v, %v", done, err)
	}
}
