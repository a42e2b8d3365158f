package api

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"

	"mohur/problem"
)

// reply is an answer: a value to be written as JSON, bytes as they are, a stream,
// or a handler of its own.
type reply struct {
	status  int
	kind    string // media type; application/json if empty
	body    any
	raw     []byte
	stream  func(ctx context.Context, w io.Writer) error
	handler http.Handler
}

func ok(body any) (reply, error)       { return reply{status: http.StatusOK, body: body}, nil }
func created(body any) (reply, error)  { return reply{status: http.StatusCreated, body: body}, nil }
func accepted(body any) (reply, error) { return reply{status: http.StatusAccepted, body: body}, nil }
func done() (reply, error)             { return reply{status: http.StatusNoContent}, nil }

// answer writes a reply. An error means that nothing was written.
func (x *exchange) answer(c *gin.Context, out reply) error {
	switch {
	case out.handler != nil:
		out.handler.ServeHTTP(c.Writer, c.Request)
		return nil
	case out.stream != nil:
		return x.pour(c, out)
	}
	return write(c, out)
}

// write writes an answer that is known whole.
func write(c *gin.Context, out reply) error {
	text := out.raw
	if out.body != nil {
		var err error
		if text, err = json.Marshal(out.body, json.Deterministic(true)); err != nil {
			return &problem.Error{Code: problem.Internal, Err: err}
		}
	}
	h := c.Writer.Header()
	if text != nil {
		h.Set("Content-Type", mediaType(out.kind))
		h.Set("Content-Length", strconv.Itoa(len(text)))
	}
	c.Writer.WriteHeader(out.status)
	// A client that has gone does not read it; what was done stays done.
	_, _ = c.Writer.Write(text)
	return nil
}

func mediaType(kind string) string {
	if kind == "" {
		return "application/json"
	}
	return kind
}

// pour writes a stream. What fails before the first byte is a problem document;
// after it the connection is broken off, so that a part never passes as the
// whole.
func (x *exchange) pour(c *gin.Context, out reply) error {
	w := &pouring{c: c, kind: out.kind, status: out.status, control: http.NewResponseController(c.Writer)}
	defer func() { _ = w.control.SetWriteDeadline(time.Time{}) }() // the next answer on the connection has its own
	err := out.stream(c.Request.Context(), w)
	switch {
	case err == nil:
		w.begin()
		return nil
	case !w.begun:
		return err
	}
	p := asProblem(err)
	t := traceOf(c)
	t.code = p.Code
	x.server.metrics.refused(p)
	x.server.logRefusal(c.Request.Context(), t, p)
	panic(http.ErrAbortHandler)
}

// pourWait is how long one part of a stream may take to leave.
const pourWait = 30 * time.Second

// pouring writes the head of an answer with its first part.
type pouring struct {
	c       *gin.Context
	kind    string
	status  int
	control *http.ResponseController
	begun   bool
}

func (p *pouring) begin() {
	if p.begun {
		return
	}
	p.begun = true
	p.c.Writer.Header().Set("Content-Type", mediaType(p.kind))
	p.c.Writer.WriteHeader(p.status)
	p.c.Writer.WriteHeaderNow()
}

func (p *pouring) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(pourWait)) // where the connection has deadlines
	p.begin()
	return p.c.Writer.Write(b)
}
