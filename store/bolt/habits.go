package bolt

import (
	"context"
	"time"

	"mohur/compromised"
	"mohur/payment"
)

// How long what is remembered of payments stays after the last one.
const (
	keepVelocity = 3 * 24 * time.Hour // longer than the day and the hour that it is asked about
	keepPayee    = 400 * 24 * time.Hour
)

// velocities is one record for each customer, removed when it says nothing any more.
var velocities = table[payment.Velocity]{
	rows: inVelocities,
	key:  func(v *payment.Velocity) (string, uint64) { return v.Customer, v.Version },
	indexes: func(v *payment.Velocity) []indexKey {
		// By the hour, so that few payments move the row.
		last := time.Unix(v.Last*60, 0).Truncate(time.Hour)
		return []indexKey{removal(last.Add(keepVelocity), inVelocities, v.Customer)}
	},
}

// payeeHistories is one record for each customer and payee.
var payeeHistories = table[payment.PayeeHistory]{
	rows: inPayeeHistories,
	key:  func(h *payment.PayeeHistory) (string, uint64) { return h.Key, h.Version },
	indexes: func(h *payment.PayeeHistory) []indexKey {
		return []indexKey{removal(h.Last.Truncate(24*time.Hour).Add(keepPayee), inPayeeHistories, h.Key)}
	},
}

// compromisedList is two records, and never removed.
var compromisedList = table[compromised.Record]{
	rows: inCompromised,
	key:  func(r *compromised.Record) (string, uint64) { return r.ID, r.Version },
}

// Velocity implements payment.Store.
func (s *Store) Velocity(ctx context.Context, customer string) (payment.Velocity, error) {
	return one(ctx, s, velocities, customer)
}

// PayeeHistories implements payment.Store.
func (s *Store) PayeeHistories(ctx context.Context, keys ...string) (list []payment.PayeeHistory, err error) {
	err = s.view(ctx, func(r reading) error {
		list = make([]payment.PayeeHistory, len(keys))
		for i, key := range keys {
			_, found, err := payeeHistories.frame(r, key)
			if err == nil && found {
				list[i], err = payeeHistories.load(r, key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Compromised implements compromised.Store.
func (s *Store) Compromised(ctx context.Context, id string) (compromised.Record, error) {
	return one(ctx, s, compromisedList, id)
}
