package payment

import (
	"context"
	"errors"
	"slices"
	"time"

	"mohur/authn"
	"mohur/parties"
	"mohur/problem"
)

// What a step of the history tells (clause 5.15), beside those that are named as the
// state they lead to.
const (
	EventCreated    = "created"           // begun and decided
	EventChallenged = "challenged"        // the customer was shown the text and asked for a proof
	EventRefused    = "answers-refused"   // wrong answers, and others that were not accepted
	EventLocked     = "credential-locked" // by the last of them
	EventUnanswered = "challenge-expired" // without a proof
	EventReleased   = "released"          // by the bank's security: it asks for its proof again
	EventVoid       = "signature-void"    // of one who may not sign any more, or whose token is out of use
)

// challenged notes that a text was put before the customer.
func (x *draft) challenged(a authn.Attempt) {
	s := Step{At: x.now.UTC(), State: x.t.State, By: "policy", Event: EventChallenged, Attempt: a.ID, SHA256: a.SHA256}
	for _, o := range a.Offers {
		if !slices.Contains(s.Methods, string(o.Method)) {
			s.Methods = append(s.Methods, string(o.Method))
		}
	}
	x.t.Timeline = append(x.t.Timeline, s)
}

// remembered notes what came of the attempts so far: they do not stay as long as the
// transaction.
func (x *draft) remembered() error {
	for _, id := range x.t.Attempts {
		a, err := x.service.Authn.Store.Attempt(x.ctx, id)
		switch {
		case errors.Is(err, parties.ErrNotFound), errors.Is(err, parties.ErrTampered): // it tells nothing more
		case err != nil:
			return problem.Away(err)
		case a.Transaction == x.t.ID:
			x.remembers(a)
		}
	}
	return nil
}

// remembers notes what came of one attempt, in place of what was noted of it before.
func (x *draft) remembers(a authn.Attempt) {
	x.t.Timeline = slices.DeleteFunc(x.t.Timeline, func(s Step) bool {
		return s.Attempt == a.ID && slices.Contains([]string{EventRefused, EventLocked, EventUnanswered}, s.Event)
	})
	add := func(at time.Time, event string, count int) {
		x.t.Timeline = append(x.t.Timeline, Step{At: at.UTC(), State: PendingProof, By: a.Customer, Event: event, Attempt: a.ID, Count: count})
	}
	if a.Refused > 0 {
		add(a.RefusedAt, EventRefused, a.Refused)
	}
	if !a.LockedAt.IsZero() {
		add(a.LockedAt, EventLocked, 0)
	}
	if a.State == authn.Pending && !x.now.Before(a.ExpiresAt) {
		add(a.ExpiresAt, EventUnanswered, 0)
	}
}

// timeline completes the history of a transaction for whoever looks at it: with what
// the attempts tell that nobody has written down yet, and with its end if its time is
// over.
func (s *Service) timeline(ctx context.Context, t Transaction) ([]Step, error) {
	x := &draft{service: s, ctx: ctx, t: t, now: s.Now()}
	x.t.Timeline = slices.Clone(t.Timeline)
	if err := x.remembered(); err != nil {
		return nil, err
	}
	return named(x.t), nil
}

// named gives every step its name, in the order of time. A transaction that is told as
// expired ends so.
func named(t Transaction) []Step {
	out := slices.Clone(t.Timeline)
	if t.State == Expired {
		out = append(out, Step{At: t.ExpiresAt, State: Expired, By: "policy"})
	}
	was := State("")
	for i := range out {
		s := &out[i]
		if s.Event != "" {
			continue
		}
		s.Event = s.named(i, was)
		if s.Event == string(Approved) {
			s.Methods = t.AMR
		}
		was = s.State
	}
	slices.SortStableFunc(out, func(a, b Step) int { return a.At.Compare(b.At) })
	return out
}

func (s Step) named(i int, was State) string {
	switch {
	case i == 0:
		return EventCreated
	case was == Held && s.State == PendingProof:
		return EventReleased
	case was == s.State && slices.Contains([]string{"signed", EventVoid, "more-needed"}, s.Reason):
		return s.Reason
	}
	return string(s.State)
}
