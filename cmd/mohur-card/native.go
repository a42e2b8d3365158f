package main

import (
	"context"
	"fmt"

	"mohur/agent"
)

// native is the program as a browser starts it. What keeps the agent from starting
// is an answer too, or the page would learn nothing but that the program ended.
func (p *program) native(ctx context.Context) int {
	_, err := itself()
	var a *agent.Agent
	if err == nil {
		a, err = p.agent(false)
	}
	if err != nil {
		fmt.Fprintf(p.err, "mohur-card: %v\n", err)
		_ = agent.NativeRefusal(p.in, p.out, "mohur-card is not set up on this machine; mohur-card doctor says what to do")
		return exitFailed
	}
	if err := a.Native(ctx, p.in, p.out); err != nil {
		fmt.Fprintf(p.err, "mohur-card: %v\n", err)
		return exitFailed
	}
	return exitOK
}
