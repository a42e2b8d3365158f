package main

import (
	"context"
	"time"

	"mohur/payment"
	"mohur/rate"
	"mohur/rulebook"
)

// openBook reads the adopted policies and the rates over the policy of the
// configuration.
func (s *server) openBook(ctx context.Context, zone *time.Location) error {
	base, err := s.config.riskPolicy(time.Now())
	if err != nil {
		return err
	}
	s.book, err = rulebook.Open(ctx, rulebook.Options{
		Store: s.records, Settler: s.records, Audit: s.audit, Base: base, Zone: zone, MaxAge: s.config.Rates.MaxAge, Places: payment.Places, Now: time.Now,
	})
	return err
}

// turnEvery is how soon a node follows a policy or a rate that another one took.
const turnEvery = time.Second

// turnBook follows what other nodes adopt. What went wrong is told once.
func (s *server) turnBook(ctx context.Context) {
	told := ""
	for ctx.Err() == nil {
		rate.Rest(ctx, turnEvery)
		text := ""
		if err := s.book.Refresh(ctx); err != nil {
			text = err.Error()
		}
		if text != told && text != "" && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "the policies and rates could not be read; those read before stay in force", "error", text)
		}
		told = text
	}
}
