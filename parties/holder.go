package parties

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mohur/audit"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
)

// MaxSigners is how many people may sign for a holder.
const MaxSigners = 50

// Holder is who an account belongs to, where that is not the customer himself: a
// company, or several people together. Its signers pay from its accounts.
type Holder struct {
	ID        string        `json:"id"`
	Key       seal.Key      `json:"key"`
	Sealed    []byte        `json:"sealed"`  // its name, under Key at HolderPlace
	Signers   []string      `json:"signers"` // customers, each once
	Rules     []SigningRule `json:"rules"`   // by rising UpTo; the last one has none
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	Version   uint64        `json:"version"`
	MAC       []byte        `json:"mac,omitempty"`
}

// SigningRule says how many of a holder's signers a payment takes.
type SigningRule struct {
	UpTo     int64 `json:"up_to,omitempty"` // amount in qəpik it is for, included; 0: every larger one
	Required int   `json:"required"`
}

// HolderPlace is where a holder's sealed name belongs.
func HolderPlace(id string) string { return "holder/name/" + id }

// Signs reports whether a customer is one of the signers.
func (h Holder) Signs(customer string) bool { return slices.Contains(h.Signers, customer) }

// Required is how many signatures a payment of home qəpik takes. An amount nobody
// knows (0) takes as many as the largest.
func (h Holder) Required(home int64) int {
	n := len(h.Signers)
	for _, r := range h.Rules {
		n = r.Required
		if home > 0 && home <= r.UpTo {
			break
		}
	}
	return max(n, 1)
}

// SaveHolder writes the holder if the stored one has the version before it; version 1
// is a new one.
type SaveHolder struct{ Holder Holder }

// EffectKey names the record.
func (s SaveHolder) EffectKey() string { return "holder/" + s.Holder.ID }

// RequireHolder changes nothing and is stale unless the holder still has that version:
// what was decided by a list of signers is not settled when it has changed.
type RequireHolder struct {
	ID      string
	Version uint64
}

// EffectKey names the record.
func (r RequireHolder) EffectKey() string { return "holder/" + r.ID }

// RequireNoHolder changes nothing and is stale if there is a holder of that id.
type RequireNoHolder struct{ ID string }

// EffectKey names the record.
func (r RequireNoHolder) EffectKey() string { return "holder/" + r.ID }

// HolderCommand creates or changes a holder.
type HolderCommand struct {
	Caller  Caller
	ID      string
	Name    string
	Signers []string
	Rules   []SigningRule
	// Replaces is the version of the holder as whoever asks has seen it; 0: there is none.
	Replaces uint64
}

func (cmd HolderCommand) check() error {
	var c problem.Check
	c.Unless(ValidName(cmd.ID), "id", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	c.Unless(len(cmd.Name) >= 1 && len(cmd.Name) <= 200, "name", "needs 1 to 200 bytes")
	c.Unless(len(cmd.Signers) >= 1 && len(cmd.Signers) <= MaxSigners, "signers", fmt.Sprintf("needs 1 to %d customers", MaxSigners))
	for i, id := range cmd.Signers {
		c.Unless(ValidName(id), fmt.Sprintf("signers[%d]", i), "needs to be the id of a customer")
		c.Unless(slices.Index(cmd.Signers, id) == i, fmt.Sprintf("signers[%d]", i), "is named twice; one person signs once")
	}
	cmd.checkRules(&c)
	return c.Err()
}

func (cmd HolderCommand) checkRules(c *problem.Check) {
	n := len(cmd.Rules)
	c.Unless(n >= 1 && n <= 10, "rules", "needs 1 to 10 rules")
	for i, r := range cmd.Rules {
		at := fmt.Sprintf("rules[%d].", i)
		c.Unless(r.Required >= 1 && r.Required <= max(len(cmd.Signers), 1), at+"required", "needs to be 1 or more, and no more than there are signers")
		last := i == n-1
		c.Unless(last == (r.UpTo == 0), at+"up_to", "is needed in every rule but the last, which is for every larger amount")
		if i > 0 {
			before := cmd.Rules[i-1]
			c.Unless(last || r.UpTo > before.UpTo, at+"up_to", "needs to be more than that of the rule before it")
			c.Unless(r.Required >= before.Required, at+"required", "needs to be no fewer than for a smaller amount")
		}
	}
}

// PutHolder creates or changes a holder, and reports whether it is new. Payments that
// wait for signatures are judged by what it says when the last one comes.
func (s *Service) PutHolder(ctx context.Context, cmd HolderCommand) (Holder, bool, error) {
	if err := cmd.check(); err != nil {
		return Holder{}, false, err
	}
	if err := s.checkSigners(ctx, cmd.Signers); err != nil {
		return Holder{}, false, err
	}
	old, err := s.Store.Holder(ctx, cmd.ID)
	created := errors.Is(err, ErrNotFound)
	if err != nil && !created {
		return Holder{}, false, problem.Away(err)
	}
	if old.Version != cmd.Replaces {
		return Holder{}, false, problem.New(problem.Conflict, fmt.Sprintf("the holder was changed meanwhile: it has version %d now; read it, and ask again for what you want to change in it", old.Version))
	}
	next, err := s.nextHolder(ctx, cmd, old, created)
	if err != nil {
		return Holder{}, false, err
	}
	r, err := s.settle(ctx, []settle.Effect{SaveHolder{next}}, holderEvent(cmd, old, next, created))
	if err != nil {
		return Holder{}, false, err
	}
	if r.Outcome != settle.Done {
		return Holder{}, false, problem.New(problem.Conflict, "the holder is being changed by somebody else; read it, and ask again")
	}
	return next, created, nil
}

// checkSigners refuses who is no customer, and two customers who are one person.
func (s *Service) checkSigners(ctx context.Context, signers []string) error {
	var c problem.Check
	people := make([]Customer, len(signers))
	for i, id := range signers {
		var err error
		if people[i], err = s.Store.Customer(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
			return problem.Away(err)
		}
		at := fmt.Sprintf("signers[%d]", i)
		c.Unless(err == nil, at, "is no customer of the bank; put him first with PUT /v1/customers/{id}")
		same := slices.IndexFunc(people[:i], people[i].SamePerson)
		c.Unless(same < 0, at, fmt.Sprintf("is the same person as signers[%d]: both have the same kyc_ref; one person signs once", same))
	}
	return c.Err()
}

// SamePerson reports whether two customers are one person by the bank's own record: its
// identification of them is the same.
func (c Customer) SamePerson(other Customer) bool {
	return c.KYCRef != "" && strings.EqualFold(strings.TrimSpace(c.KYCRef), strings.TrimSpace(other.KYCRef))
}

func (s *Service) nextHolder(ctx context.Context, cmd HolderCommand, h Holder, created bool) (Holder, error) {
	now := s.Now().UTC()
	var err error
	if created {
		h = Holder{ID: cmd.ID, CreatedAt: now}
		if h.Key, err = s.Keys.New(ctx, "holder/"+cmd.ID); err != nil {
			return Holder{}, problem.Away(err)
		}
	}
	if h.Sealed, err = s.Keys.Seal(ctx, h.Key, HolderPlace(h.ID), []byte(cmd.Name)); err != nil {
		return Holder{}, problem.Away(err)
	}
	h.Signers, h.Rules = slices.Clone(cmd.Signers), slices.Clone(cmd.Rules)
	h.UpdatedAt, h.Version = now, h.Version+1
	return h, nil
}

// holderEvent tells what the holder was and is: who signed for whom can be told of
// every day from the log.
func holderEvent(cmd HolderCommand, old, h Holder, created bool) audit.Event {
	detail := map[string]any{
		"holder": h.ID, "name": cmd.Name, "signers": h.Signers, "rules": h.Rules, "version": h.Version, "by": cmd.Caller.Name, "source": cmd.Caller.Source,
	}
	name := "holder.created"
	if !created {
		name = "holder.changed"
		detail["signers_before"], detail["rules_before"] = old.Signers, old.Rules
	}
	return audit.Event{Name: name, Outcome: "saved", Caller: cmd.Caller.ID, Request: cmd.Caller.Request, Detail: detail}
}

// GetHolder returns a holder with its name.
func (s *Service) GetHolder(ctx context.Context, id string) (Holder, string, error) {
	h, err := s.Store.Holder(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Holder{}, "", problem.New(problem.NotFound, "there is no such holder")
	}
	if err != nil {
		return Holder{}, "", problem.Away(err)
	}
	name, err := s.Keys.Open(ctx, h.Key, HolderPlace(h.ID), h.Sealed)
	if err != nil {
		return Holder{}, "", problem.Away(err)
	}
	return h, string(name), nil
}
