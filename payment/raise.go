package payment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// SetLimitsCommand sets some of a customer's own limits (clause 5.32).
type SetLimitsCommand struct {
	Caller   parties.Caller
	Customer string
	Want     map[string]Money // by LimitNames; AZN, and "0.00" closes it
	// Proof returns what consumes the customer's proof of the action limits.raise for
	// exactly this request, problem.ProofRequired where he gave none that fits. It is
	// asked for only where something is raised.
	Proof func() ([]settle.Effect, error)
}

// SetLimits lowers at once and raises after LimitsCooling, with a proof of the
// customer's and a notice to him. A limit that is lowered, or set to what it is, takes
// back a raise that waits. No customer gets past the bank's own ceilings.
func (s *Service) SetLimits(ctx context.Context, cmd SetLimitsCommand) (LimitsView, error) {
	want, err := cmd.check()
	if err != nil {
		return LimitsView{}, err
	}
	missing := problem.New(problem.NotFound, "there is no such customer")
	if parties.IsStaff(cmd.Customer) {
		return LimitsView{}, missing
	}
	for range maxTries {
		c, err := s.Store.Customer(ctx, cmd.Customer)
		if err != nil {
			if errors.Is(err, parties.ErrNotFound) {
				return LimitsView{}, missing
			}
			return LimitsView{}, problem.Away(err)
		}
		l, done, err := s.setLimits(ctx, cmd, want, c)
		if err != nil {
			return LimitsView{}, err
		}
		if done {
			return s.standings(l), nil
		}
	}
	return LimitsView{}, problem.New(problem.Conflict, "the limits are being changed by somebody else; try again")
}

// check reads the amounts.
func (cmd SetLimitsCommand) check() (map[string]int64, error) {
	var c problem.Check
	c.Unless(len(cmd.Want) > 0, "limits", "needs at least one of per_transaction, daily, channel and per_token")
	want := map[string]int64{}
	for name, m := range cmd.Want {
		if !slices.Contains(LimitNames(), name) {
			c.Unless(false, name, "is no limit of a customer")
			continue
		}
		n, err := m.limit()
		if err != nil {
			c.Unless(false, name, err.Error())
		}
		want[name] = n
	}
	return want, c.Err()
}

// limit reads an amount that may be zero, in qəpik.
func (m Money) limit() (int64, error) {
	if m.Currency != risk.Home {
		return 0, fmt.Errorf("needs to be in %s: payments in other currencies count by the day's rate", risk.Home)
	}
	if m.Value == "0" || m.Value == "0.0" || m.Value == "0.00" {
		return 0, nil
	}
	return m.Minor()
}

func (s *Service) setLimits(ctx context.Context, cmd SetLimitsCommand, want map[string]int64, c parties.Customer) (Limits, bool, error) {
	now, p := s.Now(), s.Policy()
	old, err := s.limitsOf(ctx, c.ID)
	if err != nil {
		return old, false, err
	}
	old = old.settled(now)
	l, raised, err := old.with(want, p, now, cmp.Or(s.LimitsCooling, defaultCooling))
	if err != nil {
		return l, false, err
	}
	l.Version++
	effects := []settle.Effect{SaveLimits{l}, parties.RequireCustomer{ID: c.ID, Version: c.Version}}
	outcome := "lowered"
	if len(raised) > 0 {
		outcome = "raise-waits"
		proof, err := cmd.Proof()
		if err != nil {
			return l, false, err
		}
		told, err := s.notices(ctx, c, "limit-raise", raisesText(raised))
		if err != nil {
			return l, false, err
		}
		effects = append(append(effects, proof...), told...)
	}
	r, err := s.settle(ctx, effects, audit.Event{
		Name: "limits.changed", Outcome: outcome, Policy: p.Version, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{"customer": c.ID, "before": old.Own, "own": l.Own, "waiting": l.Raises, "source": cmd.Caller.Source},
	})
	return l, err == nil && r.Outcome == settle.Done, err
}

const defaultCooling = 24 * time.Hour

// with is the record with what is wanted of it, and the raises that this begins. A limit
// that the customer has not set stands where the bank's ceiling is.
func (l Limits) with(want map[string]int64, p risk.Policy, now time.Time, cooling time.Duration) (Limits, []Raise, error) {
	var c problem.Check
	var raised []Raise
	l.Own, l.Raises = maps.Clone(l.Own), slices.Clone(l.Raises)
	for _, name := range LimitNames() {
		n, wanted := want[name]
		if !wanted {
			continue
		}
		most, capped := bank(p, name)
		stands, set := l.Own[name]
		if !set && capped {
			stands, set = most, true
		}
		l.Raises = slices.DeleteFunc(l.Raises, func(r Raise) bool { return r.Limit == name })
		switch {
		case !set || n <= stands:
			l.Own[name] = n
		case capped && n > most:
			c.Unless(false, name, "is above the bank's own limit of "+FromMinor(most, risk.Home).Value+" "+risk.Home)
		default:
			raised = append(raised, Raise{Limit: name, Amount: n, From: now.Add(cooling).UTC()})
		}
	}
	l.Raises = append(l.Raises, raised...)
	return l, raised, c.Err()
}

// raisesText is what the customer is told of them.
func raisesText(raised []Raise) string {
	var lines []string
	for _, r := range raised {
		lines = append(lines, r.Limit+" "+FromMinor(r.Amount, risk.Home).Value+" "+risk.Home+" "+r.From.Format(time.RFC3339))
	}
	return strings.Join(lines, "\n")
}
