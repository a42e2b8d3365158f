package enrollment

import (
	"context"
	"errors"
	"sync"
	"time"

	"mohur/audit"
	"mohur/authn/lock"
	"mohur/authn/pin"
	"mohur/ca"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
	"mohur/stoplist"
	"mohur/tokens"
)

// Data is everything this package reads.
type Data interface {
	Store
	parties.Store
	pin.Store
}

// Prover checks a granted proof of purpose action and returns the effects that
// consume it, and later whether it still counts, with the effects that require it;
// the service of package authn is it.
type Prover interface {
	SpendProof(ctx context.Context, by parties.Caller, id, customer, name string, data []byte) ([]settle.Effect, tokens.Proof, error)
	Holds(ctx context.Context, c parties.Customer, p tokens.Proof) (bool, []settle.Effect, error)
}

// Pace is how fast customers and sources may go, and what slows them down; the
// service of package authn is it.
type Pace interface {
	Admit(by parties.Caller, customer, ip string) error
	Failed(by parties.Caller, customer, ip string)
}

// Service brings credentials to people.
type Service struct {
	Store       Data
	Settler     settle.Store
	HSM         hsm.Module
	Keys        *seal.Keyring
	Audit       *audit.Drafter
	PINs        *pin.Verifier
	PINRules    pin.Rules
	Limits      lock.Limits // of guessing; a wrong resynchronisation counts like a wrong code
	BankName    string      // on letters and in authenticator apps; "": "Bank"
	Apps        bool        // the bank's policy allows app tokens
	FIDO        FIDO        // which FIDO2 keys are enrolled
	Cards       Cards       // how cards are
	CA          *ca.Service // certifies keys made on the bank's E-tokens; nil: nobody does
	Prover      Prover
	Pace        Pace // of resynchronisation by front ends
	Parties     *parties.Service
	Stops       *stoplist.List // what is reported and not settled yet; nil: nothing ever is
	Development bool           // plain seed files are taken, secrets are told in the answer
	Floor       time.Duration
	Now         func() time.Time

	sending sync.Mutex
	resyncs resyncs
	probes  probes
}

// maxTries bounds how often a stale change is read and made again.
const maxTries = 16

var errContended = problem.New(problem.Conflict, "the token is being changed by somebody else; try again")

func (s *Service) settle(ctx context.Context, effects []settle.Effect, events ...audit.Event) (settle.Result, error) {
	rows, err := s.versions(ctx, effects, events[0])
	if err != nil {
		return settle.Result{}, err
	}
	return settle.Write(ctx, s.Settler, s.Audit, effects, append(events, rows...))
}

// Token returns a token by id, or by "serial:<value>" where only one has it.
func (s *Service) Token(ctx context.Context, ref string) (tokens.Token, error) {
	const bySerial = "serial:"
	if len(ref) > len(bySerial) && ref[:len(bySerial)] == bySerial {
		found, err := s.Store.TokensBySerial(ctx, ref[len(bySerial):])
		switch {
		case err != nil:
			return tokens.Token{}, problem.Away(err)
		case len(found) == 0:
			return tokens.Token{}, problem.New(problem.NotFound, "there is no such token")
		case len(found) > 1:
			return tokens.Token{}, problem.New(problem.Conflict, "several tokens have this serial; use the id")
		}
		return found[0], nil
	}
	t, err := s.Store.Token(ctx, ref)
	if errors.Is(err, parties.ErrNotFound) {
		return tokens.Token{}, problem.New(problem.NotFound, "there is no such token")
	}
	if err != nil {
		return tokens.Token{}, problem.Away(err)
	}
	return t, nil
}

// person is whom an entry about a token concerns: its customer, if any. Where his
// record cannot be read the entry is sealed under the bank's key: evidence must
// never keep a stolen token in use.
func (s *Service) person(ctx context.Context, customer string) audit.Person {
	if customer == "" {
		return audit.Person{}
	}
	c, err := s.Store.Customer(ctx, customer)
	if err != nil {
		return audit.Person{}
	}
	return audit.Person{Pseudonym: c.Pseudonym, Key: c.Key}
}

// hotRows reads the rows of a token's credentials and whether each is intact.
func (s *Service) hotRows(ctx context.Context, t tokens.Token) ([]settle.Hot, []bool, error) {
	reads, err := s.Store.Hot(ctx, t.Credentials...)
	if err != nil {
		return nil, nil, problem.Away(err)
	}
	rows, intact := make([]settle.Hot, len(reads)), make([]bool, len(reads))
	for i, r := range reads {
		r.Hot.ID = t.Credentials[i]
		if intact[i], err = r.Intact(ctx, s.HSM); err != nil {
			return nil, nil, problem.Away(err)
		}
		rows[i] = r.Hot
		if !intact[i] {
			rows[i].Version = r.Indexed // nothing of a changed row is believed
		}
	}
	return rows, intact, nil
}
