package storecheck

import (
	"context"
	"time"
)

// Waits makes a sweep wait in its own way.
func (s *Sweep) Waits(rest func(ctx context.Context, d time.Duration)) { s.rest = rest }

// The times of a sweep.
const (
	SweepShare = sweepShare
	SweepAway  = sweepAway
)
