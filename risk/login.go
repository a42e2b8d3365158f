package risk

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Login decides what a log-in takes: its Decision is StepUp or Rejected, its ACR
// single or strong. known are facts by the names of LoginTerms, others are left out;
// those that signals and time tell are filled here. Its score is the points for
// missing signals. at is in the bank's zone. As with payments, what is not known
// counts as holding, and rules raise the demand, never lower it (clause 5.4).
func (p Policy) Login(s Signals, known Facts, at time.Time) Result {
	score, reasons := p.Signals(s)
	facts := make(Facts, len(atLogin))
	facts.take(known)
	maps.DeleteFunc(facts, func(name string, _ any) bool { return !slices.Contains(atLogin, name) })
	facts.surround(s, at)
	facts["score"] = int64(score)
	demand := Demand{Decision: StepUp, ACR: cmp.Or(p.LoginACR, "strong")}
	for _, r := range p.LoginRules {
		if !within(r.From, r.Until, at) {
			continue
		}
		if holds, _ := try(r.When, facts); holds {
			demand = demand.raised(r.Demand)
			reasons = append(reasons, Reason{r.Code, r.Text})
		}
	}
	if demand.ACR != "single" {
		demand.ACR = "strong"
	}
	if demand.Decision != StepUp {
		demand.Decision = Rejected // a log-in is not held: nobody would look at it
	}
	return Result{Decision: demand.Decision, ACR: demand.ACR, Score: score, Reasons: reasons, Policy: p.Version, Facts: facts}
}
