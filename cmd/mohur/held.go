package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/rate"
)

// reviewEvery is how often held payments are looked at that nobody has decided on.
const reviewEvery = time.Minute

// reviewHeld does what is due about held payments, as long as the server runs: what
// became due while it did not run, at once.
func (s *server) reviewHeld(ctx context.Context) {
	for ctx.Err() == nil {
		waiting, late, err := s.payments.ReviewHeld(ctx, sweeper)
		switch {
		case err == nil:
			s.metrics.held.WithLabelValues("false").Set(float64(waiting))
			s.metrics.held.WithLabelValues("true").Set(float64(late))
		case ctx.Err() == nil:
			s.logger.ErrorContext(ctx, "held payments could not be looked at", "error", err)
		}
		rate.Rest(ctx, reviewEvery)
	}
}

func newHeldMetric(r prometheus.Registerer) *prometheus.GaugeVec {
	held := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "mohur_payments_held", Help: "Payments that wait for the bank's security, by whether they do so for longer than held.review.",
	}, []string{"late"})
	held.WithLabelValues("false") // there from the start, at 0
	held.WithLabelValues("true")
	r.MustRegister(held)
	return held
}
