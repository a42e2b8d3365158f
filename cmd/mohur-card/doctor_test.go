package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/agent/doctor"
)

func TestDoctorCommand(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(home, "no-pcscd"))
	look := func(args ...string) (codes []string, r doctor.Report) {
		t.Helper()
		code, out, errs := run(t, append([]string{"doctor", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || r.Faults == 0 || !strings.Contains(errs, "faults were found") {
			t.Fatalf("%d, %v\n%s%s", code, err, out, errs)
		}
		for _, f := range r.Findings {
			codes = append(codes, f.Code)
		}
		return codes, r
	}
	if codes, r := look("--lang", "az"); r.Language != "az" || !slices.Contains(codes, "config-missing") || !slices.Contains(codes, "browser-none") || !slices.Contains(codes, "service-stopped") {
		t.Errorf("%s %q", r.Language, codes)
	}

	off := time.Duration(0)
	bank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound) // an answer is an answer
	}))
	config := filepath.Join(home, "config.yaml")
	write(t, config, "bank: A Bank\norigins: ["+bank.URL+"]\nlanguage: ru\n", 0o600)
	if codes, r := look("--config", config); r.Language != "ru" || !slices.Contains(codes, "bank-good") || !slices.Contains(codes, "clock-good") {
		t.Errorf("%s %q", r.Language, codes)
	}
	off = time.Hour
	if codes, _ := look("--config", config); !slices.Contains(codes, "clock-off") {
		t.Errorf("%q", codes)
	}
	if codes, _ := look("--config", config, "--offline"); slices.Contains(codes, "bank-good") || slices.Contains(codes, "clock-off") {
		t.Errorf("offline: %q", codes)
	}
	bank.Close()
	if codes, _ := look("--config", config); !slices.Contains(codes, "bank-away") {
		t.Errorf("%q", codes)
	}
	write(t, config, "bank: A Bank\norigin: x\n", 0o600)
	if codes, _ := look("--config", config); !slices.Contains(codes, "config-bad") {
		t.Errorf("%q", codes)
	}
	if code, out, _ := run(t, "doctor", "--offline", "--lang", "en"); code != 1 || !strings.Contains(out, "Faults found") || !strings.Contains(out, "→ ") {
		t.Errorf("%d\n%s", code, out)
	}
}
