package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// crowded is a server with so many places.
type crowded struct {
	t               *testing.T
	address         string
	sent            chan struct{} // one for each who was sent away
	inside, release chan struct{} // of requests for /long
}

func newCrowded(t *testing.T, most int) *crowded {
	t.Helper()
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &crowded{
		t: t, address: bare.Addr().String(),
		sent: make(chan struct{}, 100), inside: make(chan struct{}, 10), release: make(chan struct{}),
	}
	s := &http.Server{ConnContext: withGuest, ReadHeaderTimeout: time.Minute, Handler: attended(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			c.inside <- struct{}{}
			<-c.release
		}
		fmt.Fprint(w, "ok")
	}))}
	go s.Serve(newCrowd(bare, most, func() { c.sent <- struct{}{} }))
	t.Cleanup(func() { s.Close() })
	return c
}

// dial connects and begins to speak.
func (c *crowded) dial(send string) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	io.WriteString(conn, send)
	return conn
}

func (c *crowded) answered(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.Contains(line, "200")
}

const (
	anyRequest  = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	longRequest = "GET /long HTTP/1.1\r\nHost: x\r\n\r\n"
)

// TestACrowdKeepsThoseWhoAreAnswered: a full house sends away who is silent, then
// who is idle, and never who is being answered.
func TestACrowdKeepsThoseWhoAreAnswered(t *testing.T) {
	c := newCrowded(t, 3)
	long := c.dial(longRequest)
	<-c.inside
	if !c.answered(c.dial(anyRequest)) { // and is idle now
		t.Fatal("no answer")
	}
	silent := c.dial("G")
	time.Sleep(100 * time.Millisecond)
	c.dial(longRequest) // for the silent one
	<-c.sent
	<-c.inside
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent one is still there")
	}
	c.dial(longRequest) // for the idle one
	<-c.sent
	<-c.inside
	if c.answered(c.dial(anyRequest)) {
		t.Error("a fourth was let in while three are answered")
	}
	close(c.release)
	if !c.answered(long) {
		t.Error("who was being answered was sent away")
	}
}

// TestAttack03_TheIdleKeepNobodyOut: somebody fills the house with connections that
// have made one request each, which needs no key, and goes on connecting. A
// customer's front end whose greeting takes its time still gets its answer; of the
// idle, those go that were used longest ago.
func TestAttack03_TheIdleKeepNobodyOut(t *testing.T) {
	const most = 16
	c := newCrowded(t, most)
	var idle []net.Conn
	for range most {
		conn := c.dial(anyRequest)
		if !c.answered(conn) {
			t.Fatal("no answer")
		}
		idle = append(idle, conn)
	}
	slow := c.dial("GET / HTTP/1.1\r\n")
	for range most/2 - 1 {
		c.dial("")
	}
	for range most / 2 {
		<-c.sent
	}
	io.WriteString(slow, "Host: x\r\n\r\n")
	if !c.answered(slow) {
		t.Error("a newcomer was sent away for others that came after him, while there were idle ones")
	}
	for i, conn := range idle {
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, err := io.Copy(io.Discard, conn) // an end is no error
		if gone := err == nil; gone != (i < most/2) {
			t.Errorf("idle one %d: gone is %v", i, gone)
		}
	}
}
