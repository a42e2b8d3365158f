package pkcs11

import (
	"fmt"
	"sync"
)

// job is one call into the module. It hands over its own result, so that a
// caller who has left does not matter; what it returns only says whether the
// session is still good.
type job func(*worker) error

// worker is a slot: a goroutine with a session of its own. There are as many as
// Config.Sessions, and a call that never returns takes its slot with it, so the
// module is never entered more often than that.
type worker struct {
	g *generation
	*session
}

// serve starts the slots.
func (g *generation) serve() {
	g.jobs = make(chan job)
	g.quit = make(chan struct{})
	g.gone = make(chan struct{})
	var busy sync.WaitGroup
	for range g.cfg.Sessions {
		busy.Go(func() {
			w := &worker{g, &session{link: g.link, flags: readOnly}}
			w.run()
			w.drop()
		})
	}
	go func() {
		busy.Wait()
		close(g.gone)
	}()
}

func (w *worker) run() {
	for {
		select {
		case <-w.g.quit:
			return
		case j := <-w.g.jobs:
			if j(w) != nil {
				w.drop()
			}
		}
	}
}

// retire takes no more calls. Those in flight keep what they use until they
// return, which gone tells.
func (g *generation) retire() { close(g.quit) }

// close gives the log-in up, after the last call has returned.
func (g *generation) close() {
	<-g.gone
	g.keeper.drop()
	g.link.close()
}

// safely runs f on the worker's session.
func safely[T any](w *worker, f func(*worker) (T, error)) (out T, err error) {
	err = caught(func() error {
		if err := w.ready(); err != nil {
			return err
		}
		out, err = f(w)
		return err
	})
	return out, err
}

// caught runs f and makes an error of a panic: both libraries below panic on
// some errors of the module.
func caught(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = p
		default:
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}
