package main

import (
	"net/http"
	"time"
)

// timely gives every answer writeFor from its first byte on. A deadline counted
// from the request, as http.Server has it, would cut off the answer to a seed
// file that took minutes to come in.
func timely(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&timelyWriter{ResponseWriter: w}, r)
	})
}

// timelyWriter sets the deadline with the first byte. A handler that moves it
// afterwards, as a stream does, has its way.
type timelyWriter struct {
	http.ResponseWriter
	begun bool
}

// Unwrap lets http.ResponseController through.
func (w *timelyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader begins the answer.
func (w *timelyWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer, if nothing has, and goes on with it.
func (w *timelyWriter) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

func (w *timelyWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	// A connection without deadlines is one inside this process.
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(writeFor))
}

// Flush sends what has been written.
func (w *timelyWriter) Flush() {
	w.begin()
	_ = http.NewResponseController(w.ResponseWriter).Flush() // where the connection can
}
