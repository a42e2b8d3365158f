package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What an init that was killed has left is told of by the doctor and removed by the
// next init; what another init holds, or is not an init's, stays.
func TestAnInitThatWasKilledIsClearedAway(t *testing.T) {
	parent := shortDir(t)
	dir := filepath.Join(parent, "dev")
	must(t, "init", "--dir", dir, "--development")
	make := func(name string, mode fs.FileMode, age time.Duration) string {
		t.Helper()
		path := filepath.Join(parent, name)
		at := time.Now().Add(-age)
		err := errors.Join(os.MkdirAll(path, 0o700), os.WriteFile(filepath.Join(path, "mohur.yaml"), nil, 0o600), os.Chmod(path, mode), os.Chtimes(path, at, at))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	killed := make(stagingPrefix+"1", 0o700, time.Hour)
	stay := []string{make(stagingPrefix+"2", 0o700, 0), make(stagingPrefix+"3", 0o755, time.Hour), make("mohur-init-4", 0o700, time.Hour)}
	held, release, err := makeStaging(parent)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(held, old, old); err != nil {
		t.Fatal(err)
	}
	stay = append(stay, held)

	_, out, _ := command(t, "doctor", "--config", filepath.Join(dir, configName))
	if !strings.Contains(out, killed+" was left behind") || strings.Count(out, "was left behind") != 1 {
		t.Errorf("the doctor says %s", out)
	}
	code, _, stderr := command(t, "init", "--dir", filepath.Join(parent, "other"), "--development")
	if code != exitOK || !strings.Contains(stderr, "removed "+killed) {
		t.Errorf("%d %s", code, stderr)
	}
	if _, err := os.Stat(killed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	for _, path := range stay {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	release()
	if found, err := leftBehind(parent, time.Now()); err != nil || len(found) != 1 || found[0] != held {
		t.Errorf("after its end: %v, %v", found, err)
	}
}
