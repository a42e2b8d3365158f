package payment

import (
	"slices"

	"mohur/authn"
	"mohur/problem"
	"mohur/risk"
)

// basis keeps, sealed with the details, what the decision rested on: when the proof
// comes it is decided again.
func (x *draft) basis(in risk.Payment, verdict risk.Result) {
	x.d.Basis = Decision{Past: risk.Past{ID: x.t.ID, In: stored(in, verdict)}}.Encode()
}

// again decides a payment anew at the moment of its proof: many that wait for theirs at
// once must not pass what none of them would pass alone. Sums, payees and the list of
// compromised things are those of now, the rest is as it was when the payment was begun.
// Whoever proves what is held or rejected now has proven it, and it is not approved: it
// waits for security, or is over. If more is asked of a proof now, this one does not
// count, and the next is asked for as much.
//
// stopped says that the payment is not to be approved; what becomes of it is returned.
func (x *draft) again() (c authn.Consequence, stopped bool, err error) {
	if len(x.d.Basis) == 0 {
		return c, false, nil // begun by a version that kept nothing
	}
	was, err := DecodeDecision(x.t.ID, x.d.Basis)
	if err != nil {
		return c, false, problem.Away(err)
	}
	in := was.In
	in.Exempt, in.FraudRates = false, nil
	if x.t.Currency != risk.Home && x.t.Home > 0 {
		in.Rates = risk.Rates{x.t.Currency: {Qepik: x.t.Home, Per: x.t.Minor}}
	}
	parts := x.d.parts(x.t)
	if err := x.recall(parts); err != nil {
		return c, false, err
	}
	x.habits.facts(in.Facts, x.now, x.service.Zone)
	if on, known := x.listedAsCompromised(accounts(x.d.Payer, parts)); known && on {
		in.Facts["compromised"] = true
	}
	verdict := x.service.Policy().Decide(in)
	released := slices.ContainsFunc(x.t.Timeline, func(s Step) bool { return s.State == Held }) // a person has looked at it
	switch {
	case verdict.Decision == risk.Rejected, verdict.Decision == risk.Held && !released:
		c, err = x.stop(verdict)
	case authn.ACR(verdict.ACR).Rank() > authn.ACR(x.t.ACR).Rank(), seen[verdict.Shown] > seen[x.t.Shown]:
		c, err = x.askMore(verdict)
	default:
		return c, false, nil
	}
	return c, true, err
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
