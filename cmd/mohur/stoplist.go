package main

import (
	"context"
	"errors"
	"time"

	"mohur/stoplist"
)

// openStops opens the list of reports that were taken while HSM or store was away.
// Before the first request is answered, what the last process acknowledged is
// obeyed again.
func (s *server) openStops(ctx context.Context) error {
	var err error
	s.stops, err = stoplist.Open(ctx, stoplist.Options{Path: s.config.Store.StopList, Keys: s.keys, Now: time.Now, Logger: s.logger})
	return err
}

// mergeStops settles what is on the list as soon as both parts are back.
func (s *server) mergeStops(ctx context.Context) {
	s.stops.Run(ctx, stoplist.Merger{Apply: s.enrollment.Merge, Ready: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		return errors.Join(s.hsm.Check(ctx), s.store.Check(ctx))
	}})
}
