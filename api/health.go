package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"mohur/audit"
)

// getHealth says that the process answers, and nothing of its parts.
func (x *exchange) getHealth(context.Context) (reply, error) {
	return ok(map[string]string{"status": "alive"})
}

type readyOut struct {
	Ready       bool       `json:"ready"`
	Development bool       `json:"development"`
	HSM         bool       `json:"hsm"`
	Store       bool       `json:"store"`
	Audit       bool       `json:"audit"`
	StopList    bool       `json:"stop_list"`              // no report waits to be settled
	Metadata    *bool      `json:"fido_metadata,omitzero"` // is current; says nothing of ready
	Checkpoint  *time.Time `json:"checkpoint_at,omitzero"` // time of the last one
	Version     string     `json:"version"`
}

const (
	readyWait = 2 * time.Second // for each part to answer
	uncovered = time.Minute     // how long an entry may wait for a checkpoint
)

// readiness is the last finding.
type readiness struct {
	mu    sync.Mutex
	found readyOut
	at    time.Time
}

// getReady says whether the server can do its work: HSM, store and audit log
// all answer.
func (x *exchange) getReady(ctx context.Context) (reply, error) {
	found := x.server.readiness(ctx)
	status := http.StatusOK
	if !found.Ready {
		status = http.StatusServiceUnavailable
	}
	return reply{status: status, body: found}, nil
}

// readiness looks at the parts, at most once a second however many ask: anybody
// may.
func (s *Server) readiness(ctx context.Context) readyOut {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if time.Since(s.ready.at) >= s.waits.ready {
		s.ready.found, s.ready.at = s.examine(context.WithoutCancel(ctx)), time.Now()
	}
	// The stop-list is asked each time: a node that holds reports back is not ready.
	out := s.ready.found
	out.StopList = s.Stops.Pending() == 0
	out.Ready = out.Ready && out.StopList
	return out
}

// examine asks all parts at once.
func (s *Server) examine(ctx context.Context) readyOut {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	out := readyOut{Development: s.Development, Version: s.Version}
	var wg sync.WaitGroup
	wg.Go(func() { out.HSM = s.answers(ctx, "hsm", s.HSM.Check) })
	wg.Go(func() { out.Store = s.answers(ctx, "store", s.StoreCheck) })
	wg.Go(func() { out.Audit = s.answers(ctx, "audit", s.checkAudit) })
	wg.Wait()
	if s.Log.Health != nil {
		if at, _ := s.Log.Health(); !at.IsZero() {
			at = at.UTC()
			out.Checkpoint = &at
		}
	}
	if s.Metadata != nil {
		fresh := s.Metadata()
		out.Metadata = &fresh
	}
	out.Ready = out.HSM && out.Store && out.Audit
	return out
}

// answers reports whether a part is well; why not is for the log.
func (s *Server) answers(ctx context.Context, part string, check func(context.Context) error) bool {
	err := check(ctx)
	if err != nil {
		s.Logger.WarnContext(ctx, "not ready", "part", part, "error", err)
	}
	return err == nil
}

// checkAudit reports whether the log is written and signed: the sequencer has
// met no fault, and no entry has waited longer than a minute for a checkpoint.
func (s *Server) checkAudit(ctx context.Context) error {
	if s.Log.Health != nil {
		if _, err := s.Log.Health(); err != nil {
			return err
		}
	}
	size, err := s.covered(ctx)
	if err != nil {
		return err
	}
	next, err := s.Log.Store.Entries(ctx, size, 1)
	if err != nil || len(next) == 0 {
		return err
	}
	h, err := audit.ParseHeader(next[0].Header)
	if err != nil {
		return err
	}
	if waited := s.Now().Sub(h.Time); waited > uncovered {
		return errUncovered
	}
	return nil
}

// errUncovered says that entries wait for a checkpoint.
var errUncovered = errors.New("api: entries of the audit log wait for a checkpoint")

// covered is the size of the last checkpoint.
func (s *Server) covered(ctx context.Context) (uint64, error) {
	msg, err := s.Log.Store.LastCheckpoint(ctx)
	if err != nil || msg == nil {
		return 0, err
	}
	head, err := headOf(msg)
	return head.Size, err
}
