// Package audittest has what tests of the audit log need: an HSM in software, a
// store in memory that fails on command, and the suite that every store passes.
package audittest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mohur/audit"
	"mohur/hsm"
	"mohur/seal"
)

// fault is an error set by a test.
type fault struct {
	mu    sync.Mutex
	err   error
	calls int
}

// Fail makes every further call return err, until it is called with nil.
func (f *fault) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Calls returns how many calls there have been.
func (f *fault) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fault) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	return f.err
}

// Signer signs checkpoints with an ECDSA P-256 key in memory.
type Signer struct {
	Key *ecdsa.PrivateKey
	fault
}

// NewSigner makes a signer with a new key.
func NewSigner(t testing.TB) *Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{Key: key}
}

// ParseSigner makes a signer of a PEM block "PRIVATE KEY" (PKCS #8).
func ParseSigner(t testing.TB, text []byte) *Signer {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{Key: key.(*ecdsa.PrivateKey)}
}

// Sign implements audit.Signer.
func (s *Signer) Sign(_ context.Context, key hsm.Key, digest []byte) ([]byte, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	if key != hsm.AuditSigning {
		return nil, &hsm.Fault{Class: hsm.ClassConfig, Op: "Sign", Key: key}
	}
	r, v, err := ecdsa.Sign(rand.Reader, s.Key, digest)
	if err != nil {
		return nil, err
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	v.FillBytes(sig[32:])
	return sig, nil
}

// Public implements audit.Signer. It does not fail: a module keeps public keys.
func (s *Signer) Public(context.Context, hsm.Key) (*ecdsa.PublicKey, error) {
	return &s.Key.PublicKey, nil
}

// Verifier returns the verifier of a log of that origin signed by s.
func (s *Signer) Verifier(t testing.TB, origin string) note.Verifier {
	t.Helper()
	v, err := audit.NewVerifier(origin, &s.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// VKey returns the same as text.
func (s *Signer) VKey(t testing.TB, origin string) string {
	t.Helper()
	v, err := audit.VerifierString(origin, &s.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Sealer wraps persons' keys with an AES-256-GCM key in memory.
type Sealer struct {
	aead cipher.AEAD
	fault
}

// NewSealer makes a sealer with a new key.
func NewSealer() *Sealer {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &Sealer{aead: aead}
}

// Seal implements seal.Sealer.
func (s *Sealer) Seal(_ context.Context, key hsm.Key, place string, plaintext []byte) ([]byte, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	return s.aead.Seal(nil, nil, plaintext, []byte(string(key)+"\x00"+place)), nil
}

// Open implements seal.Sealer.
func (s *Sealer) Open(_ context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error) {
	if err := s.call(); err != nil {
		return nil, err
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte(string(key)+"\x00"+place))
	if err != nil {
		return nil, &hsm.Fault{Class: hsm.ClassBlob, Op: "Open", Key: key, Err: errors.New("does not open")}
	}
	return plain, nil
}

// NewDrafter makes a drafter with a keyring over a software HSM and a key of
// the bank. A nil now means time.Now.
func NewDrafter(t testing.TB, now func() time.Time) *audit.Drafter {
	t.Helper()
	if now == nil {
		now = time.Now
	}
	keys := &seal.Keyring{HSM: NewSealer()}
	bank, err := keys.New(t.Context(), "bank")
	if err != nil {
		t.Fatal(err)
	}
	return &audit.Drafter{Keys: keys, Bank: bank, Now: now}
}
