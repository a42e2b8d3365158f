package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// crowd bounds the connections of a listener and sees to it that those who say
// nothing, or say it slowly, never keep others out: when it is full, the newcomer
// comes in and one goes. There are the silent, without a request that came in
// whole, and the idle, between requests; of whichever are more, the one goes who
// has waited longest. Were it always a silent one, idle connections, which anybody
// can have for one request, could fill the house but for a few places, and every
// newcomer be gone before his handshake is done: so he has the time in which half
// a house of others come in. Who is being answered is not sent away. A cap for
// each address would be simpler and wrong: behind the address of the front end is
// the whole bank.
type crowd struct {
	net.Listener
	most int
	sent func() // told of everyone sent away; may be nil

	mu     sync.Mutex
	guests int
	silent *list.List // of *guest: no request yet, oldest first
	idle   *list.List // of *guest: between requests, longest first
}

func newCrowd(l net.Listener, most int, sent func()) *crowd {
	return &crowd{Listener: l, most: most, sent: sent, silent: list.New(), idle: list.New()}
}

// Accept lets the next one in.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g := c.enter(conn); g != nil {
			return g, nil
		}
		_ = conn.Close() // everybody is being answered
	}
}

// filesKept is how many open files are left to the store, the HSM's library, seed
// files and the log.
const filesKept = 256

// openFiles is how many files the process may have open. Go has raised it as far
// as the system allows.
func openFiles() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur < 2*filesKept {
		return 2 * filesKept
	}
	return int(min(l.Cur, 1<<30))
}

// enter gives a connection a place, or returns nil when there is none.
func (c *crowd) enter(conn net.Conn) *guest {
	c.mu.Lock()
	var victim *guest
	if c.guests >= c.most {
		if victim = c.leastWanted(); victim == nil {
			c.mu.Unlock()
			return nil
		}
		c.out(victim)
	}
	g := &guest{Conn: conn, crowd: c}
	c.guests++
	g.wait(c.silent)
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Conn.Close()
		if c.sent != nil {
			c.sent()
		}
	}
	return g
}

func (c *crowd) leastWanted() *guest {
	most := c.silent
	if c.idle.Len() > c.silent.Len() {
		most = c.idle
	}
	if e := most.Front(); e != nil {
		if g, ok := e.Value.(*guest); ok {
			return g
		}
	}
	return nil
}

// out takes a guest's place from him. The caller holds the lock.
func (c *crowd) out(g *guest) {
	if g.gone {
		return
	}
	g.gone = true
	g.unwait()
	c.guests--
}

// guest is one connection. Its last four members belong to the crowd's lock.
type guest struct {
	net.Conn
	crowd *crowd

	gone    bool
	serving int        // requests being answered; HTTP/2 has many at once
	in      *list.List // where he waits, nil while he is served
	at      *list.Element
}

// Close gives the place back.
func (g *guest) Close() error {
	g.crowd.mu.Lock()
	g.crowd.out(g)
	g.crowd.mu.Unlock()
	return g.Conn.Close()
}

func (g *guest) wait(l *list.List) { g.in, g.at = l, l.PushBack(g) }

func (g *guest) unwait() {
	if g.in != nil {
		g.in.Remove(g.at)
		g.in, g.at = nil, nil
	}
}

// serve notes that a request's header has come in whole, and returns what notes
// the end of its answer.
func (g *guest) serve() (done func()) {
	c := g.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	g.serving++
	g.unwait()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if g.serving--; g.serving == 0 && !g.gone {
			g.wait(c.idle)
		}
	}
}

type guestKey struct{}

// withGuest lets a handler find the guest of its connection.
func withGuest(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return context.WithValue(ctx, guestKey{}, conn)
}

// attended tells the crowd who is being answered.
func attended(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			defer g.serve()()
		}
		h.ServeHTTP(w, r)
	})
}
