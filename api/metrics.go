package api

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mohur/parties"
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
	limited  *prometheus.CounterVec
	replays  prometheus.Counter
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
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mohur_limited_total", Help: "Requests told to come back later, by the limit: caller, strangers, customer, source, customer-failures, source-failures, nameless-source, nameless-client, queue, cards, repeats, imports, simulations.",
		}, []string{"limit"}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mohur_idempotent_replays_total", Help: "Requests answered with what was recorded for their Idempotency-Key.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.latency, m.refusals, m.parts, m.running, m.imports, m.limited, m.replays} {
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
	if p.Code == problem.TooMany {
		m.limited.WithLabelValues(cmp.Or(p.Limit, "other")).Inc()
	}
	if p.Code == problem.Unavailable {
		m.parts.WithLabelValues(away(p.Err)).Inc()
	}
}

// getMetrics serves the registry in the text format of Prometheus: without a key
// to this machine only, from elsewhere to the bank's own people. Counts of what
// the HSM did and of why answers were refused, read around one answer, would
// tell a stranger what the answer itself does not.
func (x *exchange) getMetrics(ctx context.Context) (reply, error) {
	if !fromHere(x.r.RemoteAddr) {
		by, err := x.server.APIKeys(ctx, x.r)
		if err != nil {
			return reply{}, x.server.strange(x.r, err)
		}
		if !by.Has(parties.Auditor, parties.Admin, parties.Security) {
			return reply{}, problem.New(problem.Forbidden, "the roles of this caller do not allow it")
		}
	}
	return reply{handler: promhttp.HandlerFor(x.server.Registry, promhttp.HandlerOpts{
		DisableCompression: true,
		ErrorHandling:      promhttp.HTTPErrorOnError,
	})}, nil
}

// fromHere reports whether a peer is on this machine: on the loopback interface
// or the socket, whose peers have no address.
func fromHere(peer string) bool {
	addr, err := netip.ParseAddrPort(peer)
	if err != nil {
		return peer == "" || peer == "@"
	}
	return addr.Addr().Unmap().IsLoopback()
}
