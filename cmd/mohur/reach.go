package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
)

// keyVariable holds the API key of whoever runs a command on tokens or customers.
const keyVariable = "MOHUR_KEY"

// overSocket is a client of the running server, as a user of this machine.
func overSocket(c *Config) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	}
	return &client{base: "http://mohur", http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}}
}

// overNetwork is a client of the API with a key.
func overNetwork(c *Config, base, key string) *client {
	return &client{base: base, key: key, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: c.clientTLS(), ForceAttemptHTTP2: true, DisableCompression: true,
	}}}
}

// running returns a client of the running server, or an error that says how to
// start one.
func running(c *Config) (*client, error) {
	if err := checkSocketPath(c.Socket); err != nil {
		return nil, err
	}
	conn, err := net.Dial("unix", c.Socket)
	switch {
	case err == nil:
		conn.Close()
		return overSocket(c), nil
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s may be used by the server's user and by root only: %w", c.Socket, err)
	}
	return nil, fmt.Errorf("no server is running; start it with `mohur serve --config %s`", c.File)
}

// address is where the API of this configuration is: what a running development
// server says, since it may have been told to listen elsewhere, or the url.
func (c *Config) address(ctx context.Context) string {
	if local, err := running(c); c.Development && err == nil {
		var l listening
		if local.call(ctx, http.MethodGet, addressPath, nil, &l) == nil && l.Address != "" {
			return l.Address
		}
	}
	return c.URL
}

// forPeople is a client for commands on tokens and customers: with the key of
// $MOHUR_KEY over the network; in development also over the socket.
func (p *program) forPeople(ctx context.Context, c *Config) (*client, error) {
	if key := os.Getenv(keyVariable); key != "" {
		return overNetwork(c, c.address(ctx), key), nil
	}
	if !c.Development {
		return nil, fmt.Errorf("this touches tokens or customers: set $%s to the key of a client with the role for it, which an admin makes with `mohur client create NAME --role operator`", keyVariable)
	}
	return running(c)
}

// forHost is a client for commands about the server itself: over the socket of
// the running server. Where none runs, it takes the store's lock, says so, and
// puts a server together in this process; done lets go of it again.
func (p *program) forHost(ctx context.Context, c *Config) (cl *client, done func() error, err error) {
	if cl, err := running(c); err == nil {
		return cl, func() error { return nil }, nil
	} else if errors.Is(err, os.ErrPermission) {
		return nil, nil, err
	}
	s, err := wire(ctx, c, slog.New(slog.DiscardHandler), func(error) {})
	if err != nil {
		return nil, nil, fmt.Errorf("no server is running, and the store cannot be opened instead: %w", err)
	}
	p.notef("no server is running: this command holds the store itself")
	l := newPipeListener()
	srv := s.http(s.api.Handler(s.identifyOwn), nil)
	go func() { _ = srv.Serve(l) }() // ends with the listener
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) }
	cl = &client{base: "http://mohur", http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
	return cl, func() error { return errors.Join(srv.Close(), s.close()) }, nil
}

// pipeListener connects a client and a server inside one process.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept returns the server's end of the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr names the listener in errors.
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "this process", Net: "unix"} }

// withHost runs f with a client about the server itself.
func (p *program) withHost(ctx context.Context, f func(*client) error) error {
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	cl, done, err := p.forHost(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(f(cl), done())
}

// withPeople runs f with a client for tokens and customers.
func (p *program) withPeople(ctx context.Context, f func(*client) error) error {
	c, err := loadConfig(p.config)
	if err != nil {
		return err
	}
	cl, err := p.forPeople(ctx, c)
	if err != nil {
		return err
	}
	return f(cl)
}
