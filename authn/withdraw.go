package authn

import (
	"context"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// Alone waits until nobody else opens an attempt for the customer, and returns the
// function that lets the next one do it. Whoever opens one holds it from reading
// the open attempts to settling the new one: two opened at once would not know
// each other's questions.
func (s *Service) Alone(ctx context.Context, customer string) (leave func(), err error) {
	leave, _, err = s.queue.enter(ctx, "begin/"+customer)
	return leave, err
}

// Withdraw ends the open attempts of a transaction that asks for no proof any more:
// the effects and the events that tell of them.
func (s *Service) Withdraw(ctx context.Context, by parties.Caller, c parties.Customer, transaction, reason string) ([]settle.Effect, []audit.Event, error) {
	open, err := s.Store.OpenAttempts(ctx, c.ID, s.Now())
	if err != nil {
		return nil, nil, problem.Away(err)
	}
	var effects []settle.Effect
	var events []audit.Event
	_, its := ofTransaction(open, transaction)
	for _, old := range its {
		old = old.over()
		effects = append(effects, SaveAttempt{old})
		events = append(events, s.event(by, c, old, "authentication.withdrawn", string(Expired), reason, nil))
	}
	return effects, events, nil
}

// ofTransaction parts the attempts of a transaction from the others.
func ofTransaction(open []Attempt, transaction string) (others, its []Attempt) {
	for _, a := range open {
		if transaction != "" && a.Transaction == transaction {
			its = append(its, a)
		} else {
			others = append(others, a)
		}
	}
	return others, its
}

// over is the attempt after its end without a verdict.
func (a Attempt) over() Attempt {
	a.State, a.Version = Expired, a.Version+1
	a.PIN, a.Possession = nil, nil
	return a
}
