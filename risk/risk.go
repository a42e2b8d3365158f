// Package risk decides how strong a proof is needed, from an amount and signals.
// It is pure: the same inputs always give the same decision, nothing is read
// and nothing is remembered here. A missing signal raises the risk, the
// strongest rule wins, and what cannot be judged is held, never let through
// (clauses 5.18, 5.24). How a policy is written is the business of risk/policy.
package risk

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Decision is what is to be done with a payment.
type Decision string

// The decisions of the contract, the weakest demand first.
const (
	Approved Decision = "approved"
	StepUp   Decision = "step_up"
	Held     Decision = "held"
	Rejected Decision = "rejected"
)

// Reason is one cause of a score or decision, for people and for reports.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Policy is one version of the rules. Amounts are minor units of AZN (qəpik).
type Policy struct {
	Version          int
	From             time.Time // in force from then on
	Source           []byte    // as it was written (YAML)
	BuiltIn          bool      // the one the server ships with
	LowValueEach     int64     // at or below: may be exempt
	LowValueInRow    int64     // most exempt payments since the last proof
	LowValueSum      int64     // most in sum since the last proof
	LinkedUpTo       int64     // at or below: a linked proof; above: held
	MaxExemptScore   int       // a higher score is never exempt
	MissingSignal    int       // score for each signal that is not there
	LoginACR         string
	PaymentACR       string
	PaymentShown     string
	DailyPerCustomer int64 // ceiling of approved payments a day
	Limits           Limits
	Scores           []Score
	Rules            []Rule
	LoginRules       []Rule // of log-ins: Login asks them
	Exemptions       Exemptions
	Exceptions       []Exception
}

// Signals is what the front end told of the customer's surroundings. Every
// member is optional.
type Signals struct {
	IP        string
	UserAgent string
	DeviceID  string
	Country   string
	Malware   *bool // what the front end found; nil: it did not look, which costs no points as the others do
}

// Payment is everything a decision on a payment rests on.
type Payment struct {
	Minor         int64 // minor units of Currency
	Currency      string
	Rates         Rates     // of the day; AZN needs none
	At            time.Time // in the bank's zone: the hour is that of its clock
	InForce       time.Time // parts of the policy that are for a time are judged by it; zero: by At
	Signals       Signals
	Facts         Facts // by the names of Terms; amount, currency, score, hour, weekday and country are filled here
	LowValueCount int64 // exempt payments since the last proof
	LowValueSum   int64
	Exempt        bool // false: nothing is exempt, for a count or limit was full when it was tried, or the count cannot be trusted
	FraudRates    []FraudRate
}

// Result is a decision with its reasons.
type Result struct {
	Decision  Decision
	ACR       string // level a proof must reach
	Shown     string
	Exemption string
	Score     int
	Reasons   []Reason
	Policy    int
	Facts     Facts // what conditions were asked about
}

// Signals scores what is known of the surroundings; both ceremonies use it. An address
// or a country that is none is as good as missing.
func (p Policy) Signals(s Signals) (int, []Reason) {
	score, reasons := 0, []Reason{}
	_, fault := netip.ParseAddr(s.IP)
	for _, m := range []struct {
		value, name string
		sound       bool
	}{
		{s.IP, "ip", fault == nil}, {s.UserAgent, "user_agent", true}, {s.DeviceID, "device_id", true}, {s.Country, "country", iso3166(s.Country)},
	} {
		if m.value != "" && m.sound {
			continue
		}
		score += p.MissingSignal
		text := "the front end did not send " + m.name
		if m.value != "" {
			text = "what the front end sent as " + m.name + " is none"
		}
		reasons = append(reasons, Reason{"signal-missing", text})
	}
	return min(score, MaxScore), reasons
}

// Payment decides on one payment.
func (p Policy) Payment(in Payment) Result {
	facts, rated := in.facts()
	score, reasons, sound := p.points(in.Signals, facts, in.spans())
	return p.decide(in, facts, rated, score, reasons, sound)
}

// PaymentAt decides as Payment does, as if its score were the one given. It is
// for checks of a policy over all scores.
func (p Policy) PaymentAt(in Payment, score int) Result {
	facts, rated := in.facts()
	return p.decide(in, facts, rated, score, []Reason{}, true)
}

// spans is the time by which the parts of a policy that are for a time are judged.
func (in Payment) spans() time.Time {
	if in.InForce.IsZero() {
		return in.At
	}
	return in.InForce
}

// points is the score: what the signals give, and each condition that holds or
// cannot be judged. It is not sound when a condition failed.
func (p Policy) points(s Signals, facts Facts, at time.Time) (score int, reasons []Reason, sound bool) {
	score, reasons = p.Signals(s)
	sound = true
	for _, s := range p.Scores {
		if !within(s.From, s.Until, at) {
			continue
		}
		holds, err := try(s.When, facts)
		if !holds {
			continue
		}
		sound = sound && !failed(err)
		score = min(score+max(s.Points, 0), MaxScore)
		reasons = append(reasons, Reason{s.Code, s.Text})
	}
	return score, reasons, sound
}

// decide begins with what every payment takes and lets rules raise it, never
// lower it. A rule that an exception switches off asks for nothing; one that broke
// lets nothing be exempt all the same.
func (p Policy) decide(in Payment, facts Facts, rated bool, score int, reasons []Reason, sound bool) Result {
	facts["score"] = int64(score)
	demand := Demand{StepUp, cmp.Or(p.PaymentACR, "linked"), p.PaymentShown}
	switch {
	case !rated:
		// Without a rate nobody knows which band the amount is in.
		demand.Decision = Held
		reasons = append(reasons, Reason{"currency-without-rate", "no exchange rate for " + in.Currency + ": the amount cannot be placed in a band"})
	case facts["amount"].(int64) > p.LinkedUpTo:
		demand.Decision = Held
		reasons = append(reasons, Reason{"amount-held", texts["amount-held"]})
	}
	quiet := true // no rule asks for anything
	for _, r := range p.Rules {
		if !within(r.From, r.Until, in.spans()) {
			continue
		}
		holds, err := try(r.When, facts)
		if !holds {
			continue
		}
		sound = sound && !failed(err)
		if e, off := p.excepts(r.Code, facts, in.spans()); off {
			reasons = append(reasons, Reason{e.Code, e.Text})
			continue
		}
		quiet = false
		demand = demand.raised(r.Demand)
		if err == nil || rated { // else the missing rate says it already
			reasons = append(reasons, Reason{r.Code, r.Text})
		}
	}
	if !sound {
		reasons = append(reasons, Reason{"rule-failed", texts["rule-failed"]})
	}
	r := Result{Decision: demand.Decision, ACR: demand.ACR, Shown: demand.Shown, Score: score, Policy: p.Version, Facts: facts}
	if quiet && sound && demand.Decision == StepUp {
		r.Exemption = p.exemption(in, facts, score)
	}
	switch {
	case r.Exemption != "":
		r.Decision, r.ACR = Approved, ""
	case demand.Decision == StepUp:
		reasons = append(reasons, Reason{"proof-needed", texts["proof-needed"]})
	}
	r.Reasons = reasons
	return r
}

// texts say what a reason's code means.
var texts = map[string]string{
	"signal-missing":         "the front end left out a signal",
	"currency-without-rate":  "there is no exchange rate for the currency",
	"amount-held":            "the amount is above the band a customer's proof may approve",
	"proof-needed":           "the amount, the count of exempt payments or the risk asks for a linked proof",
	"no-suitable-credential": "the customer holds nothing that reaches the level asked for",
	"limit-exceeded":         "the payment would pass a limit of the customer; limits.exceeded names it",
	"rule-failed":            "a rule of the policy could not be evaluated, so nothing is exempt",
	"budget-spent":           "the decision took longer than it may, so nothing is exempt",
	"engine-failed":          "the policy could not be evaluated: a person has to look at the payment",
}

// Text returns what a reason's code means, "" for an unknown one.
func Text(code string) string { return texts[code] }

// Text returns what a reason's code means, of the server's own codes and of the
// policy's; "" for an unknown one.
func (p Policy) Text(code string) string {
	if text := texts[code]; text != "" {
		return text
	}
	for _, r := range slices.Concat(p.Rules, p.LoginRules) {
		if r.Code == code {
			return r.Text
		}
	}
	for _, s := range p.Scores {
		if s.Code == code {
			return s.Text
		}
	}
	for _, e := range p.Exceptions {
		if e.Code == code {
			return e.Text
		}
	}
	return ""
}
