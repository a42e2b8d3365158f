//go:build unix

package dialog

import (
	"os"
	"path/filepath"
	"testing"
)

// A program of the right name in PATH could be anybody's, and would be told the PIN.
func TestDialogsAreTheSystemsOwn(t *testing.T) {
	dir := t.TempDir()
	name := "mohur-planted-zenity"
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Chdir(dir)
	if path := program(name); path != "" {
		t.Errorf("%s is taken", path)
	}
	if path := program("env"); path != "/usr/bin/env" {
		t.Errorf("a program of the system is found as %q", path)
	}
}
