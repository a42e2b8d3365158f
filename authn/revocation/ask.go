package revocation

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	nonceSize   = 32       // RFC 9654 section 2.1
	maxResponse = 64 << 10 // bytes of an OCSP response; with certificates it has a few thousand
)

// question is one OCSP request.
type question struct {
	leaf, issuer *x509.Certificate
	rules        Rules
	at           time.Time
	id           certID
	nonce        []byte
}

// ask asks the responders in turn until one answers with what counts.
func (c *Checker) ask(ctx context.Context, leaf, issuer *x509.Certificate, rules Rules, at time.Time) Status {
	q := question{leaf: leaf, issuer: issuer, rules: rules, at: at, nonce: make([]byte, nonceSize)}
	_, _ = rand.Read(q.nonce) // it never fails
	with := crypto.SHA1
	if rules.SHA256 {
		with = crypto.SHA256
	}
	var err error
	if q.id, err = newCertID(leaf, issuer, with); err != nil {
		return unavailable(SourceOCSP, "", at, err)
	}
	request, err := q.marshal()
	if err != nil {
		return unavailable(SourceOCSP, "", at, err)
	}
	last := unavailable(SourceOCSP, "", at, faulty(NoSource, "the rules name no responder"))
	for _, address := range addresses(leaf.OCSPServer, rules.Responders) {
		raw, err := c.fetch(ctx, address, request, maxResponse)
		if err == nil {
			var s Status
			if s, err = c.judge(ctx, raw, q); err == nil {
				s.Address = address
				return s
			}
		}
		last = unavailable(SourceOCSP, address, at, err)
	}
	return last
}

// marshal makes an OCSPRequest (RFC 6960 section 4.1) with a nonce.
func (q question) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	seq := func(b *cryptobyte.Builder, f cryptobyte.BuilderContinuation) { b.AddASN1(cbasn1.SEQUENCE, f) }
	seq(&b, func(b *cryptobyte.Builder) {
		seq(b, func(b *cryptobyte.Builder) { // TBSRequest
			seq(b, func(b *cryptobyte.Builder) { // requestList
				seq(b, func(b *cryptobyte.Builder) { // Request
					seq(b, func(b *cryptobyte.Builder) { // CertID
						seq(b, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(q.id.algorithm)
							b.AddASN1NULL()
						})
						b.AddASN1OctetString(q.id.nameHash)
						b.AddASN1OctetString(q.id.keyHash)
						b.AddASN1BigInt(q.id.serial)
					})
				})
			})
			b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { // requestExtensions
				seq(b, func(b *cryptobyte.Builder) {
					seq(b, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidNonce)
						b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(q.nonce) })
					})
				})
			})
		})
	})
	return b.Bytes()
}

// judge returns what a response proves. An error means that it proves nothing.
func (c *Checker) judge(ctx context.Context, raw []byte, q question) (_ Status, err error) {
	defer guard(&err)
	r, err := parseResponse(raw)
	if err != nil {
		return Status{}, err
	}
	if !r.id.is(q.id) {
		return Status{}, faulty(WrongCertificate, "the response is for certificate %x, %x was asked for", bounded(r.id.serial), q.leaf.SerialNumber)
	}
	if r.hasNonce && !bytes.Equal(r.nonce, q.nonce) {
		return Status{}, faulty(WrongNonce, "the response answers another request")
	}
	if !r.hasNonce && !q.rules.NonceExempt {
		return Status{}, faulty(WrongNonce, "the response has no nonce; if this responder gives none, exempt it in the rules")
	}
	responder, err := r.responder(q.leaf, q.issuer, q.at)
	if err != nil {
		return Status{}, err
	}
	if err := inForce(r, q.rules, q.at); err != nil {
		return Status{}, err
	}
	if err := c.delegateGood(ctx, responder, q); err != nil {
		return Status{}, err
	}
	s := Status{State: r.state, Source: SourceOCSP, ThisUpdate: r.thisUpdate, NextUpdate: r.nextUpdate, CheckedAt: q.at}
	switch r.state {
	case Revoked:
		s.RevokedAt, s.RevocationReason = r.revokedAt, r.reason
		s.Reason, s.Detail = ReasonRevoked, revokedDetail(r.revokedAt, r.reason)
	case Unknown:
		s.Reason, s.Detail = ReasonUnknown, "the responder does not know the certificate"
	}
	return s, nil
}

// inForce checks the dates of a response that was asked for just now. A response
// without a nonce that states no nextUpdate has its age alone.
func inForce(r *response, rules Rules, at time.Time) error {
	soon := at.Add(rules.skew())
	switch {
	case r.thisUpdate.After(soon) || r.producedAt.After(soon):
		return faulty(Future, "thisUpdate %s is in the future", stamp(r.thisUpdate))
	case at.Sub(r.thisUpdate) > rules.maxAge():
		return faulty(Stale, "thisUpdate %s is more than %v ago", stamp(r.thisUpdate), rules.maxAge())
	case !r.nextUpdate.IsZero() && (at.After(r.nextUpdate) || r.nextUpdate.Before(r.thisUpdate)):
		return faulty(Stale, "nextUpdate %s is past", stamp(r.nextUpdate))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func revokedDetail(at time.Time, reason string) string {
	s := "revoked at " + stamp(at)
	if reason != "" {
		s += ", " + reason
	}
	return s
}

// bounded keeps a serial from outside printable in a line.
func bounded(n *big.Int) []byte {
	b := n.Bytes()
	return b[:min(len(b), 20)]
}

// unavailable is the status of a source that gave nothing that counts.
func unavailable(source Source, address string, at time.Time, err error) Status {
	var f *fault
	if !errors.As(err, &f) {
		f = faulty(Away, "%v", err)
	}
	detail := f.detail
	if address != "" {
		detail = address + ": " + detail
	}
	return Status{State: Unavailable, Source: source, Address: address, CheckedAt: at, Reason: f.reason, Detail: detail}
}
