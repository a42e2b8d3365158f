package payment

import (
	"context"
	"strings"
	"time"

	"mohur/problem"
	"mohur/settle"
)

// Day returns what a customer has used of the limit of the present day, and the
// limit, in qəpik (clause 5.32).
func (s *Service) Day(ctx context.Context, customer string) (used, limit int64, err error) {
	now := s.Now()
	used, err = s.Store.Reserved(ctx, s.dayKey(customer, "AZN", now), now)
	if err != nil {
		return 0, 0, problem.Away(err)
	}
	return used, s.Policy().DailyPerCustomer, nil
}

const dayPrefix = "limit/day/"

func (s *Service) dayKey(customer, currency string, at time.Time) string {
	return dayPrefix + at.In(s.Zone).Format(time.DateOnly) + "/" + currency + "/" + customer
}

// daily is the reservation of a payment against the customer's day.
func (s *Service) daily(t Transaction, at time.Time) settle.Reserve {
	return settle.Reserve{Key: s.dayKey(t.Customer, t.Currency, at), Amount: t.Minor, Ceiling: s.Policy().DailyPerCustomer, Until: at.Add(48 * time.Hour)}
}

// reserve takes the payment's part of every limit it counts against, when it is
// approved: two payments at once never pass one together.
func (x *draft) reserve() {
	day := x.service.daily(x.t, x.now)
	x.effects = append(x.effects, day)
	x.t.Reserved = append(x.t.Reserved, Reservation{Key: day.Key, Amount: day.Amount})
}

// release gives back what the transaction holds of the day's limit. The counted
// exemption is not refilled: it counts what was let through without a proof.
func (x *draft) release() {
	for _, r := range x.t.Reserved {
		if strings.HasPrefix(r.Key, dayPrefix) {
			x.effects = append(x.effects, settle.Release{Key: r.Key, Amount: r.Amount})
		}
	}
	x.t.Reserved = nil
}
