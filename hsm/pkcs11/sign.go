package pkcs11

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"mohur/hsm"
)

// Sign returns r‖s, 64 bytes, of a SHA-256 digest.
func (m *Module) Sign(ctx context.Context, key hsm.Key, digest []byte) ([]byte, error) {
	if _, ok := m.signers[key]; !ok {
		return nil, m.refuse("Sign", key, "not a signing key of this token")
	}
	if len(digest) != sha256.Size {
		return nil, m.refuse("Sign", key, "a digest of %d bytes is not a SHA-256 digest", len(digest))
	}
	d := [sha256.Size]byte(digest) // the caller may reuse his while a call hangs
	return call(ctx, m, "Sign", key, func(w *worker) ([]byte, error) { return w.sign(key, d[:]) })
}

func (w *worker) sign(key hsm.Key, digest []byte) ([]byte, error) {
	der, err := w.g.signers[key].Sign(nil, digest, crypto.SHA256) // the module has its own random numbers
	if err != nil {
		return nil, err
	}
	return rawSignature(der)
}

// rawSignature turns the ASN.1 form of a P-256 signature into the form of JWS.
func rawSignature(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) != 0 {
		return nil, errors.New("the module's signature is malformed")
	}
	if sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 256 || sig.S.BitLen() > 256 {
		return nil, errors.New("the module's signature is out of range")
	}
	raw := make([]byte, 64)
	sig.R.FillBytes(raw[:32])
	sig.S.FillBytes(raw[32:])
	return raw, nil
}

// Public returns the public half of a signing key. It was read at the log-in,
// and is known while the module is away, so signatures can still be verified.
func (m *Module) Public(ctx context.Context, key hsm.Key) (*ecdsa.PublicKey, error) {
	s, ok := m.signers[key]
	if !ok {
		return nil, m.refuse("Public", key, "not a signing key of this token")
	}
	if err := ctx.Err(); err != nil {
		return nil, &hsm.Fault{Class: hsm.ClassBusy, Op: "Public", Key: key, Err: err}
	}
	public := *s.public
	return &public, nil
}

// thumbprint is the name of a public key by RFC 7638.
func thumbprint(public *ecdsa.PublicKey) (string, error) {
	point, err := public.Bytes() // 0x04 ‖ x ‖ y
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	jwk := fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`,
		b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:]))
	sum := sha256.Sum256([]byte(jwk))
	return b64.EncodeToString(sum[:]), nil
}
