package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// The times a connection gets. The header has to be there soon and a body within
// readFor, which package api moves for a seed file. An answer has writeFor from
// its first byte on: however long a request took to come in, who does not read
// holds nothing for long.
const (
	headerWithin = 5 * time.Second
	readFor      = 10 * time.Second
	writeFor     = 30 * time.Second
	idleFor      = 2 * time.Minute
	// net/http allows 4 KB more than it is told: 16 KB in all.
	maxHeader = 12 << 10
)

// door is where requests come in: the network, the socket of this machine and, if
// there is one, the listener for client certificates.
type door struct {
	address string // of the network listener, with its scheme
	ways    []way
}

// way is one listener with the server behind it.
type way struct {
	listener net.Listener
	server   *http.Server
}

func ownUID() uint32 { return uint32(os.Geteuid()) }

// listen opens all listeners, or none.
func (s *server) listen(ctx context.Context) (*door, error) {
	network, address, err := s.network(ctx)
	if err != nil {
		return nil, err
	}
	certificates, err := s.certificateWay(ctx)
	if err != nil {
		return nil, errors.Join(err, network.Close())
	}
	socket, err := listenSocket(ctx, s.config.Socket)
	if err != nil {
		if certificates != nil {
			err = errors.Join(err, certificates.listener.Close())
		}
		return nil, errors.Join(err, network.Close())
	}
	d := &door{address: address, ways: []way{
		{network, s.http(attended(s.api.Handler(s.api.APIKeys)), withGuest)},
		{socket, s.http(s.local(address), withPeer)},
	}}
	if certificates != nil {
		d.ways = append(d.ways, *certificates)
		s.logger.InfoContext(ctx, "client certificates are taken", "address", certificates.listener.Addr().String())
	}
	return d, nil
}

func (s *server) network(ctx context.Context) (net.Listener, string, error) {
	c := s.config
	bare, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, "", fmt.Errorf("the API cannot listen: %w; set listen to a free address", err)
	}
	l := newCrowd(bare, min(c.Limits.Connections, openFiles()-filesKept), s.metrics.sentAway.Inc)
	address := l.Addr().String()
	if c.PlainHTTP {
		return l, "http://" + address, nil
	}
	settings, err := c.serverTLS()
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	settings.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(l, settings), "https://" + address, nil
}

func (s *server) http(h http.Handler, connContext func(context.Context, net.Conn) context.Context) *http.Server {
	return &http.Server{
		Handler: timely(h), ConnContext: connContext, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerWithin, ReadTimeout: readFor, IdleTimeout: idleFor,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// local is the API of the socket, and beside it what only the command line asks:
// where the network listener is, a check of the store, a copy of it, profiles.
func (s *server) local(address string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.api.Handler(s.identifyHost))
	mux.HandleFunc("POST "+checkPath, s.serveCheck)
	mux.HandleFunc("POST "+backupPath, s.serveBackup)
	mux.HandleFunc("GET "+profilePath+"{kind}", s.serveProfile)
	mux.HandleFunc("GET "+addressPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(listening{Address: address, Version: version, ClearsMemory: clearsMemory()}); err != nil {
			s.logger.Debug("an answer could not be written", "error", err)
		}
	})
	return mux
}

// addressPath is on the socket only.
const addressPath = "/local/address"

// listening is what a running server says of itself to its own machine.
type listening struct {
	Address      string `json:"address"`
	Version      string `json:"version"`
	ClearsMemory bool   `json:"clears_memory"`
}

// open begins to serve. A listener that fails is fatal.
func (d *door) open(fatal func(error)) {
	for _, w := range d.ways {
		go func() {
			if err := w.server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
				fatal(fmt.Errorf("the listener at %s: %w", w.listener.Addr(), err))
			}
		}()
	}
}

// close takes no more connections and waits for the requests under way until ctx
// ends; those that remain are cut off.
func (d *door) close(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range d.ways {
		all.Go(func() {
			if w.server.Shutdown(ctx) != nil {
				_ = w.server.Close()
			}
		})
	}
	all.Wait()
}
