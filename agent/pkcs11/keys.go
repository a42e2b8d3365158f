package pkcs11

import (
	"context"
	"time"
)

// The kinds of keys that are made on a token.
const (
	RSA2048 = "rsa2048"
	P256    = "p256"
	P384    = "p384"
)

// Place is a token of a module; without a module it is the PIV application of the
// card in a reader, which is spoken to directly.
type Place struct {
	Module string
	Reader string // of Token; of a PIV card that of PC/SC
	Serial string // of Token: another one in its reader is refused; "" for a PIV card
}

// Access is what opens a token.
type Access struct {
	PIN        []byte // empty: the reader has a PIN pad
	LastTry    bool   // as in Signature
	Management []byte // key of a PIV card's management, by which keys are made there
}

// KeyOrder asks for a key pair that is made on the token and never leaves it.
type KeyOrder struct {
	Place
	Access
	Label string // the pair's name on the token; a PIV card has none
	Type  string // RSA2048, P256, P384
	// Renew makes a pair whatever there is. On a PIV card the old one ends by that; on
	// others StoreCertificate ends it.
	Renew bool
}

// Key is a pair on a token.
type Key struct {
	ID          []byte `json:"id"`                    // CKA_ID
	Public      []byte `json:"public"`                // SubjectPublicKeyInfo, DER
	Made        bool   `json:"made"`                  // now; else it was there
	Certificate []byte `json:"certificate,omitempty"` // that it has already, DER
}

// KeySignature is what to sign with a pair that may have no certificate.
type KeySignature struct {
	Place
	Access
	ID        []byte
	Algorithm string // RS256, ES256, ES384
	Digest    []byte
}

// Storing is a certificate to be written beside its pair.
type Storing struct {
	Place
	Access
	ID    []byte
	Label string // of the pair: other pairs of that name are removed
	DER   []byte
}

// makeDeadline is for making a key: a slow card takes half a minute for RSA.
const makeDeadline = 3 * time.Minute

func (p Place) request(op string) request {
	if p.Module == "" {
		op = piv(op)
	}
	return request{Op: op, Module: p.Module, Reader: p.Reader, Serial: p.Serial}
}

func piv(op string) string { return "piv-" + op }

// secrets are PIN and management key as they go to the child, and where the second
// begins. The caller clears them.
func (a Access) secrets() ([]byte, int) {
	both := make([]byte, 0, len(a.PIN)+len(a.Management))
	return append(append(both, a.PIN...), a.Management...), len(a.PIN)
}

func (r Runner) runWith(ctx context.Context, q request, a Access) (response, error) {
	secret, split := a.secrets()
	defer clear(secret)
	q.Split, q.LastTry = split, a.LastTry
	return r.run(ctx, q, secret)
}

// MakeKey makes a key pair on the token, or finds the one of that name that has no
// certificate yet: what was interrupted goes on. A pair that has one is returned as it
// is, unless the order is to renew. Errors are as with List.
func (r Runner) MakeKey(ctx context.Context, o KeyOrder) (Key, error) {
	q := o.request(opMake)
	q.Label, q.Type, q.Renew = o.Label, o.Type, o.Renew
	if r.Deadline == 0 {
		r.Deadline = makeDeadline
	}
	answer, err := r.runWith(ctx, q, o.Access)
	if err == nil && answer.Key == nil {
		return Key{}, &Failure{Kind: Device, Detail: "there is no key in the answer"}
	}
	if err != nil {
		return Key{}, err
	}
	return *answer.Key, nil
}

// SignWithKey signs a digest with a pair, as Sign does. Errors are as with List.
func (r Runner) SignWithKey(ctx context.Context, s KeySignature) ([]byte, error) {
	q := s.request(opSignKey)
	q.ID, q.Algorithm, q.Digest = s.ID, s.Algorithm, s.Digest
	answer, err := r.runWith(ctx, q, s.Access)
	if err == nil && len(answer.Signature) == 0 {
		return nil, &Failure{Kind: Device, Detail: "there is no signature in the answer"}
	}
	return answer.Signature, err
}

// StoreCertificate writes the certificate of a pair to the token and reads it back.
// One that is not for the pair is refused; older pairs of the same name are removed,
// with their certificates. Errors are as with List.
func (r Runner) StoreCertificate(ctx context.Context, s Storing) error {
	q := s.request(opStore)
	q.ID, q.Label, q.DER = s.ID, s.Label, s.DER
	_, err := r.runWith(ctx, q, s.Access)
	return err
}

// ChangePIN sets a new PIN. The old one is a try like any other. Errors are as with
// List.
func (r Runner) ChangePIN(ctx context.Context, p Place, old, next []byte, lastTry bool) error {
	_, err := r.runWith(ctx, p.request(opPIN), Access{PIN: old, Management: next, LastTry: lastTry})
	return err
}

// Attestation returns a PIV card's own proof that it made the key for logging in: the
// key's attestation certificate, then that of the device (Yubico, "PIV attestation").
// A card that has none fails with Unsupported. Other errors are as with List.
func (r Runner) Attestation(ctx context.Context, reader string) ([][]byte, error) {
	answer, err := r.run(ctx, request{Op: piv(opAttest), Reader: reader}, nil)
	return answer.Attestation, err
}
