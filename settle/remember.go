package settle

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Remember settles, with the first change a request makes, that the request was
// made. Its scope is unique while it is remembered: a store that has it already
// answers Exists, so a request that is sent again changes nothing again, also
// after a crash between the change and the answer.
type Remember struct {
	Scope   string    // names caller, method, path and Idempotency-Key, by a MAC
	BodyMAC []byte    // of the canonical body
	Until   time.Time // forgotten after
}

// EffectKey names the memory.
func (r Remember) EffectKey() string { return "memory/" + r.Scope }

// Memory is a remembered request. It is under no MAC of its own: its answer is
// sealed at its place, and whoever removes or edits it makes the server judge a
// request again whose code is consumed.
type Memory struct {
	Scope   string    `json:"scope"`
	BodyMAC []byte    `json:"body_mac"`
	Until   time.Time `json:"until"`
	Answer  []byte    `json:"answer,omitempty"` // sealed; empty while there is none
	Version uint64    `json:"version"`
}

// Memories is where they are read and end. Both methods may be called by many
// goroutines.
type Memories interface {
	// Memory returns what is remembered under a scope, found false when nothing
	// is, or no longer.
	Memory(ctx context.Context, scope string) (m Memory, found bool, err error)
	// Conclude adds the answer to what is remembered, or remembers both at once
	// if the request changed nothing. It has no audit entry: it grants nothing,
	// and a lost answer only means that nobody is told it again. An answer that
	// is there stays.
	Conclude(ctx context.Context, r Remember, answer []byte) error
}

// ErrRemembered says that the request was made before: nothing was changed.
var ErrRemembered = errors.New("settle: the request is remembered")

// Mark follows one request from its first change on.
type Mark struct {
	remember Remember

	mu          sync.Mutex
	done, taken bool
}

type markKey struct{}

// Once returns a context whose first Write also settles r. The domain below does
// not know: that a request counts once is no rule of any one command.
func Once(ctx context.Context, r Remember) (context.Context, *Mark) {
	m := &Mark{remember: r}
	return context.WithValue(ctx, markKey{}, m), m
}

// Aside returns a context for what is written on the way and is not the
// request's own change, such as an incident that a read has found.
func Aside(ctx context.Context) context.Context {
	return context.WithValue(context.WithValue(ctx, markKey{}, (*Mark)(nil)), rideKey{}, (*Ride)(nil))
}

func markOf(ctx context.Context) *Mark {
	m, _ := ctx.Value(markKey{}).(*Mark)
	return m
}

// Done reports whether the request has changed something and is remembered.
func (m *Mark) Done() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done
}

// Taken reports whether the request was found to be remembered from before.
func (m *Mark) Taken() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taken
}

// with puts the memory before the effects of the first change: a repeat is told
// as one before anything else is found about it.
func (m *Mark) with(effects []Effect) []Effect {
	if m == nil || m.Done() {
		return effects
	}
	return append([]Effect{m.remember}, effects...)
}

// note takes notice of what became of a change. It reports whether the request
// had been made before.
func (m *Mark) note(r Result) (repeated bool) {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, own := r.Effect.(Remember)
	m.done = m.done || r.Outcome == Done
	m.taken = m.taken || own && r.Outcome == Exists
	return m.taken
}
