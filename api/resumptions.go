package api

import (
	"context"
	"time"

	"mohur/approval"
	"mohur/parties"
	"mohur/problem"
)

// resumptions tells what each act that lets somebody or something back would lift now.
// Two people decide about that suspension and no other: it is stored with the request,
// the checker sees it, and a later one is not lifted.
var resumptions = map[string]func(*exchange, context.Context, []byte) ([]parties.Suspended, error){
	"POST /v1/customers/:id/resume": (*exchange).customerLifted,
	"POST /v1/tokens/:ref/resume":   (*exchange).tokenLifted,
	"POST /v1/staff/:id/resume":     (*exchange).staffLifted,
}

func (x *exchange) customerLifted(ctx context.Context, raw []byte) ([]parties.Suspended, error) {
	in, err := decode[stateIn](raw)
	if err != nil {
		return nil, err
	}
	if parties.IsStaff(x.id("id")) {
		return nil, problem.New(problem.NotFound, "there is no such customer")
	}
	c, err := x.server.Parties.Get(ctx, x.id("id"))
	if err != nil {
		return nil, err
	}
	return in.halt().Lifted(c)
}

func (x *exchange) staffLifted(ctx context.Context, _ []byte) ([]parties.Suspended, error) {
	c, err := x.server.Parties.Staff(ctx, x.id("id"))
	if err != nil {
		return nil, err
	}
	return parties.Halt{}.Lifted(c)
}

func (x *exchange) tokenLifted(ctx context.Context, _ []byte) ([]parties.Suspended, error) {
	return x.server.Enrollment.Lifted(ctx, x.id("ref"))
}

// lifted is what a request for an act lifts, nothing where it is no resumption.
func (x *exchange) lifted(ctx context.Context, act string, raw []byte) ([]parties.Suspended, error) {
	if f := resumptions[act]; f != nil {
		return f(x, ctx, raw)
	}
	return nil, nil
}

// stillLifts refuses a resumption that names no suspension: it was asked for before
// resumptions did.
func stillLifts(r approval.Request) error {
	if resumptions[r.Act] != nil && len(r.Lifts) == 0 {
		return problem.New(problem.Conflict, "what was asked for does not say what it lifts; ask for it anew")
	}
	return nil
}

// liftedOut is a suspension that a resumption lifts.
type liftedOut struct {
	Channel string    `json:"channel,omitzero"`
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason,omitzero"`
	Class   string    `json:"class,omitzero"`
	Quiet   bool      `json:"notice_suppressed,omitzero"`
}

func liftedOf(all []parties.Suspended) (out []liftedOut) {
	for _, l := range all {
		out = append(out, liftedOut{Channel: string(l.Channel), Since: l.Since.UTC(), Reason: l.Reason, Class: string(l.Class), Quiet: l.Quiet})
	}
	return out
}
