package payment

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
)

// SimulateCommand tries a policy on the decisions of a time.
type SimulateCommand struct {
	Caller   parties.Caller
	Policy   risk.Policy
	From, To time.Time // From included, To not
	Cursor   string    // where an earlier call stopped; "": the beginning
	Most     int       // decisions; 0: MostSimulated
}

// MostSimulated is how many decisions one simulation tries.
const MostSimulated = 1_000_000

// Simulation is what a policy would have decided, of so many decisions as were tried.
type Simulation struct {
	risk.Table
	Unreadable int       // records left out
	Until      time.Time // of the last decision tried; zero: there was none
	Next       string    // cursor to go on with; "": all were tried
}

// Simulate tries a policy on decisions that were made, in pages, and puts on record who
// tried which. It changes nothing.
func (s *Service) Simulate(ctx context.Context, cmd SimulateCommand) (Simulation, error) {
	var c problem.Check
	c.Unless(cmd.From.Before(cmd.To), "from", "needs to be before to")
	c.Unless(cmd.From.UTC().Year() >= 2000, "from", "needs to be within the years 2000 to 9000")
	c.Unless(cmd.To.UTC().Year() <= 9000, "to", "needs to be within the years 2000 to 9000")
	c.Unless(cmd.Most >= 0 && cmd.Most <= MostSimulated, "limit", fmt.Sprintf("needs to be a number up to %d", MostSimulated))
	if err := c.Err(); err != nil {
		return Simulation{}, err
	}
	if cmd.Most == 0 {
		cmd.Most = MostSimulated
	}
	out := Simulation{Next: cmd.Cursor}
	var err error
	if out.Table, err = risk.Replay(cmd.Policy, s.pasts(ctx, cmd, &out)); err != nil {
		return Simulation{}, err
	}
	_, err = s.settle(ctx, nil, audit.Event{
		Name: "policy.simulated", Outcome: "done", Policy: s.Policy().Version, Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{
			"policy": cmd.Policy.Version, "sha256": fmt.Sprintf("%x", sha256.Sum256(cmd.Policy.Source)), "from": cmd.From.UTC(), "to": cmd.To.UTC(),
			"decisions": out.Decisions, "stricter": out.Stricter, "weaker": out.Weaker, "source": cmd.Caller.Source,
		},
	})
	return out, err
}

// simulated is the most decisions that are read at once.
const simulated = 1000

// pasts reads page after page: no snapshot of the store is held for long.
func (s *Service) pasts(ctx context.Context, cmd SimulateCommand, out *Simulation) iter.Seq2[risk.Past, error] {
	return func(yield func(risk.Past, error) bool) {
		for left := cmd.Most; left > 0; {
			page, err := s.Store.Decisions(ctx, cmd.From, cmd.To, out.Next, min(left, simulated))
			if err != nil {
				if !problem.Is(err, problem.Invalid) { // else the cursor is none of this list
					err = problem.Away(err)
				}
				yield(risk.Past{}, err)
				return
			}
			for _, d := range page.Items {
				out.Until = d.In.At
				if !yield(d.Past, nil) {
					return
				}
			}
			left -= len(page.Items) + page.Unreadable
			out.Unreadable += page.Unreadable
			if out.Next = page.Next; page.Next == "" {
				return
			}
		}
	}
}
