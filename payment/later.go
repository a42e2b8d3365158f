package payment

import (
	"context"
	"errors"
	"slices"

	"mohur/authn"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// change loads a transaction, lets f decide what becomes of it and settles it,
// again when somebody else was faster.
func (s *Service) change(ctx context.Context, by parties.Caller, id, name string, f func(x *draft) error) (View, error) {
	for try := range maxTries {
		v, done, err := s.changeOnce(ctx, by, id, name, f)
		if done || err != nil {
			return v, err
		}
		if try == 0 {
			end, err := s.after(ctx, v.Transaction.Customer)
			if err != nil {
				return View{}, err
			}
			defer end()
		}
	}
	return View{}, errContended
}

func (s *Service) changeOnce(ctx context.Context, by parties.Caller, id, name string, f func(x *draft) error) (v View, done bool, err error) {
	t, c, err := s.load(ctx, by, id)
	if err != nil {
		return View{}, false, err
	}
	d, err := s.details(ctx, t, c)
	if err != nil {
		return View{}, false, err
	}
	x := &draft{service: s, ctx: ctx, by: by, customer: c, t: t, d: d, now: s.Now()}
	defer x.done()
	x.t.Version++
	if x.t.State == PendingProof && !x.now.Before(x.t.ExpiresAt) {
		x.t.State = Expired // nothing can be done with it any more
	}
	if err := x.remembered(); err != nil {
		return View{}, false, err
	}
	if err := f(x); err != nil {
		return View{}, false, err
	}
	if err := x.save(name, ""); err != nil {
		return View{}, false, err
	}
	r, err := s.settle(ctx, x.effects, x.events...)
	if err != nil || r.Outcome != settle.Done {
		return View{Transaction: x.t}, false, err
	}
	v, err = s.view(ctx, x.t, c)
	v.Authentication = x.opened
	return v, true, err
}

// in refuses a change from a state that does not allow it.
func (x *draft) in(states ...State) error {
	if !slices.Contains(states, x.t.State) {
		return problem.New(problem.Conflict, "the transaction is "+string(x.t.State))
	}
	return nil
}

// Ask opens a further authentication: after one has expired, or for another signer of
// the holder's. The text is a new one and names its signer; of each only the last one
// counts.
func (s *Service) Ask(ctx context.Context, by parties.Caller, id, accessToken string, p *authn.Possession, binding string) (View, error) {
	var c problem.Check
	c.Unless(len(binding) <= authn.MaxBinding, "binding", "has at most 512 bytes")
	if err := c.Err(); err != nil {
		return View{}, err
	}
	session, signer, err := s.Authn.LiveToken(ctx, by, accessToken, p)
	if err == nil {
		err = s.Authn.Recent(session)
	}
	if err != nil {
		if errors.Is(err, authn.ErrDead) {
			return View{}, problem.New(problem.SessionEnded, "the session has ended; log in again")
		}
		return View{}, err
	}
	if err := s.Authn.Admit(by, signer.ID, ""); err != nil {
		return View{}, err
	}
	return s.change(ctx, by, id, "transaction.asked", func(x *draft) error {
		if x.t.State == Expired {
			return problem.New(problem.Expired, "the transaction has expired; begin a new one")
		}
		if err := x.in(PendingProof); err != nil {
			return err
		}
		if err := x.askedBy(session, signer); err != nil {
			return err
		}
		if len(x.t.Attempts) >= 5*max(x.t.Required, 1)+20 {
			return problem.New(problem.Conflict, "proofs of this transaction were asked for too often; cancel it and begin a new one")
		}
		x.binding = binding
		if err := x.require(session); err != nil {
			return err
		}
		return x.ask(nil)
	})
}

// Cancel ends a payment that has not been authorised.
func (s *Service) Cancel(ctx context.Context, by parties.Caller, id string) (View, error) {
	return s.change(ctx, by, id, "transaction.cancelled", func(x *draft) error {
		if !by.MayAct(x.t.Client, x.t.Channel) {
			return problem.New(problem.NotFound, "there is no such transaction")
		}
		if err := x.in(PendingProof, Held); err != nil {
			return err
		}
		x.t.step(x.now, Cancelled, "", by.ID)
		return x.withdraw("cancelled")
	})
}

// Report records what the core banking system did with an authorization. Each is
// executed once; what failed gives its part of the limits back.
func (s *Service) Report(ctx context.Context, by parties.Caller, id, jti string, state State, detail string) (View, error) {
	var c problem.Check
	c.Unless(state == Executed || state == Failed, "state", "needs to be executed or failed")
	c.Unless(len(detail) <= 500, "detail", "is too long")
	if err := c.Err(); err != nil {
		return View{}, err
	}
	name := map[State]string{Executed: "transaction.executed", Failed: "transaction.failed"}[state]
	return s.change(ctx, by, id, name, func(x *draft) error {
		if err := x.in(Approved); err != nil {
			return err
		}
		if jti != x.t.JTI {
			return problem.New(problem.Conflict, "the authorization is not the one of this transaction")
		}
		if state == Failed {
			if err := x.release(); err != nil {
				return err
			}
			x.discount()
		}
		x.inputs = map[string]any{"detail": detail}
		x.t.step(x.now, state, detail, by.ID)
		return nil
	})
}
