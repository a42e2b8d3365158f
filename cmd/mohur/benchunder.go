package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"mohur/cmd/mohur/bench"
)

// benchFloor is the floor as it is measured.
type benchFloor struct {
	process   *child
	target    bench.Target
	customers []*benchCustomer
	hold      *os.File // the floor ends when this is closed
}

// startFloor starts the floor in a process of its own. Its customers have tokens
// of their own, as many as the bank's.
func (s *scratch) startFloor(ctx context.Context, people []*benchCustomer) (*benchFloor, error) {
	f := &benchFloor{}
	order := floorOrder{Seeds: map[string][]byte{}}
	for _, c := range people {
		own := &benchCustomer{id: c.id, token: newDemoToken(c.id)}
		f.customers = append(f.customers, own)
		order.Seeds[own.id] = own.token.hotpSeed
	}
	in, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	said, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), hold.Close())
	}
	f.hold = hold
	f.process, err = s.start(errand{name: "floor", args: []string{"bench", "floor-server"}, in: in, out: out})
	if err = errors.Join(err, in.Close(), out.Close()); err != nil { // the child has its own
		return nil, errors.Join(err, hold.Close(), said.Close())
	}
	if f.target, err = agreeFloor(ctx, hold, said, order); err != nil {
		return nil, errors.Join(err, hold.Close())
	}
	return f, nil
}

// agreeFloor sends the order and reads where the floor is.
func agreeFloor(ctx context.Context, hold, said *os.File, order floorOrder) (bench.Target, error) {
	defer said.Close()
	until, _ := ctx.Deadline()
	if limit := time.Now().Add(serverUp); until.IsZero() || limit.Before(until) {
		until = limit
	}
	if err := errors.Join(said.SetReadDeadline(until), hold.SetWriteDeadline(until)); err != nil {
		return bench.Target{}, err
	}
	defer context.AfterFunc(ctx, func() { _ = said.SetReadDeadline(time.Now()) })()
	if err := json.NewEncoder(hold).Encode(order); err != nil {
		return bench.Target{}, err
	}
	var ready floorReady
	if err := json.NewDecoder(said).Decode(&ready); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the floor does not come up")
		}
		return bench.Target{}, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ready.Certificate))
	return bench.Target{Address: ready.Address, TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}, nil
}

// answers sends a right code.
func (f *benchFloor) answers(c *benchCustomer) func(*bench.Conn) error {
	body := encoded(floorAnswer{Credential: c.id, Code: c.token.code()})
	return func(conn *bench.Conn) error {
		_, err := sent(conn, "/answer", body, http.StatusOK, "granted")
		return err
	}
}
