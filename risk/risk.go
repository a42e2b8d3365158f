// Package risk decides how strong a proof is needed, from an amount and signals.
// It is pure: the same inputs always give the same decision, nothing is read
// and nothing is remembered here. A missing signal raises the risk, the
// strongest rule wins, and what cannot be judged is held, never let through
// (clauses 5.18, 5.24).
package risk

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
	LowValueEach     int64 // at or below: may be exempt
	LowValueInRow    int64 // most exempt payments since the last proof
	LowValueSum      int64 // most in sum since the last proof
	LinkedUpTo       int64 // at or below: a linked proof; above: held
	MaxExemptScore   int   // a higher score is never exempt
	MissingSignal    int   // score for each signal that is not there
	LoginACR         string
	PaymentACR       string
	PaymentShown     string
	DailyPerCustomer int64 // ceiling of approved payments a day
}

// Version1 is the policy the server ships with (PSD2 RTS Art. 16 in the local
// currency for the exemption).
func Version1() Policy {
	return Policy{
		Version: 1, LowValueEach: 50_00, LowValueInRow: 5, LowValueSum: 150_00, LinkedUpTo: 20_000_00,
		MaxExemptScore: 59, MissingSignal: 10, LoginACR: "strong", PaymentACR: "linked", PaymentShown: "none",
		DailyPerCustomer: 100_000_00,
	}
}

// Signals is what the front end told of the customer's surroundings. Every
// member is optional.
type Signals struct {
	IP        string
	UserAgent string
	DeviceID  string
	Country   string
}

// Payment is everything a decision on a payment rests on.
type Payment struct {
	Minor         int64
	Currency      string
	Signals       Signals
	LowValueCount int64 // exempt payments since the last proof
	LowValueSum   int64
	Exempt        bool // false once an exemption was tried and its counter was full
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
}

// Signals scores what is known of the surroundings; both ceremonies use it.
func (p Policy) Signals(s Signals) (int, []Reason) {
	score, reasons := 0, []Reason{}
	for _, m := range []struct{ value, name string }{
		{s.IP, "ip"}, {s.UserAgent, "user_agent"}, {s.DeviceID, "device_id"}, {s.Country, "country"},
	} {
		if m.value == "" {
			score += p.MissingSignal
			reasons = append(reasons, Reason{"signal-missing", "the front end did not send " + m.name})
		}
	}
	return min(score, 100), reasons
}

// Payment decides on one payment.
func (p Policy) Payment(in Payment) Result {
	score, reasons := p.Signals(in.Signals)
	r := Result{Decision: StepUp, ACR: p.PaymentACR, Shown: p.PaymentShown, Score: score, Reasons: reasons, Policy: p.Version}
	switch {
	case in.Currency != "AZN":
		// Without a rate nobody knows which band the amount is in.
		r.Decision = Held
		r.Reasons = append(r.Reasons, Reason{"currency-without-rate", "no exchange rate for " + in.Currency + ": the amount cannot be placed in a band"})
	case in.Minor > p.LinkedUpTo:
		r.Decision = Held
		r.Reasons = append(r.Reasons, Reason{"amount-held", "the amount is above the band a customer's proof may approve"})
	case p.exempt(in, score):
		r.Decision, r.ACR, r.Exemption = Approved, "", "low_value"
	default:
		r.Reasons = append(r.Reasons, Reason{"proof-needed", "the amount, the count of exempt payments or the risk asks for a linked proof"})
	}
	return r
}

// exempt is the counted low-value exemption. The store counts again when it
// settles: two payments at once never pass it together.
func (p Policy) exempt(in Payment, score int) bool {
	return in.Exempt && in.Minor <= p.LowValueEach && score <= p.MaxExemptScore &&
		in.LowValueCount+1 <= p.LowValueInRow && in.LowValueSum+in.Minor <= p.LowValueSum
}

// texts say what a reason's code means.
var texts = map[string]string{
	"signal-missing":         "the front end left out a signal",
	"currency-without-rate":  "there is no exchange rate for the currency",
	"amount-held":            "the amount is above the band a customer's proof may approve",
	"proof-needed":           "the amount, the count of exempt payments or the risk asks for a linked proof",
	"no-suitable-credential": "the customer holds nothing that reaches the level asked for",
	"limit-exceeded":         "the payment would pass the customer's limit for the day",
}

// Text returns what a reason's code means, "" for an unknown one.
func Text(code string) string { return texts[code] }
