package enrollment

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
	"mohur/seal"
	"mohur/stoplist"
	"mohur/tokens"
)

// target is what a report turns out to mean.
type target struct {
	customer *parties.Customer // nil when nobody is known by it
	tokens   []tokens.Token    // to be taken out of use
	fault    string            // why people have to look; "" when all was found
}

// target finds the customer and the tokens of a report.
func (s *Service) target(ctx context.Context, r stoplist.Report) (target, error) {
	var out target
	var err error
	if r.Customer != "" {
		if out.customer, err = s.known(ctx, r.Customer); err != nil {
			return out, err
		}
		if out.customer == nil {
			out.fault = "the customer is unknown or his record was changed"
		}
	}
	if r.Act == stoplist.CustomerSuspend || r.Act == stoplist.Damaged {
		return out, nil
	}
	if r.Token != "" {
		if err := s.named(ctx, r, &out); err != nil {
			return out, err
		}
	}
	if out.customer == nil && len(out.tokens) > 0 {
		if out.customer, err = s.known(ctx, out.tokens[0].Customer); err != nil {
			return out, err
		}
	}
	switch {
	case !r.Stops():
		out.tokens = nil
	case len(out.tokens) == 0 && out.customer != nil:
		held, err := s.Store.TokensOf(ctx, out.customer.ID)
		if err != nil {
			return out, problem.Away(err)
		}
		out.tokens = slices.DeleteFunc(held, func(t tokens.Token) bool { return t.State != tokens.Active })
	}
	return out, nil
}

// known returns a customer, or nil: also for one whose record was changed behind
// the server's back. It never becomes readable by waiting, and grants nothing.
func (s *Service) known(ctx context.Context, id string) (*parties.Customer, error) {
	c, err := s.Store.Customer(ctx, id)
	if errors.Is(err, parties.ErrNotFound) || errors.Is(err, parties.ErrTampered) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.Away(err)
	}
	return &c, nil
}

// named finds the token a report names. A serial that several have means all of
// them: it is a report, and one of them is lost. A token of somebody else is let
// alone when the report says whose is meant.
func (s *Service) named(ctx context.Context, r stoplist.Report, out *target) error {
	const bySerial = "serial:"
	var found []tokens.Token
	var err error
	if number, is := strings.CutPrefix(r.Token, bySerial); is {
		found, err = s.Store.TokensBySerial(ctx, number)
	} else {
		var t tokens.Token
		t, err = s.Store.Token(ctx, r.Token)
		found = []tokens.Token{t}
	}
	if errors.Is(err, parties.ErrNotFound) || errors.Is(err, parties.ErrTampered) {
		found, err = nil, nil
	}
	if err != nil {
		return problem.Away(err)
	}
	if len(found) == 0 {
		out.fault = "the token is unknown or its record was changed"
		return nil
	}
	if r.Customer != "" {
		found = slices.DeleteFunc(found, func(t tokens.Token) bool { return t.Customer != r.Customer })
		if len(found) == 0 {
			out.fault = "the token is not this customer's"
		}
	}
	out.tokens = found
	return nil
}

// Details are what a report said, as they lie sealed in its incident.
type Details struct {
	Text        string `json:"details"`
	Customer    string `json:"customer,omitempty"`
	Token       string `json:"token,omitempty"`
	Transaction string `json:"transaction,omitempty"`
	By          string `json:"by,omitempty"`
}

// Details opens what was said about an incident, for those who work on it. There
// are none in an incident nobody reported, nor after the customer's key is gone.
func (s *Service) Details(ctx context.Context, in incident.Incident) (Details, bool, error) {
	if len(in.Details) == 0 {
		return Details{}, false, nil
	}
	key := s.Audit.Bank
	if in.Customer != "" {
		c, err := s.known(ctx, in.Customer)
		if err != nil || c == nil {
			return Details{}, false, err
		}
		key = c.Key
	}
	text, err := s.Keys.Open(ctx, key, incident.DetailsPlace(in.ID), in.Details)
	if errors.Is(err, seal.ErrErased) || errors.Is(err, seal.ErrOpen) {
		return Details{}, false, nil
	}
	if err != nil {
		return Details{}, false, problem.Away(err)
	}
	var d Details
	if err := json.Unmarshal(text, &d); err != nil {
		return Details{}, false, nil
	}
	return d, true, nil
}

// Merge settles a report from the stop-list; stoplist.Merger calls it.
func (s *Service) Merge(ctx context.Context, r stoplist.Report) error {
	_, err := s.Take(ctx, r)
	return err
}

// stopped reports whether the stop-list names the customer or any token he holds.
// It guards what is granted to a person, not to one token of his.
func (s *Service) stopped(ctx context.Context, customer string) (bool, error) {
	if !s.Stops.Any() {
		return false, nil
	}
	held, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return false, problem.Away(err)
	}
	return s.Stops.Customer(customer) || slices.ContainsFunc(held, func(t tokens.Token) bool { return s.Stops.Token(t.ID, t.Serial) }), nil
}

// stopReason is the cause of a refusal by the stop-list.
const stopReason = "stop-list"
