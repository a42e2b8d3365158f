package stoplist

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"time"
)

// Once remembers the Idempotency-Key a report came with. The key of the HSM that
// remembers others is away when a report is taken here, so it is a salted hash: a
// thief of the list who guesses a body learns that his guess was right, and of a
// report's body he reads the most in the same line anyway.
type Once struct {
	Salt  []byte `json:"salt"`
	Scope []byte `json:"scope"` // of caller, method, path and key
	Body  []byte `json:"body"`  // of the canonical body
}

// Repeat is what tells one request from another.
type Repeat struct {
	Caller, Method, Path, Key string
	Body                      []byte // canonical
}

const saltSize = 16

// NewOnce hashes what tells a request, under a salt of its own. A request
// without a key is not remembered.
func NewOnce(r Repeat) *Once {
	if r.Key == "" {
		return nil
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return &Once{Salt: salt, Scope: salted(salt, []byte(r.Caller), []byte(r.Method), []byte(r.Path), []byte(r.Key)), Body: salted(salt, r.Body)}
}

// salted is SHA-256 over salt and parts, each framed by its length.
func salted(salt []byte, parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range append([][]byte{salt}, parts...) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		h.Write(p)
	}
	return h.Sum(nil)
}

// is reports whether the request has the key that is remembered, and whether the
// body is the same too.
func (o *Once) is(r Repeat) (key, body bool) {
	if o == nil || r.Key == "" {
		return false, false
	}
	key = subtle.ConstantTimeCompare(o.Scope, salted(o.Salt, []byte(r.Caller), []byte(r.Method), []byte(r.Path), []byte(r.Key))) == 1
	return key, key && subtle.ConstantTimeCompare(o.Body, salted(o.Salt, r.Body)) == 1
}

// onceFor is how long a key is remembered, and maxAnswered for how many reports
// after they were merged.
const (
	onceFor     = 24 * time.Hour
	maxAnswered = 4096
)

// Repeated finds the report that was taken with the request's Idempotency-Key,
// before its merging or after. conflict says that it had another body.
func (l *List) Repeated(r Repeat) (was Report, found, conflict bool) {
	if l == nil || r.Key == "" {
		return Report{}, false, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.repeated(r)
}

func (l *List) repeated(r Repeat) (was Report, found, conflict bool) {
	since := l.options.Now().Add(-onceFor)
	for _, past := range l.answered {
		if key, body := past.Once.is(r); key && past.At.After(since) {
			return past, true, !body
		}
	}
	for _, p := range l.pending {
		if key, body := p.Once.is(r); key && p.At.After(since) {
			return p.Report, true, !body
		}
	}
	return Report{}, false, false
}

// answer keeps a merged report for its repeats.
func (l *List) answer(r Report) {
	if r.Once == nil {
		return
	}
	if len(l.answered) >= maxAnswered {
		l.answered = l.answered[1:]
	}
	l.answered = append(l.answered, r)
}
