package parties

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
)

// Service keeps customers and clients.
type Service struct {
	Store   Store
	Settler settle.Store
	Keys    *seal.Keyring
	Audit   *audit.Drafter
	Now     func() time.Time
	// SuspensionDue and ResumptionDue say within what time a customer is told of either;
	// 0: 24 hours.
	SuspensionDue, ResumptionDue time.Duration
	// NoContract lets a customer be kept without contract and KYC references.
	NoContract bool

	known known
}

// PutCommand creates or changes a customer.
type PutCommand struct {
	Caller          Caller
	ID              string
	Profile         Profile
	Locale          string
	Segment         string
	ContractRef     string
	ContractVersion string
	KYCRef          string
}

func (s *Service) check(cmd PutCommand) error {
	var c problem.Check
	c.Unless(ValidName(cmd.ID), "id", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	c.Unless(len(cmd.Profile.Name) >= 1 && len(cmd.Profile.Name) <= 200, "name", "needs 1 to 200 bytes")
	c.Unless(slices.Contains([]string{"az", "en", "ru"}, cmd.Locale), "locale", "needs to be az, en or ru")
	c.Unless(slices.Contains([]string{"retail", "corporate"}, cmd.Segment), "segment", "needs to be retail or corporate")
	c.Unless(len(cmd.Profile.Phone) <= 32, "contacts.phone", "has at most 32 bytes")
	c.Unless(len(cmd.Profile.Email) <= 254, "contacts.email", "has at most 254 bytes")
	for _, ref := range []struct{ name, value string }{
		{"contract_ref", cmd.ContractRef}, {"contract_version", cmd.ContractVersion}, {"kyc_ref", cmd.KYCRef},
	} {
		c.Unless(ref.value != "" || s.NoContract, ref.name, "is needed: the service is given on a contract and to identified people only (clauses 4.1, 4.3.4)")
		c.Unless(len(ref.value) <= 64, ref.name, "has at most 64 bytes")
	}
	return c.Err()
}

// Put creates or changes a customer. A change of contacts needs a proof of the
// customer himself: the effects that consume it, none where there is none. They hold
// the customer as he was when the proof was judged; one who was changed since is a
// conflict.
func (s *Service) Put(ctx context.Context, cmd PutCommand, proof []settle.Effect) (Customer, bool, error) {
	if err := s.check(cmd); err != nil {
		return Customer{}, false, err
	}
	for range 16 {
		old, err := s.Store.Customer(ctx, cmd.ID)
		created := errors.Is(err, ErrNotFound)
		if err != nil && !created {
			return Customer{}, false, problem.Away(err)
		}
		next, told, err := s.next(ctx, cmd, old, created, len(proof) > 0)
		if err != nil {
			return Customer{}, false, err
		}
		name := "customer.changed"
		if created {
			name = "customer.created"
		}
		effects := append(append(slices.Clone(proof), SaveCustomer{next}), told...) // the proof's first: they name the version before
		r, err := s.settle(ctx, effects, s.event(cmd.Caller, next, name, string(next.State), "", map[string]any{"contacts_changed": len(told) > 0}))
		if err != nil {
			return Customer{}, false, err
		}
		if r.Outcome == settle.Done {
			return next, created, nil
		}
		if len(proof) > 0 { // it was judged for a customer, or with a credential, that has changed
			break
		}
	}
	return Customer{}, false, problem.New(problem.Conflict, "the customer is being changed by somebody else")
}

// next is the customer as it will be, and the notices of a change of contacts.
func (s *Service) next(ctx context.Context, cmd PutCommand, c Customer, created, proven bool) (_ Customer, told []settle.Effect, err error) {
	now := s.Now().UTC()
	if created {
		key, err := s.Keys.New(ctx, "customer/"+cmd.ID)
		if err != nil {
			return Customer{}, nil, problem.Away(err)
		}
		c = Customer{ID: cmd.ID, Pseudonym: ident.New("p"), Key: key, State: CustomerActive, ContactsAt: now, CreatedAt: now}
	} else {
		was, err := s.Profile(ctx, c)
		if err != nil {
			return Customer{}, nil, err
		}
		if was.Phone != cmd.Profile.Phone || was.Email != cmd.Profile.Email {
			if !proven {
				return Customer{}, nil, problem.New(problem.ProofRequired, "a change of contacts needs a proof of the customer")
			}
			c.ContactsAt = now
			if told, err = s.tellContacts(ctx, c, was, cmd.Profile); err != nil {
				return Customer{}, nil, err
			}
		}
	}
	plain, err := json.Marshal(cmd.Profile)
	if err != nil {
		return Customer{}, nil, err
	}
	if c.Sealed, err = s.Keys.Seal(ctx, c.Key, ProfilePlace(c.ID), plain); err != nil {
		return Customer{}, nil, problem.Away(err)
	}
	c.Locale, c.Segment = cmd.Locale, cmd.Segment
	c.ContractRef, c.ContractVersion, c.KYCRef = cmd.ContractRef, cmd.ContractVersion, cmd.KYCRef
	c.UpdatedAt, c.Version = now, c.Version+1
	return c, told, nil
}

// Profile opens a customer's name and contacts.
func (s *Service) Profile(ctx context.Context, c Customer) (Profile, error) {
	return profile(ctx, s.Keys, c)
}

func profile(ctx context.Context, keys *seal.Keyring, c Customer) (Profile, error) {
	plain, err := keys.Open(ctx, c.Key, ProfilePlace(c.ID), c.Sealed)
	if err != nil {
		return Profile{}, problem.Away(err)
	}
	var p Profile
	if err := json.NewDecoder(bytes.NewReader(plain)).Decode(&p); err != nil {
		return Profile{}, problem.Away(err)
	}
	return p, nil
}

// Get returns a customer.
func (s *Service) Get(ctx context.Context, id string) (Customer, error) {
	c, err := s.Store.Customer(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Customer{}, problem.New(problem.NotFound, "there is no such customer")
	}
	if err != nil {
		return Customer{}, problem.Away(err)
	}
	return c, nil
}

// SetState suspends or resumes a customer. Sessions and open attempts die with
// it: every use of one reads the customer's state.
// tell says whether the customer is told. Suspend and Resume say more.
func (s *Service) SetState(ctx context.Context, by Caller, id string, to CustomerState, reason string, tell bool) (Customer, error) {
	return s.halt(ctx, by, id, to, Halt{Reason: reason, Tell: &tell})
}

func (s *Service) event(by Caller, c Customer, name, outcome, reason string, more map[string]any) audit.Event {
	detail := map[string]any{"customer": c.ID, "by": by.Name, "source": by.Source, "state": c.State}
	for k, v := range more {
		detail[k] = v
	}
	return audit.Event{
		Name: name, Outcome: outcome, Reason: reason, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: by.ID, Request: by.Request, Detail: detail,
	}
}

func (s *Service) settle(ctx context.Context, effects []settle.Effect, events ...audit.Event) (settle.Result, error) {
	return settle.Write(ctx, s.Settler, s.Audit, effects, events)
}
