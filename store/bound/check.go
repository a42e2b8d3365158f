package bound

import (
	"context"
	"errors"

	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/rulebook"
	"mohur/store"
	"mohur/storecheck"
)

// Checks returns how each kind of bound record is verified by a check of the
// store; secretByID reads a secret as the engine has it, which the domain never
// asks for. As with every read, an incident is opened for one that does not fit.
func (s *Store) Checks(secretByID func(context.Context, string) (enrollment.Secret, error)) map[string]func(ctx context.Context, id string) error {
	return map[string]func(context.Context, string) error{
		customer.name: checked(s.Customer),
		client.name:   checked(s.Client),
		holder.name:   checked(s.Holder),
		token.name:    checked(s.Token),
		secret.name: checked(func(ctx context.Context, id string) (enrollment.Secret, error) {
			r, err := secretByID(ctx, id)
			return secret.check(ctx, s, r, err)
		}),
		attempt.name:     checked(s.Attempt),
		session.name:     checked(s.Session),
		activity.name:    checked(s.Activity),
		transaction.name: checked(s.Transaction),
		limits.name:      checked(s.Limits),
		velocity.name:    checked(s.Velocity),
		history.name: checked(func(ctx context.Context, key string) (payment.PayeeHistory, error) {
			r, err := s.PayeeHistories(ctx, key)
			if err != nil {
				return payment.PayeeHistory{}, err
			}
			return r[0], nil
		}),
		exposed.name:       checked(s.Compromised),
		payeeList.name:     checked(s.PayeeList),
		series.name:        checked(s.Series),
		analysis.name:      checked(s.Analysis),
		half.name:          checked(s.Half),
		decision.name:      checked(s.Approval),
		metadata.name:      checked(s.Metadata),
		permit.name:        checked(s.Permit),
		authority.name:     checked(s.Authority),
		adoptedPolicy.name: s.checkPolicy,
		exchangeRates.name: checked(func(ctx context.Context, _ string) (rulebook.Rates, error) { return s.ExchangeRates(ctx) }),
		certificate.name:   checked(s.Certificate),
	}
}

func checked[T any](read func(context.Context, string) (T, error)) func(context.Context, string) error {
	return func(ctx context.Context, id string) error {
		_, err := read(ctx, id)
		return verdict(err)
	}
}

// verdict leaves out what is gone meanwhile, and what cannot be read, which the
// engine tells itself.
func verdict(err error) error {
	switch {
	case errors.Is(err, ErrTampered):
		return storecheck.ErrTampered
	case errors.Is(err, parties.ErrNotFound), errors.Is(err, store.ErrDamaged):
		return nil
	}
	return err
}
