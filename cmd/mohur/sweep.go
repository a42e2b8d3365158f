package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/ident"
	"mohur/parties"
	"mohur/store/bolt"
	"mohur/store/bound"
	"mohur/storecheck"
)

// sweeper is who the log names for what a sweep does.
var sweeper = parties.Caller{Kind: "host", ID: "host:sweep", Name: "sweep", Source: "local"}

// sweepStore compares the whole store with what proves it, slowly, as long as the
// server runs.
func (s *server) sweepStore(ctx context.Context) {
	sweep := &storecheck.Sweep{
		Check: s.sweepCheck, Every: s.config.Store.Sweep, Now: time.Now,
		Done: func(r storecheck.Report) { s.swept(ctx, r) },
		Error: func(err error) {
			s.logger.ErrorContext(ctx, "a sweep of the store is not whole and begins anew", "error", err)
		},
	}
	sweep.Run(ctx)
}

// sweepCheck is the check of one pass. It asks the HSM for every MAC: what the
// server remembers of rows in use is not disturbed, and not relied upon.
func (s *server) sweepCheck() *storecheck.Check {
	records := &bound.Store{Engine: s.store, HSM: s.hsm, Audit: s.audit, Now: time.Now}
	m := s.metrics.sweep
	return &storecheck.Check{
		Store: sweptStore{s.store, m.rows}, HSM: s.hsm, Settler: s.records, Audit: s.audit, Now: time.Now,
		Bound: records.Checks(s.store.Secret), Parts: bolt.Parts(), Quarantine: true, By: sweeper,
		Found: func(f storecheck.Finding) {
			m.findings.WithLabelValues(string(f.Kind)).Inc()
			s.tellFinding(context.Background(), f)
		},
	}
}

// sweptStore counts the rows that are looked at.
type sweptStore struct {
	storecheck.Store
	rows prometheus.Counter
}

// Examine implements storecheck.Store.
func (s sweptStore) Examine(ctx context.Context, part, after string, limit int) ([]string, []storecheck.Finding, error) {
	keys, faults, err := s.Store.Examine(ctx, part, after, limit)
	s.rows.Add(float64(len(keys)))
	return keys, faults, err
}

// tellFinding writes a finding to the server's log. Whose row it is stands in the
// incident, and in what `mohur store check` says.
func (s *server) tellFinding(ctx context.Context, f storecheck.Finding) {
	text := f.Text
	if f.Kind == storecheck.KindStructure { // it names other rows
		text = "rows do not lead to one another, or cannot be read"
	}
	s.logger.ErrorContext(ctx, "a check of the store has found something",
		"kind", f.Kind, "part", f.Part, "row", ident.Digest(f.ID), "text", text, "quarantined", f.Quarantined)
}

// swept tells of a pass that is whole.
func (s *server) swept(ctx context.Context, r storecheck.Report) {
	s.metrics.sweep.completed.SetToCurrentTime()
	detail := map[string]any{"rows": r.Rows, "entries": r.Entries, "compared": r.Compared, "quarantined": r.Quarantined, "found": r.Found}
	if err := s.note(ctx, sweeper, "store.swept", detail); err != nil && ctx.Err() == nil {
		s.logger.ErrorContext(ctx, "a sweep of the store could not be recorded", "error", err)
	}
}

// sweepMetrics count what a sweep does.
type sweepMetrics struct {
	completed prometheus.Gauge
	rows      prometheus.Counter
	findings  *prometheus.CounterVec
}

func newSweepMetrics(r prometheus.Registerer) *sweepMetrics {
	m := &sweepMetrics{
		completed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mohur_store_sweep_time_seconds", Help: "When the last sweep of the whole store ended, in Unix seconds; 0: none since the start.",
		}),
		rows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mohur_store_sweep_rows_total", Help: "Rows that sweeps of the store have compared.",
		}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_store_sweep_findings_total", Help: "What sweeps of the store have found, by kind; what is not put right is found by every sweep.",
		}, []string{"kind"}),
	}
	for _, k := range storecheck.Kinds() {
		m.findings.WithLabelValues(string(k)) // there from the start, at 0
	}
	r.MustRegister(m.completed, m.rows, m.findings)
	return m
}
