package risk

import "cmp"

// Decide is Payment, and holds the payment if the rules break altogether: what
// fails never approves (clause 5.24).
func (p Policy) Decide(in Payment) (r Result) {
	defer func() {
		if v := recover(); v != nil {
			facts, _ := in.facts()
			r = Result{
				Decision: Held, ACR: cmp.Or(p.PaymentACR, "linked"), Shown: p.PaymentShown, Policy: p.Version, Facts: facts,
				Reasons: []Reason{{"engine-failed", texts["engine-failed"]}},
			}
		}
	}()
	return p.Payment(in)
}

// Late is the safe side of a result that came when the time for the decision was
// over: nothing is exempt then, and what asks for more than a proof stays as it is.
func (p Policy) Late(r Result) Result {
	if r.Decision != Approved {
		return r
	}
	r.Decision, r.Exemption, r.ACR = StepUp, "", cmp.Or(p.PaymentACR, "linked")
	r.Shown = cmp.Or(r.Shown, p.PaymentShown)
	r.Reasons = append(r.Reasons[:len(r.Reasons):len(r.Reasons)], Reason{"budget-spent", texts["budget-spent"]})
	return r
}
