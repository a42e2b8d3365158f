package authn

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"mohur/parties"
	"mohur/problem"
)

// Demand is what a use of a session asks of the authentication it came from (RFC 9470
// section 4).
type Demand struct {
	ACRValues []string       // any one of them suffices; what is no level of ours never does; none: any level
	MaxAge    *time.Duration // it is younger than this, so that 0 is never met; nil: of any age
}

// Bounds of acr_values.
const (
	maxACRValues = 8
	maxACRValue  = 64 // bytes of one
)

// ParseACRValues reads levels that are separated by spaces, as OpenID Connect Core 1.0
// section 3.1.2.1 has them. What they say goes back to clients in a header, so nothing is
// accepted that would have to be quoted there.
func ParseACRValues(text string) ([]string, error) {
	var c problem.Check
	values := strings.Split(text, " ")
	c.Unless(len(values) <= maxACRValues, "acr_values", "has at most 8 levels")
	for _, v := range values {
		odd := strings.IndexFunc(v, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:/-", r)
		})
		if v == "" || len(v) > maxACRValue || odd >= 0 {
			c.Unless(false, "acr_values", "needs to be levels such as strong, one space between two, each with 1 to 64 of A-Z a-z 0-9 . _ : / -")
			break
		}
	}
	return values, c.Err()
}

// Lacks returns what a session does not have of a demand, nil when it has all of it.
func (s *Service) Lacks(session Session, d Demand) *problem.StepUp {
	reaches := len(d.ACRValues) == 0 || slices.ContainsFunc(d.ACRValues, func(v string) bool {
		return ACR(v).Rank() > 0 && ACR(v).Rank() <= session.ACR.Rank()
	})
	// Of a clock that is behind, too, a session is not younger than nothing.
	young := d.MaxAge == nil || max(s.Now().Sub(session.AuthTime), 0) < *d.MaxAge
	out := &problem.StepUp{Scheme: "Bearer", ACRValues: d.ACRValues, MaxAge: d.MaxAge}
	if session.Holder.JKT != "" {
		out.Scheme = "DPoP"
	}
	switch {
	case !reaches:
		out.Detail = "A stronger authentication is required"
	case !young:
		out.Detail = "A more recent authentication is required"
	default:
		return nil
	}
	return out
}

// Recent refuses a session to begin a payment from whose customer has proven himself too
// long ago: who has taken over a session does not keep it all day.
func (s *Service) Recent(session Session) error {
	most := s.Settings.Reauth
	if most == 0 {
		return nil
	}
	lacks := s.Lacks(session, Demand{MaxAge: &most})
	if lacks == nil {
		return nil
	}
	lacks.ACRValues = []string{string(raise(ACR(s.Policy().LoginACR), session.ACR))}
	return &problem.Error{
		Code: problem.StepUpNeeded, StepUp: lacks,
		Detail: "the customer has to prove again who he is: begin a log-in with this access_token; it gives a new session",
	}
}

// former is the live session that a log-in with an access token takes the place of, and
// names its customer in the command; the zero Session of any other log-in. A token of
// somebody else is refused like one that is dead.
func (s *Service) former(ctx context.Context, cmd *BeginCommand) (Session, error) {
	if cmd.AccessToken == "" {
		return Session{}, nil
	}
	session, _, err := s.LiveToken(ctx, cmd.Caller, cmd.AccessToken, cmd.Possession)
	if errors.Is(err, ErrDead) || err == nil && cmd.Customer != "" && cmd.Customer != session.Customer {
		return Session{}, problem.New(problem.SessionEnded, "the session has ended; log in without its access_token")
	}
	if err != nil {
		return Session{}, err
	}
	if session.Channel != cmd.Channel {
		return Session{}, problem.New(problem.Forbidden, "the session was opened on another channel")
	}
	cmd.Customer = session.Customer
	return session, nil
}

// fits reports whether an answer that has shown a key is one to this attempt. That of a
// session which is renewed is no other than the session's, and none where it has none.
func (a Attempt) fits(said Holder) bool {
	if a.Purpose == Login && a.Session != "" {
		return (said.JKT == "" || said.JKT == a.Holder.JKT) && (said.X5T == "" || said.X5T == a.Holder.X5T)
	}
	return a.Holder.fits(said)
}

// rotate ends the session that the new one takes the place of, in the same write, and
// reports whether it was live until now: a log-out in between is not undone. Idleness is
// not asked: the answer is the customer's activity.
func (j *judgement) rotate() (bool, error) {
	s := j.service
	old, err := s.Store.Session(j.ctx, j.attempt.Session)
	if errors.Is(err, parties.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, problem.Away(err)
	}
	used := old
	used.LastUsed = j.received
	live, err := s.alive(j.ctx, used, j.customer, j.received)
	if err != nil || !live || old.Customer != j.attempt.Customer {
		return false, err
	}
	old.EndedAt, old.EndReason = j.received.UTC(), "rotated"
	old.Version++
	j.effects = append(j.effects, SaveSession{old})
	j.events = append(j.events, s.sessionEvent(j.by, j.customer, old, "session.ended", "ended", old.EndReason))
	return true, nil
}
