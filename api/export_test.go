package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"mohur/parties"
	"mohur/settle"
	"mohur/store"
)

// Route is a line of the table as tests see it.
type Route struct {
	Method, Path string
	Open         bool
	Roles        []parties.Role
}

// Routes returns the table.
func Routes() []Route {
	var out []Route
	for _, r := range routes {
		out = append(out, Route{r.method, r.path, r.open, r.roles})
	}
	return out
}

// Reachable returns what the router of a server answers to.
func (s *Server) Reachable() [][2]string {
	var out [][2]string
	for _, r := range s.engine(s.APIKeys).Routes() {
		out = append(out, [2]string{r.Method, r.Path})
	}
	return out
}

// SetWaits makes a server impatient. Zero changes nothing.
func (s *Server) SetWaits(body, answer, ready time.Duration) {
	s.waits.body = cmp.Or(body, s.waits.body)
	s.waits.answer = cmp.Or(answer, s.waits.answer)
	s.waits.ready = cmp.Or(ready, s.waits.ready)
}

// SetUpload bounds uploads.
func (s *Server) SetUpload(bytes int64) { s.uploadLimit = bytes }

// DecodeBegin decodes the request that has every kind of member.
func DecodeBegin(body []byte) error {
	_, err := decode[beginIn](body)
	return err
}

// Neighbourhood is under what name a stranger is slowed down.
func Neighbourhood(r *http.Request) string { return neighbourhood(r) }

// Bearer reads an Authorization header.
func Bearer(h http.Header) (string, bool) { return bearer(h) }

// LoseAnswers has the server end, for its clients' repeats, between every change
// and the record of its answer.
func (s *Server) LoseAnswers() { s.Store = losing{s.Store} }

type losing struct{ Store }

func (losing) Conclude(context.Context, settle.Remember, []byte) error { return store.ErrClosed }

// Proxied reads the certificate that a proxy names.
var Proxied = proxied

// HoldPolicies has every request wait that brings a policy to be read, until free.
func (s *Server) HoldPolicies() (free func()) {
	s.parsing.Lock()
	return s.parsing.Unlock
}
