package settle

import (
	"context"

	"mohur/audit"
	"mohur/problem"
)

// Write drafts the events, each sealed under its person's key, and settles them
// with the effects. A part that is away is a problem.Unavailable: nothing is
// known to have changed, and whoever asked must be refused.
func Write(ctx context.Context, store Store, d *audit.Drafter, effects []Effect, events []audit.Event) (Result, error) {
	cmd := Command{Effects: effects}
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
	return r, nil
}
