package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/api"
	"mohur/authn"
	"mohur/authn/card"
	"mohur/authn/revocation"
	"mohur/ca"
	"mohur/enrollment"
)

// cardKit is what judges cards; the zero value takes none.
type cardKit struct {
	verifier *card.Verifier
	status   *revocation.Checker
	own      card.Own // the bank's own authority
}

// openCards reads what is configured of cards. Nobody is asked anything yet.
func (s *server) openCards(authority *ca.Service) error {
	c := s.config
	if len(c.Card.Issuers) == 0 {
		return nil
	}
	told := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mohur_card_status_total", Help: "Checks whether a certificate was revoked: good, revoked, unknown, unavailable; by ocsp, crl, own or none.",
	}, []string{"state", "source"})
	s.metrics.registry.MustRegister(told)
	observe := func(st revocation.Status) {
		source := string(st.Source)
		if source == "" {
			source = "none"
		}
		told.WithLabelValues(string(st.State), source).Inc()
	}
	status := &revocation.Checker{Timeout: c.Card.StatusTimeout, Observe: observe}
	s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mohur_card_lists_failing", Help: "Lists of revoked certificates whose last fetch failed; one that was good before counts until it is too old.",
	}, func() (failing float64) {
		for _, l := range status.Lists() {
			if l.Err != nil {
				failing++
			}
		}
		return failing
	}))
	own := enrollment.OwnCards{CA: authority, Observe: observe}
	verifier, err := c.cards(status, own)
	if err != nil {
		return err
	}
	s.cards = cardKit{verifier, status, own}
	return nil
}

// takeCards lets the services judge cards.
func (s *server) takeCards() {
	if s.cards.verifier == nil {
		return
	}
	c := s.config
	s.authn.Cards = &authn.Cards{Verifier: s.cards.verifier, Origin: c.Card.Origins[0], Codes: s.records}
	s.enrollment.Cards = enrollment.Cards{
		Verifier: s.cards.verifier, Origin: c.Card.Origins[0], Issuer: c.URL, SubjectIs: c.Card.subjects(), Texts: s.records,
	}
}

// watchCards keeps the lists of revoked certificates fresh. What cannot be read
// changes nothing: a list that is too old refuses by itself.
func (s *server) watchCards(ctx context.Context) {
	if s.cards.status == nil {
		return
	}
	for _, i := range s.config.Card.Issuers {
		paths := i.Intermediates
		if len(paths) == 0 {
			paths = i.Roots
		}
		for _, path := range paths {
			found, err := readCertificates(path)
			if err != nil {
				s.logger.WarnContext(ctx, "the lists of an issuer are not watched", "issuer", i.Name, "error", err)
				continue
			}
			for _, authority := range found {
				s.cards.status.Watch(authority, i.rules())
			}
		}
	}
	s.cards.status.Run(ctx)
}

// certificateWay is the listener on which browsers show a client certificate; nil when
// none is configured.
func (s *server) certificateWay(ctx context.Context) (*way, error) {
	c := s.config
	if c.Card.TLSListen == "" || s.cards.verifier == nil {
		return nil, nil
	}
	settings, err := c.certificateTLS(s.cards.own)
	if err != nil {
		return nil, err
	}
	pin, err := c.Card.proxy()
	if err != nil {
		return nil, fmt.Errorf("card.proxy_spki: %w", err)
	}
	bare, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Card.TLSListen)
	if err != nil {
		return nil, fmt.Errorf("the listener for client certificates cannot listen: %w; set card.tls_listen to a free address", err)
	}
	l := newCrowd(bare, min(c.Limits.Connections, (openFiles()-filesKept)/4), s.metrics.sentAway.Inc)
	h := s.api.Certificates(api.CertificateListener{Origins: c.Card.Origins, ProxySPKI: pin, ProxyHeader: c.Card.ProxyHeader})
	server := s.http(attended(h), withGuest)
	// A connection proves the key once: with the next question the card is asked anew.
	server.SetKeepAlivesEnabled(false)
	return &way{tls.NewListener(l, settings), server}, nil
}

// certificateTLS asks for a certificate and leaves everything but the possession of
// its key to the verifier. TLS 1.2 is what cards can do that sign RSA without PSS.
func (c *Config) certificateTLS(authority card.Own) (*tls.Config, error) {
	own := *c
	if c.Card.TLSCert != "" {
		own.TLS.Cert, own.TLS.Key = c.Card.TLSCert, c.Card.TLSKey
	}
	settings, err := own.serverTLS()
	if err != nil {
		return nil, err
	}
	settings.ClientAuth = tls.RequireAnyClientCert
	settings.SessionTicketsDisabled = true // a session that goes on proves nothing
	settings.NextProtos = []string{"http/1.1"}
	if !c.Card.TLS13 {
		settings.MaxVersion = tls.VersionTLS12
	}
	if c.Card.ProxySPKI != "" {
		return settings, nil
	}
	// By these names a browser picks the certificates that it offers its owner.
	settings.ClientCAs = x509.NewCertPool()
	for _, i := range c.Card.Issuers {
		for _, path := range append(append([]string(nil), i.Roots...), i.Intermediates...) {
			found, err := readCertificates(path)
			if err != nil {
				return nil, err
			}
			for _, authority := range found {
				settings.ClientCAs.AddCert(authority)
			}
		}
	}
	if slices.ContainsFunc(c.Card.Issuers, func(i issuerConfig) bool { return i.Own }) {
		settings.GetConfigForClient = withAuthority(settings, authority)
	}
	return settings, nil
}

// withAuthority names the bank's own authority, too, as soon as there is one. Without
// a name of any, a browser offers every certificate it has.
func withAuthority(settings *tls.Config, authority card.Own) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	plain := settings.Clone()
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		named := plain.Clone()
		if cert, err := authority.Authority(hello.Context()); err == nil && cert != nil {
			named.ClientCAs = named.ClientCAs.Clone()
			named.ClientCAs.AddCert(cert)
		}
		return named, nil
	}
}
