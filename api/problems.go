package api

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"mohur/hsm"
	"mohur/problem"
	"mohur/store"
)

// look is what a kind of refusal looks like on the wire. A fixed detail is told
// whatever the domain says: where it would say too much, it cannot.
type look struct {
	status int
	title  string
	fixed  string
}

// looks is the one table from refusals to problem documents (RFC 9457).
var looks = map[problem.Code]look{
	problem.Unauthorized:         {401, "The caller is not known", "the credential of the caller is missing, wrong or expired"},
	problem.Forbidden:            {403, "The caller may not do this", ""},
	problem.AuthenticationFailed: {403, "The authentication failed", "the response was not accepted"},
	problem.ProofRequired:        {403, "A proof of the customer is needed", ""},
	problem.SessionEnded:         {403, "The session has ended", ""},
	problem.InvalidProof:         {403, "The key of the session was not proven", ""},
	problem.StepUpNeeded:         {403, "The authentication is too old or too weak", ""},
	problem.UseNonce:             {403, "The proof needs the server's nonce", ""},
	problem.NotFound:             {404, "There is no such thing", ""},
	problem.MethodNotAllowed:     {405, "The method is not allowed here", ""},
	problem.Conflict:             {409, "The request conflicts with the present state", ""},
	problem.IdempotencyConflict:  {409, "The key was used for another request", ""},
	problem.Expired:              {410, "It has expired", ""},
	problem.TooLarge:             {413, "The body is too large", ""},
	problem.UnsupportedMedia:     {415, "The body is of the wrong type", ""},
	problem.Invalid:              {422, "The request cannot be accepted", ""},
	problem.Locked:               {423, "It is locked", ""},
	problem.TooMany:              {429, "Too many requests", ""},
	problem.Internal:             {500, "An internal error", "the server failed; the request id leads to the cause in its log"},
	problem.Unavailable:          {503, "A part of the service is away", ""},
}

// problemType is the media type of a problem document.
const problemType = "application/problem+json"

// document is a problem document.
type document struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail"`
	Instance string          `json:"instance"` // the request id
	Errors   []problem.Field `json:"errors,omitempty"`
	// What a newer authentication has to reach (RFC 9470 section 3).
	ACRValues string `json:"acr_values,omitempty"`
	MaxAge    *int64 `json:"max_age,omitempty"` // seconds
}

// asProblem finds the refusal in an error. What is none is an internal error,
// and an ended context an answer that did not come in time.
func asProblem(err error) *problem.Error {
	var p *problem.Error
	known := errors.As(err, &p)
	if known {
		_, known = looks[p.Code]
	}
	switch {
	case errors.Is(err, store.ErrOutcomeUnknown):
		return &problem.Error{Code: problem.Unavailable, Detail: "it is not known whether this was done; look before you try again", Err: err}
	case known:
		return p
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return &problem.Error{Code: problem.Unavailable, Detail: "the answer did not come in time; look before you try again", Err: err}
	}
	return &problem.Error{Code: problem.Internal, Err: err}
}

// describe writes what the caller is told of a refusal.
func describe(p *problem.Error, request string) document {
	l := looks[p.Code]
	d := document{
		Type: "urn:mohur:problem:" + string(p.Code), Title: l.title, Status: l.status,
		Detail: p.Detail, Instance: request, Errors: p.Fields,
	}
	if p.StepUp != nil {
		d.ACRValues, d.MaxAge = p.StepUp.Values(), p.StepUp.Seconds()
	}
	if l.fixed != "" {
		d.Detail, d.Errors = l.fixed, nil
	}
	if d.Detail == "" {
		d.Detail = l.title
	}
	return d
}

// refuse answers with a problem document, and tells metrics and log the cause.
func (s *Server) refuse(c *gin.Context, err error) {
	t := traceOf(c)
	p := asProblem(err)
	t.code = p.Code
	s.metrics.refused(p)
	s.logRefusal(c.Request.Context(), t, p)
	h := c.Writer.Header()
	switch p.Code {
	case problem.Unauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case problem.StepUpNeeded:
		if p.StepUp != nil {
			h.Set("WWW-Authenticate", p.StepUp.Header())
		}
	case problem.TooLarge:
		h.Set("Connection", "close") // the rest of the body is not read
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(p.RetryAfter.Seconds())), 10))
	}
	d := describe(p, t.request)
	if err := write(c, reply{status: d.Status, kind: problemType, body: d}); err != nil {
		// What cannot be written must not pass as done. The other document is all ours.
		p = asProblem(err)
		t.code = p.Code
		s.logRefusal(c.Request.Context(), t, p)
		d = describe(p, t.request)
		_ = write(c, reply{status: d.Status, kind: problemType, body: d})
	}
	c.Abort()
}

// logRefusal writes down what the caller is not told.
func (s *Server) logRefusal(ctx context.Context, t *trace, p *problem.Error) {
	if p.Err == nil {
		return
	}
	args := []any{"request", t.request, "route", t.route, "code", string(p.Code), "error", p.Err}
	if p.Code == problem.Internal {
		s.Logger.ErrorContext(ctx, "request failed", args...)
		return
	}
	s.Logger.WarnContext(ctx, "request refused", args...)
}

// away names the part that did not answer, for the metrics.
func away(err error) string {
	var f *hsm.Fault
	switch {
	case errors.As(err, &f):
		return "hsm"
	case errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrDamaged),
		errors.Is(err, store.ErrOutcomeUnknown), errors.Is(err, store.ErrUnknownEffect), errors.Is(err, store.ErrNoEntry):
		return "store"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "time"
	}
	return "other"
}

// noRoute and noMethod answer for what is not in the table.
func (s *Server) noRoute(c *gin.Context) {
	s.refuse(c, problem.New(problem.NotFound, "there is no such resource"))
}

func (s *Server) noMethod(c *gin.Context) {
	s.refuse(c, problem.New(problem.MethodNotAllowed, "this resource does not know the method; Allow lists those it knows"))
}

// settled is the error of an answer that could not be made although everything
// was done: it must not be told as "nothing was changed".
func settled(err error) error {
	return &problem.Error{Code: problem.Unavailable, Detail: "this was done, but the answer could not be made; look instead of trying again", Err: err}
}

// later is the refusal of something the contract names and this server does not
// serve yet: never ignored, since ignoring it could mean less security.
func later(field string) *problem.Error { return invalid(field, "is not served yet") }

// busy asks to come back.
func busy(detail string, after time.Duration) *problem.Error {
	return &problem.Error{Code: problem.TooMany, Detail: detail, RetryAfter: after, Limit: "imports"}
}
