package main

import (
	"context"
	"time"
)

// quartersEvery is how often the quarters that have ended are computed anew.
const quartersEvery = time.Hour

// closeQuarters keeps what exemptions by risk rest on up to date: the rates each time,
// the quarters now and then.
func (s *server) closeQuarters(ctx context.Context) error {
	if err := s.payments.RefreshRates(ctx); err != nil {
		return err
	}
	if now := time.Now(); s.quartersAt.IsZero() || now.Sub(s.quartersAt) >= quartersEvery {
		if err := s.payments.CloseQuarters(ctx, sweeper); err != nil {
			return err
		}
		s.quartersAt = now
	}
	return nil
}
