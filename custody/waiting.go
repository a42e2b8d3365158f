package custody

import (
	"context"
	"errors"

	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
)

// evidence is what an entry tells of a half. Nothing of its value is in it.
func (h Half) evidence() map[string]any {
	return map[string]any{"ceremony": h.Ceremony, "first_half_by": h.By, "first_half_at": h.CreatedAt, "expires_at": h.ExpiresAt}
}

// Waiting returns the halves that wait, by name. One that was changed is not
// among them; Cancel knows it.
func (s *Service) Waiting(ctx context.Context) ([]Half, error) {
	all, err := s.Store.Halves(ctx)
	if err != nil {
		return nil, problem.Away(err)
	}
	var out []Half
	for _, h := range all {
		if s.Now().Before(h.ExpiresAt) {
			out = append(out, h)
		}
	}
	return out, nil
}

// Cancel removes a half that waits, whoever brought it.
func (s *Service) Cancel(ctx context.Context, by parties.Caller, name string) error {
	for range maxTries {
		h, err := s.waiting(ctx, name)
		reason := ""
		switch {
		case errors.Is(err, parties.ErrTampered):
			h, reason = Half{Name: name}, "changed" // its version is not believed
		case errors.Is(err, parties.ErrNotFound):
			return problem.New(problem.NotFound, "no half of such a key is waiting")
		case err != nil:
			return err
		case s.Now().Before(h.ClaimedUntil):
			return problem.New(problem.Conflict, "the other half is being brought at this moment; look in half a minute")
		}
		err = s.record(ctx, RemoveHalf{name, h.Version}, s.event(by, "key.half", "cancelled", reason, hsm.Transport(name), h.evidence()))
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return problem.New(problem.Conflict, "others are bringing halves of this key; try again")
}

// Expire removes the halves whose time is over. The server calls it now and then.
func (s *Service) Expire(ctx context.Context) error {
	all, err := s.Store.Halves(ctx)
	if err != nil {
		return problem.Away(err)
	}
	var faults []error
	for _, h := range all {
		if !s.Now().Before(h.ExpiresAt) {
			faults = append(faults, s.expire(ctx, h))
		}
	}
	return errors.Join(faults...)
}

// expire removes one half. That somebody else has changed it meanwhile is no fault.
func (s *Service) expire(ctx context.Context, h Half) error {
	err := s.record(ctx, RemoveHalf{h.Name, h.Version}, s.event(parties.Caller{ID: "server"}, "key.half", "expired", "", hsm.Transport(h.Name), h.evidence()))
	if errors.Is(err, errMoved) {
		return nil
	}
	return err
}
