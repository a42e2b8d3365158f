package custody

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strconv"

	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
)

// Public is the public half of an RSA transport key, as its manufacturer gets it.
type Public struct {
	Key    hsm.Key
	Type   string // e.g. RSA-3072
	PEM    string // SubjectPublicKeyInfo (RFC 5280, RFC 7468)
	SHA256 string // of its DER, hexadecimal, to be compared over another channel
}

// DefaultBits is the size of an RSA transport key unless asked otherwise: 128 bits
// of strength (NIST SP 800-57).
const DefaultBits = 3072

// Make makes an RSA key pair in the HSM. One custodian is enough: nothing secret
// passes through his hands. 0 bits are DefaultBits.
func (s *Service) Make(ctx context.Context, by parties.Caller, name string, bits int) (Public, error) {
	if bits == 0 {
		bits = DefaultBits
	}
	var c problem.Check
	c.Unless(ValidName(name), "name", wrongName)
	c.Unless(bits == 2048 || bits == 3072 || bits == 4096, "bits", "needs to be 2048, 3072 or 4096")
	if err := c.Err(); err != nil {
		return Public{}, err
	}
	// A half that waits would find its name taken on the other custodian's day.
	if _, err := s.Store.Half(ctx, name); err == nil {
		return Public{}, problem.New(problem.Conflict, "a half of a key of that name is waiting: cancel it first, or take another name")
	}
	var made *rsa.PublicKey
	err := s.onRecord(ctx, by, "key.make", hsm.Transport(name), map[string]any{"type": "RSA-" + strconv.Itoa(bits)}, func() (err error) {
		made, err = s.HSM.MakeTransport(ctx, name, bits)
		return err
	})
	if err != nil {
		return Public{}, err
	}
	return publicOf(name, made)
}

// PublicOf returns the public half of an RSA transport key again.
func (s *Service) PublicOf(ctx context.Context, name string) (Public, error) {
	none := problem.New(problem.NotFound, "there is no RSA transport key of that name")
	if !ValidName(name) {
		return Public{}, none
	}
	k, err := s.HSM.TransportPublic(ctx, name)
	switch {
	case err != nil && hsm.ClassOf(err) == hsm.ClassInput:
		return Public{}, none
	case err != nil:
		return Public{}, problem.Away(err)
	}
	return publicOf(name, k)
}

func publicOf(name string, k *rsa.PublicKey) (Public, error) {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return Public{}, err
	}
	sum := sha256.Sum256(der)
	return Public{
		Key: hsm.Transport(name), Type: "RSA-" + strconv.Itoa(k.N.BitLen()), SHA256: hex.EncodeToString(sum[:]),
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}
