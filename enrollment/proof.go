package enrollment

import (
	"context"
	"time"

	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// Proof is what entitles a customer to an act about himself: one of its members.
type Proof struct {
	Authentication   string // a granted one of purpose action, for exactly this act
	ActivationSecret string
}

// check adds what is wrong with the proof to a request's faults, and returns them
// all, or that a proof is needed.
func (p Proof) check(c *problem.Check) error {
	c.Unless(p.Authentication == "" || p.ActivationSecret == "", "proof", "needs one member")
	if err := c.Err(); err != nil {
		return err
	}
	if p == (Proof{}) {
		return proofRequired()
	}
	return nil
}

// kind says in the evidence what was brought.
func (p Proof) kind() string {
	if p.Authentication != "" {
		return "authentication"
	}
	return "activation-secret"
}

func proofRequired() error {
	return problem.New(problem.ProofRequired, "this needs a proof of the customer")
}

// act is what a proof is for: the purpose of the activation secret, the action of
// the authentication with its data, and how the log names it.
type act struct {
	purpose, action string
	data            []byte
	event           string
}

// entitlement is what a proof came to. Its effects are settled whether the act is
// done or not, since a wrong try counts.
type entitlement struct {
	reason string // why it is refused; "" when it is right
	secret *Secret
	spent  settle.Effect
}

// effects consume the proof. Of a secret that was right for an act that is not
// done, a try is consumed.
func (e entitlement) effects(done bool) []settle.Effect {
	switch {
	case e.secret != nil:
		if e.reason == "" && !done {
			e.secret.fail()
		}
		return []settle.Effect{SaveSecret{*e.secret}}
	case e.spent != nil:
		return []settle.Effect{e.spent}
	}
	return nil
}

// entitled judges the proof of a customer for an act of his.
func (s *Service) entitled(ctx context.Context, by parties.Caller, p Proof, c parties.Customer, a act) (entitlement, error) {
	reason := ""
	if c.State != parties.CustomerActive {
		reason = "customer-suspended"
	} else if stopped, err := s.stopped(ctx, c.ID); err != nil {
		return entitlement{}, err
	} else if stopped {
		reason = stopReason
	}
	if reason != "" {
		_, err := s.secretMAC(ctx, Secret{}, p.ActivationSecret)
		return entitlement{reason: reason}, err
	}
	if p.Authentication != "" {
		spent, err := s.Prover.Spend(ctx, by, p.Authentication, c.ID, a.action, a.data)
		return entitlement{spent: spent}, err
	}
	secret, reason, err := s.judgeSecret(ctx, c, a.purpose, "", p.ActivationSecret)
	if err == nil && reason == "" { // it was asked when the secret was sent, and that may be long ago
		what, err := s.oneWay(ctx, c, a.purpose, secret.Channel)
		if err != nil {
			return entitlement{}, err
		}
		if what != "" {
			reason = oneWayReason
		}
	}
	return entitlement{secret: secret, reason: reason}, err
}

// way is the channel over which the secret came; "" of an authentication.
func (e entitlement) way() string {
	if e.secret == nil {
		return ""
	}
	return e.secret.Channel
}

// verdict is what a caller is told of an act with a proof. A front end is not told
// whether it is the proof or the person that is not there.
func (s *Service) verdict(ctx context.Context, by parties.Caller, p Proof, event string, received time.Time, reason string, err error) error {
	switch {
	case hides(by, err) || problem.Is(err, problem.ProofRequired):
		refusal := s.unknown(ctx, by, event, received)
		if problem.Is(refusal, problem.AuthenticationFailed) && p.Authentication != "" {
			return proofRequired()
		}
		return refusal
	case err != nil || reason == "":
		return err
	}
	s.floor(ctx, received)
	return refused()
}
