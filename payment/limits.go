package payment

import (
	"context"

	"mohur/problem"
)

// Day returns what a customer has used of the limit of the present day, and the
// limit, in qəpik (clause 5.32).
func (s *Service) Day(ctx context.Context, customer string) (used, limit int64, err error) {
	now := s.Now()
	used, err = s.Store.Reserved(ctx, s.dayKey(customer, "AZN", now), now)
	if err != nil {
		return 0, 0, problem.Away(err)
	}
	return used, s.Policy.DailyPerCustomer, nil
}
