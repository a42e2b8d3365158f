package revocation

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1" // the responder's key is named by it; nothing is signed with it
	"crypto/x509"
	"slices"
	"time"
)

// responder returns the certificate whose key signed: the issuer itself, or one
// the issuer certified for this and that was sent along (RFC 6960 section
// 4.2.2.2). Nobody else, whatever chain he has.
func (r *response) responder(leaf, issuer *x509.Certificate, at time.Time) (*x509.Certificate, error) {
	if !strong(issuer) {
		return nil, faulty(WrongResponder, "the issuer's key is too weak")
	}
	if r.named(issuer) {
		return issuer, r.signedBy(issuer)
	}
	err := error(faulty(WrongResponder, "the responder is not the issuer and sent no certificate of its own"))
	for _, der := range r.certificates {
		d, fault := x509.ParseCertificate(der)
		if fault != nil || !r.named(d) {
			continue
		}
		if err = delegated(d, leaf, issuer, at); err == nil {
			err = r.signedBy(d)
		}
		if err == nil {
			return d, nil
		}
	}
	return nil, err
}

func (r *response) signedBy(c *x509.Certificate) error {
	if err := c.CheckSignature(r.algorithm, r.signed, r.signature); err != nil {
		return faulty(WrongSignature, "%v", err)
	}
	return nil
}

// named reports whether the response says that this certificate's key signed it.
func (r *response) named(c *x509.Certificate) bool {
	if r.name != nil {
		return bytes.Equal(r.name, c.RawSubject)
	}
	key, err := publicKeyBits(c)
	if err != nil {
		return false
	}
	hash := sha1.Sum(key)
	return bytes.Equal(r.keyHash, hash[:])
}

// delegated checks a responder's certificate: issued for this, directly by the
// certificate's issuer, and in force.
func delegated(d, leaf, issuer *x509.Certificate, at time.Time) error {
	switch {
	case !bytes.Equal(d.RawIssuer, issuer.RawSubject) || d.CheckSignatureFrom(issuer) != nil:
		return faulty(WrongResponder, "the responder %s is not certified by the issuer", d.Subject)
	case d.Equal(leaf):
		return faulty(WrongResponder, "the certificate vouches for itself")
	case !slices.Contains(d.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return faulty(WrongResponder, "the responder's certificate is not for OCSP signing")
	case d.IsCA:
		return faulty(WrongResponder, "the responder's certificate is that of a CA")
	case d.KeyUsage != 0 && d.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return faulty(WrongResponder, "the responder's key is not for signatures")
	case len(d.UnhandledCriticalExtensions) > 0:
		return faulty(WrongResponder, "the responder's certificate has the critical extension %s", d.UnhandledCriticalExtensions[0])
	case at.Before(d.NotBefore) || at.After(d.NotAfter):
		return faulty(WrongResponder, "the responder's certificate is for %s to %s", stamp(d.NotBefore), stamp(d.NotAfter))
	case !strong(d):
		return faulty(WrongResponder, "the responder's key is too weak")
	}
	return nil
}

// delegateGood asks whether the responder's own certificate is revoked: not, if
// it says that it need not be asked for (RFC 6960 section 4.2.2.2.1), else a list
// has to say so.
func (c *Checker) delegateGood(ctx context.Context, responder *x509.Certificate, q question) error {
	if responder == q.issuer {
		return nil
	}
	for _, e := range responder.Extensions {
		if e.Id.Equal(oidNoCheck) {
			return nil
		}
	}
	rules := q.rules
	rules.Grace = 0
	s := c.fromLists(ctx, responder, q.issuer, rules, q.at)
	if !s.Good() {
		return faulty(WrongResponder, "the responder's own certificate is not known to be good: %s", s.Detail)
	}
	return nil
}

// strong reports whether a key may sign statuses: 112 bits of strength or more.
func strong(c *x509.Certificate) bool {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521()
	}
	return false
}
