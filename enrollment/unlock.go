package enrollment

import (
	"context"

	"mohur/authn/lock"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// Unlock ends the locks of a token's credentials; it is itself evidence, and the
// customer is told (clause 5.22). The lock of a PIN is not ended so: who has failed
// on a PIN that often held the token, and gets no second set of guesses; the
// customer sets a new PIN with an activation secret.
func (s *Service) Unlock(ctx context.Context, by parties.Caller, ref, reason string) (tokens.Token, error) {
	var c problem.Check
	c.Unless(reason != "" && len(reason) <= 500, "reason", "needs 1 to 500 bytes")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	for range maxTries {
		t, err := s.Token(ctx, ref)
		if err != nil {
			return tokens.Token{}, err
		}
		effects, err := s.unlocked(ctx, t)
		if err != nil {
			return tokens.Token{}, err
		}
		event, err := s.moveEvent(ctx, t, t, MoveCommand{Caller: by, Move: "unlock", Reason: reason})
		if err != nil {
			return tokens.Token{}, err
		}
		r, err := s.settle(ctx, effects, event)
		if err != nil {
			return tokens.Token{}, err
		}
		if r.Outcome == settle.Done {
			return t, nil
		}
	}
	return tokens.Token{}, errContended
}

func (s *Service) unlocked(ctx context.Context, t tokens.Token) (effects []settle.Effect, err error) {
	rows, intact, err := s.hotRows(ctx, t)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if !intact[i] || row.State == settle.HotQuarantined {
			return nil, problem.New(problem.Conflict, "a credential of this token is in quarantine; revoke the token")
		}
		signed, err := lock.Forget(row.Next()).Sign(ctx, s.HSM)
		if err != nil {
			return nil, problem.Away(err)
		}
		effects = append(effects, settle.SwapHot{Hot: signed})
	}
	if t.Customer == "" {
		return effects, nil
	}
	c, err := s.Parties.Get(ctx, t.Customer)
	if err != nil {
		return nil, err
	}
	told, err := s.notices(ctx, c, "credential-unlocked")
	return append(effects, told...), err
}
