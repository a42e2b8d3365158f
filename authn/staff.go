package authn

import (
	"context"
	"errors"

	"mohur/parties"
	"mohur/problem"
)

// audience is for whom an access token is made: those of staff open this API and
// nothing else, those of customers never do. Whoever accepts one kind does not
// accept the other.
func (s *Service) audience(subject string) string {
	if parties.IsStaff(subject) {
		return s.Settings.Issuer + "/staff"
	}
	return s.Settings.Issuer
}

// StaffCaller returns the member of staff an access token speaks for, with the
// roles he has now. His session must be live and strong, and he active ever since
// it was opened. Every other token is the same 401: a customer's as well.
func (s *Service) StaffCaller(ctx context.Context, token string) (parties.Caller, error) {
	denied := problem.New(problem.Unauthorized, "the access token is wrong or expired, or its session has ended")
	claims, err := s.claims(ctx, token)
	switch {
	case errors.Is(err, ErrDead):
		return parties.Caller{}, denied
	case err != nil:
		return parties.Caller{}, err
	case !parties.IsStaff(claims.Subject) || claims.Audience != s.audience(claims.Subject):
		return parties.Caller{}, denied
	}
	session, c, err := s.live(ctx, claims.Session, func(string, parties.Channel) bool { return true })
	switch {
	case errors.Is(err, ErrDead):
		return parties.Caller{}, denied
	case err != nil:
		return parties.Caller{}, err
	case claims.Subject != session.Customer || claims.Client != session.Client || claims.ACR != session.ACR || session.ACR.Rank() < Strong.Rank() || session.Holder.Bound():
		return parties.Caller{}, denied
	}
	return c.Caller(), nil
}
