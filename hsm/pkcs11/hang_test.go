package pkcs11_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"mohur/hsm"
)

// TestHungCall lets a call stay in the module for ever. Its caller must be free
// after CallTimeout, the others must be served, and its slot must not be given
// away while the C library is in it.
func TestHungCall(t *testing.T) {
	cfg := shimmed(t)
	var stuck atomic.Int64
	cfg.CallTimeout = 300 * time.Millisecond
	cfg.Stuck = func(error) { stuck.Add(1) }
	m := open(t, cfg)
	w := wrapped(t, m)

	theShim.hang(signing)
	start := time.Now()
	want(t, hsm.ClassDevice, m.Check(t.Context()))
	if took := time.Since(start); took < cfg.CallTimeout || took > 5*time.Second {
		t.Errorf("the caller was free after %v", took)
	}
	theShim.release(signing)
	eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
	uses(t, m, w)
	if stuck.Load() != 0 {
		t.Error("a call that came back is no reason to restart")
	}
}

// TestStuck keeps one call inside for longer than the drain timeout, while the
// rest of the device is well: the process is told to restart, and serves until
// somebody does it.
func TestStuck(t *testing.T) {
	cfg := shimmed(t)
	var stuck atomic.Int64
	cfg.CallTimeout = 300 * time.Millisecond
	cfg.Stuck = func(error) { stuck.Add(1) }
	m := open(t, cfg)
	w := wrapped(t, m)

	theShim.hang(wrapping)
	_, err := m.WrapSeed(t.Context(), []byte("another seed"))
	want(t, hsm.ClassDevice, err)
	eventually(t, 10*time.Second, "others are served", func() bool { return m.Check(t.Context()) == nil })
	if _, err := m.HMAC(t.Context(), w, hsm.SHA1, []byte("x")); err != nil {
		t.Error(err)
	}
	if theShim.held(wrapping) != 1 {
		t.Fatal("the call is not inside any more")
	}
	eventually(t, 10*time.Second, "Stuck is told", func() bool { return stuck.Load() == 1 })
}

// TestHungCaller gives a caller less patience than CallTimeout.
func TestHungCaller(t *testing.T) {
	cfg := shimmed(t)
	cfg.CallTimeout = 2 * time.Second
	m := open(t, cfg)
	theShim.hang(signing)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := m.Check(ctx)
	want(t, hsm.ClassDevice, err)
	if took := time.Since(start); took > time.Second || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v after %v", err, took)
	}
	// That the call hangs is found out all the same: others then fail at once.
	eventually(t, 10*time.Second, "the module is known to be down", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := m.Check(ctx)
		return err != nil && !errors.Is(err, context.DeadlineExceeded)
	})
	theShim.release(signing)
	eventually(t, 20*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
}

// TestHungLogin loses the session while log-ins hang. Callers must not queue up
// behind the one that tries.
func TestHungLogin(t *testing.T) {
	cfg := shimmed(t)
	cfg.CallTimeout = 300 * time.Millisecond
	m := open(t, cfg)
	theShim.hang(login)
	theShim.fail(signing, p11.CKR_SESSION_HANDLE_INVALID, 1)
	eventually(t, 10*time.Second, "the module is known to be down", func() bool {
		start := time.Now()
		return hsm.ClassOf(m.Check(t.Context())) == hsm.ClassDevice && time.Since(start) < 100*time.Millisecond
	})
	if n := theShim.held(login); n != 1 {
		t.Errorf("%d log-ins at once", n)
	}
	theShim.release(login)
	eventually(t, 10*time.Second, "the module serves again", func() bool { return m.Check(t.Context()) == nil })
}

// TestHungUp lets a caller hang up inside a call that goes on well.
func TestHungUp(t *testing.T) {
	m := open(t, shimmed(t))
	theShim.hang(signing)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	want(t, hsm.ClassBusy, m.Check(ctx))
	theShim.release(signing)
	if err := m.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestBusy fills all slots. The next caller waits for Config.Wait and no longer,
// and never are more calls in the module than there are slots.
func TestBusy(t *testing.T) {
	cfg := shimmed(t)
	cfg.Sessions, cfg.Wait, cfg.CallTimeout = 3, 200*time.Millisecond, 30*time.Second
	m := open(t, cfg)
	theShim.hang(signing)
	var all sync.WaitGroup
	for range cfg.Sessions {
		all.Go(func() {
			if err := m.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, 10*time.Second, "all slots are taken", func() bool { return theShim.held(signing) == 3 })
	for range 5 {
		start := time.Now()
		want(t, hsm.ClassBusy, m.Check(t.Context()))
		if took := time.Since(start); took < cfg.Wait || took > 5*time.Second {
			t.Errorf("waited for %v", took)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := m.Check(ctx)
	want(t, hsm.ClassBusy, err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if theShim.held(signing) != 3 {
		t.Errorf("%d calls in the module", theShim.held(signing))
	}
	theShim.release(signing)
	all.Wait()
	if err := m.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCloseHung closes a module with a call inside.
func TestCloseHung(t *testing.T) {
	cfg := shimmed(t)
	cfg.CallTimeout = 30 * time.Second
	m := open(t, cfg)
	theShim.hang(signing)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want(t, hsm.ClassDevice, m.Check(ctx))
	want(t, hsm.ClassDevice, m.Close())
	want(t, hsm.ClassDevice, m.Check(t.Context()))
	theShim.release(signing)
}
