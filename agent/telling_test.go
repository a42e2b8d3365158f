package agent_test

import (
	"context"

	"mohur/agent"
)

// telling are cards that tell how many tries are left.
type telling struct {
	agent.Cards
	left *int
}

func (c telling) Tries(context.Context, agent.Found) (int, bool) { return *c.left, true }
