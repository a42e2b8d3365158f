package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"mohur/parties"
	"mohur/store"
	"mohur/store/bolt"
	"mohur/storecheck"
)

// checked is the result of a check, as it is told: by the server over its socket,
// and with --json.
type checked struct {
	storecheck.Report
	// Structure says whether the tree of the file was checked too, and if not, why.
	Structure string `json:"structure"`
}

// The values of checked.Structure.
const (
	structureChecked = "checked"
	structureHeld    = "checked at the server's start; stop the server to have it checked again"
)

// checkLine is one line of the stream in which a server tells of a check: how
// far it is, then its result, or why it is not whole.
type checkLine struct {
	Done   int      `json:"done,omitempty"`
	Total  int      `json:"total,omitempty"`
	Result *checked `json:"result,omitempty"`
	Error  string   `json:"error,omitempty"`
}

// storeCheck is a check of this engine's store.
func (e *engine) storeCheck(by parties.Caller, quarantine bool, progress func(done, total int)) *storecheck.Check {
	return &storecheck.Check{
		Store: e.store, HSM: e.hsm, Settler: e.records, Audit: e.audit, Now: time.Now,
		Bound: e.records.Checks(e.store.Secret), Parts: bolt.Parts(),
		Quarantine: quarantine, By: by, Progress: progress,
	}
}

// checkOwn checks a store that no server holds: the tree of the file first.
func (e *engine) checkOwn(ctx context.Context, quarantine bool, progress func(done, total int)) (*checked, error) {
	faults, err := e.store.Structure(ctx)
	if err != nil {
		return nil, err
	}
	report, err := e.storeCheck(localCaller(ownUID(), e.config.Development), quarantine, progress).Run(ctx)
	for _, f := range faults {
		report.Found++
		report.Findings = append(report.Findings, storecheck.Finding{
			Kind: storecheck.KindStructure, Part: "file", ID: e.config.Store.Path, Text: f,
			Do: "keep a copy of the file; restore the last backup if the server does not start from it",
		})
	}
	return &checked{report, structureChecked}, err
}

// serveCheck is the route of the socket: a check of the running server's store.
func (s *server) serveCheck(w http.ResponseWriter, r *http.Request) {
	by, ok := hostCaller(r, s.config.Development)
	if !ok {
		http.Error(w, "the socket does not say who is calling", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := stream{w}
	tell := func(l checkLine) { _ = json.NewEncoder(out).Encode(l) } // who left is not told
	told := time.Now()
	report, err := s.storeCheck(by, r.URL.Query().Has("quarantine"), func(done, total int) {
		if time.Since(told) > pollEvery {
			told = time.Now()
			tell(checkLine{Done: done, Total: total})
		}
	}).Run(r.Context())
	last := checkLine{Result: &checked{report, structureHeld}}
	if err != nil {
		s.logger.ErrorContext(r.Context(), "a check of the store is not whole", "error", err)
		last.Error = err.Error()
	}
	for _, f := range report.Findings {
		s.tellFinding(r.Context(), f)
	}
	tell(last)
}

// checkRunning has the running server check its store.
func (c *client) checkRunning(ctx context.Context, quarantine bool, progress func(done, total int)) (*checked, error) {
	path := checkPath
	if quarantine {
		path += "?quarantine"
	}
	resp, err := c.send(ctx, http.MethodPost, path, "", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(resp.Body); ; {
		var l checkLine
		switch err := lines.Decode(&l); {
		case errors.Is(err, io.EOF):
			return nil, errors.New("the server ended the check without a result; its log says why")
		case err != nil:
			return nil, fmt.Errorf("the server's answer cannot be read: %w", err)
		case l.Result == nil:
			progress(l.Done, l.Total)
			continue
		case l.Error != "":
			return l.Result, errors.New(l.Error)
		}
		return l.Result, nil
	}
}

// stream is an answer that takes its time: every piece gets its own deadline and
// is sent at once.
type stream struct{ w http.ResponseWriter }

func (s stream) Write(p []byte) (int, error) {
	rc := http.NewResponseController(s.w)
	n, err := s.w.Write(p)
	if err == nil {
		err = rc.Flush()
	}
	// Set after the first byte, which sets the usual one.
	_ = rc.SetWriteDeadline(time.Now().Add(writeFor))
	return n, err
}

// advised says what to do about a store that is damaged.
func advised(err error) error {
	if errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("%w; keep a copy of the file for whoever looks into it, and put the last backup in its place (docs/store.md)", err)
	}
	return err
}
