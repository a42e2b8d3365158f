package payment

import (
	"errors"
	"maps"
	"slices"
	"time"

	"mohur/authn"
	"mohur/problem"
	"mohur/risk"
)

// basis keeps, sealed with the details, what the decision rested on: when the proof
// comes it is decided again.
func (x *draft) basis(in risk.Payment, verdict risk.Result) {
	x.rest(in, verdict)
	if verdict.Decision == risk.StepUp || verdict.Decision == risk.Held {
		x.d.Around = around(in.Signals)
	}
}

func (x *draft) rest(in risk.Payment, verdict risk.Result) {
	x.d.Basis = Decision{Past: risk.Past{ID: x.t.ID, In: stored(in, verdict)}}.Encode()
}

// again decides a payment anew at the moment of its proof: many that wait for theirs at
// once must not pass what none of them would pass alone. Sums, payees, the list of
// compromised things and what is in force for a time are those of now; of tokens, those
// that prove count too; the rest is as it was when the payment was begun.
// Whoever proves what is held or rejected now has proven it, and it is not approved: it
// waits for security, or is over. If more is asked of a proof now, this one does not
// count, and the next is asked for as much.
//
// stopped says that the payment is not to be approved; what becomes of it is returned.
// A decision that takes longer than it may is an error: nothing is approved by it, and the
// proof may be brought again.
func (x *draft) again(p authn.Proof) (c authn.Consequence, stopped bool, err error) {
	if len(x.d.Basis) == 0 {
		return c, false, nil // begun by a version that kept nothing
	}
	was, err := DecodeDecision(x.t.ID, x.d.Basis)
	if err != nil {
		return c, false, problem.Away(err)
	}
	in, proofs := was.In, x.proofs(p)
	in.Facts = maps.Clone(was.In.Facts)
	x.began, x.budget = x.service.Now(), x.service.Budget*time.Duration(len(proofs))
	if err := x.gather(func() error { return x.renew(in, proofs) }); err != nil {
		return c, false, err
	}
	verdict := x.redecide(&in)
	if x.late {
		return c, false, problem.Away(errLate)
	}
	switch {
	case verdict.Decision == risk.Rejected, verdict.Decision == risk.Held && !x.reviewed(verdict, was.In.Facts):
		x.rest(in, verdict) // what security looks at now
		c, err = x.stop(verdict)
	case authn.ACR(verdict.ACR).Rank() > authn.ACR(x.t.ACR).Rank(), seen[verdict.Shown] > seen[x.t.Shown]:
		c, err = x.askMore(verdict)
	default:
		x.d.Around = nil // nobody asks again
		return c, false, nil
	}
	return c, true, err
}

var errLate = errors.New("payment: the decision with the proof took longer than it may")

// redecide asks the policy in force, by its own clock and by that of the payment's
// beginning: an hour that one of them rules out is ruled out.
func (x *draft) redecide(in *risk.Payment) risk.Result {
	in.Exempt, in.FraudRates, in.InForce = false, nil, x.now
	if x.t.Currency != risk.Home && x.t.Home > 0 {
		in.Rates = risk.Rates{x.t.Currency: {Qepik: x.t.Home, Per: x.t.Minor}}
	}
	p, present := x.service.Policy(), *in
	present.At = x.now.In(x.service.Zone)
	verdict := p.Decide(*in).Raised(p.Decide(present))
	x.timed()
	if x.service.Observe != nil {
		x.service.Observe(Judged{Policy: verdict.Policy, Took: x.took, Decision: verdict.Decision, Again: true})
	}
	return verdict
}

// proofs are those that approve the payment, by whom and with what.
func (x *draft) proofs(p authn.Proof) []Signature {
	if x.t.Holder != "" {
		return x.t.Signatures
	}
	return []Signature{{Customer: x.t.Customer, Credential: p.Credential.ID}}
}

// renew brings those facts up to date that can be.
func (x *draft) renew(in risk.Payment, proofs []Signature) error {
	parts := x.d.parts(x.t)
	if err := x.recall(parts); err != nil {
		return err
	}
	x.habits.facts(in.Facts, x.now, x.service.Zone)
	delete(in.Facts, "compromised")
	kept := len(x.d.Around) == len(around(in.Signals)) // else it was begun by a version that kept none
	if on, known := x.listedAsCompromised(append(accounts(x.d.Payer, parts), x.d.Around...)); known && (on || kept) {
		in.Facts["compromised"] = on
	}
	for _, proof := range proofs {
		now := risk.Facts{}
		if _, err := x.standing(now, proof.Customer, proof.Credential); err != nil {
			return err
		}
		worst(in.Facts, now, "credential_age", func(a, b int64) bool { return a < b })
		worst(in.Facts, now, "failed_attempts", func(a, b int64) bool { return a > b })
		worst(in.Facts, now, "mds_status", func(a, b string) bool { return slices.Index(models, a) < slices.Index(models, b) })
	}
	return nil
}

// models are the words for a key's model, the worst first; what is not among them is worse.
var models = []string{"warned", "unknown", "none", "ok"}

// worst makes a fact the worse one of two. What is not known of one of them is not known.
func worst[V any](f, now risk.Facts, name string, worse func(a, b V) bool) {
	was, known := f[name].(V)
	is, there := now[name].(V)
	switch {
	case !known || !there:
		delete(f, name)
	case worse(is, was):
		f[name] = is
	}
}

// reviewed reports whether security has released the payment knowing all that a verdict
// holds against it.
func (x *draft) reviewed(verdict risk.Result, was risk.Facts) bool {
	if x.t.ReleasedAt.IsZero() || verdict.Facts["compromised"] == true && was["compromised"] != true {
		return false
	}
	return !slices.ContainsFunc(verdict.Reasons, func(r risk.Reason) bool { return !slices.Contains(x.d.Released, r.Code) })
}

// more adds the reasons of a verdict and raises what is asked of a proof; what was
// proven does not count.
func (x *draft) more(verdict risk.Result) {
	for _, r := range verdict.Reasons {
		if !slices.Contains(x.t.Reasons, r.Code) {
			x.t.Reasons = append(x.t.Reasons, r.Code)
		}
	}
	if authn.ACR(verdict.ACR).Rank() > authn.ACR(x.t.NeedACR).Rank() {
		x.t.NeedACR = verdict.ACR
	}
	if seen[verdict.Shown] > seen[x.t.NeedShown] {
		x.t.NeedShown = verdict.Shown
	}
	x.t.ACR, x.t.Shown, x.t.AMR, x.t.Signature = "", "", nil, nil
	x.t.Score, x.t.Policy = max(x.t.Score, verdict.Score), verdict.Policy
	x.inputs = map[string]any{"facts": verdict.Facts, "decided": "again"}
}

// stop holds or rejects a proven payment. Who signed a held one is asked again once it is
// released.
func (x *draft) stop(verdict risk.Result) (authn.Consequence, error) {
	x.more(verdict)
	x.t.Decision, x.t.Signatures, x.t.Asked = string(verdict.Decision), nil, nil
	if verdict.Decision == risk.Rejected {
		x.t.step(x.now, Rejected, "policy", "policy")
		if err := x.save("transaction.rejected", "policy"); err != nil {
			return authn.Consequence{}, err
		}
		return x.consequence(""), nil
	}
	if err := x.keepHeld("policy"); err != nil {
		return authn.Consequence{}, err
	}
	if err := x.save("transaction.held", "held"); err != nil {
		return authn.Consequence{}, err
	}
	return x.consequence(""), nil
}

// askMore leaves a payment waiting, for a proof that reaches what is asked for now.
func (x *draft) askMore(verdict risk.Result) (authn.Consequence, error) {
	x.more(verdict)
	x.t.step(x.now, PendingProof, "more-needed", "policy")
	if err := x.save("transaction.raised", "proof-needed"); err != nil {
		return authn.Consequence{}, err
	}
	return x.consequence(""), nil
}
