package payment

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mohur/audit"
	"mohur/canonical"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// PayeeList is the payees a customer trusts (RTS Art. 13), or his own accounts at the
// bank (Art. 15): two records, told apart by Kind. Who they are lies sealed; a payment
// is compared with their marks.
type PayeeList struct {
	ID        string    `json:"id"` // kind, customer
	Customer  string    `json:"customer"`
	Kind      ListKind  `json:"kind"`
	Marks     []Mark    `json:"marks"`
	Sealed    []byte    `json:"sealed"` // []Party, under the customer's key at ListPlace
	UpdatedAt time.Time `json:"updated_at"`
	By        string    `json:"by"`
	Version   uint64    `json:"version"`
	MAC       []byte    `json:"mac,omitempty"`
}

// ListKind tells the two lists of a customer apart.
type ListKind string

// The lists of a customer.
const (
	Trusted ListKind = "trusted" // payees he trusts
	Own     ListKind = "own"     // accounts of his own at the bank
)

// Mark stands for one entry of a list: a MAC of the HSM over what it names.
type Mark struct {
	Sum   []byte    `json:"sum"`
	Since time.Time `json:"since"` // when it was put there
}

// ListID is the id of a customer's list.
func ListID(kind ListKind, customer string) string { return string(kind) + "/" + customer }

// ListPlace is where the sealed entries of a list belong.
func ListPlace(id string) string { return "payees/" + id }

// SavePayeeList writes the list if the stored one has the version before it.
type SavePayeeList struct{ List PayeeList }

// EffectKey names the record.
func (s SavePayeeList) EffectKey() string { return "payees/" + s.List.ID }

// RequirePayeeList changes nothing and is stale unless the list still has that version:
// what an entry exempts is not settled after the entry was taken out.
type RequirePayeeList struct {
	ID      string
	Version uint64
}

// EffectKey names the record.
func (r RequirePayeeList) EffectKey() string { return "payees/" + r.ID }

// maxListed bounds a list.
const maxListed = 200

// PutPayeesCommand replaces a customer's list.
type PutPayeesCommand struct {
	Caller   parties.Caller
	Customer string
	Kind     ListKind
	Replaces uint64 // version of the list as whoever asks has seen it; 0: there is none
	Items    []Party
	Proof    []settle.Effect // consume the customer's proof; none for a list that the bank keeps
}

// Listed is a list as it is told.
type Listed struct {
	Version   uint64
	UpdatedAt time.Time
	Items     []ListedParty
}

// ListedParty is an entry, and when it begins to count.
type ListedParty struct {
	Party
	From time.Time
}

// PutPayees replaces a list as a whole. What stays on it keeps its time; what is new
// counts after the cooling time. The customer is told.
func (s *Service) PutPayees(ctx context.Context, cmd PutPayeesCommand) (Listed, error) {
	if err := cmd.check(); err != nil {
		return Listed{}, err
	}
	c, err := s.Store.Customer(ctx, cmd.Customer)
	if errors.Is(err, parties.ErrNotFound) || err == nil && parties.IsStaff(c.ID) {
		return Listed{}, problem.New(problem.NotFound, "there is no such customer")
	}
	if err != nil {
		return Listed{}, problem.Away(err)
	}
	have, err := s.list(ctx, cmd.Kind, c.ID)
	if err != nil {
		return Listed{}, err
	}
	if have.Version != cmd.Replaces {
		return Listed{}, problem.New(problem.Conflict, fmt.Sprintf("the list was changed meanwhile: it has version %d now; read it, and ask for the proof of what you want to change in it", have.Version))
	}
	next, err := s.next(ctx, have, cmd, c)
	if err != nil {
		return Listed{}, err
	}
	notices, err := s.notices(ctx, c, "payees-changed", "payees-changed")
	if err != nil {
		return Listed{}, err
	}
	effects := append([]settle.Effect{SavePayeeList{next}, parties.RequireCustomer{ID: c.ID, Version: c.Version}}, notices...)
	effects = append(effects, cmd.Proof...)
	r, err := s.settle(ctx, effects, audit.Event{
		Name: "payees.changed", Outcome: string(cmd.Kind), Policy: s.Policy().Version, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{"customer": c.ID, "items": cmd.Items, "version": next.Version, "source": cmd.Caller.Source},
	})
	if err != nil {
		return Listed{}, err
	}
	if r.Outcome != settle.Done {
		return Listed{}, errContended
	}
	return s.listed(next, cmd.Items), nil
}

func (cmd PutPayeesCommand) check() error {
	var c problem.Check
	c.Unless(len(cmd.Items) <= maxListed, "items", fmt.Sprintf("holds %d, and %d is the most", len(cmd.Items), maxListed))
	for i, p := range cmd.Items {
		at := fmt.Sprintf("items[%d].", i)
		account(&c, at+"account", p.Account)
		text(&c, at+"bank", p.Bank, 70, true)
		text(&c, at+"name", p.Name, 140, cmd.Kind == Trusted)
		text(&c, at+"country", p.Country, 2, cmd.Kind == Trusted)
	}
	return c.Err()
}

// next is the list as it will be.
func (s *Service) next(ctx context.Context, have PayeeList, cmd PutPayeesCommand, c parties.Customer) (PayeeList, error) {
	now := s.Now().UTC()
	next := PayeeList{ID: ListID(cmd.Kind, c.ID), Customer: c.ID, Kind: cmd.Kind, UpdatedAt: now, By: cmd.Caller.ID, Version: have.Version + 1, Marks: []Mark{}}
	var named []hsm.Input
	for _, p := range cmd.Items {
		in, err := mark(next.ID, cmd.Kind, p)
		if err != nil {
			return next, err
		}
		named = append(named, in)
	}
	if len(named) > 0 {
		sums, err := s.HSM.MACs(ctx, hsm.IdempotencyMAC, named...)
		if err != nil {
			return next, problem.Away(err)
		}
		for i, sum := range sums {
			if slices.ContainsFunc(next.Marks, func(m Mark) bool { return hmac.Equal(m.Sum, sum) }) {
				return next, &problem.Error{Code: problem.Invalid, Detail: "an entry stands there twice",
					Fields: []problem.Field{{Field: fmt.Sprintf("items[%d]", i), Message: "stands there twice"}}}
			}
			next.Marks = append(next.Marks, Mark{Sum: sum, Since: have.since(sum, now)})
		}
	}
	plain, err := json.Marshal(cmd.Items)
	if err != nil {
		return next, err
	}
	if next.Sealed, err = s.Keys.Seal(ctx, c.Key, ListPlace(next.ID), plain); err != nil {
		return next, problem.Away(err)
	}
	return next, nil
}

// since is when an entry was first put on the list without leaving it.
func (l PayeeList) since(sum []byte, now time.Time) time.Time {
	for _, m := range l.Marks {
		if hmac.Equal(m.Sum, sum) {
			return m.Since
		}
	}
	return now
}

// mark is what stands for an entry: the account and bank of one's own, and who it
// belongs to, too, of a payee.
func mark(list string, kind ListKind, p Party) (hsm.Input, error) {
	said := map[string]string{"list": list, "account": parties.PlainAccount(p.Account), "bank": p.Bank}
	if kind == Trusted {
		said["name"], said["country"] = p.Name, p.Country
	}
	text, err := canonical.JSON(said)
	return hsm.Input{Label: "payee-mark/v1", Parts: [][]byte{text}}, err
}

// list returns a customer's list, an empty one where there is none.
func (s *Service) list(ctx context.Context, kind ListKind, customer string) (PayeeList, error) {
	l, err := s.Store.PayeeList(ctx, ListID(kind, customer))
	if errors.Is(err, parties.ErrNotFound) {
		return PayeeList{ID: ListID(kind, customer), Customer: customer, Kind: kind}, nil
	}
	if err != nil {
		return PayeeList{}, problem.Away(err)
	}
	return l, nil
}

// Payees returns a customer's list.
func (s *Service) Payees(ctx context.Context, kind ListKind, customer string) (Listed, error) {
	c, err := s.Store.Customer(ctx, customer)
	if errors.Is(err, parties.ErrNotFound) {
		return Listed{}, problem.New(problem.NotFound, "there is no such customer")
	}
	if err != nil {
		return Listed{}, problem.Away(err)
	}
	l, err := s.list(ctx, kind, customer)
	if err != nil || l.Version == 0 {
		return Listed{}, err
	}
	plain, err := s.Keys.Open(ctx, c.Key, ListPlace(l.ID), l.Sealed)
	if err != nil {
		return Listed{}, problem.Away(err)
	}
	var items []Party
	if err := json.Unmarshal(plain, &items); err != nil || len(items) != len(l.Marks) {
		return Listed{}, problem.Away(fmt.Errorf("payment: a list of %d entries has %d marks: %w", len(items), len(l.Marks), err))
	}
	return s.listed(l, items), nil
}

func (s *Service) listed(l PayeeList, items []Party) Listed {
	out := Listed{Version: l.Version, UpdatedAt: l.UpdatedAt, Items: []ListedParty{}}
	for i, p := range items {
		out.Items = append(out.Items, ListedParty{Party: p, From: l.Marks[i].Since.Add(s.Cooling)})
	}
	return out
}

// lists fills in what the customer's lists say of a payment, and notes which version
// said so. A list that is not what the server wrote says nothing.
func (x *draft) lists(in *risk.Payment, payer, payee Party) error {
	trusted, err := x.onList(Trusted, payee)
	if err != nil {
		return err
	}
	own, err := x.onList(Own, payer, payee)
	if err != nil {
		return err
	}
	if trusted != nil {
		in.Facts["payee_trusted"] = *trusted
	}
	if own != nil {
		in.Facts["own_account"] = *own && payer.Bank == payee.Bank
	}
	return nil
}

// onList reports whether all of these stand on a list and count; nil: nobody knows.
func (x *draft) onList(kind ListKind, all ...Party) (*bool, error) {
	s, yes, no := x.service, true, false
	l, err := s.Store.PayeeList(x.ctx, ListID(kind, x.customer.ID))
	switch {
	case errors.Is(err, parties.ErrNotFound):
		return &no, nil
	case errors.Is(err, parties.ErrTampered):
		return nil, nil
	case err != nil:
		return nil, problem.Away(err)
	case len(l.Marks) == 0:
		return &no, nil
	}
	x.listed = append(x.listed, RequirePayeeList{ID: l.ID, Version: l.Version})
	var wanted []hsm.Input
	for _, p := range all {
		in, err := mark(l.ID, kind, p)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, in)
	}
	sums, err := s.HSM.MACs(x.ctx, hsm.IdempotencyMAC, wanted...)
	if err != nil {
		return nil, problem.Away(err)
	}
	for _, sum := range sums {
		if !slices.ContainsFunc(l.Marks, func(m Mark) bool { return hmac.Equal(m.Sum, sum) && !x.now.Before(m.Since.Add(s.Cooling)) }) {
			return &no, nil
		}
	}
	return &yes, nil
}
