package authn

import (
	"context"
	"crypto/sha256"
	"errors"

	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// LookAttempt returns an attempt as it stands; never a token.
func (s *Service) LookAttempt(ctx context.Context, by parties.Caller, id string) (View, error) {
	a, err := s.visible(ctx, by, id)
	if err != nil {
		return View{}, err
	}
	if a.State == Pending && !s.Now().Before(a.ExpiresAt) {
		a.State = Expired
	}
	text, err := s.text(ctx, a)
	if err != nil {
		return View{}, err
	}
	return View{Attempt: a, Text: text}, nil
}

// text opens the challenge text and checks that it is the one that was hashed.
func (s *Service) text(ctx context.Context, a Attempt) ([]byte, error) {
	text, err := s.Keys.Open(ctx, s.Bank, TextPlace(a.ID), a.Text)
	if err != nil {
		return nil, problem.Away(err)
	}
	if sum := sha256.Sum256(text); string(sum[:]) != string(a.SHA256) {
		return nil, problem.Away(errors.New("authn: the challenge text does not fit its hash"))
	}
	return text, nil
}

// ChallengeText returns the text behind a challenge hash until it expires, to
// anyone who knows the hash: a card agent shows it before the PIN.
func (s *Service) ChallengeText(ctx context.Context, sha256 []byte) ([]byte, error) {
	a, err := s.Store.AttemptByChallenge(ctx, sha256)
	if err != nil {
		return nil, notFound(err, "challenge")
	}
	if !s.Now().Before(a.ExpiresAt) {
		return nil, problem.New(problem.NotFound, "there is no such challenge")
	}
	return s.text(ctx, a)
}

// Spend checks that a granted proof of purpose action is for exactly this
// customer, action and data, and returns the effects that consume it: they hold the
// customer and the credential that proved as they were judged. The bank's own people
// may spend what a front end began: the proof names the act.
func (s *Service) Spend(ctx context.Context, by parties.Caller, id, customer, name string, data []byte) ([]settle.Effect, error) {
	effects, _, err := s.SpendProof(ctx, by, id, customer, name, data)
	return effects, err
}

// SpendProof is Spend for an act that is finished later; the proof says for Holds what
// it came from.
func (s *Service) SpendProof(ctx context.Context, by parties.Caller, id, customer, name string, data []byte) ([]settle.Effect, tokens.Proof, error) {
	required := problem.New(problem.ProofRequired, "this needs a proof for exactly this act")
	a, err := s.Store.Attempt(ctx, id)
	if errors.Is(err, parties.ErrNotFound) {
		return nil, tokens.Proof{}, required
	}
	if err != nil {
		return nil, tokens.Proof{}, problem.Away(err)
	}
	fits := maySpend(by, a) && a.Customer == customer && a.Purpose == Action && a.State == Granted && !a.Spent && a.ACR.Rank() >= Strong.Rank() &&
		a.Credential != "" && a.Action.is(name, data) && s.Now().Before(a.ExpiresAt)
	if !fits {
		return nil, tokens.Proof{}, required
	}
	if stopped, err := s.stopsPerson(ctx, customer); err != nil {
		return nil, tokens.Proof{}, err
	} else if stopped {
		return nil, tokens.Proof{}, required
	}
	c, err := s.Store.Customer(ctx, customer)
	if errors.Is(err, parties.ErrNotFound) {
		return nil, tokens.Proof{}, required
	}
	if err != nil {
		return nil, tokens.Proof{}, problem.Away(err)
	}
	// A proof outlives neither a suspension of the customer nor one of what he proved with.
	p := tokens.Proof{Credential: a.Credential, Channel: string(a.Channel), At: a.CreatedAt}
	holds, held, err := s.Holds(ctx, c, p)
	if err != nil {
		return nil, tokens.Proof{}, err
	}
	if !holds {
		return nil, tokens.Proof{}, required
	}
	a.Spent = true
	a.Version++
	p.At = s.Now().UTC()
	return append(held, SaveAttempt{a}), p, nil
}

// maySpend: who began it, or the bank's own people. A client that is a front end as
// well spends what it began, whatever else it may do.
func maySpend(by parties.Caller, a Attempt) bool {
	return by.MayAct(a.Client, a.Channel) || !by.Has(parties.Frontend) && by.MaySee(a.Client, a.Channel)
}
