package authn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// actions are the acts of the contract that a proof can be for. Each is spent by the
// route that does the act.
var actions = []string{
	"customer.contacts", "customer.pin", "credential.enroll", "credential.activate", "limits.raise", "payees.add", "approval",
}

// ownAction is the form of the names of a bank's own acts, at most 64 bytes.
var ownAction = regexp.MustCompile(`^x(\.[a-z0-9][a-z0-9_-]{0,19}){1,3}$`)

// maxActionData bounds the canonical form of what an act is about, in bytes.
const maxActionData = 48 << 10

// check tells what is wrong with an action that a proof is asked for.
func (a *NamedAction) check(c *problem.Check) {
	c.Unless(slices.Contains(actions, a.Name) || ownAction.MatchString(a.Name), "action.name",
		"is no action that can be proven: those of the house, or one of the bank's own such as x.cards.block")
	switch {
	case len(a.Data) > maxActionData:
		c.Unless(false, "action.data", "has at most 48 KiB")
	case jsontext.Value(a.Data).Kind() != '{' || !jsontext.Value(a.Data).IsValid():
		c.Unless(false, "action.data", "needs to be an object that has a canonical form (RFC 8785)")
	}
}

// kept is the action as its attempt keeps it: of what it is about, which names people,
// only the hash.
func (a *NamedAction) kept() *NamedAction {
	if a == nil {
		return nil
	}
	sum := sha256.Sum256(a.Data)
	return &NamedAction{Name: a.Name, SHA256: sum[:]}
}

// is reports whether it was for exactly this.
func (a *NamedAction) is(name string, data []byte) bool {
	if a == nil || a.Name != name {
		return false
	}
	sum := sha256.Sum256(data)
	return bytes.Equal(a.SHA256, sum[:])
}

// SpendOwn consumes a granted proof for an act of the bank's own (x.…), once, for the
// front end that began it. Those of the house are spent by the routes that do them.
func (s *Service) SpendOwn(ctx context.Context, by parties.Caller, id, customer string, action NamedAction) (View, error) {
	var c problem.Check
	c.Unless(ownAction.MatchString(action.Name), "action.name", "needs to be an action of the bank's own, such as x.cards.block: those of the house are spent by the request they are for")
	action.check(&c)
	if err := c.Err(); err != nil {
		return View{}, err
	}
	for range maxTries {
		a, err := s.visible(ctx, by, id)
		if err != nil {
			return View{}, err
		}
		if !by.MayAct(a.Client, a.Channel) {
			return View{}, problem.New(problem.NotFound, "there is no such authentication")
		}
		person, err := s.Store.Customer(ctx, a.Customer)
		if err != nil && !errors.Is(err, parties.ErrNotFound) {
			return View{}, problem.Away(err)
		}
		spent, err := s.Spend(ctx, by, id, customer, action.Name, action.Data)
		if err != nil {
			return View{}, err
		}
		a.Spent = true
		r, err := s.settle(ctx, append([]settle.Effect{parties.RequireCustomer{ID: person.ID, Version: person.Version}}, spent...),
			[]audit.Event{s.event(by, person, a, "authentication.spent", "spent", "", nil)})
		if err != nil {
			return View{}, err
		}
		if r.Outcome == settle.Done {
			text, err := s.text(ctx, a)
			return View{Attempt: a, Text: text}, err
		}
	}
	return View{}, problem.New(problem.Conflict, "the proof is being spent by somebody else")
}
