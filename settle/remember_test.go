package settle_test

import (
	"context"
	"errors"
	"testing"

	"mohur/audit"
	"mohur/settle"
)

// scripted answers as told and notes what it was given.
type scripted struct {
	outcomes []settle.Result
	err      error
	given    []settle.Command
}

func (s *scripted) Settle(_ context.Context, c settle.Command) (settle.Result, error) {
	s.given = append(s.given, c)
	if s.err != nil {
		return settle.Result{}, s.err
	}
	r := s.outcomes[0]
	s.outcomes = s.outcomes[1:]
	return r, nil
}

// A request's memory goes with its first change: again while that is stale, never
// after it is done.
func TestARequestIsRememberedWithItsFirstChange(t *testing.T) {
	done := settle.Result{Outcome: settle.Done}
	s := &scripted{outcomes: []settle.Result{done, {Outcome: settle.Stale, Effect: settle.Release{Key: "a"}}, done, done}}
	ctx, mark := settle.Once(t.Context(), settle.Remember{Scope: "sc"})
	effects := []settle.Effect{settle.Release{Key: "a"}}
	write := func(ctx context.Context) error {
		_, err := settle.Write(ctx, s, &audit.Drafter{}, effects, nil)
		return err
	}
	if err := write(settle.Aside(ctx)); err != nil || mark.Done() {
		t.Fatal(err, mark.Done())
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
	if !mark.Done() || mark.Taken() || len(effects) != 1 {
		t.Error("not as it should be")
	}
}

func TestAChangeThatWasMadeBeforeIsNotMade(t *testing.T) {
	r := settle.Remember{Scope: "sc"}
	ctx, mark := settle.Once(t.Context(), r)
	s := &scripted{outcomes: []settle.Result{{Outcome: settle.Exists, Effect: settle.Release{Key: "a"}}, {Outcome: settle.Exists, Effect: r}}}
	if _, err := settle.Write(ctx, s, &audit.Drafter{}, nil, nil); err != nil || mark.Taken() {
		t.Errorf("another name that is taken: %v", err)
	}
	if _, err := settle.Write(ctx, s, &audit.Drafter{}, nil, nil); !errors.Is(err, settle.ErrRemembered) || !mark.Taken() || mark.Done() {
		t.Errorf("its own: %v", err)
	}
	s.err = errors.New("away")
	if _, err := settle.Write(ctx, s, &audit.Drafter{}, nil, nil); err == nil || errors.Is(err, settle.ErrRemembered) {
		t.Errorf("a store that is away: %v", err)
	}
}
