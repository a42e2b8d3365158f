package payment

import (
	"context"
	"errors"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/compromised"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/seal"
	"mohur/settle"
	"mohur/store"
)

// Service decides payments and keeps their records.
type Service struct {
	Store   Store
	Settler settle.Store
	HSM     hsm.Module
	Keys    *seal.Keyring
	Audit   *audit.Drafter
	Authn   *authn.Service
	Policy  func() risk.Policy         // the one in force now
	Rates   func() risk.Rates          // of exchange, those that may be used now; nil: none
	Shadow  func() (risk.Policy, bool) // tried beside it, decides nothing; nil: none
	Budget  time.Duration              // how long a decision may take before it falls on the safe side; 0: no limit
	Observe func(Judged)               // called for every decision on a new payment, and for the one with its proof; nil: nobody counts
	Issuer  string
	Zone    *time.Location // the bank's day: Asia/Baku
	Now     func() time.Time
	// Cooling is how long a payee or account is on a list before it exempts anything.
	Cooling time.Duration

	// LimitsCooling is how long a customer's raise of a limit waits before it is in
	// force; 0: 24 hours.
	LimitsCooling time.Duration
	// Review is how long a held payment may wait for the bank's security before it is
	// late, HeldLife before it is rejected; 0: 30 minutes and 24 hours.
	Review, HeldLife time.Duration

	// Compromised is the bank's list of what is in wrong hands; nil: there is none.
	Compromised *compromised.List
	// Missing is told which fact could not be looked up because its part has failed; nil:
	// nobody counts.
	Missing func(fact string)

	rates rates
	turns turns
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
	Limits         LimitsView
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
	if t.Limit != "" {
		detail["limit"] = t.Limit
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

// view opens what is sealed, with the whole history.
func (s *Service) view(ctx context.Context, t Transaction, c parties.Customer) (View, error) {
	v, err := s.line(ctx, t, c)
	if err != nil {
		return View{}, err
	}
	v.Transaction.Timeline, err = s.timeline(ctx, v.Transaction)
	return v, err
}

// line opens what is sealed. What came of the transaction's attempts and is not written
// down yet is left out of its history.
func (s *Service) line(ctx context.Context, t Transaction, c parties.Customer) (View, error) {
	d, err := s.details(ctx, t, c)
	if err != nil {
		return View{}, err
	}
	v := View{Transaction: t, Details: d}
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
	// A record of limits that was changed approves nothing, and hides nothing either.
	v.Limits, err = s.CustomerLimits(ctx, t.Customer)
	if err != nil && !errors.Is(err, parties.ErrTampered) && !errors.Is(err, store.ErrDamaged) {
		return View{}, err
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
// detached CMS SignedData (RFC 5652, DER) over the bytes of its linked text; of a
// holder's payment, what that signer's did. A transaction that was confirmed otherwise
// has none.
func (s *Service) Signature(ctx context.Context, by parties.Caller, id, signer string) ([]byte, error) {
	t, c, err := s.load(ctx, by, id)
	if err != nil {
		return nil, err
	}
	sealed, place := t.Signature, SignaturePlace(t.ID)
	if t.Holder != "" && signer == "" {
		return nil, problem.New(problem.NotFound, "several people may have signed; say whose signature is wanted: ?customer=")
	}
	if given := t.SignatureOf(signer); given != nil {
		sealed, place = given.CMS, SignerPlace(t.ID, signer)
	}
	if len(sealed) == 0 {
		return nil, problem.New(problem.NotFound, "the transaction was not confirmed by a signature of a card")
	}
	cms, err := s.Keys.Open(ctx, c.Key, place, sealed)
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
		v, err := s.line(ctx, t, c)
		if err != nil {
			return nil, "", err
		}
		v.Transaction.Timeline = named(v.Transaction)
		out = append(out, v)
	}
	return out, next, nil
}
