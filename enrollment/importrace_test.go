package enrollment_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"mohur/banktest"
	"mohur/enrollment"
	"mohur/tokens"
	"mohur/tokens/pskc/pskctest"
)

// Clause 5.20: files that name the same devices, imported at once, make one token of
// each. Who comes second is told by serial.
func TestClause5_20_ImportsAtOnceMakeOneTokenOfADevice(t *testing.T) {
	b := banktest.New(t)
	const imports, devices = 4, 450
	var jobs [imports]tokens.Import
	var all sync.WaitGroup
	for n := range imports {
		var file pskctest.File
		for i := range devices {
			serial := fmt.Sprintf("R%04d", i*[imports]int{1, 7, 11, 13}[n]%devices) // each in an order of its own
			file.Keys = append(file.Keys, pskctest.Key{Serial: serial, KeyID: fmt.Sprintf("%s-%d-%d", serial, n, i), Secret: seed20})
		}
		cmd := enrollment.ImportCommand{Caller: b.Staff(), File: bytes.NewReader(file.Plain()), Format: "pskc", Batch: fmt.Sprint(n)}
		job, err := b.Enrollment.BeginImport(t.Context(), &cmd)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			var err error
			if jobs[n], err = b.Enrollment.RunImport(t.Context(), cmd, job); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	imported := 0
	for n, job := range jobs {
		imported += job.Imported
		if job.State != tokens.ImportCompleted || job.Imported+job.Rejected != devices {
			t.Errorf("import %d: %+v", n, job)
		}
		for _, r := range job.Rejections {
			if !strings.Contains(r.Reason, "this manufacturer and serial is there already") {
				t.Fatalf("import %d, %s: %s", n, r.Serial, r.Reason)
			}
		}
	}
	keys := 0
	for i := range devices {
		serial := fmt.Sprintf("R%04d", i)
		found, err := b.Store.TokensBySerial(t.Context(), serial)
		if err != nil || len(found) > 1 {
			t.Fatalf("%s is %d tokens, %v", serial, len(found), err)
		}
		for _, tk := range found {
			keys += len(tk.Credentials)
			for _, id := range tk.Credentials {
				if c, err := b.Store.Credential(t.Context(), id); err != nil || c.Token != tk.ID {
					t.Errorf("%s: %+v, %v", serial, c, err)
				}
			}
		}
	}
	if keys != imported {
		t.Errorf("%d keys on tokens, %d imported", keys, imported)
	}
}
