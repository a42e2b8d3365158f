package audit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"mohur/hsm"
)

// algECDSA is the signature type of C2SP signed-note ("Signature types"): ECDSA
// "as implemented by github.com/transparency-dev/witness", an ASN.1 DER
// signature over the SHA-256 of the note's text. The HSM's keys are P-256, so
// of the curves the type admits this one is spoken, and no other type.
const algECDSA = 0x02

// Signer is the part of an HSM that signs checkpoints, always with
// hsm.AuditSigning. Sign returns r‖s, 64 bytes, over a SHA-256 digest.
type Signer interface {
	Sign(ctx context.Context, key hsm.Key, digest []byte) ([]byte, error)
	Public(ctx context.Context, key hsm.Key) (*ecdsa.PublicKey, error)
}

var errVerifier = errors.New("audit: not a verifier key of the form name+hash+key with an ECDSA P-256 key")

// VerifierString returns the key in the form in which it is given to auditors,
// name "+" key id "+" base64(0x02 ‖ SubjectPublicKeyInfo). As C2SP signed-note
// says of type 0x02, the key id is the first four bytes of the SHA-256 of the
// DER SubjectPublicKeyInfo alone; the name is not part of it.
func VerifierString(name string, pub *ecdsa.PublicKey) (string, error) {
	v, err := NewVerifier(name, pub)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("audit: encode verifier key: %w", err)
	}
	data := base64.StdEncoding.EncodeToString(append([]byte{algECDSA}, der...))
	return fmt.Sprintf("%s+%08x+%s", name, v.KeyHash(), data), nil
}

// ParseVerifier reads what VerifierString writes.
func ParseVerifier(s string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(s, "+")
	_, data, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil || len(raw) < 2 || raw[0] != algECDSA {
		return nil, errVerifier
	}
	key, err := x509.ParsePKIXPublicKey(raw[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errVerifier, err)
	}
	pub, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, errVerifier
	}
	// The key id, too, must be the right one: it is what people compare by eye.
	if again, err := VerifierString(name, pub); err != nil || again != s {
		return nil, errVerifier
	}
	return NewVerifier(name, pub)
}

// NewVerifier returns a verifier of notes signed under name with the key.
func NewVerifier(name string, pub *ecdsa.PublicKey) (note.Verifier, error) {
	if !validName(name) {
		return nil, fmt.Errorf("audit: %q cannot name a log: spaces, control characters and + are not allowed", name)
	}
	if pub == nil || pub.Curve != elliptic.P256() {
		return nil, errVerifier
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errVerifier, err)
	}
	sum := sha256.Sum256(der)
	return &verifierKey{name: name, hash: binary.BigEndian.Uint32(sum[:]), pub: pub}, nil
}

// validName follows C2SP signed-note ("Format"): not empty, no Unicode space,
// no plus; and no control character, which no part of a note may hold.
func validName(s string) bool {
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' }
	return s != "" && utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0
}

type verifierKey struct {
	name string
	hash uint32
	pub  *ecdsa.PublicKey
}

func (v *verifierKey) Name() string    { return v.name }
func (v *verifierKey) KeyHash() uint32 { return v.hash }
func (v *verifierKey) Verify(msg, sig []byte) bool {
	digest := sha256.Sum256(msg)
	return ecdsa.VerifyASN1(v.pub, digest[:], sig)
}

// noteSigner lends one call's context to note.Signer, which has none.
type noteSigner struct {
	note.Verifier
	ctx    context.Context
	signer Signer
}

// Sign asks the HSM and verifies what it returned: a checkpoint with a broken
// signature, once stored, would damage the evidence for good.
func (s *noteSigner) Sign(msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	raw, err := s.signer.Sign(s.ctx, hsm.AuditSigning, digest[:])
	if err != nil {
		return nil, err
	}
	if len(raw) != 64 {
		return nil, fmt.Errorf("audit: the signature has %d bytes, not 64", len(raw))
	}
	sig, err := asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]),
	})
	if err != nil {
		return nil, fmt.Errorf("audit: encode signature: %w", err)
	}
	if !s.Verify(msg, sig) {
		return nil, errors.New("audit: the signature does not verify under the public key of " + string(hsm.AuditSigning))
	}
	return sig, nil
}
