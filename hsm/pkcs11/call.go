package pkcs11

import (
	"context"
	"errors"
	"time"

	"mohur/hsm"
)

// outcome is what a job hands to its caller, who may have left.
type outcome[T any] struct {
	out T
	err error
}

// call runs f in a slot. Every method of Module comes through here.
//
// A call that finds its session gone is made once more on the next generation:
// every call either changes nothing or, as an import, checks before it does.
// All other faults go to the caller, who alone knows what a repetition means.
func call[T any](ctx context.Context, m *Module, op string, key hsm.Key, f func(*worker) (T, error)) (T, error) {
	start := time.Now()
	out, fault := attempt(ctx, m, op, key, f)
	if fault != nil && (fault.Class == hsm.ClassSession || stale[fault.Code]) {
		out, fault = attempt(ctx, m, op, key, f)
	}
	if fault != nil {
		m.observe(op, fault.Class, start)
		return out, fault
	}
	m.observe(op, 0, start)
	return out, nil
}

func attempt[T any](ctx context.Context, m *Module, op string, key hsm.Key, f func(*worker) (T, error)) (none T, _ *hsm.Fault) {
	done := make(chan outcome[T], 1)
	g, fault := m.enter(ctx, op, key, func(w *worker) error {
		read := m.meter(op)
		out, err := safely(w, f)
		read()
		done <- outcome[T]{out, err}
		return err
	})
	if fault != nil {
		return none, fault
	}
	timer := time.NewTimer(m.cfg.CallTimeout)
	defer timer.Stop()
	select {
	case o := <-done:
		if o.err != nil {
			return none, m.failed(g, faultOf(op, key, o.err))
		}
		return o.out, nil
	case <-timer.C:
		return none, m.hung(g, op, key)
	case <-ctx.Done():
		// The caller goes at once. That the call hangs must come out even
		// when every caller has less patience than CallTimeout.
		go watch(m, g, op, key, done)
		return none, &hsm.Fault{Class: left(ctx), Op: op, Key: key, Err: ctx.Err()}
	}
}

// left is the class of a call whose caller's context ended inside the module. A
// deadline that passed is the module's doing; a caller who hung up is nobody's,
// and must not count as an outage.
func left(ctx context.Context) hsm.Class {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return hsm.ClassDevice
	}
	return hsm.ClassBusy
}

// watch waits for a call whose caller has left, as long as a call may take.
func watch[T any](m *Module, g *generation, op string, key hsm.Key, done <-chan outcome[T]) {
	timer := time.NewTimer(m.cfg.CallTimeout)
	defer timer.Stop()
	select {
	case o := <-done:
		if o.err != nil {
			m.failed(g, faultOf(op, key, o.err))
		}
	case <-timer.C:
		m.hung(g, op, key)
	}
}

// enter hands j to a free slot. It waits for one, or for the next generation, no
// longer than Config.Wait; while the module is known to be down it does not wait
// at all.
func (m *Module) enter(ctx context.Context, op string, key hsm.Key, j job) (*generation, *hsm.Fault) {
	if err := ctx.Err(); err != nil {
		return nil, &hsm.Fault{Class: hsm.ClassBusy, Op: op, Key: key, Err: err}
	}
	if g := m.now.Load().gen; g != nil {
		select {
		case g.jobs <- j:
			return g, nil
		default:
		}
	}
	timer := time.NewTimer(m.cfg.Wait)
	defer timer.Stop()
	for {
		st := m.now.Load()
		var jobs chan job // nil, which is never ready, while there is no generation
		switch {
		case st.gen != nil:
			jobs = st.gen.jobs
		case st.down != nil:
			return nil, &hsm.Fault{Class: st.down.Class, Op: op, Key: key, Code: st.down.Code, Err: st.down}
		}
		select {
		case jobs <- j:
			return st.gen, nil
		case <-st.next:
		case <-timer.C:
			return nil, &hsm.Fault{Class: hsm.ClassBusy, Op: op, Key: key, Err: errBusy}
		case <-ctx.Done():
			return nil, &hsm.Fault{Class: hsm.ClassBusy, Op: op, Key: key, Err: ctx.Err()}
		}
	}
}

// refuse is the fault of a call that never reaches the module.
func (m *Module) refuse(op string, key hsm.Key, format string, args ...any) error {
	return m.refused(op, key, inputFault(format, args...))
}

func (m *Module) refused(op string, key hsm.Key, fault *hsm.Fault) error {
	m.observe(op, fault.Class, time.Now())
	return faultOf(op, key, fault)
}

func (m *Module) observe(op string, class hsm.Class, start time.Time) {
	if m.cfg.Observe != nil {
		m.cfg.Observe(op, class, time.Since(start))
	}
}
