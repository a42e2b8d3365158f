package main

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/authn/fido"
)

// recheckAgain is when a check of the enrolled keys that was not whole is made
// again, and the longest wait after metadata that could not be read.
const (
	recheckAgain = time.Minute
	refreshAgain = time.Hour
)

// openKeys reads what is configured of FIDO2 keys. Nothing is fetched yet.
func (s *server) openKeys() (err error) {
	if s.metadata, err = s.config.metadata(); err != nil {
		return err
	}
	if s.keyring, err = s.config.keys(s.metadata); err != nil {
		return err
	}
	if l := s.metadata; l != nil {
		s.metrics.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "mohur_fido_metadata_number", Help: "The number of the FIDO metadata in force; 0: none.",
			}, func() float64 { return float64(l.State().Number.No) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "mohur_fido_metadata_next_update_seconds", Help: "When the FIDO metadata in force is overdue, in Unix seconds; 0: none is in force.",
			}, func() float64 {
				if at := l.State().NextUpdate; !at.IsZero() {
					return float64(at.Unix())
				}
				return 0
			}))
	}
	return nil
}

// freshMetadata tells /readyz whether the metadata in force is current.
func (s *server) freshMetadata() func() bool {
	if s.metadata == nil {
		return nil
	}
	return func() bool { return !s.metadata.State().Stale }
}

// watchKeys keeps the metadata current and checks the enrolled keys at the start
// and whenever it has changed. What cannot be read changes nothing.
func (s *server) watchKeys(ctx context.Context) {
	if s.keyring.RP == nil {
		return
	}
	due, begun := true, s.metadata == nil // due: a check of the enrolled keys
	for {
		if !begun && s.beginMetadata(ctx) {
			due, begun = true, true
		}
		wait := s.config.FIDO.MDSRefresh
		if due = due && !s.recheck(ctx); due || !begun {
			wait = recheckAgain
		} else if s.metadata == nil {
			return
		} else if st := s.metadata.State(); st.Err != nil {
			wait = min(wait, refreshAgain)
		} else if until := time.Until(st.NextUpdate); until > 0 {
			wait = min(wait, until+time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if s.metadata != nil && begun {
			changed, err := s.metadata.Refresh(ctx)
			due = due || changed
			s.refreshed(ctx, err)
		}
	}
}

// beginMetadata reads the metadata for the first time, above the number that was
// last in force: while that cannot be read, none is taken.
func (s *server) beginMetadata(ctx context.Context) bool {
	l := s.metadata
	signer := cmp.Or(l.Trust.Name, "any")
	floor, err := s.enrollment.MetadataFloor(ctx, signer)
	if err != nil {
		if ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "which FIDO metadata was last in force could not be read; none is taken until it is", "error", err)
		}
		return false
	}
	l.Floor = floor
	l.Keep = func(ctx context.Context, n fido.Number) error { return s.enrollment.KeepMetadata(ctx, signer, n) }
	s.refreshed(ctx, l.Start(ctx))
	return true
}

func (s *server) refreshed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.logger.WarnContext(ctx, "the FIDO metadata could not be read; what is in force stays", "error", err)
	}
}

// recheck reports whether all enrolled keys were looked at.
func (s *server) recheck(ctx context.Context) bool {
	var m *fido.Metadata
	if s.metadata != nil {
		m = s.metadata.Current()
	}
	out, err := s.enrollment.RecheckKeys(ctx, m)
	if err != nil {
		if ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "not all FIDO2 keys were checked; it is tried again", "error", err)
		}
		return false
	}
	for _, f := range out.Findings {
		s.logger.WarnContext(ctx, "the metadata or the policy speaks against a FIDO2 key", "token", f.ID, "reason", f.Reason, "suspend", f.Suspend)
	}
	if m != nil {
		detail := map[string]any{"number": m.Number, "next_update": m.NextUpdate, "keys": out.Keys, "suspended": out.Suspended, "findings": len(out.Findings)}
		if err := s.note(ctx, sweeper, "fido.metadata", detail); err != nil && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "a check of the FIDO2 keys could not be recorded", "error", err)
		}
	}
	return true
}
