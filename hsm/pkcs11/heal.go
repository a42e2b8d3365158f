package pkcs11

import (
	"errors"
	"fmt"
	"time"

	"mohur/hsm"
)

var (
	errBusy  = errors.New("no session came free in time")
	errStray = errors.New("too many calls never came back: restart the server")
)

// failed draws the conclusion from a fault of g and returns the fault.
func (m *Module) failed(g *generation, f *hsm.Fault) *hsm.Fault {
	switch {
	case f.Class == hsm.ClassSession, stale[f.Code]:
		m.replace(g, f, nil)
	case f.Class == hsm.ClassDevice, f.Class == hsm.ClassPIN:
		m.replace(g, f, f)
	}
	return f
}

// hung gives up a call. Its slot stays taken until it returns.
func (m *Module) hung(g *generation, op string, key hsm.Key) *hsm.Fault {
	f := &hsm.Fault{Class: hsm.ClassDevice, Op: op, Key: key, Err: errHung}
	m.replace(g, f, f)
	return f
}

// replace ends g and starts the search for its successor. Of the many calls that
// notice the same loss, the first does it. Callers meanwhile wait, or fail fast
// with down if that is set.
func (m *Module) replace(g *generation, why, down *hsm.Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed.Err() != nil || m.now.Load().gen != g {
		return
	}
	m.setLocked(nil, down)
	g.retire()
	m.heals.Go(func() { m.heal(g, why) })
}

// heal builds the next generation, with growing pauses, until it serves, the
// module is closed or the PIN is refused.
func (m *Module) heal(old *generation, why *hsm.Fault) {
	m.cfg.Logger.Warn("hsm: the log-in is lost", "error", why)
	if why.Class == hsm.ClassPIN {
		m.settle(old, 0)
		return // whatever made a PIN fault of a call, a log-in may lock the token
	}
	patience := drainTimeout
	if errors.Is(why.Err, errHung) {
		patience = 0 // it will not come back soon, and the rest of the device may be well
	}
	m.settle(old, patience)
	pause := m.respite(old)
	for m.sleep(pause) {
		g, err := m.successor()
		if err == nil {
			if !m.set(g, nil) {
				g.abandon()
				return
			}
			m.cfg.Logger.Info("hsm: logged in again")
			return
		}
		f := away(faultOf(opStart, "", err))
		m.cfg.Logger.Error("hsm: the module is down", "error", f)
		m.set(nil, f)
		if f.Class == hsm.ClassPIN {
			return
		}
		pause = min(max(2*pause, firstPause), longestPause)
	}
}

// away reads a fault of a re-connection. At the start a token or key that is not
// found is a mistake of the operator; later it is a device that is gone, or whose
// log-in is, since private keys are then invisible. Only two faults stay what
// they are, because waiting cures neither.
func away(f *hsm.Fault) *hsm.Fault {
	if f.Class == hsm.ClassPIN || errors.Is(f, errOtherKeys) {
		return f
	}
	return &hsm.Fault{Class: hsm.ClassDevice, Op: opStart, Key: f.Key, Code: f.Code, Err: f.Err}
}

// respite is the pause before the first attempt: none after a generation that
// served for some time, so a single loss costs milliseconds; longer and longer
// where generations die young, so a fault that comes back with each of them does
// not keep the device busy with log-ins.
func (m *Module) respite(old *generation) time.Duration {
	if time.Since(old.born) > steady {
		m.young = 0
		return 0
	}
	m.young++
	if m.young == 1 {
		return 0
	}
	return min(firstPause<<min(m.young-2, 10), youngPause)
}

// successor builds a generation. Whoever waits for it gives up after a call's
// time, and whoever comes later does not wait: the device is not there.
func (m *Module) successor() (*generation, error) {
	if m.strays.Load() >= maxStrays {
		return nil, &hsm.Fault{Class: hsm.ClassDevice, Op: opStart, Err: errStray}
	}
	slow := time.AfterFunc(m.cfg.CallTimeout, func() {
		m.set(nil, &hsm.Fault{Class: hsm.ClassDevice, Op: opStart, Err: errHung})
	})
	defer slow.Stop()
	stuck := time.AfterFunc(startTimeout, func() { m.stuck("the log-in") })
	defer stuck.Stop()
	return build(m.cfg, m.witness)
}

// settle gives up the log-in of a retired generation, which finalises the
// library and is the best cure for a device fault, but is only allowed once no
// call is in flight. After patience it goes on without: the old log-in stays
// until the last of its calls returns.
func (m *Module) settle(old *generation, patience time.Duration) {
	if within(old.gone, patience) {
		old.close()
		return
	}
	m.strays.Add(1)
	m.heals.Go(func() {
		if !within(old.gone, drainTimeout-patience) {
			m.stuck("a call")
		}
		old.close()
		m.strays.Add(-1)
	})
}

func (m *Module) stuck(what string) {
	err := fmt.Errorf("hsm: %s has not returned from %s: the process should be restarted", what, m.cfg.Module)
	m.cfg.Logger.Error("hsm: stuck", "error", err)
	if m.cfg.Stuck != nil {
		m.cfg.Stuck(err)
	}
}

// sleep waits, and says whether the module is still wanted.
func (m *Module) sleep(d time.Duration) bool {
	return !within(m.closed.Done(), d)
}

// within says whether c is closed before d has passed.
func within(c <-chan struct{}, d time.Duration) bool {
	select {
	case <-c:
		return true
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}
