package card

import (
	"bytes"
	"context"
	"crypto/x509"
	"sync"
	"time"

	"mohur/authn/revocation"
)

// Own is the bank's own certificate authority. It says itself which certificates are
// in force, so nobody is asked over a network and no answer is ever old.
type Own interface {
	// Authority returns the authority's certificate, or nil while there is none.
	Authority(ctx context.Context) (*x509.Certificate, error)
	// Status tells whether the certificate is one of its own, byte for byte, and in
	// force: good, revoked, unknown, or unavailable when that cannot be read.
	Status(ctx context.Context, leaf *x509.Certificate, at time.Time) revocation.Status
}

// anchorage holds the authority of an Own as it was read last.
type anchorage struct {
	sync.Mutex
	authority []byte // DER
	roots     *x509.CertPool
}

// anchors are the profile's roots. The bank's own authority is read at each use, as
// its records are, so that a server need not be started anew when it is made or renewed.
func (p *profile) anchors(ctx context.Context) (*x509.CertPool, error) {
	if p.Own == nil {
		return p.roots, nil
	}
	c, err := p.Own.Authority(ctx)
	switch {
	case err != nil:
		return nil, refuse(StatusUnavailable, "%s: the authority cannot be read: %v", p.Name, err)
	case c == nil:
		return nil, refuse(NotTrusted, "%s: the bank has not made its authority yet", p.Name)
	}
	p.own.Lock()
	defer p.own.Unlock()
	if p.own.roots != nil && bytes.Equal(p.own.authority, c.Raw) {
		return p.own.roots, nil
	}
	if err := anchor(c); err != nil {
		return nil, refuse(WeakChain, "%s: %v", p.Name, err)
	}
	p.own.authority, p.own.roots = c.Raw, x509.NewCertPool()
	p.own.roots.AddCert(c)
	return p.own.roots, nil
}

// status asks whether the certificate was revoked.
func (v *Verifier) status(ctx context.Context, o *offered, at time.Time) revocation.Status {
	if o.profile.Own != nil {
		return o.profile.Own.Status(ctx, o.Certificate, at)
	}
	return v.check(ctx, o.Certificate, o.chain[1], o.profile.Revocation, at)
}
