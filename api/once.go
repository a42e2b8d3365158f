package api

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"mohur/canonical"
	"mohur/hsm"
	"mohur/problem"
	"mohur/settle"
)

// keyHeader makes a POST, PUT or PATCH safe to send again.
const keyHeader = "Idempotency-Key"

const (
	rememberFor = 24 * time.Hour
	maxKey      = 255 // characters of a key
	// againWithin is how long a granted session is handed out again.
	againWithin = time.Minute
)

// idempotencyKey reads the header; "" when there is none.
func (x *exchange) idempotencyKey() (string, error) {
	switch x.route.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return "", nil
	}
	all := x.r.Header.Values(keyHeader)
	if len(all) == 0 {
		return "", nil
	}
	key := all[0]
	visible := strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if len(all) > 1 || key == "" || len(key) > maxKey || !visible {
		return "", invalid(keyHeader, "needs to be there once, with 1 to 255 visible ASCII characters")
	}
	if x.route.asItIs {
		return "", nil // a session that has ended since must not be told as live
	}
	return key, nil
}

// once serves a request whose body says text. With an Idempotency-Key it is
// served once: who sends it again is told what came of it. What was refused
// before anything was settled is not remembered and is judged anew.
func (x *exchange) once(ctx context.Context, text []byte, serve func(context.Context) (reply, error)) (reply, error) {
	key, err := x.idempotencyKey()
	if err != nil || key == "" {
		if err != nil {
			return reply{}, err
		}
		return serve(ctx)
	}
	soon, cancel := context.WithTimeout(ctx, x.server.waits.answer)
	defer cancel()
	r, err := x.remember(soon, key, text)
	if err != nil {
		return reply{}, err
	}
	leave, err := x.server.flights.enter(soon, r.Scope)
	if err != nil {
		return reply{}, err
	}
	defer leave()
	if out, found, err := x.recall(soon, r); found || err != nil {
		return out, err
	}
	// From here on the caller cannot break it off by leaving: he comes back with
	// the same key and is told the verdict.
	ctx = context.WithoutCancel(ctx)
	marked, mark := settle.Once(ctx, r)
	out, err := serve(marked)
	if mark.Taken() { // by another server on the same store
		out, _, err := x.recall(ctx, r)
		return out, err
	}
	if err == nil || mark.Done() && isVerdict(err) {
		x.conclude(ctx, r, out, err)
	}
	return out, err
}

// remember names a request and its body by MACs: neither path nor body can be
// guessed from what is stored.
func (x *exchange) remember(ctx context.Context, key string, text []byte) (settle.Remember, error) {
	if len(text) == 0 {
		text = []byte("{}") // a body that may be left out
	}
	body, err := canonical.Bytes(text)
	if err != nil {
		return settle.Remember{}, &problem.Error{Code: problem.Invalid, Detail: "the body has no canonical form (RFC 8785)", Err: err}
	}
	parts := [][]byte{[]byte(x.by.ID), []byte(x.route.method), []byte(x.route.path), []byte(key)}
	for _, p := range x.params {
		parts = append(parts, []byte(p.Value))
	}
	scope, err := x.server.HSM.MAC(ctx, hsm.IdempotencyMAC, "idempotency-scope/v1", parts...)
	if err != nil {
		return settle.Remember{}, problem.Away(err)
	}
	r := settle.Remember{Scope: hex.EncodeToString(scope), Until: x.server.Now().Add(rememberFor).UTC()}
	r.BodyMAC, err = x.server.HSM.MAC(ctx, hsm.IdempotencyMAC, "idempotency/v1", scope, body)
	if err != nil {
		return settle.Remember{}, problem.Away(err)
	}
	return r, nil
}

// recall answers a request that was made before; found is false when it was not.
func (x *exchange) recall(ctx context.Context, r settle.Remember) (_ reply, found bool, err error) {
	m, found, err := x.server.Store.Memory(ctx, r.Scope)
	switch {
	case err != nil:
		return reply{}, false, problem.Away(err)
	case !found:
		return reply{}, false, nil
	case !hmac.Equal(m.BodyMAC, r.BodyMAC):
		return reply{}, true, problem.New(problem.IdempotencyConflict, "the Idempotency-Key was used with another body; take a new one")
	case len(m.Answer) == 0:
		// A crash or an outage came between the change and its answer.
		return reply{}, true, problem.New(problem.Conflict, "this request was carried out before and its answer was lost; what came of it is in the resource, look with GET")
	}
	x.server.metrics.replays.Inc()
	out, err := x.replay(ctx, m)
	return out, true, err
}

// isVerdict tells a refusal that stays from one that asks to come back. After the
// latter it is not known what the request has done: a repeat is sent to look.
func isVerdict(err error) bool {
	p := asProblem(err)
	return looks[p.Code].status < 500 && p.Code != problem.TooMany
}

// flights are the requests with a key that are being answered, by scope. Others
// of the same scope wait for the first.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
}

type flight struct {
	turn    chan struct{}
	holders int // the one whose turn it is, and those who wait
}

// maxWaiting is how many may wait for one request; a client has no use for more.
const maxWaiting = 256

var errWaiting = &problem.Error{
	Code: problem.TooMany, Detail: "the first request with this Idempotency-Key is still being answered; come back", RetryAfter: time.Second, Limit: "repeats",
}

func (f *flights) enter(ctx context.Context, scope string) (leave func(), err error) {
	f.mu.Lock()
	if f.running == nil {
		f.running = make(map[string]*flight)
	}
	own := f.running[scope]
	if own == nil {
		own = &flight{turn: make(chan struct{}, 1)}
		f.running[scope] = own
	}
	if own.holders > maxWaiting {
		f.mu.Unlock()
		return nil, errWaiting
	}
	own.holders++
	f.mu.Unlock()
	select {
	case own.turn <- struct{}{}:
		return func() { <-own.turn; f.gone(scope, own) }, nil
	case <-ctx.Done():
		f.gone(scope, own)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, errWaiting
		}
		return nil, problem.Away(ctx.Err())
	}
}

func (f *flights) gone(scope string, own *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if own.holders--; own.holders == 0 {
		delete(f.running, scope)
	}
}
