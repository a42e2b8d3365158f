package api

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"time"

	"mohur/ca"
	"mohur/enrollment"
	"mohur/problem"
)

// The kinds of PEM blocks (RFC 7468).
const (
	pemCertificate = "CERTIFICATE"
	pemRequest     = "CERTIFICATE REQUEST"
)

type authorityOut struct {
	Subject     string    `json:"subject"`
	Certificate string    `json:"certificate"`
	Chain       string    `json:"chain,omitzero"`
	SHA256      string    `json:"sha256"`
	NotAfter    time.Time `json:"not_after"`
	CRLNumber   uint64    `json:"crl_number"`
}

func authorityOf(a ca.Authority) (authorityOut, error) {
	c, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return authorityOut{}, problem.Away(err)
	}
	sum := sha256.Sum256(a.Certificate)
	return authorityOut{
		Subject: c.Subject.String(), Certificate: toPEM(pemCertificate, a.Certificate), Chain: toPEM(pemCertificate, a.Chain...),
		SHA256: hex.EncodeToString(sum[:]), NotAfter: c.NotAfter.UTC(), CRLNumber: a.CRLNumber,
	}, nil
}

type certificateOut struct {
	Serial      string     `json:"serial"`
	Token       string     `json:"token"`
	Certificate string     `json:"certificate"`
	Chain       string     `json:"chain,omitzero"`
	NotAfter    time.Time  `json:"not_after"`
	Attested    string     `json:"attested,omitzero"`
	IssuedAt    time.Time  `json:"issued_at"`
	RevokedAt   *time.Time `json:"revoked_at,omitzero"`
}

func certificateOf(c ca.Certificate) certificateOut {
	out := certificateOut{
		Serial: c.Serial, Token: c.Token, Certificate: toPEM(pemCertificate, c.DER), NotAfter: c.NotAfter.UTC(), Attested: c.Attested, IssuedAt: c.IssuedAt.UTC(),
	}
	if !c.RevokedAt.IsZero() {
		at := c.RevokedAt.UTC()
		out.RevokedAt = &at
	}
	return out
}

func toPEM(kind string, all ...[]byte) string {
	var b strings.Builder
	for _, der := range all {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return b.String()
}

// fromPEM reads the blocks of one kind, and nothing else, out of a text.
func fromPEM(field, kind, text string, most int) ([][]byte, error) {
	var all [][]byte
	for rest := []byte(text); strings.TrimSpace(string(rest)) != ""; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != kind || len(all) == most {
			return nil, invalid(field, "needs to be "+kind+" in PEM")
		}
		all = append(all, block.Bytes)
	}
	return all, nil
}

// onePEM reads the one block that a text has to hold.
func onePEM(field, kind, text string) ([]byte, error) {
	all, err := fromPEM(field, kind, text, 1)
	if err == nil && len(all) == 0 {
		err = invalid(field, "is needed, "+kind+" in PEM")
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// authority is the bank's own certificate authority.
func (x *exchange) authority() (*ca.Service, error) {
	if x.server.Enrollment.CA == nil {
		return nil, problem.New(problem.NotFound, "the bank has no certificate authority of its own")
	}
	return x.server.Enrollment.CA, nil
}

// getAuthority tells the authority's certificate.
func (x *exchange) getAuthority(ctx context.Context) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	a, _, err := s.Get(ctx)
	return tellAuthority(a, err, ok)
}

// tellAuthority answers with an authority, unless there was a fault.
func tellAuthority(a ca.Authority, err error, answer func(any) (reply, error)) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	out, err := authorityOf(a)
	if err != nil {
		return reply{}, err
	}
	return answer(out)
}

// getAuthorityFile is the authority's certificate for everybody (RFC 2585).
func (x *exchange) getAuthorityFile(ctx context.Context) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	a, _, err := s.Get(ctx)
	return reply{status: 200, kind: "application/pkix-cert", raw: a.Certificate}, err
}

// getCRL is the revocation list for everybody (RFC 2585).
func (x *exchange) getCRL(ctx context.Context) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	list, err := s.CRL(ctx)
	return reply{status: 200, kind: "application/pkix-crl", raw: list}, err
}

type authorityIn struct {
	Name string `json:"name"`
}

// createAuthority makes the bank's own root.
func (x *exchange) createAuthority(ctx context.Context, in authorityIn) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	a, err := s.Create(ctx, x.by, in.Name)
	return tellAuthority(a, err, created)
}

type csrOut struct {
	Request string `json:"request"`
}

// requestAuthority makes the request for a root that the bank has already.
func (x *exchange) requestAuthority(ctx context.Context, in authorityIn) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	der, err := s.Request(ctx, in.Name)
	if err != nil {
		return reply{}, err
	}
	return ok(csrOut{Request: toPEM(pemRequest, der)})
}

type adoptIn struct {
	Certificate string `json:"certificate"`
	Chain       string `json:"chain"`
}

// maxChain bounds the certificates above the authority's.
const maxChain = 4

// adoptAuthority takes the certificate that root gave.
func (x *exchange) adoptAuthority(ctx context.Context, in adoptIn) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	der, err := onePEM("certificate", pemCertificate, in.Certificate)
	if err != nil {
		return reply{}, err
	}
	chain, err := fromPEM("chain", pemCertificate, in.Chain, maxChain)
	if err != nil {
		return reply{}, err
	}
	a, err := s.Adopt(ctx, x.by, der, chain)
	return tellAuthority(a, err, created)
}

type certifyIn struct {
	Request     string `json:"request"`
	Attestation string `json:"attestation"`
}

// maxAttestation bounds the certificates of an attestation.
const maxAttestation = 4

// certifyToken certifies a key that was made on an E-token.
func (x *exchange) certifyToken(ctx context.Context, in certifyIn) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	request, err := onePEM("request", pemRequest, in.Request)
	if err != nil {
		return reply{}, err
	}
	attestation, err := fromPEM("attestation", pemCertificate, in.Attestation, maxAttestation)
	if err != nil {
		return reply{}, err
	}
	c, err := x.server.Enrollment.IssueCertificate(ctx, enrollment.CertificateCommand{Caller: x.by, Token: x.id("ref"), Request: request, Attestation: attestation})
	if err != nil {
		return reply{}, err
	}
	a, _, err := s.Get(ctx)
	if err != nil {
		return reply{}, err
	}
	out := certificateOf(c)
	out.Chain = toPEM(pemCertificate, append([][]byte{a.Certificate}, a.Chain...)...)
	return created(out)
}

// listCertificates lists the certificates of an E-token.
func (x *exchange) listCertificates(ctx context.Context) (reply, error) {
	s, err := x.authority()
	if err != nil {
		return reply{}, err
	}
	t, err := x.server.Enrollment.Token(ctx, x.id("ref"))
	if err != nil {
		return reply{}, err
	}
	all, err := s.Store.CertificatesOf(ctx, t.ID)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	return ok(pageOf(all, "", certificateOf))
}
