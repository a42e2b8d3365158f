package payment

import (
	"time"

	"mohur/risk"
)

// Decision is a decision on record: everything the policy was given and what it
// answered, and what a shadow policy would have. It names no person and no account,
// and it decides nothing, so it has no MAC: it is there for policies to be tried on
// (Service.Simulate), and the audit log has the same.
type Decision struct {
	risk.Past
	Shadow *risk.Outcome // nil: there was no shadow policy
}

// KeepDecision puts a decision on record, beside the transaction it is of.
type KeepDecision struct{ Decision Decision }

// EffectKey names the record.
func (k KeepDecision) EffectKey() string { return "decision/" + k.Decision.ID }

// Decisions is a page of decisions, oldest first.
type Decisions struct {
	Items      []Decision
	Next       string // cursor; "": these are the last
	Unreadable int    // records that are none, left out
}

// Judged is a decision as it is counted.
type Judged struct {
	Policy    int
	Took      time.Duration // facts and judgement
	Decision  risk.Decision
	Exemption string
	Again     bool   // with the proof: the payment was counted when it was begun
	Shadow    string // what the shadow policy would ask for: same, stricter, weaker; "": there is none
}

// keep puts on record what a decision rested on, and what it was.
func (x *draft) keep(in risk.Payment, verdict risk.Result) {
	d := recordOf(x.t.ID, in, verdict, x.late)
	x.inputs = map[string]any{"facts": verdict.Facts, "low_value": map[string]any{"count": in.LowValueCount, "sum": in.LowValueSum, "exempt": in.Exempt}}
	if rate, there := d.In.Rates[in.Currency]; there {
		x.inputs["rate"] = rate
	}
	if len(in.FraudRates) > 0 {
		x.inputs["fraud_rates"] = in.FraudRates
	}
	if x.late {
		x.inputs["late"] = true
	}
	if x.shadow != nil {
		d.Shadow = x.shadow
		x.inputs["shadow"] = map[string]any{
			"policy": d.Shadow.Policy, "decision": d.Shadow.Decision, "acr": d.Shadow.ACR, "shown": d.Shadow.Shown, "exemption": d.Shadow.Exemption,
		}
	}
	x.effects = append(x.effects, KeepDecision{d})
}

func recordOf(id string, in risk.Payment, verdict risk.Result, late bool) Decision {
	d := Decision{Past: risk.Past{ID: id, In: stored(in, verdict), Late: late, Was: verdict.Outcome(), Score: verdict.Score}}
	for _, reason := range verdict.Reasons {
		d.Codes = append(d.Codes, reason.Code)
	}
	return d
}

// computed are the facts that risk makes of the rest of its input.
var computed = []string{"amount", "currency", "score", "hour", "weekday"}

// stored is a decision's input as it is kept: of the signals which were there, and
// the facts that counted.
func stored(in risk.Payment, verdict risk.Result) risk.Payment {
	out := in
	out.Facts = risk.Facts{}
	for name, value := range verdict.Facts {
		out.Facts[name] = value
	}
	for _, name := range computed {
		delete(out.Facts, name)
	}
	out.Rates = nil
	if rate, there := in.Rates[in.Currency]; there && in.Currency != risk.Home {
		out.Rates = risk.Rates{in.Currency: rate}
	}
	return out
}

// there stands for a signal of which only that it was there is known.
const there = "-"
