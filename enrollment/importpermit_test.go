package enrollment_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/problem"
	"mohur/settle"
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

// An import that a stop of the server cut off before anything was in goes on at the
// next start without another permit, and its end is the end of its permit.
func TestClause5_20_AStopLeavesThePermitToItsImport(t *testing.T) {
	b := banktest.New(t)
	b.Enrollment.Development = false
	begin := func() (enrollment.ImportCommand, tokens.Import, error) {
		cmd := enrollment.ImportCommand{Caller: b.Staff(), File: strings.NewReader("OC-1, 3132333435363738393031323334353637383930, hotp, 6\n"), Name: "a\x00b.csv", Format: "auto"}
		job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
		return cmd, job, err
	}
	_, _, err := begin()
	var waits *enrollment.NotPermitted
	if !errors.As(err, &waits) || waits.Asked.File.Name != "a?b.csv" {
		t.Fatalf("%+v, %v", waits, err)
	}
	asked := waits.Asked
	asked.Approval = "ap_1"
	if _, err := settle.Write(t.Context(), b.Store, b.Audit, []settle.Effect{tokens.SavePermit{Permit: asked}}, []audit.Event{{Name: "approval.asked", Outcome: "waiting", Detail: 1}}); err != nil {
		t.Fatal(err)
	}
	permit := enrollment.PermitCommand{Caller: b.Staff(), Import: asked.ID, File: asked.File, Approval: "ap_1", Checker: "~boris"}
	for name, change := range map[string]func(*enrollment.PermitCommand){
		"another approval": func(c *enrollment.PermitCommand) { c.Approval = "ap_2" }, "another file": func(c *enrollment.PermitCommand) { c.File.SHA256 = "00" },
		"another maker": func(c *enrollment.PermitCommand) { c.Caller.ID = "cl_other" }, "another batch": func(c *enrollment.PermitCommand) { c.File.Batch = "B" },
	} {
		other := permit
		change(&other)
		if _, err := b.Enrollment.PermitImport(t.Context(), other); !problem.Is(err, problem.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Enrollment.PermitImport(t.Context(), permit); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Enrollment.PermitImport(t.Context(), permit); !problem.Is(err, problem.Conflict) {
		t.Errorf("permitted twice: %v", err)
	}
	_, first, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := begin(); !problem.Is(err, problem.Conflict) {
		t.Errorf("while it runs: %v", err)
	}
	if err := b.Enrollment.FailUnfinished(t.Context()); err != nil { // as at the next start
		t.Fatal(err)
	}
	cmd, again, err := begin()
	if err != nil || again.ID != first.ID {
		t.Fatalf("after the stop: %+v, %v", again, err)
	}
	done, err := b.Enrollment.RunImport(t.Context(), cmd, again)
	if err != nil || done.State != tokens.ImportCompleted || done.Imported != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if p, err := b.Store.Permit(t.Context(), first.ID); err != nil || p.State != tokens.PermitDone {
		t.Errorf("its permit: %+v, %v", p, err)
	}
	if _, _, err := begin(); !errors.As(err, &waits) || waits.Asked.ID == first.ID {
		t.Errorf("once more: %v", err)
	}
	if n := b.Count("incident.opened", "", "import.plain-seeds"); n != 1 {
		t.Errorf("%d incidents", n)
	}
}
