package pin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"mohur/hsm"
)

// The bounds of a PIN, in digits.
const (
	MinDigits = 6
	MaxDigits = 12
)

// Argon2id parameters (RFC 9106 section 4 in the form of the OWASP second
// choice): 19 MiB, two passes, one lane.
const (
	memoryKiB = 19 * 1024
	passes    = 2
	lanes     = 1
	saltSize  = 16
	hashSize  = 32
	hashForm  = 1
)

// ErrRecord says that a sealed hash opened to something else: the record was
// changed.
var ErrRecord = errors.New("pin: the record does not open")

// HSM is the part of a module that seals hashes.
type HSM interface {
	Seal(ctx context.Context, key hsm.Key, place string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error)
}

// Verifier hashes PINs, at most as many at once as it has slots: Argon2id needs
// 19 MiB a run, and many log-ins at once must not exhaust the machine.
type Verifier struct {
	hsm   HSM
	slots chan struct{}
}

// NewVerifier returns a verifier with that many slots (at least one).
func NewVerifier(m HSM, slots int) *Verifier {
	return &Verifier{hsm: m, slots: make(chan struct{}, max(1, slots))}
}

// Fault says why a PIN cannot be chosen, in words for the customer; "" when it
// can.
func Fault(pin string) string {
	if len(pin) < MinDigits || len(pin) > MaxDigits || strings.Trim(pin, "0123456789") != "" {
		return "a PIN has 6 to 12 digits"
	}
	up, down, same := true, true, true
	for i := 1; i < len(pin); i++ {
		up = up && pin[i] == pin[i-1]+1
		down = down && pin[i] == pin[i-1]-1
		same = same && pin[i] == pin[i-1]
	}
	if up || down || same {
		return "a PIN of one digit or of digits in a row is too easy to guess"
	}
	return ""
}

// place binds a sealed hash to its customer and version, and the version is
// also in the hot row: an older PIN put back does not open.
func place(customer string, version uint64) string {
	return "pin/" + customer + "/" + strconv.FormatUint(version, 10)
}

// Hash makes the sealed hash of a new PIN for a record of that version.
func (v *Verifier) Hash(ctx context.Context, customer string, version uint64, pin string) ([]byte, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	sum, err := v.run(ctx, pin, salt)
	if err != nil {
		return nil, err
	}
	plain := append(append([]byte{hashForm}, salt...), sum...)
	return v.hsm.Seal(ctx, hsm.PINSeal, place(customer, version), plain)
}

// Verify reports whether pin is the one of the record. The caller has already
// found the possession proof right. An error is not a wrong PIN.
func (v *Verifier) Verify(ctx context.Context, r Record, pin string) (bool, error) {
	plain, err := v.hsm.Open(ctx, hsm.PINSeal, place(r.Customer, r.Version), r.Sealed)
	if err != nil {
		if hsm.ClassOf(err) == hsm.ClassBlob {
			return false, ErrRecord
		}
		return false, err
	}
	if len(plain) != 1+saltSize+hashSize || plain[0] != hashForm {
		return false, ErrRecord
	}
	sum, err := v.run(ctx, pin, plain[1:1+saltSize])
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, plain[1+saltSize:]) == 1, nil
}

func (v *Verifier) run(ctx context.Context, pin string, salt []byte) ([]byte, error) {
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
		return argon2.IDKey([]byte(pin), salt, passes, memoryKiB, lanes, hashSize), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
