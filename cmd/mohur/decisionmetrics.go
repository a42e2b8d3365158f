package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/payment"
)

// decisionMetrics tell how payments are decided, and how long it takes.
type decisionMetrics struct {
	seconds *prometheus.HistogramVec
	made    *prometheus.CounterVec
	shadow  *prometheus.CounterVec
}

func newDecisionMetrics(r *prometheus.Registry) *decisionMetrics {
	m := &decisionMetrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mohur_decision_seconds", Help: "How long decisions on payments took, facts and judgement, by the version of the policy.",
			Buckets: []float64{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}, []string{"policy"}),
		made: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_decisions_total", Help: "Decisions on payments, by what was decided and what exempted.",
		}, []string{"decision", "exemption"}),
		shadow: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_shadow_decisions_total", Help: "What the shadow policy would have asked for beside them: same, stricter, weaker.",
		}, []string{"change"}),
	}
	r.MustRegister(m.seconds, m.made, m.shadow)
	return m
}

func (m *decisionMetrics) observe(j payment.Judged) {
	m.seconds.WithLabelValues(strconv.Itoa(j.Policy)).Observe(j.Took.Seconds())
	if j.Again {
		return
	}
	m.made.WithLabelValues(string(j.Decision), j.Exemption).Inc()
	if j.Shadow != "" {
		m.shadow.WithLabelValues(j.Shadow).Inc()
	}
}
