package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"mohur/audit"
	"mohur/hsm"
)

// metrics counts what happens below the services; package api counts the rest.
type metrics struct {
	registry   *prometheus.Registry
	hsmCalls   *prometheus.HistogramVec
	hsmFaults  *prometheus.CounterVec
	hsmCPU     *prometheus.CounterVec
	commits    prometheus.Histogram
	batch      prometheus.Histogram
	checkpoint prometheus.Gauge
	signed     prometheus.Gauge
	sentAway   prometheus.Counter
	verdicts   *prometheus.CounterVec
	sweep      *sweepMetrics
	held       *prometheus.GaugeVec
	decisions  *decisionMetrics
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		hsmCalls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mohur_hsm_call_seconds", Help: "How long calls of the HSM took.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
		}, []string{"op"}),
		hsmFaults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_hsm_faults_total", Help: "Calls of the HSM that failed, by the class of the fault.",
		}, []string{"op", "class"}),
		hsmCPU: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_hsm_cpu_seconds_total", Help: "Processor time of this process in calls of the HSM, from one call in eight.",
		}, []string{"op"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mohur_store_commit_seconds", Help: "How long commits of the store took.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 14),
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mohur_store_commit_requests", Help: "How many requests a commit carried.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		checkpoint: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mohur_audit_checkpoint_entries", Help: "How many audit entries the last checkpoint covers.",
		}),
		sentAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mohur_connections_sent_away_total", Help: "Connections closed to make room for newer ones.",
		}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_answers_total", Help: "Answers to authentications, and certificates shown over TLS (presented, not-presented), by what became of them and, of the one refusal, its cause.",
		}, []string{"outcome", "reason"}),
		signed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mohur_audit_checkpoint_time_seconds", Help: "When the last checkpoint was signed, in Unix seconds.",
		}),
	}
	m.registry.MustRegister(m.hsmCalls, m.hsmFaults, m.hsmCPU, m.commits, m.batch, m.checkpoint, m.signed, m.sentAway, m.verdicts,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.held = newHeldMetric(m.registry)
	m.sweep, m.decisions = newSweepMetrics(m.registry), newDecisionMetrics(m.registry)
	return m
}

func (m *metrics) hsmCall(op string, class hsm.Class, d time.Duration) {
	m.hsmCalls.WithLabelValues(op).Observe(d.Seconds())
	if class != 0 {
		m.hsmFaults.WithLabelValues(op, class.String()).Inc()
	}
}

func (m *metrics) hsmSpent(op string, d time.Duration) {
	m.hsmCPU.WithLabelValues(op).Add(d.Seconds())
}

func (m *metrics) answered(outcome, reason string) {
	m.verdicts.WithLabelValues(outcome, reason).Inc()
}

func (m *metrics) commit(batch int, d time.Duration) {
	m.commits.Observe(d.Seconds())
	m.batch.Observe(float64(batch))
}

func (m *metrics) signedHead(h audit.Head) {
	m.checkpoint.Set(float64(h.Size))
	m.signed.Set(float64(h.Time.Unix()))
}
