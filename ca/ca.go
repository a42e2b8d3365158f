// Package ca is the bank's own small certificate authority for the E-tokens it
// hands out: its key lies in the HSM, it certifies keys that were made on a token
// at the branch, and it publishes a revocation list (RFC 5280). It can be its own
// root, or stand under a root the bank has already.
//
// It guarantees that a key is certified once, that every certificate is a record
// of the store, written together with its audit entry, and that the number of the
// revocation list only goes up. What a certificate says of a person is the id of
// his token and nothing else: certificates travel in the clear.
package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"sync"
	"time"

	"mohur/audit"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// Authority is the authority's own certificate and its last revocation list.
type Authority struct {
	ID          string    `json:"id"`          // always AuthorityID
	Certificate []byte    `json:"certificate"` // DER
	Chain       [][]byte  `json:"chain,omitempty"`
	CRL         []byte    `json:"crl,omitempty"` // DER of the last list
	CRLNumber   uint64    `json:"crl_number"`
	CRLAt       time.Time `json:"crl_at,omitzero"` // its thisUpdate
	CreatedAt   time.Time `json:"created_at"`
	Version     uint64    `json:"version"`
	MAC         []byte    `json:"mac,omitempty"`
}

// AuthorityID names the one authority there is.
const AuthorityID = "ca"

// Certificate is one that the authority has issued.
type Certificate struct {
	Serial    string    `json:"serial"` // hexadecimal, its id
	Token     string    `json:"token"`
	KeySHA256 []byte    `json:"key_sha256"` // of the SubjectPublicKeyInfo
	DER       []byte    `json:"der"`
	NotAfter  time.Time `json:"not_after"`
	Attested  string    `json:"attested,omitempty"` // serial the device attested its key under; "" when it did not
	IssuedAt  time.Time `json:"issued_at"`
	IssuedBy  string    `json:"issued_by"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Reason    int       `json:"reason,omitempty"` // CRLReason of RFC 5280 section 5.3.1
	Version   uint64    `json:"version"`
	MAC       []byte    `json:"mac,omitempty"`
}

// The reasons of a revocation that are used (RFC 5280 section 5.3.1).
const (
	KeyCompromise        = 1
	AffiliationChanged   = 3
	Superseded           = 4
	CessationOfOperation = 5
)

// SaveAuthority writes the authority if the stored one has the version before it.
type SaveAuthority struct{ Authority Authority }

// EffectKey names the record.
func (s SaveAuthority) EffectKey() string { return "authority/" + s.Authority.ID }

// SaveCertificate writes a certificate if the stored one has the version before
// it. The first version claims the key for ever: another certificate with the same
// key is Exists.
type SaveCertificate struct{ Certificate Certificate }

// EffectKey names the record.
func (s SaveCertificate) EffectKey() string { return "certificate/" + s.Certificate.Serial }

// Store is what this package reads. A missing record is parties.ErrNotFound.
type Store interface {
	Authority(ctx context.Context, id string) (Authority, error)
	Certificate(ctx context.Context, serial string) (Certificate, error)
	// CertificatesOf returns those of a token, the oldest first.
	CertificatesOf(ctx context.Context, token string) ([]Certificate, error)
	// RevokedCertificates returns those that are revoked and end after now, in the
	// order of their end.
	RevokedCertificates(ctx context.Context, now time.Time) ([]Certificate, error)
}

// HSM is the part of a module that signs.
type HSM interface {
	Sign(ctx context.Context, key hsm.Key, digest []byte) ([]byte, error)
	Public(ctx context.Context, key hsm.Key) (*ecdsa.PublicKey, error)
}

// Settings are the bank's choices.
type Settings struct {
	Organization string                  // in the subject of every certificate
	Life         time.Duration           // of a certificate; zero: DefaultLife
	CRLURL       string                  // where relying parties find the list; "": not told
	CRLLife      time.Duration           // from thisUpdate to nextUpdate; zero: DefaultCRLLife
	Policies     []asn1.ObjectIdentifier // asserted by every certificate
	// Attestation holds the makers' roots by which a device proves that it made the
	// key itself; Attested refuses keys without such a proof.
	Attestation *x509.CertPool
	Attested    bool
}

// The lives unless the configuration says else.
const (
	DefaultLife    = 3 * 365 * 24 * time.Hour
	DefaultCRLLife = 24 * time.Hour
)

// Service is the authority at work.
type Service struct {
	Store    Store
	Settler  settle.Store
	HSM      HSM
	Audit    *audit.Drafter
	Settings Settings
	Now      func() time.Time

	list struct {
		sync.Mutex
		der []byte
		at  time.Time // when the store was last asked
	}
}

// errNone says that the bank has no authority of its own.
var errNone = problem.New(problem.NotFound, "the bank has no certificate authority; an administrator makes one with `mohur ca create`")

// Get returns the authority and its certificate.
func (s *Service) Get(ctx context.Context) (Authority, *x509.Certificate, error) {
	a, err := s.Store.Authority(ctx, AuthorityID)
	if errors.Is(err, parties.ErrNotFound) {
		return Authority{}, nil, errNone
	}
	if err != nil {
		return Authority{}, nil, problem.Away(err)
	}
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return Authority{}, nil, problem.Away(err)
	}
	return a, cert, nil
}
