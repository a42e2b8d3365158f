package storecheck

import (
	"context"
	"errors"
	"time"

	"mohur/hsm"
	"mohur/rate"
	"mohur/store"
)

// Sweep runs one check after the other beside the work of a server, so slowly
// that nobody notices. What a check finds is in quarantine, or an incident, before
// the next row is looked at: a process that ends loses nothing that was found, and
// the next pass begins anew.
//
// The first pass begins soon after the start: a file is most easily edited while
// no server holds it. While HSM or store is away a pass waits where it is.
type Sweep struct {
	Check func() *Check // makes the check of a pass; its Pace and Again are the sweep's
	Every time.Duration // from the beginning of one pass to that of the next, at least; 0: there is none
	Now   func() time.Time

	Done  func(Report) // told of a pass that is whole; nil: nobody
	Error func(error)  // told why a pass is not whole; nil: nobody

	rest func(ctx context.Context, d time.Duration) // rate.Rest, unless a test waits otherwise
}

// How slowly: of the time, one part in sweepShare is spent at work, and a pause
// has an end also where a machine has stood still. A part that is away is asked
// again after sweepAway. The first pass begins after sweepFirst.
const (
	sweepShare   = 33
	sweepPause   = time.Minute
	sweepAway    = 5 * time.Second
	sweepFirst   = time.Minute
	sweepUnwhole = time.Hour // after a pass that could not be ended, the next begins
)

// Run sweeps until the context ends, and then returns at once.
func (s *Sweep) Run(ctx context.Context) {
	if s.Every <= 0 {
		return
	}
	if s.rest == nil {
		s.rest = rate.Rest
	}
	s.rest(ctx, min(sweepFirst, s.Every))
	for ctx.Err() == nil {
		began, next := s.Now(), s.Every
		report, err := s.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			next = min(sweepUnwhole, s.Every)
			if s.Error != nil {
				s.Error(err)
			}
		case s.Done != nil:
			s.Done(report)
		}
		s.rest(ctx, next-max(0, s.Now().Sub(began)))
	}
}

func (s *Sweep) pass(ctx context.Context) (Report, error) {
	c := s.Check()
	since := s.Now()
	c.Pace = func(ctx context.Context) error {
		worked := max(0, s.Now().Sub(since))
		s.rest(ctx, min(worked*(sweepShare-1), sweepPause))
		since = s.Now()
		return ctx.Err()
	}
	c.Again = func(ctx context.Context, err error) error {
		if !passes(err) {
			return err
		}
		s.rest(ctx, sweepAway)
		since = s.Now()
		return ctx.Err()
	}
	return c.Run(ctx)
}

// passes tells a part that is away, or has too much to do, from what would be the
// same at the next try.
func passes(err error) bool {
	if errors.Is(err, store.ErrBusy) || errors.Is(err, store.ErrOutcomeUnknown) {
		return true
	}
	var f *hsm.Fault
	return errors.As(err, &f) && f.Class != hsm.ClassBlob && f.Class != hsm.ClassInput
}
