package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// recorder is a connection that notes its write deadlines.
type recorder struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

// SetWriteDeadline implements what http.ResponseController looks for.
func (r *recorder) SetWriteDeadline(t time.Time) error {
	r.deadlines = append(r.deadlines, t)
	return nil
}

// TestTimely: the time to read an answer begins with the answer, once, and the
// handler can move it.
func TestTimely(t *testing.T) {
	r := &recorder{ResponseRecorder: httptest.NewRecorder()}
	moved := time.Now().Add(time.Hour)
	var began time.Time
	timely(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond) // a body that came in slowly
		began = time.Now()
		w.WriteHeader(http.StatusAccepted)
		for range 3 {
			if _, err := w.Write([]byte("x")); err != nil {
				t.Error(err)
			}
		}
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).SetWriteDeadline(moved); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/", nil))
	if len(r.deadlines) != 2 || r.deadlines[0].Before(began.Add(writeFor)) || !r.deadlines[1].Equal(moved) {
		t.Errorf("deadlines %v, begun at %v", r.deadlines, began)
	}
	if r.Code != http.StatusAccepted || r.Body.String() != "xxx" || !r.Flushed {
		t.Errorf("%d %q %v", r.Code, r.Body, r.Flushed)
	}
}
