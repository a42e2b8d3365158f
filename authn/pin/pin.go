package pin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
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
// which it was chosen; the second did not know the way it was set.
const (
	oneHash  = 1
	timeForm = 2
	wayForm  = 3
	timeSize = 8
	waySize  = 1
)

// ways are the channels of the activation secrets that PINs are set by, as they are
// sealed. The list only grows.
var ways = []string{"", "sms", "email", "letter", "link"}

// newNumber marks the numbers: no version comes near it.
const newNumber = 1 << 63

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

// place binds a sealed hash to its customer and number, and the number is also in
// the hot row: an older PIN put back does not open.
func place(r Record) string {
	return "pin/" + r.Customer + "/" + strconv.FormatUint(r.Bond(), 10)
}

// New is a PIN that is to be set.
type New struct {
	PIN  string
	Keep int    // how many are remembered, this one included
	Way  string // channel of the activation secret it is set by; "": set by an authentication
	At   time.Time
}

// Next makes the record of a new PIN, with the hash of it and of those before it. It
// is ErrUsed when the PIN is one of the last that are kept. old is the record to be
// replaced; one without Sealed has no history.
func (v *Verifier) Next(ctx context.Context, old Record, n New) (Record, error) {
	pin, keep, at := n.PIN, n.Keep, n.At
	way := slices.Index(ways, n.Way)
	if way < 0 {
		return Record{}, fmt.Errorf("pin: the way %q is not known", n.Way)
	}
	var before [][]byte
	if len(old.Sealed) > 0 {
		box, err := v.open(ctx, old)
		if err != nil {
			return Record{}, err
		}
		before = box.hashes
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
	next.Version, next.ChangedAt, next.Number = old.Version+1, at.UTC(), number()
	plain := binary.BigEndian.AppendUint64([]byte{wayForm}, uint64(at.Unix()))
	plain = append(append(append(plain, byte(way)), salt...), sum...)
	for _, h := range before[:min(keep-1, len(before))] {
		plain = append(plain, h...)
	}
	next.Sealed, err = v.hsm.Seal(ctx, hsm.PINSeal, place(next), plain)
	return next, err
}

func number() uint64 {
	b := make([]byte, 8)
	rand.Read(b)
	return binary.BigEndian.Uint64(b) | newNumber
}

// Verify reports whether pin is the one of the record. The caller has already
// found the possession proof right. An error is not a wrong PIN.
func (v *Verifier) Verify(ctx context.Context, r Record, pin string) (bool, error) {
	box, err := v.open(ctx, r)
	if err != nil {
		return false, err
	}
	return v.same(ctx, box.hashes[0], pin)
}

// Way returns the channel of the activation secret that a PIN was set by; "" of one
// that was set by an authentication, and of one that is older than this is known.
func (v *Verifier) Way(ctx context.Context, r Record) (string, error) {
	box, err := v.open(ctx, r)
	return box.way, err
}

// box is what is sealed: salt ‖ hash of the PIN and of those before it, and the way
// the PIN was set.
type box struct {
	way    string
	hashes [][]byte
}

func (v *Verifier) open(ctx context.Context, r Record) (box, error) {
	plain, err := v.hsm.Open(ctx, hsm.PINSeal, place(r), r.Sealed)
	if err != nil {
		if hsm.ClassOf(err) == hsm.ClassBlob {
			return box{}, ErrRecord
		}
		return box{}, err
	}
	var out box
	timed := len(plain) > timeSize && binary.BigEndian.Uint64(plain[1:]) == uint64(r.ChangedAt.Unix())
	switch {
	case len(plain) == 1+entrySize && plain[0] == oneHash && r.Number == 0:
		plain = plain[1:]
	case timed && plain[0] == timeForm && r.Number == 0:
		plain = plain[1+timeSize:]
	case timed && plain[0] == wayForm && r.Number >= newNumber && len(plain) > 1+timeSize && int(plain[1+timeSize]) < len(ways):
		out.way, plain = ways[plain[1+timeSize]], plain[1+timeSize+waySize:]
	default:
		return box{}, ErrRecord
	}
	for ; len(plain) >= entrySize; plain = plain[entrySize:] {
		out.hashes = append(out.hashes, plain[:entrySize])
	}
	if len(plain) != 0 || len(out.hashes) == 0 {
		return box{}, ErrRecord
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
