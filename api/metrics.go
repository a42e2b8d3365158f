package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mohur/problem"
)

// metrics counts what the API does. Labels are from small fixed sets: nothing
// that comes with a request becomes one.
type metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	parts    *prometheus.CounterVec
	running  prometheus.Gauge
	imports  prometheus.Gauge
}

func newMetrics(r *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"method", "route", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mohur_http_request_seconds", Help: "Time from the request line to the end of the answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .15, .2, .3, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_http_refusals_total", Help: "Problem documents, by code.",
		}, []string{"code"}),
		parts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_unavailable_total", Help: "Requests refused because a part was away: hsm, store, time, other.",
		}, []string{"part"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "mohur_http_requests_running", Help: "Requests being answered."}),
		imports: prometheus.NewGauge(prometheus.GaugeOpts{Name: "mohur_imports_running", Help: "Seed files being read in."}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.latency, m.refusals, m.parts, m.running, m.imports} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("api: metrics: %w", err)
		}
	}
	return m, nil
}

// began notes a request and returns what notes its end.
func (m *metrics) began() func(t *trace, status int) {
	m.running.Inc()
	return func(t *trace, status int) {
		m.running.Dec()
		m.requests.WithLabelValues(t.method, t.route, strconv.Itoa(status)).Inc()
		m.latency.WithLabelValues(t.method, t.route).Observe(time.Since(t.began).Seconds())
	}
}

func (m *metrics) refused(p *problem.Error) {
	m.refusals.WithLabelValues(string(p.Code)).Inc()
	if p.Code == problem.Unavailable {
		m.parts.WithLabelValues(away(p.Err)).Inc()
	}
}

// getMetrics serves the registry in the text format of Prometheus.
func (x *exchange) getMetrics(context.Context) (reply, error) {
	return reply{handler: promhttp.HandlerFor(x.server.Registry, promhttp.HandlerOpts{
		DisableCompression: true,
		ErrorHandling:      promhttp.HTTPErrorOnError,
	})}, nil
}
