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

// TestClause5_3_5_APINIsNotTriedTwice: a supervisor that starts the server again and
// again uses up one try of the HSM's PIN, not all of them, and is told by the exit
// code to leave it.
func TestClause5_3_5_APINIsNotTriedTwice(t *testing.T) {
	r := newRemote(t)
	right, wrong := r.pin(), "another-pin"
	put := func(pin string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.dir, softHSMPIN), []byte(pin+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mark := r.config.pinMarkFile()
	refused := func(words string) {
		t.Helper()
		r.launch()
		select {
		case <-r.done:
		case <-time.After(30 * time.Second):
			t.Fatal("it runs")
		}
		if code := r.cmd.ProcessState.ExitCode(); code != exitPIN {
			t.Errorf("it ended with %d, want %d", code, exitPIN)
		}
		if log := r.log.String(); !strings.Contains(log, words) || strings.Contains(log, wrong) || strings.Contains(log, right) {
			t.Errorf("it says %s", log)
		}
		text, err := os.ReadFile(mark)
		if err != nil || strings.Contains(string(text), wrong) || strings.Contains(string(text), right) {
			t.Errorf("the mark: %s, %v", text, err)
		}
		if info, err := os.Stat(mark); err != nil || info.Mode() != 0o600 {
			t.Errorf("the mark: %v, %v", info, err)
		}
	}
	runs := func() {
		t.Helper()
		r.serve()
		if _, err := os.Stat(mark); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the mark stays: %v", err)
		}
		if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		<-r.done
	}

	put(wrong)
	refused("pin fault")
	// Now the HSM would take this PIN: whoever tried it would get in.
	r.tokenTool(right, "--change-pin", "--new-pin", wrong)
	refused("has refused the PIN in hsm.pin_file before")
	refused("or remove " + mark)
	code, out, _ := command(t, "doctor", "--config", r.file)
	if code != exitFailed || !strings.Contains(out, "fail  hsm pin") {
		t.Errorf("the doctor: %d %s", code, out)
	}
	if err := os.WriteFile(mark, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("the mark is damaged")
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	runs()

	put(right) // which is the wrong one now
	refused("pin fault")
	put(wrong)
	runs()
}
