package pkcs11

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"mohur/hsm"
)

// Module is an open token. It serves many goroutines, and heals by itself from
// everything but a refused PIN.
type Module struct {
	cfg     Config
	signers map[hsm.Key]signer // of the start; the witness vouches that they stay
	witness *witness

	now    atomic.Pointer[state]
	mu     sync.Mutex // held while now changes
	strays atomic.Int32
	calls  atomic.Uint64 // made so far, for the meter
	young  int           // generations in a row that did not last; the healer's own
	closed context.Context
	stop   context.CancelFunc
	heals  sync.WaitGroup
}

var _ hsm.Module = (*Module)(nil)

// state is what the module is at a moment. It is replaced, never changed.
type state struct {
	gen  *generation   // nil while there is none
	down *hsm.Fault    // why, once that is more than a moment's wait
	next chan struct{} // closed when this is no longer the state
}

var (
	errClosed = errors.New("the module is closed")
	errHung   = errors.New("the call did not return from the module in time")
)

// Open logs in, finds every key of the house, and makes sure with known answers
// that the module computes what the server relies on. What is missing, and what
// to set or run, is in the error; nothing is tried twice.
func Open(ctx context.Context, cfg Config) (*Module, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	g, err := await(ctx, startTimeout, func() (*generation, error) { return build(cfg, nil) }, (*generation).abandon)
	if err != nil {
		return nil, faultOf(opStart, "", err)
	}
	m := &Module{cfg: cfg, signers: g.signers, witness: g.witness}
	m.closed, m.stop = context.WithCancel(context.Background())
	m.now.Store(&state{gen: g, next: make(chan struct{})})
	cfg.Logger.Info("hsm: open", "config", cfg, "took", time.Since(start))
	return m, nil
}

// Close takes no more calls, waits for those in flight and logs out. An error
// means that some did not return, and that the library stays as it is.
func (m *Module) Close() error {
	m.mu.Lock()
	if m.closed.Err() != nil {
		m.mu.Unlock()
		return nil
	}
	m.stop()
	old := m.now.Load()
	m.setLocked(nil, &hsm.Fault{Class: hsm.ClassDevice, Op: opStart, Err: errClosed})
	m.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		if old.gen != nil {
			old.gen.retire()
			old.gen.close()
		}
		m.heals.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-time.After(drainTimeout):
		return &hsm.Fault{Class: hsm.ClassDevice, Op: "Close", Err: errHung}
	}
}

// set says what follows a lost generation: the next one, or why there is none.
// It says nothing once the module is closed, or serves again.
func (m *Module) set(g *generation, down *hsm.Fault) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed.Err() != nil || m.now.Load().gen != nil {
		return false
	}
	m.setLocked(g, down)
	return true
}

func (m *Module) setLocked(g *generation, down *hsm.Fault) {
	old := m.now.Swap(&state{gen: g, down: down, next: make(chan struct{})})
	close(old.next)
}

// abandon closes a generation that came too late to be used.
func (g *generation) abandon() {
	g.retire()
	g.close()
}

// await runs f, which may hang in the module, and waits for it no longer than
// ctx and the limit allow. A result that comes later goes to late.
func await[T any](ctx context.Context, limit time.Duration, f func() (T, error), late func(T)) (T, error) {
	type outcome struct {
		out T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		out, err := f()
		done <- outcome{out, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	err := errHung
	select {
	case o := <-done:
		return o.out, o.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	go func() {
		if o := <-done; o.err == nil {
			late(o.out)
		}
	}()
	var none T
	return none, &hsm.Fault{Class: hsm.ClassDevice, Op: opStart, Err: err}
}
