// Package hsm is the contract between the server and its hardware security
// module. Keys are named, never seen: the server asks for a signature, a MAC, a
// sealed box or an HMAC under a wrapped seed, and only results come back. No
// method returns a key or a seed, so a thief of the server's disk or memory
// dump gains nothing that works without the module.
//
// hsm/pkcs11 serves the contract over PKCS#11; hsm/hsmtest is the suite every
// implementation passes.
package hsm

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
)

// Key names a key in the module. One key serves one kind of use; where it has
// two, the label given to MAC or the place given to Seal keeps them apart.
type Key string

// The keys of the house. All are made by `mohur init`; one that is missing at
// start means the server refuses to start, but for CASigning: without it the bank
// has no certificate authority of its own.
const (
	SeedKEK              Key = "seed-kek"              // AES-256, wraps and unwraps seeds, nothing else
	RowMAC               Key = "row-mac"               // HMAC-SHA256 over records and hot rows, and for decoys
	IdempotencyMAC       Key = "idempotency-mac"       // HMAC-SHA256 over request bodies
	PINSeal              Key = "pin-seal"              // AES-256-GCM over PIN hashes and a PIN held in an attempt
	DataKEK              Key = "data-kek"              // AES-256-GCM over the keys of persons (package seal)
	TokenSigning         Key = "token-signing"         // EC P-256, access tokens
	AuthorizationSigning Key = "authorization-signing" // EC P-256, payment authorizations
	AuditSigning         Key = "audit-signing"         // EC P-256, checkpoints of the audit log
	CASigning            Key = "ca-signing"            // EC P-256, certificates and revocation lists of the bank's own authority
)

// Transport is the key under which a manufacturer sent a seed file. It comes in
// by `mohur keys import-transport NAME` and is deleted after the import.
func Transport(name string) Key { return Key("transport-" + name) }

// Hash is the hash function of an HMAC.
type Hash uint8

// The hash functions of RFC 4226, RFC 6238 and RFC 6287.
const (
	SHA1 Hash = iota + 1
	SHA256
	SHA512
)

// String returns the name the RFCs and PSKC use: SHA1, SHA256, SHA512.
func (h Hash) String() string {
	switch h {
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA256"
	case SHA512:
		return "SHA512"
	}
	return fmt.Sprintf("Hash(%d)", uint8(h))
}

// RSAPadding is how a value was padded before it was encrypted with RSA.
type RSAPadding uint8

// The paddings of XML Encryption: rsa-1_5 is RSAES-PKCS1-v1_5, and
// rsa-oaep-mgf1p is RSAES-OAEP with SHA-1, MGF1 with SHA-1 and no label (RFC 8017
// section 7).
const (
	PKCS1v15 RSAPadding = iota + 1
	OAEP
)

// String names the padding as RFC 8017 does.
func (p RSAPadding) String() string {
	switch p {
	case PKCS1v15:
		return "RSAES-PKCS1-v1_5"
	case OAEP:
		return "RSAES-OAEP"
	}
	return fmt.Sprintf("RSAPadding(%d)", uint8(p))
}

// MaxWrapped is the longest value, in bytes, that DecryptKW takes: a key of 256
// bytes and the eight that RFC 3394 adds. Every block of it is six calls into the
// module, one after the other.
const MaxWrapped = 256 + 8

// MaxSeed is the longest seed, in bytes: the block of SHA-1 and SHA-256. Every
// seed is padded with zeros to it before it is wrapped, which leaves the HMAC
// unchanged (RFC 2104 section 2) and makes every blob the same size.
const MaxSeed = 64

// WrappedSeed is a seed as it may lie on a disk: RFC 3394 over the padded seed,
// 72 bytes, under the KEK named. It is bound to its record by a MAC of the
// record's owner, since no wrapping binds data to a row.
type WrappedSeed struct {
	KEK  string // version of the seed KEK, e.g. "seed-kek/1"
	Blob []byte
}

// Input is what one MAC is over: see Module.MAC.
type Input struct {
	Label string
	Parts [][]byte
}

// KeyInfo describes a key of the module for people: `mohur keys list`.
type KeyInfo struct {
	Key     Key    `json:"key"`
	Version int    `json:"version"`
	Type    string `json:"type"` // AES-256, HMAC-SHA256, EC P-256, RSA-3072
	Use     string `json:"use"`
	ID      string `json:"id,omitempty"` // RFC 7638 thumbprint of a public key
}

// Module is what the server asks of an HSM. All methods may be called by many
// goroutines; each waits at most a bounded time for a session and returns a
// *Fault otherwise. A method that fails has changed nothing.
type Module interface {
	// Sign returns the ECDSA signature r‖s (64 bytes) of a SHA-256 digest.
	Sign(ctx context.Context, key Key, digest []byte) ([]byte, error)
	// Public returns the public half of a signing key.
	Public(ctx context.Context, key Key) (*ecdsa.PublicKey, error)
	// MAC returns HMAC-SHA256 (32 bytes) over label and parts, each framed by
	// its length so that no two inputs collide.
	MAC(ctx context.Context, key Key, label string, parts ...[]byte) ([]byte, error)
	// MACs returns the MAC of each input, in their order, as MAC would: one visit
	// to the module for many costs less than many visits.
	MACs(ctx context.Context, key Key, inputs ...Input) ([][]byte, error)
	// Seal encrypts and authenticates plaintext for one place (table, column,
	// row); Open refuses it at any other with ClassBlob.
	Seal(ctx context.Context, key Key, place string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, key Key, place string, sealed []byte) ([]byte, error)
	// WrapSeed pads and wraps a seed of 1 to MaxSeed bytes and clears it.
	WrapSeed(ctx context.Context, seed []byte) (WrappedSeed, error)
	// HMAC unwraps the seed inside the module and returns one HMAC per
	// message. A blob the module will not unwrap is ClassBlob.
	HMAC(ctx context.Context, seed WrappedSeed, h Hash, messages ...[]byte) ([][]byte, error)
	// HMACUnless is HMAC that stops after the first message when enough accepts
	// its HMAC; then it returns that one alone. enough may be nil, and must be
	// quick: the module waits for it.
	HMACUnless(ctx context.Context, seed WrappedSeed, h Hash, enough func(first []byte) bool, messages ...[]byte) ([][]byte, error)
	// DecryptCBC decrypts whole AES-CBC blocks under a transport key. Padding
	// is the caller's, after he has checked the MAC.
	DecryptCBC(ctx context.Context, key Key, iv, ciphertext []byte) ([]byte, error)
	// DecryptKW undoes RFC 3394, or RFC 5649 where the value was padded, under an
	// AES transport key; the value itself says which. wrapped has whole eight-byte
	// blocks, 24 to MaxWrapped bytes; the result, which the caller clears, is eight
	// shorter, and up to seven more where it was padded. A value that fails the
	// integrity check is ClassBlob, one of an impossible length ClassInput.
	DecryptKW(ctx context.Context, key Key, wrapped []byte) ([]byte, error)
	// DecryptRSA decrypts under an RSA transport key and takes the padding off;
	// the caller clears the result. Whatever is wrong with the ciphertext, its
	// length included, is one and the same ClassBlob fault. Under PKCS1v15 even
	// that answer helps who may ask often (Bleichenbacher): a caller goes on with
	// a random key instead of it, and instead of a key of the wrong length.
	DecryptRSA(ctx context.Context, key Key, padding RSAPadding, ciphertext []byte) ([]byte, error)
	// Random returns n bytes of the module's random generator.
	Random(ctx context.Context, n int) ([]byte, error)
	// Check makes one cheap round trip through a key; readiness asks it.
	Check(ctx context.Context) error
	// Keys lists the keys of the house that the module holds.
	Keys(ctx context.Context) ([]KeyInfo, error)
}

// Class says what a fault means for the server, never for a customer: no
// failure of the module counts as a wrong code.
type Class uint8

// The classes of faults and what follows from each.
const (
	ClassDevice  Class = iota + 1 // the module is away or broken: 503, re-initialise with back-off
	ClassSession                  // the session or log-in is gone: a new generation
	ClassBusy                     // no session free in time: 503
	ClassBlob                     // this blob is damaged or belongs elsewhere: quarantine, the module is fine
	ClassPIN                      // wrong or locked PIN: stop at once, never retry
	ClassConfig                   // a mechanism, right or key is missing: refuse to start
	ClassInput                    // the caller asked for something impossible
)

// String names the class in logs and metrics.
func (c Class) String() string {
	switch c {
	case ClassDevice:
		return "device"
	case ClassSession:
		return "session"
	case ClassBusy:
		return "busy"
	case ClassBlob:
		return "blob"
	case ClassPIN:
		return "pin"
	case ClassConfig:
		return "configuration"
	case ClassInput:
		return "input"
	}
	return "unknown"
}

// Fault is every error of a module. Code is the CK_RV where there is one.
type Fault struct {
	Class Class
	Op    string // what was asked, e.g. "HMAC"
	Key   Key
	Code  uint
	Err   error
}

func (f *Fault) Error() string {
	s := "hsm: " + f.Op
	if f.Key != "" {
		s += " " + string(f.Key)
	}
	s += ": " + f.Class.String() + " fault"
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// ClassOf returns the class of err, ClassDevice when it is not a *Fault: what is
// not understood is treated as an HSM that is away.
func ClassOf(err error) Class {
	var f *Fault
	if errors.As(err, &f) {
		return f.Class
	}
	return ClassDevice
}
