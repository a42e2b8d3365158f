package enrollment_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"mohur/banktest"
	"mohur/enrollment"
	"mohur/problem"
	"mohur/tokens"
	"mohur/tokens/pskc/pskctest"
)

// Clause 5.20: outside development seeds in the clear take a second person, in
// whatever format, and a key is named where there is something to open.
func TestClause5_20_SeedsInTheClearWait(t *testing.T) {
	b := banktest.New(t)
	csv := readFile(t, "../tokens/oathcsv/testdata/oath.csv")
	plain := pskctest.File{Keys: []pskctest.Key{{Serial: "1", Secret: seed20}}}.Plain()
	encrypted := pskctest.File{Keys: []pskctest.Key{{Serial: "1", Secret: seed20}}}.Encrypted([]byte("0123456789abcdef"))
	refused := func(name string, doc []byte, cmd enrollment.ImportCommand, field string) {
		t.Helper()
		cmd.Caller, cmd.File = b.Staff(), bytes.NewReader(doc)
		if _, err := b.Enrollment.BeginImport(t.Context(), &cmd); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "; "+field+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("a format nobody knows", csv, enrollment.ImportCommand{Format: "xlsx"}, "format")
	refused("no format", csv, enrollment.ImportCommand{}, "format")
	refused("a profile nobody knows", csv, enrollment.ImportCommand{Format: "auto", Profile: "x"}, "profile")
	refused("a key for a file without", csv, enrollment.ImportCommand{Format: "auto", Password: []byte("x")}, "transport_key")
	refused("a key and a password", plain, enrollment.ImportCommand{Format: "pskc", TransportKey: "x", Password: []byte("x")}, "password")
	b.Enrollment.Development = false
	refused("an encrypted file without its key", encrypted, enrollment.ImportCommand{Format: "auto"}, "transport_key")
	refused("nothing that is known", []byte("x\n"), enrollment.ImportCommand{Format: "auto"}, "format")
	for name, cmd := range map[string]enrollment.ImportCommand{
		"a CSV": {Format: "auto", File: bytes.NewReader(csv)}, "a CSV, named": {Format: "oath-csv", File: bytes.NewReader(csv)}, "PSKC": {Format: "auto", File: bytes.NewReader(plain)},
	} {
		cmd.Caller = b.Staff()
		_, err := b.Enrollment.BeginImport(t.Context(), &cmd)
		var waits *enrollment.NotPermitted
		if !errors.As(err, &waits) || waits.Asked.State != tokens.PermitAsked || waits.Approval != "" {
			t.Errorf("%s in the clear outside development: %v", name, err)
			continue
		}
		// Who has it read all the same gets nothing in.
		job := tokens.Import{ID: waits.Asked.ID, State: tokens.ImportRunning, SHA256: cmd.SHA256, Version: 1}
		if job, err = b.Enrollment.RunImport(t.Context(), cmd, job); err == nil && job.State != tokens.ImportFailed || count(t, b) != 0 {
			t.Errorf("%s without a permit: %+v, %v", name, job, err)
		}
	}
	if job := runs(t, b, plain, enrollment.ImportCommand{Password: []byte("x")}); job.State != tokens.ImportFailed || count(t, b) != 0 {
		t.Errorf("PSKC in the clear, with a password named: %+v", job)
	}
}
