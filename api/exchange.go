package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"mohur/parties"
	"mohur/problem"
	"mohur/stoplist"
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

	approved   bool                // it is carried out because a second person has approved it
	approval   string              // id of that approval
	checker    string              // id of that person
	lifts      []parties.Suspended // by a resumption that was approved
	remembered bool                // the caller is believed by what was verified of him of late: a part is away
	filed      stoplist.Report     // what an anyHour route was sent

	w http.ResponseWriter
	r *http.Request
}

// endpoint serves a route.
type endpoint func(*exchange, context.Context) (reply, error)

// waits are how long is waited for what: a body to come in, an answer to be
// found; and how long a finding of readiness is believed.
type waits struct{ body, upload, answer, ready time.Duration }

// defaultWaits are those of the contract.
var defaultWaits = waits{body: 10 * time.Second, upload: 10 * time.Minute, answer: 5 * time.Second, ready: time.Second}

// plain serves what has no body.
func plain(f endpoint) endpoint {
	return func(x *exchange, ctx context.Context) (reply, error) {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(x.route.patience, x.server.waits.answer))
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
		return x.once(ctx, x.raw, func(ctx context.Context) (reply, error) {
			return plain(func(x *exchange, ctx context.Context) (reply, error) { return f(x, ctx, in) })(x, ctx)
		})
	}
}

func receive[In any](x *exchange) (In, error) {
	var in In
	if _, none := any(in).(nothing); none && x.r.ContentLength == 0 {
		return in, nil
	}
	free := x.readWithin(x.server.waits.body)
	body, err := readJSON(x.w, x.r, cmp.Or(x.route.room, bodyLimit))
	if err != nil {
		return in, err
	}
	free()
	x.raw = body
	return decode[In](body)
}

// readWithin bounds how long the body may take, and returns what ends the bound:
// one that passed while the answer is being found would cancel it. What has not
// come in whole is never freed: net/http waits for the rest of a body before it
// lets a refusal out. A connection without deadlines is bounded by the server it belongs to.
func (x *exchange) readWithin(d time.Duration) (free func()) {
	control := http.NewResponseController(x.w)
	_ = control.SetReadDeadline(time.Now().Add(d))
	return func() { _ = control.SetReadDeadline(time.Time{}) }
}

// handle returns the gin handler of a route: who calls, may he, and then the
// endpoint.
func (s *Server) handle(r *route, identify Identify) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := &exchange{server: s, route: r, params: slices.Clone(c.Params), w: c.Writer, r: c.Request}
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
	for i, p := range x.params {
		value, err := p.Value, error(nil)
		if x.r.URL.RawPath != "" {
			value, err = url.PathUnescape(value)
		}
		if err != nil || !possibleID(value) || parties.IsStaff(value) { // staff are named without their mark, by routes of their own
			return problem.New(problem.NotFound, "there is no such resource")
		}
		x.params[i].Value = value
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
