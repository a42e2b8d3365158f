package payment

import "context"

// After is after, for tests of the order.
func (s *Service) After(ctx context.Context, customer string) (func(), error) {
	return s.after(ctx, customer)
}
