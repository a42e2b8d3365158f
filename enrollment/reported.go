package enrollment

import (
	"context"
	"slices"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// damaged is the kind of report that says nothing of strangers.
const damaged = "damaged"

// endEnrolments ends what a customer, or somebody in his place, has begun to enrol, but
// on the tokens that are moved anyway, and however it was proven: after a report nobody
// knows what a stranger has had in his hands. It returns the ids of those that end.
func (s *Service) endEnrolments(ctx context.Context, by parties.Caller, customer string, moved []tokens.Token, why string) (effects []settle.Effect, events []audit.Event, ended []string, err error) {
	held, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return nil, nil, nil, problem.Away(err)
	}
	for _, t := range held {
		if slices.ContainsFunc(moved, func(m tokens.Token) bool { return m.ID == t.ID }) {
			continue
		}
		profile, _ := tokens.ProfileOf(t.Profile)
		end := s.endApp
		switch {
		case t.Profile == appProfile && t.State == tokens.Delivered:
		case t.Pending == nil || t.State != tokens.Delivered && t.State != tokens.Active:
			continue
		case profile.Cards():
			end = s.endCard
		case t.History[0].Move == began:
			end = s.endKey
		default:
			end = s.forgetKey
		}
		more, event, err := end(ctx, by, t, why)
		if err != nil {
			return nil, nil, nil, err
		}
		effects, events, ended = append(effects, more...), append(events, event), append(ended, enrollmentOf(t.ID))
	}
	return effects, events, ended, nil
}
