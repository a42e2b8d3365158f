package authn

import (
	"context"
	"errors"
	"slices"

	"mohur/parties"
	"mohur/problem"
	"mohur/tokens"
)

// stopReason is the cause of a refusal by the stop-list: what was reported while
// the HSM or the store was away is obeyed before it is settled.
const stopReason = "stop-list"

// stopsCredential reports whether the stop-list names the credential's token or
// its customer. While anything is listed, a token that cannot be found counts as
// named.
func (s *Service) stopsCredential(ctx context.Context, customer, credential string) (bool, error) {
	if !s.Stops.Any() {
		return false, nil
	}
	if s.Stops.Customer(customer) {
		return true, nil
	}
	c, err := s.Store.Credential(ctx, credential)
	if err == nil {
		var t tokens.Token
		if t, err = s.Store.Token(ctx, c.Token); err == nil {
			return s.Stops.Token(t.ID, t.Serial), nil
		}
	}
	if errors.Is(err, parties.ErrNotFound) {
		return true, nil
	}
	return false, problem.Away(err)
}

// stopsPerson reports whether the stop-list names the customer or any token he
// holds: what was granted earlier does not say by which.
func (s *Service) stopsPerson(ctx context.Context, customer string) (bool, error) {
	if !s.Stops.Any() {
		return false, nil
	}
	held, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return false, problem.Away(err)
	}
	return s.Stops.Customer(customer) || slices.ContainsFunc(held, func(t tokens.Token) bool { return s.Stops.Token(t.ID, t.Serial) }), nil
}

// overtaken reports whether a grant that is about to be settled was overtaken by
// a report since it was judged.
func (s *Service) overtaken(ctx context.Context, r ruling) (bool, error) {
	if !r.granted {
		return false, nil
	}
	return s.stopsCredential(ctx, r.attempt.Customer, r.by)
}
