package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mohur/store/bolttest"
)

// checkOf runs `mohur store check --json` in a process of its own.
func checkOf(t *testing.T, dir string, args ...string) (code int, r checked) {
	t.Helper()
	code, out := runs(t, dir, append([]string{"store", "check", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return code, r
}

// TestClause5_3_2_StoreCheck: beside a running server and without one, an untouched
// store is in order; a row put back with its index, and an edited record, are named
// with what to do; a quarantine ends the first matter.
func TestClause5_3_2_StoreCheck(t *testing.T) {
	dir := crashDir(t)
	p := launch(t, dir)
	s := customers(t, p, 1)[0]
	path := p.config.Store.Path
	if code, r := checkOf(t, dir); code != exitOK || r.Found != 0 || r.Compared == 0 || r.Structure != structureHeld {
		t.Errorf("beside the server: %d %+v", code, r)
	}
	id := s.tokens[0].serial
	var tk tokenView
	if err := s.ask(t.Context(), operator, "GET", "/v1/tokens/serial:"+id, nil, 200, &tk); err != nil {
		t.Fatal(err)
	}
	credential := tk.Credentials[0].ID
	p.kill()
	if code, r := checkOf(t, dir); code != exitOK || r.Found != 0 || r.Structure != structureChecked {
		t.Errorf("without a server: %d %+v", code, r)
	}
	var row, index []byte
	bolttest.Edit(t, path, func(f bolttest.File) { row, index = f.Get("hot", credential), f.Get("hot-version", credential) })
	p = launch(t, dir)
	s.drive(p)
	if _, err := s.logsIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.kill()
	bolttest.Edit(t, path, func(f bolttest.File) {
		f.Put("hot", credential, row)
		f.Put("hot-version", credential, index)
		edited := strings.Replace(string(f.Get("token", tk.ID)), `"profile":"oath"`, `"profile":"oath-pin"`, 1)
		f.Put("token", tk.ID, []byte(edited))
	})
	named := func(when string, code int, r checked) {
		t.Helper()
		found := map[string]string{}
		for _, f := range r.Findings {
			found[f.ID] = string(f.Kind)
			if f.Text == "" || f.Do == "" {
				t.Errorf("%s: %+v says too little", when, f)
			}
		}
		if code != exitFailed || r.Found != 2 || found[credential] != "put-back" || found[tk.ID] != "record" {
			t.Errorf("%s: %d %+v", when, code, r)
		}
	}
	code, r := checkOf(t, dir)
	named("without a server", code, r)
	p = launch(t, dir)
	code, r = checkOf(t, dir)
	named("beside the server", code, r)
	code, r = checkOf(t, dir, "--quarantine")
	named("with --quarantine", code, r)
	if r.Quarantined != 1 {
		t.Errorf("%d were put in quarantine", r.Quarantined)
	}
	code, out := runs(t, dir, "store", "check")
	if code != exitFailed || !strings.Contains(out, "NOT IN ORDER: 1 finding") || !strings.Contains(out, "token "+tk.ID) || !strings.Contains(out, "1 of them in quarantine") {
		t.Errorf("after it: %d %s", code, out)
	}
	p.kill()
	if proved(t, dir).count(`\"event\":\"credential.quarantined\"`, `row-put-back`, "host:") != 1 {
		t.Error("the log does not tell of the quarantine and who asked")
	}
}

// TestBackup: a copy is made beside a working server, with the modes of a secret,
// whole, replacing nothing; it is a store.
func TestBackup(t *testing.T) {
	dir := crashDir(t)
	p := launch(t, dir)
	s := customers(t, p, 1)[0]
	if _, err := s.logsIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	first, second := filepath.Join(to, "first.db"), filepath.Join(to, "second.db")
	if code, out := runs(t, dir, "store", "backup", first); code != exitOK || !strings.Contains(out, "whole") {
		t.Fatal(out)
	}
	if code, out := runs(t, dir, "store", "backup", first); code != exitFailed || !strings.Contains(out, "is there already") {
		t.Errorf("over another: %d %s", code, out)
	}
	p.kill()
	if code, out := runs(t, dir, "store", "backup", second); code != exitOK || !strings.Contains(out, "holds the store itself") {
		t.Errorf("without a server: %d %s", code, out)
	}
	left, err := os.ReadDir(to)
	if err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
	for _, path := range []string{first, second} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	// Put in the place of the store, it serves: codes used before it stay used.
	if err := os.Rename(first, p.config.Store.Path); err != nil {
		t.Fatal(err)
	}
	if code, r := checkOf(t, dir); code != exitOK {
		t.Errorf("the copy: %+v", r)
	}
	if proved(t, dir).count("store.backup") != 1 {
		t.Error("the log does not tell of the backup")
	}
}
