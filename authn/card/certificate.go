package card

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"mohur/authn/revocation"
)

// use is what a certificate is offered for.
type use int

const (
	logIn use = iota
	sign
)

// checker is revocation.Checker.Check.
type checker func(ctx context.Context, leaf, issuer *x509.Certificate, rules revocation.Rules, at time.Time) revocation.Status

// offered is a certificate under the profile that judges it.
type offered struct {
	*x509.Certificate
	profile *profile
	chain   []*x509.Certificate // from the certificate to its root
	record  Record
}

// certificate judges the certificate itself, in the order that
// docs/cards.md tells: its form, its usage, policies, dates, chain. Whether it is
// revoked is asked by inForce, once its key has signed.
func (v *Verifier) certificate(ctx context.Context, der []byte, u use, at time.Time, stored *Record, out *Verdict) (*offered, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuse(MalformedCertificate, "%v", err)
	}
	out.Seen = clip(fmt.Sprintf("serial %s by %s", c.SerialNumber.Text(16), c.Issuer))
	key := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	if stored != nil && (!bytes.Equal(stored.Certificate, der) || !bytes.Equal(stored.KeySHA256, key[:])) {
		return nil, refuse(WrongCertificate, "enrolled is serial %s of %s", stored.Serial, stored.Issuer)
	}
	if err := person(c); err != nil {
		return nil, err
	}
	if err := usage(c, u); err != nil {
		return nil, err
	}
	o := &offered{Certificate: c}
	if o.profile, o.chain, err = v.place(ctx, c, u, at, stored); err != nil {
		return nil, err
	}
	subject, err := o.profile.key(c)
	if err != nil {
		return nil, err
	}
	o.record = Record{
		Issuer: o.profile.Name, Subject: subject, Serial: c.SerialNumber.Text(16), Certificate: bytes.Clone(der), KeySHA256: key[:],
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Signing: o.profile.Signing && commits(c),
	}
	if u == sign && stored != nil && !stored.Signing {
		return nil, refuse(NotForSigning, "the card was enrolled without it")
	}
	return o, nil
}

// inForce asks whether the certificate was revoked. It comes last: a certificate is
// public, and who has not its key is not to make the bank ask anybody.
func (v *Verifier) inForce(ctx context.Context, o *offered, at time.Time, out *Verdict) error {
	out.Status = v.status(ctx, o, at)
	return standing(out.Status)
}

// standing turns a status to a refusal, or to nothing if it is good.
func standing(s revocation.Status) error {
	reason := StatusUnavailable
	switch s.State {
	case revocation.Good:
		return nil
	case revocation.Revoked:
		reason = Revoked
	case revocation.Unknown:
		reason = StatusUnknown
	}
	return refuse(reason, "%s", s)
}

// person: the certificate is a person's, with a key of some strength, and says
// nothing critical that is not understood.
func person(c *x509.Certificate) error {
	if err := strong(c.PublicKey, mostModulus); err != nil {
		return refuse(WeakKey, "%v", err)
	}
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok && (k.E < leastExponent || k.E%2 == 0) {
		return refuse(WeakKey, "the public exponent %d", k.E)
	}
	if c.IsCA || c.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return refuse(CAAsLeaf, "cA %t, key usage %09b", c.IsCA, c.KeyUsage)
	}
	if len(c.UnhandledCriticalExtensions) != 0 {
		return refuse(CriticalExtension, "%s", c.UnhandledCriticalExtensions[0])
	}
	return nil
}

func commits(c *x509.Certificate) bool { return c.KeyUsage&x509.KeyUsageContentCommitment != 0 }

var (
	oidExtendedUsage   = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}
)

// usage: the certificate's own usages are for what it is offered for. A
// certificate without key usage is for nothing; extended usages only narrow, and
// anyExtendedKeyUsage is not clientAuth.
func usage(c *x509.Certificate, u use) error {
	signs := c.KeyUsage&x509.KeyUsageDigitalSignature != 0
	switch {
	case u == sign && !commits(c):
		return refuse(NotForSigning, "key usage %09b", c.KeyUsage)
	case u == sign:
		return nil
	case !signs && commits(c):
		return refuse(SigningOnly, "key usage %09b", c.KeyUsage)
	case !signs:
		return refuse(KeyUsage, "key usage %09b", c.KeyUsage)
	case extends(c) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return refuse(ExtendedKeyUsage, "%d usages", len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage))
	}
	return nil
}

// extends reports whether the extension is there, with however many usages.
func extends(c *x509.Certificate) bool {
	_, ok := extension(c, oidExtendedUsage)
	return ok
}

func extension(c *x509.Certificate, id asn1.ObjectIdentifier) (critical, ok bool) {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Critical, true
		}
	}
	return false, false
}

// constraints: crypto/x509 refuses critical name constraints that it does not know,
// but lets others pass unread. The standard has them critical (RFC 5280 section
// 4.2.1.10).
func constraints(c *x509.Certificate) error {
	if critical, ok := extension(c, oidNameConstraints); ok && !critical {
		return errors.New("name constraints that are not critical")
	}
	return nil
}

// key returns the attribute that is the person's key: exactly once, printable
// ASCII without spaces around, as it stands (nothing is normalised, so one text is
// one person).
func (p *profile) key(c *x509.Certificate) (string, error) {
	const most = 64 // of serialNumber (RFC 5280 appendix A.1, ub-serial-number)
	var found []any
	for _, a := range c.Subject.Names {
		if a.Type.Equal(p.subject) {
			found = append(found, a.Value)
		}
	}
	if len(found) != 1 {
		return "", refuse(SubjectMissing, "%s is there %d times", p.Subject, len(found))
	}
	s, ok := found[0].(string)
	if !ok || s == "" || len(s) > most || s[0] == ' ' || s[len(s)-1] == ' ' {
		return "", refuse(SubjectMissing, "%s is %q", p.Subject, found[0])
	}
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' {
			return "", refuse(SubjectMissing, "%s is %q", p.Subject, s)
		}
	}
	return s, nil
}
