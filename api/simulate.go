package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/risk/policy"
)

// simulateWait is how long a simulation may take: a million decisions take less than
// a minute.
const simulateWait = 3 * time.Minute

// simulatedSpan is the time looked back on when nothing is said: as long as decisions
// are kept, unless the bank keeps them longer.
const simulatedSpan = 400 * 24 * time.Hour

// simulateIn names a policy, by its text or version, and the decisions it is tried on.
type simulateIn struct {
	Policy  string     `json:"policy,omitzero"`
	Version int        `json:"version,omitzero"`
	From    *time.Time `json:"from,omitzero"`
	To      *time.Time `json:"to,omitzero"`
	Limit   int        `json:"limit,omitzero"`
	Cursor  string     `json:"cursor,omitzero"`
}

// simulationOut is what the policy would have decided.
type simulationOut struct {
	From       time.Time        `json:"from"`
	To         time.Time        `json:"to"`
	Version    int              `json:"policy_version"`
	SHA256     string           `json:"sha256"` // of its text, hex
	Decisions  int64            `json:"decisions"`
	Unreadable int              `json:"unreadable"`
	Changed    int64            `json:"changed"`
	Stricter   int64            `json:"stricter"`
	Weaker     int64            `json:"weaker"`
	Matrix     []matrixCell     `json:"matrix"`
	Reasons    []simulatedCode  `json:"reasons"`
	Days       []simulatedDay   `json:"days"`
	Examples   []simulatedOther `json:"examples"`
	Until      *time.Time       `json:"until,omitzero"`       // of the last decision tried
	Next       string           `json:"next_cursor,omitzero"` // where to go on
}

type matrixCell struct {
	From     risk.Decision `json:"from"`
	To       risk.Decision `json:"to"`
	Count    int64         `json:"count"`
	Stricter int64         `json:"stricter"`
	Weaker   int64         `json:"weaker"`
	Sum      payment.Money `json:"sum"`
}

type simulatedCode struct {
	Code  string `json:"code"`
	Was   int64  `json:"was"`
	Would int64  `json:"would_be"`
}

type simulatedDay struct {
	Date      string `json:"date"`
	Decisions int64  `json:"decisions"`
	Stricter  int64  `json:"stricter"`
	Weaker    int64  `json:"weaker"`
}

// simulatedOther is a payment that would be decided otherwise.
type simulatedOther struct {
	Transaction string        `json:"transaction"`
	At          time.Time     `json:"at"`
	Amount      payment.Money `json:"amount"`
	Home        payment.Money `json:"amount_azn"` // 0.00 where there was no rate
	Change      string        `json:"change"`     // stricter, weaker
	Was         outcomeOut    `json:"was"`
	Would       outcomeOut    `json:"would_be"`
	Reasons     []string      `json:"reasons"`
}

type outcomeOut struct {
	Decision  risk.Decision `json:"decision"`
	ACR       string        `json:"acr,omitzero"`
	Shown     string        `json:"shown,omitzero"`
	Exemption string        `json:"exemption,omitzero"`
	Version   int           `json:"policy_version"`
}

// simulatePolicy tries a policy on decisions that were made. It changes nothing.
func (x *exchange) simulatePolicy(ctx context.Context, in simulateIn) (reply, error) {
	p, err := x.simulated(ctx, in)
	if err != nil {
		return reply{}, err
	}
	cmd := payment.SimulateCommand{Caller: x.by, Policy: p, To: x.server.Now(), Cursor: in.Cursor, Most: in.Limit}
	if in.To != nil {
		cmd.To = *in.To
	}
	cmd.From = cmd.To.Add(-simulatedSpan)
	if in.From != nil {
		cmd.From = *in.From
	}
	if !x.server.simulating.TryLock() {
		return reply{}, &problem.Error{Code: problem.TooMany, Detail: "another simulation is under way; try again", RetryAfter: 10 * time.Second, Limit: "simulations"}
	}
	defer x.server.simulating.Unlock()
	s, err := x.server.Payments.Simulate(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	return ok(simulationOf(cmd, s))
}

// simulated is the policy of a request.
func (x *exchange) simulated(ctx context.Context, in simulateIn) (risk.Policy, error) {
	if (in.Policy == "") == (in.Version == 0) {
		return risk.Policy{}, invalid("policy", "needs either policy, which is the text, or version")
	}
	if in.Version == 0 {
		return x.parsePolicy("policy", in.Policy)
	}
	stored, err := x.server.Rules.Version(ctx, in.Version)
	if err != nil {
		return risk.Policy{}, err
	}
	return x.parsePolicy("version", stored.YAML)
}

// readPolicy has the processor for the text of a policy, which others wait for: one at
// a time.
func (x *exchange) readPolicy() (done func(), err error) {
	if !x.server.parsing.TryLock() {
		return nil, &problem.Error{Code: problem.TooMany, Detail: "another policy is being read; try again", RetryAfter: 2 * time.Second, Limit: "policies"}
	}
	return x.server.parsing.Unlock, nil
}

// parsePolicy reads the text of a policy; every fault is one of the field's.
func (x *exchange) parsePolicy(field, text string) (risk.Policy, error) {
	done, err := x.readPolicy()
	if err != nil {
		return risk.Policy{}, err
	}
	defer done()
	p, err := policy.Parse([]byte(text))
	if err == nil {
		return p, nil
	}
	var c problem.Check
	var faults policy.Faults
	if !errors.As(err, &faults) {
		c.Unless(false, field, err.Error())
	}
	for _, f := range faults {
		c.Unless(false, field, policy.Faults{f}.Error())
	}
	return p, c.Err()
}

func simulationOf(cmd payment.SimulateCommand, s payment.Simulation) simulationOut {
	out := simulationOut{
		From: cmd.From.UTC(), To: cmd.To.UTC(), Version: s.Policy, SHA256: fmt.Sprintf("%x", sha256.Sum256(cmd.Policy.Source)), Decisions: s.Decisions, Unreadable: s.Unreadable,
		Changed: s.Stricter + s.Weaker, Stricter: s.Stricter, Weaker: s.Weaker,
		Matrix: []matrixCell{}, Reasons: []simulatedCode{}, Days: []simulatedDay{}, Examples: []simulatedOther{}, Next: s.Next,
	}
	if !s.Until.IsZero() {
		until := s.Until.UTC()
		out.Until = &until
	}
	for _, c := range s.Cells {
		out.Matrix = append(out.Matrix, matrixCell{c.From, c.To, c.Count, c.Stricter, c.Weaker, payment.FromMinor(c.Sum, risk.Home)})
	}
	for _, r := range s.Reasons {
		out.Reasons = append(out.Reasons, simulatedCode(r))
	}
	for _, d := range s.Days {
		out.Days = append(out.Days, simulatedDay(d))
	}
	for _, list := range []struct {
		change string
		of     []risk.Example
	}{{"weaker", s.ToWeaker}, {"stricter", s.ToStrict}} {
		for _, e := range list.of {
			out.Examples = append(out.Examples, simulatedOther{
				Transaction: e.ID, At: e.At.UTC(), Amount: payment.FromMinor(e.Minor, e.Currency), Home: payment.FromMinor(e.Amount, risk.Home), Change: list.change,
				Was: outcomeOf(e.Was), Would: outcomeOf(e.Would), Reasons: append([]string{}, e.Reasons...),
			})
		}
	}
	return out
}

func outcomeOf(o risk.Outcome) outcomeOut {
	return outcomeOut{Decision: o.Decision, ACR: o.ACR, Shown: o.Shown, Exemption: o.Exemption, Version: o.Policy}
}
