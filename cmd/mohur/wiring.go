package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"mohur/api"
	"mohur/approval"
	"mohur/authn"
	"mohur/authn/fido"
	"mohur/authn/lock"
	"mohur/authn/pin"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/rate"
	"mohur/rulebook"
	"mohur/stoplist"
)

// server is the engine with every service and the API on top.
type server struct {
	*engine
	authn      *authn.Service
	payments   *payment.Service
	book       *rulebook.Book
	enrollment *enrollment.Service
	custody    *custody.Service
	metadata   *fido.Loader    // nil: there is no source of it
	keyring    enrollment.FIDO // FIDO2 keys
	cards      cardKit
	stops      *stoplist.List
	api        *api.Server
	health     *health
	metrics    *metrics
	workers    sync.WaitGroup
	quartersAt time.Time // when they were computed last
}

// wire opens the engine and puts the house together, from the ground to the
// roof. The server it returns has no listener yet.
func wire(ctx context.Context, c *Config, logger *slog.Logger, fatal func(error)) (*server, error) {
	m := newMetrics()
	e, err := openEngine(ctx, c, engineOptions{logger: logger, fatal: fatal, observeHSM: m.hsmCall, spentHSM: m.hsmSpent, observe: m.commit})
	if err != nil {
		return nil, err
	}
	s := &server{engine: e, metrics: m, health: watch(e.sequencer, logger, m.signedHead)}
	if err := s.services(ctx); err != nil {
		return nil, fmt.Errorf("%w%s", err, quietly(e.close()))
	}
	return s, nil
}

// quietly adds what went wrong on the way out.
func quietly(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("; and then: %v", err)
}

func (s *server) services(ctx context.Context) error {
	c := s.config
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return err
	}
	if err := s.openBook(ctx, zone); err != nil {
		return err
	}
	if err := c.useProfiles(); err != nil {
		return err
	}
	if err := s.openStops(ctx); err != nil {
		return err
	}
	authority, err := s.authority()
	if err != nil {
		return err
	}
	if err := errors.Join(s.openKeys(), s.openCards(authority)); err != nil {
		return err
	}
	pins := pin.NewVerifier(s.hsm, c.Auth.PINSlots)
	s.authn = &authn.Service{
		Store: s.records, Settler: s.records, HSM: s.rows, Keys: s.keys, Bank: s.bank, Audit: s.audit, PINs: pins,
		Policy: s.book.InForce, Settings: c.authnSettings(), Stops: s.stops, Now: time.Now, Observe: s.metrics.answered, FIDO: s.keyring.RP,
		Nameless: s.keyring.Discoverable(), Models: s.keyring.Metadata,
	}
	s.payments = &payment.Service{
		Store: s.records, Settler: s.records, HSM: s.rows, Keys: s.keys, Audit: s.audit, Authn: s.authn,
		Policy: s.book.InForce, Shadow: s.book.Shadow, Rates: s.book.RatesNow, Issuer: c.URL, Zone: zone, Now: time.Now, Cooling: c.Payment.PayeeCooling,
		LimitsCooling: c.Limits.Cooling, Review: c.Held.Review, HeldLife: c.Held.Expire,
		Budget: c.Payment.DecisionBudget, Observe: s.metrics.decisions.observe,
		Compromised: s.openExposed(ctx), Missing: s.metrics.missingFacts(),
	}
	s.authn.Payments, s.authn.Zone, s.authn.Compromised = s.payments, zone, s.payments.Compromised
	s.enrollment = &enrollment.Service{
		Store: s.records, Settler: s.records, HSM: s.rows, Keys: s.keys, Audit: s.audit, PINs: pins, Prover: s.authn, Pace: s.authn,
		Parties: s.parties, Stops: s.stops, Development: c.Development, Floor: c.Auth.FloorPIN, Now: time.Now,
		PINRules: c.pinRules(), Limits: c.guessing(), BankName: c.bankName(), Apps: c.apps(), FIDO: s.keyring, CA: authority,
	}
	s.custody = &custody.Service{Store: s.records, Settler: s.records, HSM: s.hsm, Audit: s.audit, Development: c.Development, Now: time.Now}
	s.takeCards()
	if err := s.authn.Start(ctx); err != nil {
		return err
	}
	if err := s.enrollment.FailUnfinished(ctx); err != nil {
		return err
	}
	return s.serveAPI(ctx)
}

func (c *Config) guessing() lock.Limits {
	return lock.Limits{Failures: uint8(c.Auth.Failures), Ladder: c.Auth.Locks}
}

func (c *Config) pinRules() pin.Rules {
	return pin.Rules{MinDigits: c.PIN.MinDigits, MaxDigits: c.PIN.MaxDigits, History: c.PIN.History, MinAge: c.PIN.MinAge}
}

// bankName is what customers read.
func (c *Config) bankName() string {
	if c.Enrollment.BankName != "" {
		return c.Enrollment.BankName
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// apps says whether the bank's policy allows app tokens.
func (c *Config) apps() bool {
	if c.Enrollment.Apps == nil {
		return c.Development
	}
	return *c.Enrollment.Apps
}

func (c *Config) authnSettings() authn.Settings {
	s := authn.DefaultSettings(c.URL)
	s.AttemptLife, s.Idle, s.Absolute, s.TokenLife, s.Reauth = c.Auth.Attempt, c.Session.Idle, c.Session.Absolute, c.Session.Token, c.Session.Reauth
	s.MaxSessions, s.DPoPNonce, s.DPoPWindow = c.Session.Max, c.Session.Nonce, c.Session.Window
	s.Limits, s.MaxOpen, s.PINMaxAge = c.guessing(), c.Auth.MaxOpen, c.PIN.MaxAge
	s.FloorPIN, s.FloorRefusal, s.FloorBegin = c.Auth.FloorPIN, c.Auth.FloorRefusal, c.Auth.FloorBegin
	l := c.Limits
	s.Pace = authn.Pace{
		Customer:       rate.Limit{PerSecond: l.CustomerRate, Burst: l.CustomerBurst},
		Source:         rate.Limit{PerSecond: l.SourceRate, Burst: l.SourceBurst},
		NamelessSource: rate.Limit{PerSecond: l.NamelessRate, Burst: l.NamelessBurst},
		NamelessClient: rate.Limit{PerSecond: l.NamelessClientRate, Burst: l.NamelessClientBurst},
		CustomerSlow:   rate.Slow{From: l.CustomerFailures, Window: l.SlowWindow, Most: l.SlowMost},
		SourceSlow:     rate.Slow{From: l.SourceFailures, Window: l.SlowWindow, Most: l.SlowMost},
	}
	return s
}

func (s *server) serveAPI(ctx context.Context) error {
	c := s.config
	verifier, err := s.verifier(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Store.Spool, 0o700); err != nil {
		return fmt.Errorf("store.spool: %w", err)
	}
	s.api, err = api.New(api.Deps{
		Authn: s.authn, Payments: s.payments, Parties: s.parties, Enrollment: s.enrollment, Rules: s.book,
		Approvals: &approval.Service{
			Store: s.records, Settler: s.records, Keys: s.keys, Audit: s.audit, Life: c.Approval.Life, Now: time.Now, Alone: c.Development,
		},
		Store: s.records, StoreCheck: s.store.Check, HSM: s.hsm, Keys: s.custody, Stops: s.stops,
		Log:      api.Log{Store: s.store, Verifier: verifier, Health: s.health.state},
		Metadata: s.freshMetadata(), RelatedOrigins: s.keyring.RelatedOrigins(),
		Issuer: c.URL, Development: c.Development, Version: version, Spool: c.Store.Spool,
		CallerRate: rate.Limit{PerSecond: c.Limits.CallerRate, Burst: c.Limits.CallerBurst},
		Logger:     s.logger, Registry: s.metrics.registry,
	})
	return err
}

// identifyHost is who calls over the socket of this machine.
func (s *server) identifyHost(_ context.Context, r *http.Request) (parties.Caller, error) {
	caller, ok := hostCaller(r, s.config.Development)
	if !ok {
		return parties.Caller{}, problem.New(problem.Unauthorized, "the socket does not say who is calling")
	}
	return caller, nil
}

// identifyOwn is who calls inside this process: whoever started it.
func (s *server) identifyOwn(context.Context, *http.Request) (parties.Caller, error) {
	return localCaller(ownUID(), s.config.Development), nil
}
