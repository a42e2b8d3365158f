package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"mohur/cmd/mohur/bench"
)

// crowdOfCustomers is who is at work at the connections: each connection has
// customers of its own, so that no two answer for one at the same time.
type crowdOfCustomers struct {
	all []*benchCustomer
	at  []int // whose turn it is, by connection
}

func share(all []*benchCustomer, connections int) *crowdOfCustomers {
	return &crowdOfCustomers{all: all, at: make([]int, connections)}
}

// next is the next customer of a connection for whom there is something to do,
// nil when there is none.
func (s *crowdOfCustomers) next(n int, has func(*benchCustomer) bool) *benchCustomer {
	step := len(s.at)
	own := (len(s.all) - n + step - 1) / step
	for range own {
		c := s.all[n+s.at[n]*step]
		s.at[n] = (s.at[n] + 1) % own
		if has(c) {
			return c
		}
	}
	return nil
}

// job makes a job of what is to be done for a customer.
func (s *crowdOfCustomers) job(has func(*benchCustomer) bool, do func(*benchCustomer) func(*bench.Conn) error) bench.Job {
	return func(n int) func(*bench.Conn) error {
		if c := s.next(n, has); c != nil {
			return do(c)
		}
		return nil
	}
}

// once is a job that is done for each customer once.
func once(all []*benchCustomer, connections int, do func(*benchCustomer) func(*bench.Conn) error) bench.Job {
	at := make([]int, connections)
	return func(n int) func(*bench.Conn) error {
		i := n + at[n]*connections
		if i >= len(all) {
			return nil
		}
		at[n]++
		return do(all[i])
	}
}

func anyone(*benchCustomer) bool { return true }

func waiting(c *benchCustomer) bool { return len(c.open) > 0 }

// sent posts a request that is to be answered with a status and, unless that is
// a refusal, leaves an attempt in a state.
func sent(conn *bench.Conn, path string, body []byte, want int, state string) (a attempt, err error) {
	status, answer, err := conn.Post(path, body)
	if err != nil {
		return a, err
	}
	if status != want {
		return a, &unexpected{what: "POST " + path, want: want, got: status, body: answer}
	}
	if state == "" {
		return a, nil
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return a, err
	}
	if a.State != state {
		return a, fmt.Errorf("the authentication %s is %s and was to be %s", a.ID, a.State, state)
	}
	return a, nil
}

const beginPath = "/v1/authentications"

func answerPath(attempt string) string { return beginPath + "/" + attempt + "/responses" }

// begins opens an attempt.
func begins(c *benchCustomer) func(*bench.Conn) error {
	body := c.beginning()
	return func(conn *bench.Conn) error {
		a, err := sent(conn, beginPath, body, http.StatusCreated, "pending")
		c.open = append(c.open, opened{id: a.ID, at: time.Now()})
		return err
	}
}

// answers sends a right code to the oldest attempt.
func answers(c *benchCustomer) func(*bench.Conn) error {
	path, body := answerPath(c.open[0].id), encoded(byCode(c.token.code()))
	c.open, c.fails = c.open[1:], 0
	return func(conn *bench.Conn) error {
		_, err := sent(conn, path, body, http.StatusOK, "granted")
		return err
	}
}

// provesBoth sends the PIN, which waits, and a right code, upon which both are
// judged.
func provesBoth(c *benchCustomer) func(*bench.Conn) error {
	path, pin := answerPath(c.open[0].id), encoded(byPIN(c.pin))
	last := answers(c)
	return func(conn *bench.Conn) error {
		if _, err := sent(conn, path, pin, http.StatusOK, "pending"); err != nil {
			return err
		}
		return last(conn)
	}
}

// logsIn begins and answers in one request.
func logsIn(c *benchCustomer) func(*bench.Conn) error {
	body := c.beginning(byCode(c.token.code()))
	return func(conn *bench.Conn) error {
		_, err := sent(conn, beginPath, body, http.StatusCreated, "granted")
		return err
	}
}

// mayGuess is one wrong code short of the lock.
func mayGuess(c *benchCustomer) bool {
	return c.fails < safeFails && slices.ContainsFunc(c.open, fresh)
}

// safeFails is how many wrong codes in a row lock nothing: the fifth does.
const safeFails = 4

func fresh(o opened) bool { return !o.guessed }

// guesses sends a wrong code to an attempt that has seen none.
func guesses(c *benchCustomer) func(*bench.Conn) error {
	o := &c.open[slices.IndexFunc(c.open, fresh)]
	o.guessed = true
	c.fails++
	path, body := answerPath(o.id), encoded(byCode(c.wrongCode()))
	return func(conn *bench.Conn) error {
		_, err := sent(conn, path, body, http.StatusForbidden, "")
		return err
	}
}

// maxDepth is how many attempts wait for a customer at most: the server keeps 20
// and lets the oldest give way. maxWait is how long they are kept, of five
// minutes that they live.
const (
	maxDepth = 16
	maxWait  = 3 * time.Minute
	fillers  = 16 // connections that open them
)

// fill opens attempts until so many wait for each customer.
func (b *benchBank) fill(ctx context.Context, all []*benchCustomer, depth int) error {
	n := min(fillers, len(all))
	conns, err := bench.DialAll(ctx, b.target, n)
	if err != nil {
		return err
	}
	defer bench.CloseAll(conns)
	for _, c := range all {
		c.open = slices.DeleteFunc(c.open, func(o opened) bool { return time.Since(o.at) > maxWait })
	}
	_, err = bench.Finish(ctx, conns, share(all, n).job(func(c *benchCustomer) bool { return len(c.open) < depth }, begins))
	return err
}

// drain answers whatever waits, and so forgets every wrong code.
func (b *benchBank) drain(ctx context.Context, all []*benchCustomer) error {
	n := min(fillers, len(all))
	conns, err := bench.DialAll(ctx, b.target, n)
	if err != nil {
		return err
	}
	defer bench.CloseAll(conns)
	_, err = bench.Finish(ctx, conns, share(all, n).job(waiting, answers))
	return err
}

// depthFor is how many attempts each customer needs for so much time at a rate,
// with a fifth to spare.
func depthFor(rate float64, left time.Duration, customers int) int {
	return min(max(1, int(math.Ceil(1.2*rate*left.Seconds()/float64(customers)))), maxDepth)
}
