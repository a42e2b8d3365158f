package settle_test

import (
	"context"
	"errors"
	"testing"

	"mohur/audit"
	"mohur/settle"
)

// What goes along with a request's first change is settled with it: again while
// the change is stale, never after it is done, and not with what is aside.
func TestADecisionGoesAlongWithTheFirstChange(t *testing.T) {
	done := settle.Result{Outcome: settle.Done}
	s := &scripted{outcomes: []settle.Result{done, {Outcome: settle.Stale, Effect: settle.Release{Key: "a"}}, done, done}}
	ctx, ride := settle.Along(t.Context(), []settle.Effect{settle.Release{Key: "decision"}}, nil)
	write := func(ctx context.Context) error {
		_, err := settle.Write(ctx, s, &audit.Drafter{}, []settle.Effect{settle.Release{Key: "a"}}, nil)
		return err
	}
	if err := write(settle.Aside(ctx)); err != nil || ride.Done() {
		t.Fatal(err, ride.Done())
	}
	for range 3 {
		if err := write(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{1, 2, 2, 1} { // aside, stale, done, later
		if n := len(s.given[i].Effects); n != want {
			t.Errorf("write %d has %d effects, want %d", i, n, want)
		}
	}
	if !ride.Done() || ride.Overtaken() {
		t.Error("not as it should be")
	}
}

// A change whose decision no longer holds is not made, and does not try again.
func TestAChangeWhoseDecisionIsOvertakenIsNotMade(t *testing.T) {
	decision := settle.Release{Key: "decision"}
	for _, outcome := range []settle.Outcome{settle.Stale, settle.Exists} {
		s := &scripted{outcomes: []settle.Result{{Outcome: outcome, Effect: decision}}}
		ctx, ride := settle.Along(t.Context(), []settle.Effect{decision}, nil)
		_, err := settle.Write(ctx, s, &audit.Drafter{}, []settle.Effect{settle.Release{Key: "a"}}, nil)
		if !errors.Is(err, settle.ErrOvertaken) || !ride.Overtaken() || ride.Done() {
			t.Errorf("%s: %v, overtaken %v, done %v", outcome, err, ride.Overtaken(), ride.Done())
		}
	}
	var none *settle.Ride
	if none.Done() || none.Overtaken() {
		t.Error("no ride is under way")
	}
}
