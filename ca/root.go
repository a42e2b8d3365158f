package ca

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// rootLife is how long a root of the bank's own is valid.
const rootLife = 20 * 365 * 24 * time.Hour

// backdate is by how much a certificate is valid before it is made: clocks differ.
const backdate = 5 * time.Minute

// Create makes the bank's own root over the key in the HSM. There is one.
func (s *Service) Create(ctx context.Context, by parties.Caller, name string) (Authority, error) {
	if err := s.check(ctx, name); err != nil {
		return Authority{}, err
	}
	key, err := s.signer(ctx)
	if err != nil {
		return Authority{}, err
	}
	now := s.Now().UTC().Truncate(time.Second)
	serial, err := newSerial()
	if err != nil {
		return Authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: s.name(name), NotBefore: now.Add(-backdate), NotAfter: now.Add(rootLife),
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.public, key)
	if err != nil {
		return Authority{}, problem.Away(err)
	}
	return s.establish(ctx, by, der, nil, "ca.create")
}

// Request is a PKCS#10 request (RFC 2986) for the authority's key, for a root that
// the bank has already.
func (s *Service) Request(ctx context.Context, name string) ([]byte, error) {
	if err := s.check(ctx, name); err != nil {
		return nil, err
	}
	key, err := s.signer(ctx)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: s.name(name), SignatureAlgorithm: x509.ECDSAWithSHA256}, key)
	if err != nil {
		return nil, problem.Away(err)
	}
	return der, nil
}

// Adopt takes the certificate that another authority made for the key; chain are
// those above it, up to its root, each signing the one before.
//
// An authority that was adopted takes a further certificate of the same name and key:
// its own end is put off by it. What it has issued stays.
func (s *Service) Adopt(ctx context.Context, by parties.Caller, der []byte, chain [][]byte) (Authority, error) {
	had, before, err := s.adopted(ctx)
	if err != nil {
		return Authority{}, err
	}
	key, err := s.signer(ctx)
	if err != nil {
		return Authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Authority{}, problem.New(problem.Invalid, "the certificate cannot be read as X.509 in DER")
	}
	now := s.Now()
	switch {
	case !key.public.Equal(cert.PublicKey):
		return Authority{}, problem.New(problem.Invalid, "the certificate is not for the key in the HSM; ask for one with `mohur ca request`")
	case !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0 || cert.KeyUsage&x509.KeyUsageCRLSign == 0 || len(cert.SubjectKeyId) == 0:
		return Authority{}, problem.New(problem.Invalid, "the certificate is not an authority's: it needs CA true, the key usages keyCertSign and cRLSign, and a subject key identifier")
	case now.Before(cert.NotBefore) || !now.Before(cert.NotAfter):
		return Authority{}, problem.New(problem.Invalid, "the certificate is not valid now")
	case before != nil && (!bytes.Equal(cert.RawSubject, before.RawSubject) || !bytes.Equal(cert.SubjectKeyId, before.SubjectKeyId)):
		return Authority{}, problem.New(problem.Invalid, "the certificate has another name or key identifier than the authority, which would end what it has issued")
	case len(chain) == 0:
		return Authority{}, problem.New(problem.Invalid, "the certificates above it are needed, up to the root")
	}
	child := cert
	for _, raw := range chain {
		parent, err := x509.ParseCertificate(raw)
		if err != nil || !bytes.Equal(child.RawIssuer, parent.RawSubject) || child.CheckSignatureFrom(parent) != nil {
			return Authority{}, problem.New(problem.Invalid, "the certificates above it are not its chain: each must have signed the one before")
		}
		child = parent
	}
	if child.CheckSignatureFrom(child) != nil {
		return Authority{}, problem.New(problem.Invalid, "the chain does not end in a root")
	}
	if before == nil {
		return s.establish(ctx, by, der, chain, "ca.adopt")
	}
	had.Certificate, had.Chain, had.Version = der, chain, had.Version+1
	return s.save(ctx, by, had, "ca.renew")
}

// adopted is the authority that a further certificate may be for, with its own; none,
// while there is no authority. One that is its own root stays as it is.
func (s *Service) adopted(ctx context.Context) (Authority, *x509.Certificate, error) {
	a, cert, err := s.Get(ctx)
	switch {
	case problem.Is(err, problem.NotFound):
		return Authority{}, nil, nil
	case err != nil:
		return Authority{}, nil, err
	case len(a.Chain) == 0:
		return Authority{}, nil, errThere
	}
	return a, cert, nil
}

var errThere = problem.New(problem.Conflict, "the bank has its certificate authority already")

// check refuses a second authority, and a name that is none.
func (s *Service) check(ctx context.Context, name string) error {
	if len(name) == 0 || len(name) > 64 {
		return problem.New(problem.Invalid, "the name of the authority has 1 to 64 bytes")
	}
	_, err := s.Store.Authority(ctx, AuthorityID)
	switch {
	case err == nil:
		return errThere
	case !errors.Is(err, parties.ErrNotFound):
		return problem.Away(err)
	}
	return nil
}

func (s *Service) establish(ctx context.Context, by parties.Caller, der []byte, chain [][]byte, event string) (Authority, error) {
	return s.save(ctx, by, Authority{ID: AuthorityID, Certificate: der, Chain: chain, CreatedAt: s.Now().UTC(), Version: 1}, event)
}

func (s *Service) save(ctx context.Context, by parties.Caller, a Authority, event string) (Authority, error) {
	sum := sha256.Sum256(a.Certificate)
	r, err := settle.Write(ctx, s.Settler, s.Audit, []settle.Effect{SaveAuthority{a}}, []audit.Event{{
		Name: event, Outcome: "done", Caller: by.ID, Request: by.Request,
		Detail: map[string]any{"sha256": hex.EncodeToString(sum[:]), "by": by.Name, "source": by.Source},
	}})
	switch {
	case err != nil:
		return Authority{}, err
	case r.Outcome == settle.Exists:
		return Authority{}, errThere
	case r.Outcome != settle.Done:
		return Authority{}, problem.New(problem.Conflict, "the authority was changed by somebody else meanwhile; look again")
	}
	return a, nil
}

func (s *Service) name(common string) pkix.Name {
	n := pkix.Name{CommonName: common}
	if s.Settings.Organization != "" {
		n.Organization = []string{s.Settings.Organization}
	}
	return n
}

// newSerial is 127 random bits: positive, and never guessed (RFC 5280 section 4.1.2.2).
func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40 // of one length, never zero
	return new(big.Int).SetBytes(b), nil
}
