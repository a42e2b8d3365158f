// Package jws signs and verifies the compact tokens of the house (RFC 7515,
// RFC 7519) with keys that never leave the HSM. One algorithm, ES256; the type
// in the header is checked, so that one kind of token never passes as another,
// and a key offered inside a token is ignored (RFC 8725 sections 3.1, 3.5, 3.11).
package jws

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"mohur/hsm"
)

// ErrInvalid says that a token is not one of ours: form, algorithm, type, key
// or signature. Which of them is nobody's business but the log's.
var ErrInvalid = errors.New("jws: not a valid token")

// HSM is the part of a module that signs.
type HSM interface {
	Sign(ctx context.Context, key hsm.Key, digest []byte) ([]byte, error)
	Public(ctx context.Context, key hsm.Key) (*ecdsa.PublicKey, error)
}

// KeyID returns the RFC 7638 thumbprint of a public key, base64url.
func KeyID(pub *ecdsa.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: pub}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("jws: thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// Sign returns the compact JWS over claims with header typ and the key's id.
func Sign(ctx context.Context, m HSM, key hsm.Key, typ string, claims any) (string, error) {
	pub, err := m.Public(ctx, key)
	if err != nil {
		return "", err
	}
	kid, err := KeyID(pub)
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{"ES256", kid, typ})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("jws: claims: %w", err)
	}
	enc := base64.RawURLEncoding
	input := enc.EncodeToString(header) + "." + enc.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	sig, err := m.Sign(ctx, key, digest[:])
	if err != nil {
		return "", err
	}
	return input + "." + enc.EncodeToString(sig), nil
}

// Verify checks a compact JWS of type typ under pub and decodes its claims. It
// does not judge times or audience: the caller does, against its own clock.
func Verify(token, typ string, pub *ecdsa.PublicKey, claims any) error {
	if len(token) > 16<<10 {
		return ErrInvalid
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || len(parsed.Signatures) != 1 {
		return ErrInvalid
	}
	if got, _ := parsed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return ErrInvalid
	}
	payload, err := parsed.Verify(pub)
	if err != nil {
		return ErrInvalid
	}
	if err := json.Unmarshal(payload, claims); err != nil {
		return ErrInvalid
	}
	return nil
}

// Set returns the JSON Web Key Set of public keys (RFC 7517 section 5).
func Set(keys ...*ecdsa.PublicKey) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	for _, pub := range keys {
		kid, err := KeyID(pub)
		if err != nil {
			return set, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: pub, KeyID: kid, Algorithm: "ES256", Use: "sig"})
	}
	return set, nil
}
