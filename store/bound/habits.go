package bound

import (
	"context"
	"errors"
	"fmt"

	"mohur/compromised"
	"mohur/payment"
)

// Velocity implements payment.Store.
func (s *Store) Velocity(ctx context.Context, customer string) (payment.Velocity, error) {
	r, err := s.Engine.Velocity(ctx, customer)
	return velocity.check(ctx, s, r, err)
}

// PayeeHistories implements payment.Store. One that was changed fails all of them.
func (s *Store) PayeeHistories(ctx context.Context, keys ...string) ([]payment.PayeeHistory, error) {
	list, err := s.Engine.PayeeHistories(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		if h.Version == 0 {
			continue
		}
		if _, err := history.check(ctx, s, h, nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Compromised implements compromised.Store. The items are not under the MAC
// themselves: their hash is.
func (s *Store) Compromised(ctx context.Context, id string) (compromised.Record, error) {
	r, err := s.Engine.Compromised(ctx, id)
	if r, err = exposed.check(ctx, s, r, err); err != nil || r.Whole() {
		return r, err
	}
	return compromised.Record{}, errors.Join(fmt.Errorf("%w: %s %s", ErrTampered, exposed.name, id), s.tell(ctx, exposed.name, id, r.MAC))
}
