package api

import (
	"context"

	"mohur/enrollment"
	"mohur/problem"
	"mohur/tokens"
)

// reasonIn is the body of a move that is worth nothing without a reason.
type reasonIn struct {
	Reason string `json:"reason"`
	Note   string `json:"note"`
}

type reserveIn struct {
	Customer string `json:"customer"`
	Branch   string `json:"branch"`
}

type assignIn struct {
	Customer string `json:"customer"`
	Staff    string `json:"staff"`
}

type shipIn struct {
	To       string `json:"to"`
	Carrier  string `json:"carrier"`
	Tracking string `json:"tracking"`
}

type deliverIn struct {
	Receipt string `json:"receipt"`
	Note    string `json:"note"`
}

// move makes one step of a token's life.
func (x *exchange) move(ctx context.Context, cmd enrollment.MoveCommand) (reply, error) {
	cmd.Caller, cmd.Token = x.by, x.id("ref")
	t, err := x.server.Enrollment.Move(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	return x.token(ctx, t)
}

func (x *exchange) moveFor(ctx context.Context, m tokens.Move, in reasonIn) (reply, error) {
	return x.move(ctx, enrollment.MoveCommand{Move: m, Reason: in.Reason, Note: in.Note})
}

func (x *exchange) reserveToken(ctx context.Context, in reserveIn) (reply, error) {
	var c problem.Check
	c.Unless(in.Customer != "" || in.Branch != "", "customer", "needs customer or branch")
	c.Unless(len(in.Branch) <= maxName, "branch", "is too long")
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	return x.move(ctx, enrollment.MoveCommand{Move: tokens.Reserve, Customer: in.Customer, Branch: in.Branch})
}

func (x *exchange) assignToken(ctx context.Context, in assignIn) (reply, error) {
	customer, err := holderOf(in.Customer, in.Staff)
	if err != nil {
		return reply{}, err
	}
	return x.move(ctx, enrollment.MoveCommand{Move: tokens.Assign, Customer: customer, Staff: in.Staff != ""})
}

func (x *exchange) shipToken(ctx context.Context, in shipIn) (reply, error) {
	var c problem.Check
	c.Unless(in.To != "", "to", "is needed: the way to the customer is on record (clause 5.20)")
	evidence := evidence{&c, map[string]any{}}
	evidence.add("to", in.To)
	evidence.add("carrier", in.Carrier)
	evidence.add("tracking", in.Tracking)
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	return x.move(ctx, enrollment.MoveCommand{Move: tokens.Ship, Detail: evidence.detail})
}

func (x *exchange) deliverToken(ctx context.Context, in deliverIn) (reply, error) {
	var c problem.Check
	c.Unless(in.Receipt != "", "receipt", "is needed: the hand-over is on record (clause 5.20)")
	evidence := evidence{&c, map[string]any{}}
	evidence.add("receipt", in.Receipt)
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	return x.move(ctx, enrollment.MoveCommand{Move: tokens.Deliver, Note: in.Note, Detail: evidence.detail})
}

// The lengths of what goes into the evidence, in bytes.
const (
	maxName = 64
	maxFact = 500
)

// evidence gathers the facts of a move for its audit entry.
type evidence struct {
	check  *problem.Check
	detail map[string]any
}

func (e evidence) add(name, value string) {
	e.check.Unless(len(value) <= maxFact, name, "is too long")
	if value != "" {
		e.detail[name] = value
	}
}

func (x *exchange) suspendToken(ctx context.Context, in reasonIn) (reply, error) {
	return x.moveFor(ctx, tokens.Suspend, in)
}

func (x *exchange) resumeToken(ctx context.Context, in reasonIn) (reply, error) {
	return x.move(ctx, enrollment.MoveCommand{Move: tokens.Resume, Reason: in.Reason, Note: in.Note, Lifts: x.lifts})
}

func (x *exchange) revokeToken(ctx context.Context, in reasonIn) (reply, error) {
	return x.moveFor(ctx, tokens.Revoke, in)
}

func (x *exchange) returnToken(ctx context.Context, in reasonIn) (reply, error) {
	return x.moveFor(ctx, tokens.Return, in)
}

func (x *exchange) wipeToken(ctx context.Context, in reasonIn) (reply, error) {
	return x.moveFor(ctx, tokens.Wipe, in)
}

func (x *exchange) destroyToken(ctx context.Context, in reasonIn) (reply, error) {
	return x.moveFor(ctx, tokens.Destroy, in)
}
