package parties

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/problem"
	"mohur/settle"
)

// A member of staff is a person like a customer: his tokens, his PIN, his attempts
// and his sessions are kept and guarded in the same way, under an id that no
// customer can have.
const staffMark = "~"

// Subject is the id under which the records of a member of staff are kept; no
// ValidName has it.
func Subject(staff string) string { return staffMark + staff }

// IsStaff reports whether a subject is a member of staff.
func IsStaff(subject string) bool { return strings.HasPrefix(subject, staffMark) }

// ValidSubject bounds the ids of all who can authenticate: customers and staff.
func ValidSubject(id string) bool { return ValidName(strings.TrimPrefix(id, staffMark)) }

// StaffID is the id the bank gave to a member of staff.
func (c Customer) StaffID() string { return strings.TrimPrefix(c.ID, staffMark) }

// Caller is the member of staff as he calls. He has no channel: what customers
// began on one, he sees by his roles and never goes on with.
func (c Customer) Caller() Caller {
	return Caller{Kind: "staff", ID: c.ID, Name: c.StaffID(), Roles: c.Roles}
}

// Joined is what a log-in changes of the person himself: nothing of a customer, and
// of a member of staff that he has come in, the first time.
func Joined(c Customer, at time.Time) []settle.Effect {
	if !IsStaff(c.ID) || !c.JoinedAt.IsZero() {
		return nil
	}
	c.JoinedAt, c.Version = at.UTC(), c.Version+1
	return []settle.Effect{SaveCustomer{c}}
}

// joined reports whether anybody of the staff has ever logged in.
func (s *Service) joined(ctx context.Context) (bool, error) {
	all, err := s.AllStaff(ctx)
	return slices.ContainsFunc(all, func(c Customer) bool { return !c.JoinedAt.IsZero() }), err
}

// StaffRoles are the roles a person can have; the others are for systems.
func StaffRoles() []Role {
	return []Role{Helpdesk, Operator, Supervisor, Security, Custodian, Auditor, Admin}
}

// CheckRoles adds to c what is wrong with the roles of a person: clause 5.3.6 for
// those that exclude each other, in development as well.
func CheckRoles(c *problem.Check, roles []Role) {
	c.Unless(len(roles) > 0, "roles", "needs at least one role")
	for i, r := range roles {
		c.Unless(slices.Contains(StaffRoles(), r), "roles", "a person can be helpdesk, operator, supervisor, security, custodian, auditor or admin")
		c.Unless(!slices.Contains(roles[:i], r), "roles", "has one twice")
	}
	if a, b, ok := Compatible(roles); !ok {
		c.Unless(false, "roles", string(a)+" and "+string(b)+" exclude each other")
	}
}

// StaffCommand makes a member of staff.
type StaffCommand struct {
	Caller  Caller
	ID      string
	Profile Profile
	Roles   []Role
}

// Check says what is wrong with it.
func (cmd StaffCommand) Check() error {
	var c problem.Check
	c.Unless(ValidName(cmd.ID), "id", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	c.Unless(len(cmd.Profile.Name) >= 1 && len(cmd.Profile.Name) <= 200, "name", "needs 1 to 200 bytes")
	c.Unless(len(cmd.Profile.Phone) <= 32, "contacts.phone", "has at most 32 bytes")
	c.Unless(len(cmd.Profile.Email) <= 254, "contacts.email", "has at most 254 bytes")
	CheckRoles(&c, cmd.Roles)
	return c.Err()
}

// NewStaff is a member of staff as he will be, with what is settled for it.
func (s *Service) NewStaff(ctx context.Context, cmd StaffCommand) (Customer, []settle.Effect, audit.Event, error) {
	if err := cmd.Check(); err != nil {
		return Customer{}, nil, audit.Event{}, err
	}
	id, now := Subject(cmd.ID), s.Now().UTC()
	key, err := s.Keys.New(ctx, "customer/"+id)
	if err != nil {
		return Customer{}, nil, audit.Event{}, problem.Away(err)
	}
	c := Customer{
		ID: id, Pseudonym: ident.New("p"), Key: key, Locale: "en", Roles: cmd.Roles, State: CustomerActive,
		CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	plain, err := json.Marshal(cmd.Profile)
	if err != nil {
		return Customer{}, nil, audit.Event{}, err
	}
	if c.Sealed, err = s.Keys.Seal(ctx, key, ProfilePlace(id), plain); err != nil {
		return Customer{}, nil, audit.Event{}, problem.Away(err)
	}
	return c, []settle.Effect{SaveCustomer{c}}, s.event(cmd.Caller, c, "staff.created", string(c.State), "", map[string]any{"roles": c.Roles}), nil
}

// Staff returns a member of staff by the id the bank gave him.
func (s *Service) Staff(ctx context.Context, id string) (Customer, error) {
	missing := problem.New(problem.NotFound, "there is no such member of staff")
	if !ValidName(id) {
		return Customer{}, missing
	}
	c, err := s.Store.Customer(ctx, Subject(id))
	if errors.Is(err, ErrNotFound) {
		return Customer{}, missing
	}
	if err != nil {
		return Customer{}, problem.Away(err)
	}
	return c, nil
}

// AllStaff returns every member of staff, by id. One whose record was changed
// behind the server's back makes the list fail: who may decide together with whom
// is not told from a part of it.
func (s *Service) AllStaff(ctx context.Context) ([]Customer, error) {
	all, err := s.Store.Staff(ctx)
	if err != nil {
		return nil, problem.Away(err)
	}
	return all, nil
}

// SetStaffState suspends or resumes a member of staff. His sessions, attempts and
// open links end with a suspension. lifts is what a resumption that was asked for
// earlier was to lift; none: whatever there is now.
func (s *Service) SetStaffState(ctx context.Context, by Caller, id string, to CustomerState, reason string, lifts ...Suspended) (Customer, error) {
	c, err := s.Staff(ctx, id)
	if err != nil {
		return Customer{}, err
	}
	tell := false
	return s.setState(ctx, by, c.ID, to, Halt{Reason: reason, Tell: &tell, Lifts: lifts})
}

// SetRoles gives a member of staff other roles. They hold from his next request
// on; nobody changes his own.
func (s *Service) SetRoles(ctx context.Context, by Caller, id string, roles []Role) (Customer, error) {
	var p problem.Check
	CheckRoles(&p, roles)
	if err := p.Err(); err != nil {
		return Customer{}, err
	}
	for range clientTries {
		c, err := s.Staff(ctx, id)
		if err != nil {
			return Customer{}, err
		}
		if c.ID == by.ID {
			return Customer{}, problem.New(problem.Forbidden, "nobody changes his own roles")
		}
		was := c.Roles
		c.Roles, c.UpdatedAt, c.Version = roles, s.Now().UTC(), c.Version+1
		r, err := s.settle(ctx, []settle.Effect{SaveCustomer{c}}, s.event(by, c, "staff.roles", "changed", "", map[string]any{"from": was, "to": roles}))
		if err != nil {
			return Customer{}, err
		}
		if r.Outcome == settle.Done {
			return c, nil
		}
	}
	return Customer{}, problem.New(problem.Conflict, "the member of staff is being changed by somebody else")
}

// Present is a caller as he is now: with the roles of today, or a refusal if he
// may no longer call at all. The effect holds him still until it is settled; it is
// nil for whoever runs the server itself, who is whoever the host says.
func (s *Service) Present(ctx context.Context, was Caller) (Caller, settle.Effect, error) {
	gone := problem.New(problem.Forbidden, "who asked for it may not call any more")
	switch was.Kind {
	case "host":
		return was, nil, nil
	case "staff":
		c, err := s.Store.Customer(ctx, was.ID)
		if errors.Is(err, ErrNotFound) || err == nil && (!IsStaff(c.ID) || c.State != CustomerActive) {
			return Caller{}, nil, gone
		}
		if err != nil {
			return Caller{}, nil, problem.Away(err)
		}
		return c.Caller(), RequireCustomer{ID: c.ID, Version: c.Version}, nil
	case "client":
		c, err := s.Store.Client(ctx, was.ID)
		if errors.Is(err, ErrNotFound) || err == nil && len(c.liveKeys(s.Now())) == 0 {
			return Caller{}, nil, gone
		}
		if err != nil {
			return Caller{}, nil, problem.Away(err)
		}
		by := c.caller()
		return by, RequireClient{ID: c.ID, Version: c.Version}, nil
	}
	return Caller{}, nil, gone
}
