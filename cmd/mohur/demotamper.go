package main

import (
	"bytes"
	"errors"

	"golang.org/x/mod/sumdb/note"

	"mohur/audit"
)

// tamper takes one entry out of the middle of the export and expects the
// verifier to name the place.
func (s *story) tamper(export []byte, key note.Verifier) error {
	lines := bytes.SplitAfter(export, []byte("\n"))
	at := 0
	for i, line := range lines {
		if bytes.Contains(line, []byte("customer.pin")) {
			at = i
		}
	}
	if at == 0 {
		return errors.New("the log has no entry about the PIN")
	}
	cut := bytes.Join(append(append([][]byte{}, lines[:at]...), lines[at+1:]...), nil)
	report, err := audit.Verify(bytes.NewReader(cut), audit.VerifyOptions{Verifier: key})
	if err != nil {
		return err
	}
	if report.OK() {
		return errors.New("an entry was taken out, and the verifier did not notice")
	}
	s.findf("with one entry taken out the verifier names it: %v", report.FirstBad)
	return nil
}
