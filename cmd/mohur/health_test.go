package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"mohur/audit"
)

// TestHealth: a fault of the log is told until it is over, and one that needs
// people for ever.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		now := away
		s := &audit.Sequencer{}
		heads := 0
		h := watch(s, slog.New(slog.DiscardHandler), func(audit.Head) { heads++ })
		h.checkpoint = func(context.Context) error { return now }
		expect := func(at time.Time, err error) {
			t.Helper()
			gotAt, gotErr := h.state()
			if !gotAt.Equal(at) || !errors.Is(gotErr, err) {
				t.Errorf("%v %v, want %v %v", gotAt, gotErr, at, err)
			}
			synctest.Wait()
		}
		expect(time.Time{}, nil)
		at := time.Now()
		s.OnCheckpoint(audit.Head{Time: at})
		expect(at, nil)
		s.OnError(away)
		expect(at, away)
		expect(at, away) // tried, and still away
		now = nil
		expect(at, away) // tried, and back: the next question is told
		expect(at, nil)
		h.stopped(audit.ErrGap)
		expect(at, audit.ErrGap)
		expect(at, audit.ErrGap)
		if heads != 1 {
			t.Errorf("%d heads", heads)
		}
	})
}
