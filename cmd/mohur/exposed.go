package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/compromised"
	"mohur/risk"
)

// exposedEvery is how often the list of compromised things is looked at: what another
// node has changed is in force within that time.
const exposedEvery = time.Second

// openExposed makes the list, which is loaded by watchExposed: until then, and when it
// cannot be read, nobody knows what is compromised, which raises the risk.
func (s *server) openExposed(ctx context.Context) *compromised.List {
	l := &compromised.List{Store: s.records, Settler: s.records, Audit: s.audit, Now: time.Now}
	if err := l.Refresh(ctx); err != nil {
		s.logger.ErrorContext(ctx, "the list of compromised things cannot be read", "error", err)
	}
	return l
}

// watchExposed keeps the list current. It tells once that it cannot.
func (s *server) watchExposed(ctx context.Context) {
	failing := false
	tick := time.NewTicker(exposedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.payments.Compromised.Refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			s.logger.ErrorContext(ctx, "the list of compromised things cannot be read; the last one stays in use", "error", err)
		}
		failing = err != nil
	}
}

// missingFacts counts the facts of payments that could not be looked up.
func (m *metrics) missingFacts() func(fact string) {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mohur_risk_facts_missing_total", Help: "Facts of payments that could not be looked up because their part has failed; each raises the risk.",
	}, []string{"fact"})
	for _, t := range risk.Terms() {
		c.WithLabelValues(t.Name) // there from the start, at 0
	}
	m.registry.MustRegister(c)
	return func(fact string) { c.WithLabelValues(fact).Inc() }
}
