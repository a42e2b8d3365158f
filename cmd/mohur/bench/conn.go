// Package bench drives a server over connections of its own and says what an
// operation took and what it cost: how long it was waited for, and how much
// processor time the server's process spent meanwhile. It knows nothing of what
// the operations are for.
//
// It is part of the measuring instrument and runs on the same machine, so it
// spends little itself: a connection is one TLS connection with HTTP/1.1 and one
// request under way at a time, written and read by hand. An operation that fails
// ends the measurement: nothing is counted that did not happen.
package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Target is a server as its clients reach it.
type Target struct {
	Address string      // host and port
	TLS     *tls.Config // how it is known
	Key     string      // sent as a bearer token with each request; "" sends none
}

// Conn is one connection that stays open. It belongs to one goroutine.
type Conn struct {
	tls   *tls.Conn
	in    *bufio.Reader
	out   []byte // the request being written
	head  string // what every request's header ends with
	leave func() bool
	ctx   context.Context
}

// answerWithin bounds the wait for one answer, longer than a server gives itself.
const answerWithin = 30 * time.Second

// Dial opens a connection. When ctx ends, whoever waits on it gets an error.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	settings := t.TLS.Clone()
	settings.NextProtos = []string{"http/1.1"}
	bare, err := (&tls.Dialer{Config: settings}).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	conn, ok := bare.(*tls.Conn)
	if !ok {
		return nil, errors.Join(errors.New("bench: not a TLS connection"), bare.Close())
	}
	c := &Conn{tls: conn, in: bufio.NewReader(conn), ctx: ctx, head: " HTTP/1.1\r\nHost: " + t.Address + "\r\n"}
	if t.Key != "" {
		c.head += "Authorization: Bearer " + t.Key + "\r\n"
	}
	c.leave = context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })
	return c, nil
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.leave()
	return c.tls.Close()
}

// Post sends a JSON body and returns the answer, whatever its status.
func (c *Conn) Post(path string, body []byte) (status int, answer []byte, err error) {
	c.out = append(append(append(c.out[:0], "POST "...), path...), c.head...)
	c.out = append(c.out, "Content-Type: application/json\r\nContent-Length: "...)
	c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n\r\n"...)
	c.out = append(c.out, body...)
	return c.exchange()
}

// Get reads a resource.
func (c *Conn) Get(path string) (status int, answer []byte, err error) {
	c.out = append(append(append(c.out[:0], "GET "...), path...), c.head...)
	c.out = append(c.out, "\r\n"...)
	return c.exchange()
}

func (c *Conn) exchange() (status int, answer []byte, err error) {
	if err := c.tls.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, nil, c.failed(err)
	}
	if _, err := c.tls.Write(c.out); err != nil {
		return 0, nil, c.failed(err)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, nil, c.failed(err)
	}
	answer, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, nil, c.failed(err)
	}
	return resp.StatusCode, answer, nil
}

// failed says that it was interrupted where that is why.
func (c *Conn) failed(err error) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return fmt.Errorf("bench: the connection to the server broke off: %w", err)
}

// DialAll opens n connections, or none.
func DialAll(ctx context.Context, t Target, n int) ([]*Conn, error) {
	var all []*Conn
	for range n {
		c, err := Dial(ctx, t)
		if err != nil {
			CloseAll(all)
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// CloseAll closes connections that are not needed any more; what that answers
// does not matter.
func CloseAll(all []*Conn) {
	for _, c := range all {
		_ = c.Close()
	}
}
