package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"mohur/ident"
	"mohur/problem"
)

// trace is what is noted of a request on its way, for log and metrics.
type trace struct {
	request string // id, ours: one that came with the request is ignored
	method  string
	route   string // template, never the path: that holds ids of people
	caller  string
	code    problem.Code
	began   time.Time
}

const traceKey = "mohur/trace"

// traceOf returns the trace that the outermost middleware has begun.
func traceOf(c *gin.Context) *trace {
	if t, ok := c.MustGet(traceKey).(*trace); ok {
		return t
	}
	panic("api: a request without a trace")
}

// unmatched is the route of what is in no table; its methods are counted as one.
const unmatched = "unmatched"

// watch is the outermost middleware: it names the request, sets the headers that
// every answer has, turns a panic into an internal error and notes what was
// answered.
func (s *Server) watch(c *gin.Context) {
	t := &trace{request: ident.New("rq"), method: c.Request.Method, route: c.FullPath(), began: time.Now()}
	if t.route == "" {
		t.route, t.method = unmatched, "ANY"
	}
	c.Set(traceKey, t)
	setHeaders(c.Writer.Header(), t.request, c.Request.TLS != nil)
	done := s.metrics.began()
	defer func() {
		broken := s.recovered(c, t, recover())
		done(t, c.Writer.Status())
		s.logAccess(c, t, broken)
		if broken {
			panic(http.ErrAbortHandler) // only so does the client see that the answer is not whole
		}
	}()
	c.Next()
}

func setHeaders(h http.Header, request string, secure bool) {
	h.Set("X-Request-Id", request)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// recovered handles a panic. It reports whether the answer is broken off because
// a part of it has left already.
func (s *Server) recovered(c *gin.Context, t *trace, cause any) bool {
	if cause == nil {
		return false
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	s.Logger.ErrorContext(c.Request.Context(), "panic", "request", t.request, "route", t.route,
		"cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if c.Writer.Written() {
		return true
	}
	s.refuse(c, &problem.Error{Code: problem.Internal})
	return false
}

// logAccess notes one request: no body, no query, no header, no path.
func (s *Server) logAccess(c *gin.Context, t *trace, broken bool) {
	level := slog.LevelInfo
	if isProbe(t.route) {
		level = slog.LevelDebug
	}
	args := []slog.Attr{
		slog.String("method", t.method), slog.String("route", t.route), slog.Int("status", c.Writer.Status()),
		slog.Duration("took", time.Since(t.began)), slog.String("caller", t.caller), slog.String("request", t.request),
	}
	if t.code != "" {
		args = append(args, slog.String("code", string(t.code)))
	}
	if broken {
		args = append(args, slog.Bool("broken", true))
	}
	s.Logger.LogAttrs(context.WithoutCancel(c.Request.Context()), level, "request", args...)
}

// isProbe tells the routes that are asked every few seconds.
func isProbe(route string) bool {
	return route == "/healthz" || route == "/readyz" || route == "/metrics"
}
