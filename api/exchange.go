package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"mohur/parties"
	"mohur/problem"
)

// exchange is one request and its answer. Handlers are its methods: each takes
// what it needs, calls the domain once and returns a reply or an error.
type exchange struct {
	server *Server
	by     parties.Caller
	route  *route
	params gin.Params
	query  url.Values // known names only, each once
	raw    []byte     // the body, once it has been decoded

	w http.ResponseWriter
	r *http.Request
}

// endpoint serves a route.
type endpoint func(*exchange, context.Context) (reply, error)

// Nobody waits longer than these: a body to come in, an answer to be found.
const (
	bodyWait   = 10 * time.Second
	answerWait = 5 * time.Second
)

// plain serves what has no body.
func plain(f endpoint) endpoint {
	return func(x *exchange, ctx context.Context) (reply, error) {
		ctx, cancel := context.WithTimeout(ctx, x.server.answerWait)
		defer cancel()
		return f(x, ctx)
	}
}

// nothing is a body that has no members: it may also be left out.
type nothing struct{}

// take serves what has a JSON body. The time for the answer begins when the body
// is there: a slow line takes nothing away from it.
func take[In any](f func(*exchange, context.Context, In) (reply, error)) endpoint {
	return func(x *exchange, ctx context.Context) (reply, error) {
		in, err := receive[In](x)
		if err != nil {
			return reply{}, err
		}
		return plain(func(x *exchange, ctx context.Context) (reply, error) { return f(x, ctx, in) })(x, ctx)
	}
}

func receive[In any](x *exchange) (In, error) {
	var in In
	x.readBy(time.Now().Add(bodyWait))
	if _, none := any(in).(nothing); none && x.r.ContentLength == 0 {
		return in, nil
	}
	body, err := readJSON(x.w, x.r)
	if err != nil {
		return in, err
	}
	x.raw = body
	return decode[In](body)
}

// readBy bounds how long the body may take; a connection that cannot do that is
// bounded by the server it belongs to.
func (x *exchange) readBy(t time.Time) { _ = http.NewResponseController(x.w).SetReadDeadline(t) }

// handle returns the gin handler of a route: who calls, may he, and then the
// endpoint.
func (s *Server) handle(r *route, identify Identify) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := &exchange{server: s, route: r, params: c.Params, w: c.Writer, r: c.Request}
		out, err := x.serve(c, identify)
		if err != nil {
			s.refuse(c, err)
			return
		}
		if err := x.answer(c, out); err != nil {
			s.refuse(c, err)
		}
	}
}

func (x *exchange) serve(c *gin.Context, identify Identify) (reply, error) {
	ctx, t := c.Request.Context(), traceOf(c)
	if err := x.admit(ctx, t, identify); err != nil {
		return reply{}, err
	}
	if err := x.checkTarget(); err != nil {
		return reply{}, err
	}
	return x.route.serve(x, ctx)
}

// checkTarget refuses what a path or query cannot mean, before it reaches a store
// as a key.
func (x *exchange) checkTarget() error {
	for _, p := range x.params {
		if !possibleID(p.Value) {
			return problem.New(problem.NotFound, "there is no such resource")
		}
	}
	var err error
	x.query, err = parseQuery(x.r.URL.RawQuery, x.route.query)
	return err
}

// maxID bounds what may stand in a path, in bytes.
const maxID = 200

func possibleID(s string) bool {
	if s == "" || len(s) > maxID || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// id returns the part of the path with that name.
func (x *exchange) id(name string) string { return x.params.ByName(name) }
