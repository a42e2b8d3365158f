package enrollment

import (
	"context"
	"slices"
	"time"

	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
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
	spent  []settle.Effect
	proof  tokens.Proof // for what is finished later
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
	}
	return e.spent
}

// entitled judges the proof of a customer for an act of his.
func (s *Service) entitled(ctx context.Context, by parties.Caller, p Proof, c parties.Customer, a act) (entitlement, error) {
	stopped, err := s.stopped(ctx, c.ID)
	if err != nil {
		return entitlement{}, err
	}
	reason := ""
	switch {
	case c.State != parties.CustomerActive:
		reason = suspendedReason
	case stopped:
		reason = stopReason
	}
	if p.Authentication != "" {
		spent, proof, err := s.Prover.SpendProof(ctx, by, p.Authentication, c.ID, a.action, a.data)
		if reason == "" || err != nil && !problem.Is(err, problem.ProofRequired) { // asked either way: it takes as long
			return entitlement{spent: spent, proof: proof}, err
		}
	}
	if reason != "" {
		_, err := s.secretMAC(ctx, Secret{}, p.ActivationSecret)
		return entitlement{reason: reason}, err
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
	e := entitlement{secret: secret, reason: reason}
	if secret != nil {
		e.proof = tokens.Proof{Secret: secret.ID, At: s.Now().UTC()}
	}
	return e, err
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
	if p.Authentication != "" && slices.Contains([]string{suspendedReason, stopReason}, reason) {
		return proofRequired() // as to a proof that is none: nobody is told that he is suspended
	}
	return refused()
}

// suspendedReason is the cause of a refusal because of a suspension since.
const suspendedReason = "customer-suspended"

// still says why an enrolment that was proven cannot be finished any more, "" when it
// can, with the effects that require it to stay so: they come before every other.
func (s *Service) still(ctx context.Context, c parties.Customer, t tokens.Token) ([]settle.Effect, string, error) {
	if stopped, err := s.stopped(ctx, c.ID); err != nil {
		return nil, "", err
	} else if stopped {
		return nil, stopReason, nil
	}
	if t.Proof == nil {
		return nil, "proof-unknown", nil
	}
	holds, required, err := s.Prover.Holds(ctx, c, *t.Proof)
	switch {
	case err != nil:
		return nil, "", err
	case holds:
		return required, "", nil
	case !c.Serves(parties.Channel(t.Proof.Channel), t.Proof.At):
		return nil, suspendedReason, nil
	}
	return nil, "proof-out-of-use", nil
}
