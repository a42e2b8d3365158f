package api

import (
	"context"
	"strconv"
	"time"

	"mohur/problem"
	"mohur/risk"
	"mohur/rulebook"
)

type policyIn struct {
	YAML  string    `json:"yaml"`
	From  time.Time `json:"effective_from"`
	Board string    `json:"board_decision"`
}

func (in policyIn) command(x *exchange) rulebook.AdoptCommand {
	return rulebook.AdoptCommand{Caller: x.by, YAML: in.YAML, From: in.From, Board: in.Board, Checker: x.checker, Approval: x.approval}
}

func (in policyIn) check(x *exchange, _ bool) error {
	done, err := x.readPolicy()
	if err != nil {
		return err
	}
	defer done()
	_, err = x.server.Rules.Check(in.command(x))
	return err
}

type adoptedOut struct {
	Version  int       `json:"version"`
	SHA256   string    `json:"sha256"`
	From     time.Time `json:"effective_from"`
	Since    time.Time `json:"in_force_since"`
	Board    string    `json:"board_decision"`
	Warnings []string  `json:"warnings"`
}

// putPolicy adopts a policy: it is in force from its time on, by itself.
func (x *exchange) putPolicy(ctx context.Context, in policyIn) (reply, error) {
	done, err := x.readPolicy()
	if err != nil {
		return reply{}, err
	}
	defer done()
	a, err := x.server.Rules.Adopt(ctx, in.command(x))
	if err != nil {
		return reply{}, err
	}
	p := a.Policy
	return ok(adoptedOut{
		Version: p.Version, SHA256: rulebook.SHA256([]byte(p.YAML)), From: p.From.UTC(), Since: p.Since().UTC(), Board: p.Board, Warnings: append([]string{}, a.Warnings...),
	})
}

type shadowIn struct {
	YAML string `json:"yaml"`
}

type shadowOut struct {
	Version int       `json:"version"`
	SHA256  string    `json:"sha256"`
	SetBy   string    `json:"set_by"`
	SetAt   time.Time `json:"set_at"`
	YAML    string    `json:"yaml"`
}

func (x *exchange) shadowOf() *shadowOut {
	p, there := x.server.Rules.Shadow()
	if !there {
		return nil
	}
	r := x.server.Rules.ShadowRecord()
	return &shadowOut{Version: p.Version, SHA256: rulebook.SHA256(p.Source), SetBy: r.By, SetAt: r.At.UTC(), YAML: string(p.Source)}
}

// putShadow has a policy tried beside the one in force. It decides nothing, so one
// person is enough.
func (x *exchange) putShadow(ctx context.Context, in shadowIn) (reply, error) {
	done, err := x.readPolicy()
	if err != nil {
		return reply{}, err
	}
	defer done()
	if _, err := x.server.Rules.SetShadow(ctx, x.by, in.YAML); err != nil {
		return reply{}, err
	}
	return ok(x.shadowOf())
}

// deleteShadow ends the trial.
func (x *exchange) deleteShadow(ctx context.Context) (reply, error) {
	if err := x.server.Rules.RemoveShadow(ctx, x.by); err != nil {
		return reply{}, err
	}
	return done()
}

// versionOut is one version. Its state is in_force, scheduled or past.
type versionOut struct {
	Version    int        `json:"version"`
	State      string     `json:"state"`
	Source     string     `json:"source"` // "built in", "configuration" or "adopted"
	SHA256     string     `json:"sha256"`
	From       time.Time  `json:"effective_from"`
	Since      *time.Time `json:"in_force_since,omitzero"` // of an adopted one: when it came or comes into force
	Board      string     `json:"board_decision,omitzero"`
	AskedBy    string     `json:"asked_by,omitzero"`
	ApprovedBy string     `json:"approved_by,omitzero"`
	AdoptedAt  *time.Time `json:"adopted_at,omitzero"`
	YAML       string     `json:"yaml,omitzero"` // not in a list
}

func (x *exchange) versionOf(p rulebook.Policy, present rulebook.Edition) versionOut {
	out := versionOut{
		Version: p.Version, State: "past", Source: sourceOf(x.server.Rules.Base), SHA256: rulebook.SHA256([]byte(p.YAML)), From: p.From.UTC(), Board: p.Board,
		AskedBy: p.Maker, ApprovedBy: p.Checker,
	}
	if !p.At.IsZero() {
		since, at := p.Since().UTC(), p.At.UTC()
		out.Source, out.Since, out.AdoptedAt = "adopted", &since, &at
	}
	switch {
	case p.Version == present.Rules.Version:
		out.State = "in_force"
	case p.Version > present.Rules.Version:
		out.State = "scheduled"
	}
	return out
}

func sourceOf(base risk.Policy) string {
	if base.BuiltIn {
		return "built in"
	}
	return "configuration"
}

// listPolicies lists the versions there are, the highest first.
func (x *exchange) listPolicies(ctx context.Context) (reply, error) {
	all, err := x.server.Rules.Versions(ctx)
	if err != nil {
		return reply{}, err
	}
	present := x.server.Rules.Present()
	out := page[versionOut]{Items: []versionOut{}}
	for _, p := range all {
		out.Items = append(out.Items, x.versionOf(p, present))
	}
	return ok(out)
}

// getPolicyVersion returns one version with its text.
func (x *exchange) getPolicyVersion(ctx context.Context) (reply, error) {
	n, err := strconv.Atoi(x.id("version"))
	if err != nil || strconv.Itoa(n) != x.id("version") {
		return reply{}, problem.New(problem.NotFound, "there is no such version; a version is a number")
	}
	p, err := x.server.Rules.Version(ctx, n)
	if err != nil {
		return reply{}, err
	}
	out := x.versionOf(p, x.server.Rules.Present())
	out.YAML = p.YAML
	return ok(out)
}
