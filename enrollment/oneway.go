package enrollment

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mohur/authn/pin"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens"
)

// oneWayReason says in the log that a secret would have brought the second factor by
// the way the first one came.
const oneWayReason = "one-channel"

// oneWay keeps the PIN and the app or key it is used with from coming by one way:
// whoever reads the customer's telephone, or empties his letter-box, would hold both
// factors (RTS Art. 25). It says what has come, or is coming, by the channel of a
// secret of that purpose; "" when nothing has. An app or key counts for as long as it
// lives. The link of a member of staff is meant for both.
//
// Secrets under way are read first: one that is used meanwhile is found by what it
// has brought.
func (s *Service) oneWay(ctx context.Context, c parties.Customer, purpose, channel string) (string, error) {
	if secretLife[channel] == 0 {
		return "", nil
	}
	switch purpose {
	case "pin":
		waits, err := s.underWay(ctx, c, "enroll", channel)
		if err != nil || waits {
			return "a secret for an app or key is under way to the customer", err
		}
		came, err := s.enrolledBy(ctx, c, channel)
		if err != nil || came {
			return "an app or key of the customer was enrolled with a secret", err
		}
	case "enroll":
		waits, err := s.underWay(ctx, c, "pin", channel)
		if err != nil || waits {
			return "a secret for a PIN is under way to the customer", err
		}
		way, err := s.wayOfPIN(ctx, c)
		if err != nil || way == channel {
			return "the customer's PIN was set with a secret", err
		}
	}
	return "", nil
}

// byOneWay is what the bank's own people are told of it.
func byOneWay(what, channel string) error {
	others := slices.DeleteFunc([]string{"sms", "email", "letter"}, func(c string) bool { return c == channel })
	return problem.New(problem.Conflict, what+" by "+channel+", and both factors never go by one way: take "+strings.Join(others, " or "))
}

// underWay reports whether a secret of a purpose that was sent over a channel can
// still be used.
func (s *Service) underWay(ctx context.Context, c parties.Customer, purpose, channel string) (bool, error) {
	open, err := s.Store.OpenSecrets(ctx, c.ID, purpose, "")
	if err != nil {
		return false, problem.Away(err)
	}
	return slices.ContainsFunc(open, func(x Secret) bool { return x.Channel == channel && s.Now().Before(x.ExpiresAt) }), nil
}

// enrolledBy reports whether an app or key that is alive, or waits for its first
// response, was enrolled with a secret sent over a channel.
func (s *Service) enrolledBy(ctx context.Context, c parties.Customer, channel string) (bool, error) {
	held, err := s.Store.TokensOf(ctx, c.ID)
	if err != nil {
		return false, problem.Away(err)
	}
	now := s.Now()
	return slices.ContainsFunc(held, func(t tokens.Token) bool {
		if t.Channel != channel {
			return false
		}
		switch t.State {
		case tokens.Active, tokens.Suspended:
			return true
		case tokens.Delivered:
			return t.Profile == appProfile && now.Before(t.CreatedAt.Add(appLife)) || t.Pending != nil && now.Before(t.Pending.ExpiresAt)
		}
		return false
	}), nil
}

// wayOfPIN is the channel of the secret that the customer's PIN was set with; "" when
// he has none, or none that is good, and when he set it by an authentication.
func (s *Service) wayOfPIN(ctx context.Context, c parties.Customer) (string, error) {
	rec, row, err := s.presentPIN(ctx, c)
	if err != nil || len(rec.Sealed) == 0 {
		return "", err
	}
	way, err := s.PINs.Way(ctx, rec)
	switch {
	case errors.Is(err, pin.ErrRecord):
		return "", s.quarantinePIN(ctx, c, row, row.Version)
	case err != nil:
		return "", problem.Away(err)
	}
	return way, nil
}
