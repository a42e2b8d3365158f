package settle

import (
	"context"

	"mohur/audit"
	"mohur/problem"
)

// Write drafts the events, each sealed under its person's key, and settles them
// with the effects. A part that is away is a problem.Unavailable: nothing is
// known to have changed, and whoever asked must be refused. In a context of Once
// it is ErrRemembered when the request was settled before, in one of Along
// ErrOvertaken when what goes along no longer holds.
func Write(ctx context.Context, store Store, d *audit.Drafter, effects []Effect, events []audit.Event) (Result, error) {
	mark, ride := markOf(ctx), rideOf(ctx)
	effects, events = ride.with(effects, events)
	cmd := Command{Effects: mark.with(effects)}
	for _, e := range events {
		draft, err := d.Draft(ctx, e)
		if err != nil {
			return Result{}, problem.Away(err)
		}
		cmd.Entries = append(cmd.Entries, draft)
	}
	r, err := store.Settle(ctx, cmd)
	if err != nil {
		return Result{}, problem.Away(err)
	}
	if mark.note(r) {
		return Result{}, ErrRemembered
	}
	if ride.note(r) {
		return Result{}, ErrOvertaken
	}
	return r, nil
}
