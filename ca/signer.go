package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"

	"mohur/hsm"
	"mohur/problem"
)

// signer lets package x509 sign with the key in the HSM. It lives for one call.
type signer struct {
	ctx    context.Context
	hsm    HSM
	public *ecdsa.PublicKey
}

func (s *Service) signer(ctx context.Context) (*signer, error) {
	public, err := s.HSM.Public(ctx, hsm.CASigning)
	if err != nil && hsm.ClassOf(err) == hsm.ClassInput {
		return nil, problem.New(problem.Conflict, "the HSM has no key for a certificate authority: stop the server and run `mohur init`, which makes what is missing")
	}
	if err != nil {
		return nil, problem.Away(err)
	}
	return &signer{ctx: ctx, hsm: s.HSM, public: public}, nil
}

// Public implements crypto.Signer.
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign implements crypto.Signer: the module's r‖s in the form of RFC 3279 section 2.2.3.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 {
		return nil, errors.New("ca: the authority signs with SHA-256 only")
	}
	raw, err := s.hsm.Sign(s.ctx, hsm.CASigning, digest)
	if err != nil {
		return nil, err
	}
	n := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:n]), new(big.Int).SetBytes(raw[n:])})
}
