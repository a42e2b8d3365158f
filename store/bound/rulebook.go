package bound

import (
	"context"
	"strconv"

	"mohur/rulebook"
)

var (
	adoptedPolicy = kind[rulebook.Policy]{name: "policy", at: func(r *rulebook.Policy) (string, *[]byte) { return strconv.Itoa(r.Version), &r.MAC }}
	policyHead    = kind[rulebook.Head]{name: "policy-head", at: func(r *rulebook.Head) (string, *[]byte) { return rulebook.HeadID, &r.MAC }}
	shadowPolicy  = kind[rulebook.Shadow]{name: "policy-shadow", at: func(r *rulebook.Shadow) (string, *[]byte) { return rulebook.ShadowID, &r.MAC }}
	exchangeRates = kind[rulebook.Rates]{name: "rates", at: func(r *rulebook.Rates) (string, *[]byte) { return rulebook.RatesID, &r.MAC }}
)

// AdoptedPolicy implements rulebook.Store.
func (s *Store) AdoptedPolicy(ctx context.Context, version int) (rulebook.Policy, error) {
	r, err := s.Engine.AdoptedPolicy(ctx, version)
	return adoptedPolicy.check(ctx, s, r, err)
}

// PolicyHead implements rulebook.Store.
func (s *Store) PolicyHead(ctx context.Context) (rulebook.Head, error) {
	r, err := s.Engine.PolicyHead(ctx)
	return policyHead.check(ctx, s, r, err)
}

// ShadowPolicy implements rulebook.Store.
func (s *Store) ShadowPolicy(ctx context.Context) (rulebook.Shadow, error) {
	r, err := s.Engine.ShadowPolicy(ctx)
	return shadowPolicy.check(ctx, s, r, err)
}

// ExchangeRates implements rulebook.Store.
func (s *Store) ExchangeRates(ctx context.Context) (rulebook.Rates, error) {
	r, err := s.Engine.ExchangeRates(ctx)
	return exchangeRates.check(ctx, s, r, err)
}

// checkPolicy verifies a row of the part in which the policies lie.
func (s *Store) checkPolicy(ctx context.Context, id string) (err error) {
	switch id {
	case rulebook.HeadID:
		_, err = s.PolicyHead(ctx)
	case rulebook.ShadowID:
		_, err = s.ShadowPolicy(ctx)
	default:
		var version int
		if version, err = strconv.Atoi(id); err == nil {
			_, err = s.AdoptedPolicy(ctx, version)
		} else {
			err = nil // the engine tells of it
		}
	}
	return verdict(err)
}
