// Package api is the HTTP side of the server. It knows who is calling and what
// his role may call, takes requests strictly or not at all, hands commands to
// the domain and writes what comes back; it decides nothing itself.
//
// It guarantees: no route is reached without a role that the one table of routes
// names for it; nobody learns more of a refusal than the contract says, and of
// an internal error nothing but its request id; a request that does not end in
// time, or whose fate is unknown, is told as a failure, never as a success.
//
// gin stays in this package: what goes inward is a context and a command.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/approval"
	"mohur/audit"
	"mohur/authn"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/incident"
	"mohur/parties"
	"mohur/payment"
	"mohur/rate"
	"mohur/rulebook"
	"mohur/settle"
	"mohur/stoplist"
	"mohur/tokens"
)

// Deps is what the server is made of. Every member is needed, unless it says
// otherwise.
type Deps struct {
	Authn      *authn.Service
	Payments   *payment.Service
	Parties    *parties.Service
	Enrollment *enrollment.Service
	Approvals  *approval.Service
	Rules      *rulebook.Book
	Store      Store
	HSM        hsm.Module
	Keys       *custody.Service
	Log        Log
	// StoreCheck says whether the store takes reads and writes; /readyz asks it.
	// nil: the Check method of Store, which it then must have.
	StoreCheck func(ctx context.Context) error

	// Metadata says whether what is known of models of FIDO2 keys is current; nil:
	// there is no source of it.
	Metadata func() bool

	Stops *stoplist.List // reports that wait for HSM or store; nil: such reports are refused while one is away

	RelatedOrigins []byte // what browsers ask for at /.well-known/webauthn (WebAuthn Level 3 section 5.11.1); nil: nothing

	Issuer      string     // the configured url: iss of what is signed
	Development bool       // shown by /readyz; transport keys come in whole
	Version     string     // of the program, shown by /readyz
	CallerRate  rate.Limit // of requests by one caller; zero: that of the contract
	// Strangers is the pace of requests without a good key from one address; beyond
	// it a 401 becomes a 429. Zero: 10 a second, 200 at once.
	Strangers rate.Limit
	Spool     string // directory, 0700, for seed files while they are read; this server's alone

	Logger   *slog.Logger         // nil: slog.Default
	Registry *prometheus.Registry // nil: one of its own
	Now      func() time.Time     // nil: time.Now
}

// Log is the audit log as the API shows it.
type Log struct {
	Store audit.Store
	// Verifier is the log's public key in the form of audit.VerifierString; the
	// name in it is the log's origin.
	Verifier string
	// Health says when the last checkpoint was signed, and what has kept the
	// sequencer from signing since: nil while all is well. /readyz asks it.
	// nil: only the log itself is looked at.
	Health func() (last time.Time, err error)
}

// Store is what lists read. All methods may be called by many goroutines.
type Store interface {
	Tokens(ctx context.Context, f tokens.Filter, cursor string, limit int) ([]tokens.Token, string, error)
	Credential(ctx context.Context, id string) (tokens.Credential, error)
	Hot(ctx context.Context, ids ...string) ([]settle.HotRead, error)
	Import(ctx context.Context, id string) (tokens.Import, error)
	Sessions(ctx context.Context, customer string) ([]authn.Session, error)
	Clients(ctx context.Context) ([]parties.Client, error)
	Incidents(ctx context.Context, cursor string, limit int) ([]incident.Incident, string, error)
	settle.Memories
}

// Identify says who sent a request, or returns a *problem.Error: 401 when it
// was nobody, 503 when that cannot be found out.
type Identify func(ctx context.Context, r *http.Request) (parties.Caller, error)

// Server answers requests. Make it with New.
type Server struct {
	Deps

	metrics *metrics
	ready   readiness
	imports *imports
	flights flights
	callers *rate.Limiter

	strangers *rate.Limiter

	waits       waits
	uploadLimit int64

	simulating sync.Mutex // one at a time: each reads much
	parsing    sync.Mutex // one policy at a time: a long one takes a second
}

// New returns a server over its parts. Seed files that a crash left in the spool
// are removed: nothing is read from it again.
func New(d Deps) (*Server, error) {
	if own, is := d.Store.(interface{ Check(context.Context) error }); is && d.StoreCheck == nil {
		d.StoreCheck = own.Check
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.Registry == nil {
		d.Registry = prometheus.NewRegistry()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.CallerRate == (rate.Limit{}) {
		d.CallerRate = rate.Limit{PerSecond: 500, Burst: 1000}
	}
	if d.Strangers == (rate.Limit{}) {
		d.Strangers = rate.Limit{PerSecond: 10, Burst: 200}
	}
	if err := sweepSpool(d.Spool); err != nil {
		return nil, err
	}
	m, err := newMetrics(d.Registry)
	if err != nil {
		return nil, err
	}
	return &Server{
		Deps: d, metrics: m, imports: newImports(), callers: rate.NewLimiter(d.CallerRate), strangers: rate.NewLimiter(d.Strangers),
		waits: defaultWaits, uploadLimit: uploadLimit,
	}, nil
}

func (d Deps) check() error {
	for _, part := range []struct {
		there bool
		name  string
	}{
		{d.Authn != nil, "Authn"}, {d.Payments != nil, "Payments"}, {d.Parties != nil, "Parties"}, {d.Enrollment != nil, "Enrollment"}, {d.Approvals != nil, "Approvals"}, {d.Rules != nil, "Rules"},
		{d.Store != nil, "Store"}, {d.StoreCheck != nil, "StoreCheck"}, {d.HSM != nil, "HSM"}, {d.Keys != nil, "Keys"}, {d.Log.Store != nil, "Log.Store"},
		{d.Issuer != "", "Issuer"}, {d.Spool != "", "Spool"},
	} {
		if !part.there {
			return errors.New("api: Deps." + part.name + " is missing")
		}
	}
	if _, err := audit.ParseVerifier(d.Log.Verifier); err != nil {
		return fmt.Errorf("api: Deps.Log.Verifier: %w", err)
	}
	info, err := os.Stat(d.Spool)
	if err != nil {
		return fmt.Errorf("api: the spool: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("api: the spool %s needs to be a directory with mode 0700", d.Spool)
	}
	return nil
}

// Handler returns the HTTP side for one listener. Who calls is found out by
// identify: APIKeys for the network, another one for the socket of the host.
func (s *Server) Handler(identify Identify) http.Handler {
	return s.engine(identify)
}

// Wait takes no further imports and returns when those under way have ended. It
// is called after the listeners have been shut down.
func (s *Server) Wait() { s.imports.wait(context.Background()) }

// Shutdown is Wait with an end: once ctx is over the imports still under way are
// broken off, each leaving its record as failed, and it returns when they have.
func (s *Server) Shutdown(ctx context.Context) { s.imports.wait(ctx) }
