package enrollment

import (
	"bytes"
	"context"
	"crypto/x509"
	"time"

	"mohur/authn/card"
	"mohur/authn/revocation"
	"mohur/ca"
	"mohur/problem"
	"mohur/tokens"
)

// OwnCards judges the certificates of the bank's own authority by its records. It is
// the Own of an issuer profile (card.Issuer).
type OwnCards struct {
	CA *ca.Service
	// Observe, if set, is told every status, for metrics.
	Observe func(revocation.Status)
}

// Authority returns the authority's certificate, nil while there is none.
func (o OwnCards) Authority(ctx context.Context) (*x509.Certificate, error) {
	_, cert, err := o.CA.Get(ctx)
	if problem.Is(err, problem.NotFound) {
		return nil, nil
	}
	return cert, err
}

// Status tells from the records whether a certificate is in force.
func (o OwnCards) Status(ctx context.Context, leaf *x509.Certificate, at time.Time) revocation.Status {
	s := o.status(ctx, leaf, at)
	if o.Observe != nil {
		o.Observe(s)
	}
	return s
}

func (o OwnCards) status(ctx context.Context, leaf *x509.Certificate, at time.Time) revocation.Status {
	s := revocation.Status{State: revocation.Unavailable, Source: revocation.SourceOwn, ThisUpdate: at, CheckedAt: at}
	c, known, err := o.CA.Find(ctx, leaf.Raw)
	switch {
	case err != nil:
		s.Reason, s.Detail = revocation.Away, "the authority's records cannot be read"
	case !known:
		s.State, s.Reason, s.Detail = revocation.Unknown, revocation.ReasonUnknown, "the bank's authority has not issued it"
	case !c.RevokedAt.IsZero():
		s.State, s.Reason, s.Detail = revocation.Revoked, revocation.ReasonRevoked, "by the bank's authority"
		s.RevokedAt, s.RevocationReason = c.RevokedAt, revocation.ReasonName(c.Reason)
	default:
		s.State = revocation.Good
	}
	return s
}

// notIssued says why a certificate is not the one to log in with from this token. A
// token whose key the bank's authority certified takes that certificate and no other;
// "" where there is nothing to say.
func (s *Service) notIssued(ctx context.Context, t tokens.Token, r card.Record) (string, error) {
	if s.CA == nil || t.Pending.Use != tokens.UseLogin {
		return "", nil
	}
	all, err := s.CA.Store.CertificatesOf(ctx, t.ID)
	if err != nil {
		return "", problem.Away(err)
	}
	for _, c := range all {
		if bytes.Equal(c.DER, r.Certificate) && c.RevokedAt.IsZero() {
			return "", nil
		}
	}
	if len(all) > 0 {
		return "not-the-issued-certificate", nil
	}
	return "", nil
}
