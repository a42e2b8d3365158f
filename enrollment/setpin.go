package enrollment

import (
	"context"
	"errors"

	"mohur/audit"
	"mohur/authn/pin"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// Proof is what entitles a customer to an act about himself: one of its members.
type Proof struct {
	Authentication   string // a granted one of purpose action, for exactly this act
	ActivationSecret string
}

// PINCommand sets a customer's PIN. Only the customer chooses it.
type PINCommand struct {
	Caller   parties.Caller
	Customer string
	PIN      string
	Proof    Proof
}

func proofRequired() error {
	return problem.New(problem.ProofRequired, "setting a PIN needs a proof of the customer")
}

// pinActionData is the canonical request of setting a PIN without proof and
// secret: nothing is left of it.
const pinActionData = `{}`

// SetPIN judges the proof and replaces the PIN in one write.
func (s *Service) SetPIN(ctx context.Context, cmd PINCommand) error {
	received := s.Now()
	var c problem.Check
	fault := pin.Fault(cmd.PIN)
	c.Unless(fault == "", "pin", fault)
	c.Unless(cmd.Proof.Authentication == "" || cmd.Proof.ActivationSecret == "", "proof", "needs one member")
	if err := c.Err(); err != nil {
		return err
	}
	if cmd.Proof == (Proof{}) {
		return proofRequired()
	}
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	for range maxTries {
		reason, err := s.setPINOnce(judged, cmd)
		switch {
		case hides(cmd.Caller, err) || problem.Is(err, problem.ProofRequired):
			// Whether it is the proof or the person that is not there, is not told.
			refusal := s.unknown(ctx, cmd.Caller, "customer.pin", received)
			if problem.Is(refusal, problem.AuthenticationFailed) && cmd.Proof.Authentication != "" {
				return proofRequired()
			}
			return refusal
		case err != nil:
			return err
		case reason == "":
			return nil
		case reason != staleReason:
			s.floor(ctx, received)
			return refused()
		}
	}
	return problem.New(problem.Conflict, "the PIN is being changed by somebody else; try again")
}

func (s *Service) setPINOnce(ctx context.Context, cmd PINCommand) (string, error) {
	c, err := s.Parties.Get(ctx, cmd.Customer)
	if err != nil {
		return "", err
	}
	effects, reason, err := s.entitled(ctx, cmd, c)
	if err != nil {
		return "", err
	}
	outcome := "refused"
	if reason == "" {
		next, err := s.nextPIN(ctx, cmd, c)
		if err != nil {
			return "", err
		}
		effects, outcome = append(effects, next...), "set"
		effects = append(effects, parties.RequireCustomer{ID: c.ID, Version: c.Version})
	}
	r, err := s.settle(ctx, effects, audit.Event{
		Name: "customer.pin", Outcome: outcome, Reason: reason, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: cmd.Caller.ID, Request: cmd.Caller.Request, Detail: map[string]any{"customer": c.ID, "source": cmd.Caller.Source},
	})
	if err != nil {
		return "", err
	}
	if r.Outcome != settle.Done {
		return staleReason, nil
	}
	return reason, nil
}

// entitled judges the proof; its effects are settled whether it was right or
// not, since a wrong try counts.
func (s *Service) entitled(ctx context.Context, cmd PINCommand, c parties.Customer) ([]settle.Effect, string, error) {
	if c.State != parties.CustomerActive {
		_, err := s.secretMAC(ctx, Secret{}, cmd.Proof.ActivationSecret)
		return nil, "customer-suspended", err
	}
	if stopped, err := s.stopped(ctx, c.ID); err != nil {
		return nil, "", err
	} else if stopped {
		_, err := s.secretMAC(ctx, Secret{}, cmd.Proof.ActivationSecret)
		return nil, stopReason, err
	}
	if cmd.Proof.Authentication != "" {
		effect, err := s.Prover.Spend(ctx, cmd.Caller, cmd.Proof.Authentication, c.ID, "customer.pin", []byte(pinActionData))
		if err != nil {
			return nil, "", err
		}
		return []settle.Effect{effect}, "", nil
	}
	secret, reason, err := s.judgeSecret(ctx, c, "pin", "", cmd.Proof.ActivationSecret)
	if err != nil || secret == nil {
		return nil, reason, err
	}
	return []settle.Effect{SaveSecret{*secret}}, reason, nil
}

// nextPIN is the new record with its hot row, whose counter is the record's
// version: an old PIN put back is found.
func (s *Service) nextPIN(ctx context.Context, cmd PINCommand, c parties.Customer) ([]settle.Effect, error) {
	rec, err := s.Store.PIN(ctx, c.ID)
	if errors.Is(err, parties.ErrNotFound) {
		rec = pin.Record{Customer: c.ID, Pseudonym: ident.New("p")}
	} else if err != nil {
		return nil, problem.Away(err)
	}
	rec.Version++
	rec.ChangedAt = s.Now().UTC()
	if rec.Sealed, err = s.PINs.Hash(ctx, c.ID, rec.Version, cmd.PIN); err != nil {
		return nil, problem.Away(err)
	}
	reads, err := s.Store.Hot(ctx, pin.HotID(c.ID))
	if err != nil {
		return nil, problem.Away(err)
	}
	row := reads[0].Hot
	row.ID = pin.HotID(c.ID)
	if reads[0].Found || reads[0].Indexed != 0 {
		intact, err := reads[0].Intact(ctx, s.HSM)
		if err != nil {
			return nil, problem.Away(err)
		}
		if !intact {
			return nil, s.quarantinePIN(ctx, c, row, reads[0].Indexed)
		}
		// A quarantined PIN ends here: a proof of the customer and a new record take
		// the place of what was tampered with.
	} else {
		row = settle.Hot{ID: row.ID}
	}
	row = row.Next()
	row.Counter, row.State, row.Owner = rec.Version, settle.HotLive, settle.OwnerOf(c.ID)
	row.Fails, row.Locks, row.LockedUntil = 0, 0, 0
	signed, err := row.Sign(ctx, s.HSM)
	if err != nil {
		return nil, problem.Away(err)
	}
	return []settle.Effect{pin.Save{Record: rec}, settle.SwapHot{Hot: signed}}, nil
}
