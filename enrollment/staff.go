package enrollment

import (
	"context"
	"slices"
	"strings"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
)

// linkLife is how long the link of a new member of staff is good.
const linkLife = 24 * time.Hour

// linkPurposes are what a link proves, each once: that a credential is enrolled,
// and that a PIN is set.
var linkPurposes = []string{"enroll", "pin"}

// Link is what a member of staff enrols with. Text is the one-time secret.
type Link struct {
	Text      string
	ExpiresAt time.Time
	SentTo    string // masked; "" when it was not sent
}

// Invite makes a member of staff and his link in one write. With send the link
// goes to his own e-mail address, and whoever asked for it is not told.
func (s *Service) Invite(ctx context.Context, cmd parties.StaffCommand, send bool) (parties.Customer, Link, error) {
	c, effects, event, err := s.Parties.NewStaff(ctx, cmd)
	if err != nil {
		return parties.Customer{}, Link{}, err
	}
	link, more, events, err := s.link(ctx, cmd.Caller, c, cmd.Profile, send)
	if err != nil {
		return parties.Customer{}, Link{}, err
	}
	r, err := s.settle(ctx, append(effects, more...), append([]audit.Event{event}, events...)...)
	switch {
	case err != nil:
		return parties.Customer{}, Link{}, err
	case r.Outcome == settle.Exists:
		return parties.Customer{}, Link{}, problem.New(problem.Conflict, "there is a member of staff with this id already")
	case r.Outcome != settle.Done:
		return parties.Customer{}, Link{}, errContended
	}
	return c, link, nil
}

// NewLink makes a further link for a member of staff: for one who did not use the
// first in time, or has lost what he logs in with. The older ones end.
func (s *Service) NewLink(ctx context.Context, by parties.Caller, id string, send bool) (parties.Customer, Link, error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	for range maxTries {
		c, err := s.Parties.Staff(ctx, id)
		if err != nil {
			return parties.Customer{}, Link{}, err
		}
		if c.State != parties.CustomerActive {
			return parties.Customer{}, Link{}, problem.New(problem.Conflict, "the member of staff is suspended")
		}
		p, err := s.Parties.Profile(ctx, c)
		if err != nil {
			return parties.Customer{}, Link{}, err
		}
		var ended []settle.Effect
		for _, purpose := range linkPurposes {
			old, err := s.superseded(ctx, Secret{Customer: c.ID, Purpose: purpose})
			if err != nil {
				return parties.Customer{}, Link{}, err
			}
			ended = append(ended, old...)
		}
		link, effects, events, err := s.link(ctx, by, c, p, send)
		if err != nil {
			return parties.Customer{}, Link{}, err
		}
		effects = append(append(ended, effects...), parties.RequireCustomer{ID: c.ID, Version: c.Version})
		r, err := s.settle(ctx, effects, events...)
		if err != nil {
			return parties.Customer{}, Link{}, err
		}
		if r.Outcome == settle.Done {
			return c, link, nil
		}
	}
	return parties.Customer{}, Link{}, errContended
}

// link is a one-time secret, kept once for each of its purposes.
func (s *Service) link(ctx context.Context, by parties.Caller, c parties.Customer, p parties.Profile, send bool) (Link, []settle.Effect, []audit.Event, error) {
	now := s.Now().UTC()
	out := Link{Text: strings.ToUpper(ident.Text(16)), ExpiresAt: now.Add(linkLife)}
	var effects []settle.Effect
	var events []audit.Event
	for _, purpose := range linkPurposes {
		secret := Secret{
			ID: ident.New("as"), Customer: c.ID, Purpose: purpose, Channel: "link", State: secretOpen, CreatedAt: now, ExpiresAt: out.ExpiresAt, Version: 1,
		}
		var err error
		if secret.Digest, err = s.secretMAC(ctx, secret, out.Text); err != nil {
			return Link{}, nil, nil, err
		}
		effects = append(effects, SaveSecret{secret})
		events = append(events, s.secretEvent(by, c, secret, "secret.sent", secretOpen, ""))
	}
	if !send {
		return out, effects, events, nil
	}
	sentTo, err := address(p, "email")
	if err != nil {
		return Link{}, nil, nil, problem.New(problem.Conflict, "the member of staff has no e-mail address, and the link goes to nobody else")
	}
	n := notify.Notice{ID: ident.New("no"), Customer: c.ID, Channel: "email", Kind: "staff-link", CreatedAt: now, ExpiresAt: out.ExpiresAt}
	if n.Sealed, err = s.sealed(ctx, c.Key, n.ID, out.Text); err != nil {
		return Link{}, nil, nil, err
	}
	out.SentTo = sentTo
	if !s.Development {
		out.Text = ""
	}
	return out, append(effects, notify.Queue{Notice: n}), events, nil
}

func (s *Service) sealed(ctx context.Context, key seal.Key, notice, text string) ([]byte, error) {
	box, err := s.Keys.Seal(ctx, key, notify.Place(notice), []byte(text))
	if err != nil {
		return nil, problem.Away(err)
	}
	return box, nil
}

// Supervision is how far the bank's own four eyes reach.
type Supervision struct {
	Supervisors int  // who have been made, whatever became of them
	Standing    bool // one of them has logged in: he can decide
}

// Supervision says whether there are people yet who can approve. Whoever was
// suspended counts: nobody gets rid of the second pair of eyes by closing them.
func (s *Service) Supervision(ctx context.Context) (Supervision, error) {
	all, err := s.Parties.AllStaff(ctx)
	if err != nil {
		return Supervision{}, err
	}
	var out Supervision
	for _, c := range all {
		if !slices.Contains(c.Roles, parties.Supervisor) {
			continue
		}
		out.Supervisors++
		out.Standing = out.Standing || !c.JoinedAt.IsZero()
	}
	return out, nil
}
