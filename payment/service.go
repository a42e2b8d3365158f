package payment

import (
	"context"
	"errors"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/seal"
	"mohur/settle"
)

// Service decides payments and keeps their records.
type Service struct {
	Store   Store
	Settler settle.Store
	HSM     hsm.Module
	Keys    *seal.Keyring
	Audit   *audit.Drafter
	Authn   *authn.Service
	Policy  func() risk.Policy // the one in force now
	Issuer  string
	Zone    *time.Location // the bank's day: Asia/Baku
	Now     func() time.Time
}

const (
	pendingLife       = 30 * time.Minute // a transaction waits for its proof
	authorizationLife = 5 * time.Minute
	maxTries          = 64 // parallel payments of one customer each wait for the others
)

// View is a transaction as its front end may see it.
type View struct {
	Transaction    Transaction
	Details        Details
	Reasons        []risk.Reason
	Authorization  string
	Authentication *authn.View // the one opened by this call
	DailyUsed      int64
	DailyLimit     int64
}

var errContended = problem.New(problem.Conflict, "the transaction is being changed by somebody else; try again")

func (s *Service) settle(ctx context.Context, effects []settle.Effect, events ...audit.Event) (settle.Result, error) {
	return settle.Write(ctx, s.Settler, s.Audit, effects, events)
}

// event tells of a transaction. Amount, accounts and names are in the sealed body only.
func (s *Service) event(by parties.Caller, c parties.Customer, t Transaction, name, reason string, more map[string]any) audit.Event {
	detail := map[string]any{
		"transaction": t.ID, "reference": t.Reference, "customer": t.Customer, "channel": t.Channel, "service": t.Service,
		"amount": FromMinor(t.Minor, t.Currency), "decision": t.Decision, "exemption": t.Exemption, "score": t.Score, "reasons": t.Reasons,
		"acr": t.ACR, "shown": t.Shown, "jti": t.JTI, "source": by.Source,
	}
	for k, v := range more {
		detail[k] = v
	}
	return audit.Event{
		Name: name, Outcome: string(t.State), Reason: reason, Policy: t.Policy, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: by.ID, Request: by.Request, Detail: detail,
	}
}

// step writes a line of the timeline.
func (t *Transaction) step(at time.Time, to State, reason, by string) {
	t.State = to
	t.Timeline = append(t.Timeline, Step{At: at.UTC(), State: to, Reason: reason, By: by})
}

// load returns a transaction and its customer for a caller; what others began
// does not exist.
func (s *Service) load(ctx context.Context, by parties.Caller, id string) (Transaction, parties.Customer, error) {
	t, err := s.Store.Transaction(ctx, id)
	missing := problem.New(problem.NotFound, "there is no such transaction")
	if errors.Is(err, parties.ErrNotFound) {
		return t, parties.Customer{}, missing
	}
	if err != nil {
		return t, parties.Customer{}, problem.Away(err)
	}
	if !by.MaySee(t.Client, t.Channel) {
		return t, parties.Customer{}, missing
	}
	c, err := s.Store.Customer(ctx, t.Customer)
	if err != nil {
		return t, parties.Customer{}, problem.Away(err)
	}
	return t, c, nil
}

// view opens what is sealed.
func (s *Service) view(ctx context.Context, t Transaction, c parties.Customer) (View, error) {
	d, err := s.details(ctx, t, c)
	if err != nil {
		return View{}, err
	}
	v := View{Transaction: t, Details: d, DailyLimit: s.Policy().DailyPerCustomer}
	if t.State == PendingProof && !s.Now().Before(t.ExpiresAt) {
		v.Transaction.State = Expired
	}
	for _, code := range t.Reasons {
		v.Reasons = append(v.Reasons, risk.Reason{Code: code, Text: s.Policy().Text(code)})
	}
	if len(t.Authorization) > 0 {
		plain, err := s.Keys.Open(ctx, c.Key, AuthorizationPlace(t.ID), t.Authorization)
		if err != nil {
			return View{}, problem.Away(err)
		}
		v.Authorization = string(plain)
	}
	v.DailyUsed, err = s.Store.Reserved(ctx, s.dayKey(t.Customer, t.Currency, s.Now()), s.Now())
	if err != nil {
		return View{}, problem.Away(err)
	}
	return v, nil
}

// Get returns a transaction.
func (s *Service) Get(ctx context.Context, by parties.Caller, id string) (View, error) {
	t, c, err := s.load(ctx, by, id)
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, t, c)
}

// Signature returns what a customer's certificate signed to confirm a transaction:
// detached CMS SignedData (RFC 5652, DER) over the bytes of its linked text. A
// transaction that was confirmed otherwise has none.
func (s *Service) Signature(ctx context.Context, by parties.Caller, id string) ([]byte, error) {
	t, c, err := s.load(ctx, by, id)
	if err != nil {
		return nil, err
	}
	if len(t.Signature) == 0 {
		return nil, problem.New(problem.NotFound, "the transaction was not confirmed by a signature of a card")
	}
	cms, err := s.Keys.Open(ctx, c.Key, SignaturePlace(t.ID), t.Signature)
	if err != nil {
		return nil, problem.Away(err)
	}
	return cms, nil
}

// List returns the transactions a caller may see, newest first.
func (s *Service) List(ctx context.Context, by parties.Caller, f Filter, cursor string, limit int) ([]View, string, error) {
	if by.Only() {
		f.Client = by.ID
	}
	items, next, err := s.Store.Transactions(ctx, f, cursor, limit)
	if problem.Is(err, problem.Invalid) {
		return nil, "", err // the cursor is none of this list
	}
	if err != nil {
		return nil, "", problem.Away(err)
	}
	out := make([]View, 0, len(items))
	for _, t := range items {
		c, err := s.Store.Customer(ctx, t.Customer)
		if err != nil {
			return nil, "", problem.Away(err)
		}
		v, err := s.view(ctx, t, c)
		if err != nil {
			return nil, "", err
		}
		out = append(out, v)
	}
	return out, next, nil
}
