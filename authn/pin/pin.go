package pin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"mohur/hsm"
)

// Argon2id parameters (RFC 9106 section 4 in the form of the OWASP second
// choice): 19 MiB, two passes, one lane.
const (
	memoryKiB = 19 * 1024
	passes    = 2
	lanes     = 1
	saltSize  = 16
	hashSize  = 32
	entrySize = saltSize + hashSize
)

// The forms of what is sealed. The first held one hash, without the time at
// which it was chosen.
const (
	oneHash  = 1
	hashForm = 2
	timeSize = 8
)

// ErrRecord says that a sealed hash opened to something else: the record was
// changed.
var ErrRecord = errors.New("pin: the record does not open")

// ErrUsed says that a PIN is among those the customer had last.
var ErrUsed = errors.New("pin: chosen before")

// HSM is the part of a module that seals hashes.
type HSM interface {
	Seal(ctx context.Context, key hsm.Key, place string, plaintext []byte) ([]byte, error)
	Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error)
}

// Verifier hashes PINs, at most as many at once as it has slots: Argon2id needs
// 19 MiB a run, and many log-ins at once must not exhaust the machine. Never is
// more memory held by runs, under way or over, than slots times 19 MiB.
type Verifier struct {
	hsm   HSM
	slots chan struct{}

	mu            sync.Mutex
	under, filled int // runs under way; memories of runs since they were last collected
}

// NewVerifier returns a verifier with that many slots (at least one).
func NewVerifier(m HSM, slots int) *Verifier {
	return &Verifier{hsm: m, slots: make(chan struct{}, max(1, slots))}
}

// place binds a sealed hash to its customer and version, and the version is
// also in the hot row: an older PIN put back does not open.
func place(customer string, version uint64) string {
	return "pin/" + customer + "/" + strconv.FormatUint(version, 10)
}

// Next makes the record of a new PIN, with the hash of it and of those before it,
// keep in all. It is ErrUsed when the PIN is one of the keep last ones. old is the
// record to be replaced; one without Sealed has no history.
func (v *Verifier) Next(ctx context.Context, old Record, pin string, keep int, at time.Time) (Record, error) {
	var before [][]byte
	if len(old.Sealed) > 0 {
		var err error
		if before, err = v.hashes(ctx, old); err != nil {
			return Record{}, err
		}
	}
	before = before[:min(keep, len(before))]
	for _, h := range before {
		same, err := v.same(ctx, h, pin)
		if err != nil {
			return Record{}, err
		}
		if same {
			return Record{}, ErrUsed
		}
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	sum, err := v.run(ctx, pin, salt)
	if err != nil {
		return Record{}, err
	}
	next := old
	next.Version, next.ChangedAt = old.Version+1, at.UTC()
	plain := binary.BigEndian.AppendUint64([]byte{hashForm}, uint64(at.Unix()))
	plain = append(append(plain, salt...), sum...)
	for _, h := range before[:min(keep-1, len(before))] {
		plain = append(plain, h...)
	}
	next.Sealed, err = v.hsm.Seal(ctx, hsm.PINSeal, place(next.Customer, next.Version), plain)
	return next, err
}

// Verify reports whether pin is the one of the record. The caller has already
// found the possession proof right. An error is not a wrong PIN.
func (v *Verifier) Verify(ctx context.Context, r Record, pin string) (bool, error) {
	all, err := v.hashes(ctx, r)
	if err != nil {
		return false, err
	}
	return v.same(ctx, all[0], pin)
}

// hashes opens a record: salt ‖ hash of the PIN and of those before it.
func (v *Verifier) hashes(ctx context.Context, r Record) ([][]byte, error) {
	plain, err := v.hsm.Open(ctx, hsm.PINSeal, place(r.Customer, r.Version), r.Sealed)
	if err != nil {
		if hsm.ClassOf(err) == hsm.ClassBlob {
			return nil, ErrRecord
		}
		return nil, err
	}
	switch {
	case len(plain) == 1+entrySize && plain[0] == oneHash:
		plain = plain[1:]
	case len(plain) >= 1+timeSize+entrySize && plain[0] == hashForm && binary.BigEndian.Uint64(plain[1:]) == uint64(r.ChangedAt.Unix()):
		plain = plain[1+timeSize:]
	default:
		return nil, ErrRecord
	}
	var out [][]byte
	for ; len(plain) >= entrySize; plain = plain[entrySize:] {
		out = append(out, plain[:entrySize])
	}
	if len(plain) != 0 {
		return nil, ErrRecord
	}
	return out, nil
}

// same hashes pin with the salt of an entry and compares.
func (v *Verifier) same(ctx context.Context, entry []byte, pin string) (bool, error) {
	sum, err := v.run(ctx, pin, entry[:saltSize])
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, entry[saltSize:]) == 1, nil
}

func (v *Verifier) run(ctx context.Context, pin string, salt []byte) ([]byte, error) {
	select {
	case v.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	v.begin()
	defer func() {
		v.mu.Lock()
		v.under--
		v.mu.Unlock()
		<-v.slots
	}()
	return argon2.IDKey([]byte(pin), salt, passes, memoryKiB, lanes, hashSize), nil
}

// begin sees to it that the memory of runs that are over is collected before one
// more is filled. argon2 takes its 19 MiB from the heap, and the collector by
// itself would let as much of them pile up as the rest of the server holds.
func (v *Verifier) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.filled >= cap(v.slots) {
		runtime.GC()
		v.filled = v.under
	}
	v.under++
	v.filled++
}
