package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Loopback is the fallback for browsers without the extension: the same JSON over
// HTTP on this machine. Any page and any program can reach it. So a request must
// come from a page of the bank, which the browser says in Origin and a page cannot
// forge; must be addressed to this machine by its own name, so that no stranger's
// name that was pointed here is one (DNS rebinding); and the customer is asked
// first. A program that forges Origin gains what it could do with the card itself.
type Loopback struct {
	agent *Agent
	hosts []string
	busy  sync.Mutex
}

// NewLoopback returns the handler for a listener on the port.
func NewLoopback(a *Agent, port int) *Loopback {
	p := strconv.Itoa(port)
	return &Loopback{agent: a, hosts: []string{"127.0.0.1:" + p, "localhost:" + p}}
}

// Serve listens on 127.0.0.1 until ctx ends.
func (a *Agent) Serve(ctx context.Context, ready func(addr string)) error {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(a.Config.Port))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w; is mohur-card running already?", err)
	}
	server := &http.Server{
		Handler: NewLoopback(a, a.Config.Port), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	ready(addr)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP answers GET with the version and POST with that of the command.
func (l *Loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Origin")
	origins := r.Header.Values("Origin")
	if !slices.Contains(l.hosts, r.Host) || len(origins) != 1 || !slices.Contains(l.agent.Config.Origins, origins[0]) || r.URL.Path != "/" {
		http.Error(w, "only pages of the bank may ask here", http.StatusForbidden)
		return
	}
	h.Set("Access-Control-Allow-Origin", origins[0])
	switch r.Method {
	case http.MethodOptions:
		l.preflight(w, r)
	case http.MethodGet:
		reply(w, http.StatusOK, map[string]string{"version": ProtocolVersion})
	case http.MethodPost:
		l.post(w, r, origins[0])
	default:
		h.Set("Allow", "GET, POST, OPTIONS")
		http.Error(w, "there is GET for the version and POST for a command", http.StatusMethodNotAllowed)
	}
}

// preflight answers what a browser asks before it sends JSON to another origin,
// and before it lets a page of the net reach this machine.
func (l *Loopback) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "content-type")
	h.Set("Access-Control-Max-Age", "600")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

func (l *Loopback) post(w http.ResponseWriter, r *http.Request, origin string) {
	// A form can send everything but this type without a preflight.
	if types := r.Header.Values("Content-Type"); len(types) != 1 || types[0] != "application/json" {
		http.Error(w, "the content type needs to be application/json", http.StatusUnsupportedMediaType)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		reply(w, http.StatusRequestEntityTooLarge, failure(argumentf("the message is longer than %d bytes", maxMessage)))
		return
	}
	q, err := parseRequest(text)
	if err == nil {
		q, err = q.from(origin)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, failure(err))
		return
	}
	if !l.busy.TryLock() {
		reply(w, http.StatusConflict, failure(errBusy))
		return
	}
	defer l.busy.Unlock()
	if q.Command == Quit {
		reply(w, http.StatusOK, struct{}{})
		return
	}
	answer, err := l.agent.Do(r.Context(), q, true)
	if err != nil {
		reply(w, http.StatusOK, failure(err))
		return
	}
	reply(w, http.StatusOK, answer)
}

// from puts the origin that the browser vouches for into the arguments; one that a
// page wrote there must be the same.
func (q Request) from(origin string) (Request, error) {
	var members map[string]jsontext.Value
	if q.Command == Quit {
		return q, nil
	}
	if err := json.Unmarshal(q.Arguments, &members); err != nil {
		return q, argumentf("the arguments cannot be read: %v", err)
	}
	quoted, err := json.Marshal(origin)
	if err != nil {
		return q, err
	}
	if said, ok := members["origin"]; ok && string(said) != string(quoted) {
		return q, argumentf("origin is not that of the page")
	}
	members["origin"] = quoted
	q.Arguments, err = json.Marshal(members)
	return q, err
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
