package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"mohur/audit"
)

func closingChapters() []chapter {
	return []chapter{
		{"He reports the token lost; it is dead at once, and his session with it", reportLost},
		{"An auditor exports the log and verifies it with the public key alone", auditAll},
	}
}

func (s *story) active(ctx context.Context, want bool) error {
	var out struct {
		Active bool `json:"active"`
	}
	in := map[string]string{"access_token": s.access}
	if err := s.ask(ctx, frontend, http.MethodPost, "/v1/sessions/introspect", in, http.StatusOK, &out); err != nil {
		return err
	}
	if out.Active != want {
		return fmt.Errorf("active is %v and was to be %v", out.Active, want)
	}
	return nil
}

func reportLost(ctx context.Context, s *story) error {
	if err := s.active(ctx, true); err != nil {
		return err
	}
	var t tokenView
	in := map[string]string{"kind": "lost", "details": "left in a taxi"}
	if err := s.ask(ctx, helpdesk, http.MethodPost, "/v1/tokens/"+s.token+"/report", in, http.StatusOK, &t); err != nil {
		return err
	}
	if err := s.expectState(t, "suspended"); err != nil {
		return err
	}
	if err := s.active(ctx, false); err != nil {
		return err
	}
	order := s.order("4", "10.00", "Kitab Evi", "AZ96AZEJ00000000001234567890")
	if err := s.ask(ctx, frontend, http.MethodPost, "/v1/transactions", order, http.StatusForbidden, nil); err != nil {
		return err
	}
	id, err := s.pinThen(ctx, s.pin)
	if err != nil {
		return err
	}
	if err := s.refuse(ctx, id, "otp", s.tokens[0].code()); err != nil {
		return err
	}
	s.findf("who finds the token meets the same refusal as everybody else")
	return nil
}

func auditAll(ctx context.Context, s *story) error {
	key, err := os.ReadFile(filepath.Join(s.c.Dir, verifierFile))
	if err != nil {
		return err
	}
	verifier, err := audit.ParseVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		return err
	}
	var report audit.Report
	var export []byte
	err = until(ctx, func() (bool, error) { // a checkpoint covers the last entry within the second
		s.told = s.told[:0]
		if export, err = s.send(ctx, auditor, http.MethodGet, "/v1/audit/export", "", nil, nil, http.StatusOK); err != nil {
			return false, err
		}
		s.told[0].Answer = shortened(fmt.Appendf(nil, "%q", fmt.Sprintf("%d bytes, a JSON object a line", len(export))))
		report, err = audit.Verify(bytes.NewReader(export), audit.VerifyOptions{Verifier: verifier})
		return !report.OK() || report.Uncovered() == 0, err
	})
	if err != nil {
		return err
	}
	if !report.OK() {
		return fmt.Errorf("the log is not in order: %v", report.FirstBad)
	}
	s.findf("in order: %s, all under %s signed by the HSM", entries(report.Entries), count(report.Checkpoints, "checkpoint"))
	return s.tamper(export, verifier)
}
