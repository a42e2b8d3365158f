package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// publicKey is one key of a JWKS (RFC 7517), as far as ES256 goes.
type publicKey struct {
	KID   string `json:"kid"`
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

// verifyJWS verifies a compact JWS (RFC 7515) against a key set and returns its
// payload. It is what a core banking system would do, and shares no line with
// the server.
func verifyJWS(text string, set []byte, typ string) ([]byte, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a compact JWS")
	}
	var header struct{ Alg, Kid, Typ string }
	if err := decodePart(parts[0], &header); err != nil {
		return nil, err
	}
	if header.Alg != "ES256" || header.Typ != typ {
		return nil, fmt.Errorf("alg %q and typ %q; ES256 and %s were expected", header.Alg, header.Typ, typ)
	}
	key, err := findKey(set, header.Kid)
	if err != nil {
		return nil, err
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return nil, errors.New("the signature has the wrong form")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return nil, errors.New("the signature does not verify")
	}
	return base64.RawURLEncoding.DecodeString(parts[1])
}

func decodePart(part string, v any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

func findKey(set []byte, kid string) (*ecdsa.PublicKey, error) {
	var jwks struct {
		Keys []publicKey `json:"keys"`
	}
	if err := json.Unmarshal(set, &jwks); err != nil {
		return nil, err
	}
	for _, k := range jwks.Keys {
		if k.KID != kid || k.Type != "EC" || k.Curve != "P-256" {
			continue
		}
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if err := errors.Join(errX, errY); err != nil {
			return nil, err
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	}
	return nil, fmt.Errorf("the key %q is not published", kid)
}
