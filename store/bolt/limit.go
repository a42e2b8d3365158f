package bolt

import (
	"context"
	"errors"
	"time"

	"mohur/payment"
)

// limits is one record for each customer who has set or paid something.
var limits = table[payment.Limits]{
	rows: inLimits,
	key:  func(l *payment.Limits) (string, uint64) { return l.Customer, l.Version },
}

// Limits implements payment.Store.
func (s *Store) Limits(ctx context.Context, customer string) (payment.Limits, error) {
	return one(ctx, s, limits, customer)
}

// What a held payment's key in its index says behind the moment: whether the first
// moment is over, so that they are counted without being read.
const heldNew, heldLate = '-', '+'

// heldRows lead to a payment that waits for the bank's security, in the order in which
// something is to be done about it. One from before there was such a moment has no row.
func heldRows(t *payment.Transaction) []indexKey {
	if t.State != payment.Held || t.DueAt.IsZero() {
		return nil
	}
	mark := byte(heldNew)
	if t.Late {
		mark = heldLate
	}
	return []indexKey{{transactionsHeld, moment(t.DueAt) + string([]byte{mark}) + t.ID}}
}

// HeldDue implements payment.Store. A row that is damaged, or leads to no record, is left
// out and told in the error; it does not keep the others.
func (s *Store) HeldDue(ctx context.Context, now time.Time, max int) (due []payment.Transaction, err error) {
	l := listing[payment.Transaction]{table: transactions, index: transactionsHeld}
	var damage error
	err = s.view(ctx, func(r reading) error {
		c := r.in(transactionsHeld).Cursor()
		for k, id := c.First(); k != nil && len(due) < min(max, maxLimit); k, id = c.Next() {
			if len(k) >= momentSize && string(k[:momentSize]) > moment(now) {
				break
			}
			t, err := l.follow(r, id)
			if err != nil {
				damage = errors.Join(damage, err)
				continue
			}
			due = append(due, t)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, damage
}

// HeldCount implements payment.Store.
func (s *Store) HeldCount(ctx context.Context) (waiting, late int, err error) {
	err = s.view(ctx, func(r reading) error {
		c := r.in(transactionsHeld).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) > momentSize && k[momentSize] == heldLate {
				late++
			} else {
				waiting++
			}
		}
		return nil
	})
	return waiting, late, err
}
