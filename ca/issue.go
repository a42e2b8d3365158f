package ca

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// MaxRequest bounds a certificate request in bytes: RSA of 4096 bits has about 1,400.
const MaxRequest = 8 << 10

// Order asks for the certificate of a key that was made on a token.
type Order struct {
	Caller  parties.Caller
	Token   string // its id
	Serial  string // as printed on it
	Request []byte // PKCS#10, DER: the key proves itself by its signature
	// Attestation is the device's own proof that it made the key: the key's
	// attestation certificate first, then the one that signed it.
	Attestation [][]byte
	// Keep are the serials of certificates that stay in force until the new one takes
	// their place: those the customer logs in with now.
	Keep []string
}

// Issue makes the certificate and says what has to be settled for it, with the
// change of the token: nothing is issued before that is durable. Certificates
// that the token had are revoked in the same write, but for those of Keep.
func (s *Service) Issue(ctx context.Context, o Order) (Certificate, []settle.Effect, []audit.Event, error) {
	a, authority, err := s.Get(ctx)
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	request, err := readRequest(o.Request)
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	attested, err := s.attested(o, request)
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	now := s.Now().UTC().Truncate(time.Second)
	end := now.Add(cmp.Or(s.Settings.Life, DefaultLife))
	if end.After(authority.NotAfter) {
		end = authority.NotAfter
	}
	if !now.Before(end) {
		return Certificate{}, nil, nil, problem.New(problem.Conflict, "the authority's own certificate has ended")
	}
	subject := s.name(o.Serial)
	subject.SerialNumber = o.Token
	template := &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: now.Add(-backdate), NotAfter: end, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	for _, oid := range s.Settings.Policies {
		p, err := x509.ParseOID(oid.String())
		if err != nil {
			return Certificate{}, nil, nil, err
		}
		template.Policies = append(template.Policies, p)
	}
	if s.Settings.CRLURL != "" {
		template.CRLDistributionPoints = []string{s.Settings.CRLURL}
	}
	key, err := s.signer(ctx)
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, request.PublicKey, key)
	if err != nil {
		return Certificate{}, nil, nil, problem.Away(err)
	}
	// The key in its one form: what a request writes it as may hold more.
	public, err := x509.MarshalPKIXPublicKey(request.PublicKey)
	if err != nil {
		return Certificate{}, nil, nil, problem.Away(err)
	}
	sum := sha256.Sum256(public)
	c := Certificate{
		Serial: hex.EncodeToString(serial.Bytes()), Token: o.Token, KeySHA256: sum[:], DER: der, NotAfter: end, Attested: attested,
		IssuedAt: s.Now().UTC(), IssuedBy: o.Caller.ID, Version: 1,
	}
	effects, events, err := s.Revoke(ctx, o.Caller, o.Token, Superseded, o.Keep...)
	if err != nil {
		return Certificate{}, nil, nil, err
	}
	return c, append(effects, SaveCertificate{c}), append(events, c.event(o.Caller, "certificate.issue", "done", a)), nil
}

// readRequest takes a request whose key is strong enough and signed it.
func readRequest(der []byte) (*x509.CertificateRequest, error) {
	if len(der) == 0 || len(der) > MaxRequest {
		return nil, problem.New(problem.Invalid, "the certificate request needs to be PKCS#10 in DER, of 8 KiB at most")
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the certificate request cannot be read as PKCS#10 in DER")
	}
	if !slices.Contains(accepted, r.SignatureAlgorithm) || r.CheckSignature() != nil {
		return nil, problem.New(problem.Invalid, "the certificate request is not signed by its own key with SHA-256, SHA-384 or SHA-512")
	}
	if !strong(r.PublicKey) {
		return nil, problem.New(problem.Invalid, "the key needs to be RSA of 2048 to 4096 bits and not of the weak generator of CVE-2017-15361, or EC on P-256 or P-384")
	}
	return r, nil
}

// accepted are the signatures of a request; what they have in common is a hash that holds.
var accepted = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
}

func strong(public any) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && k.N.BitLen() <= 4096 && k.E >= 65537 && !roca(k.N)
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256() || k.Curve == elliptic.P384()
	}
	return false
}

func (c Certificate) event(by parties.Caller, name, outcome string, a Authority) audit.Event {
	return audit.Event{
		Name: name, Outcome: outcome, Caller: by.ID, Request: by.Request,
		Detail: map[string]any{
			"certificate": c.Serial, "token": c.Token, "key_sha256": hex.EncodeToString(c.KeySHA256), "not_after": c.NotAfter, "attested": c.Attested,
			"reason": c.Reason, "by": by.Name, "source": by.Source, "crl_number": a.CRLNumber,
		},
	}
}

// Revoke says what has to be settled so that a token's certificates that are in
// force are revoked, with the change of the token. A token without certificates
// changes nothing.
func (s *Service) Revoke(ctx context.Context, by parties.Caller, token string, reason int, but ...string) ([]settle.Effect, []audit.Event, error) {
	all, err := s.Store.CertificatesOf(ctx, token)
	if err != nil {
		return nil, nil, problem.Away(err)
	}
	var effects []settle.Effect
	var events []audit.Event
	now := s.Now().UTC()
	for _, c := range all {
		if !c.RevokedAt.IsZero() || slices.Contains(but, c.Serial) {
			continue
		}
		c.RevokedAt, c.Reason, c.Version = now, reason, c.Version+1
		effects = append(effects, SaveCertificate{c})
		events = append(events, c.event(by, "certificate.revoke", "revoked", Authority{}))
	}
	return effects, events, nil
}

// Status says whether a certificate that shows the authority's name is one that it
// issued, byte for byte, and is in force. It asks the store, so it is never old.
func (s *Service) Status(ctx context.Context, der []byte) (known, revoked bool, err error) {
	c, known, err := s.Find(ctx, der)
	return known, known && !c.RevokedAt.IsZero(), err
}

// Find returns the record of a certificate that the authority issued, byte for byte.
func (s *Service) Find(ctx context.Context, der []byte) (Certificate, bool, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, false, nil
	}
	c, err := s.Store.Certificate(ctx, hex.EncodeToString(cert.SerialNumber.Bytes()))
	switch {
	case isMissing(err):
		return Certificate{}, false, nil
	case err != nil:
		return Certificate{}, false, problem.Away(err)
	case !bytes.Equal(c.DER, der):
		return Certificate{}, false, nil
	}
	return c, true, nil
}
