package risk

// Outcome is what a decision asks for, without its reasons.
type Outcome struct {
	Policy    int
	Decision  Decision
	ACR       string
	Shown     string
	Exemption string
}

// Outcome returns what the result asks for.
func (r Result) Outcome() Outcome {
	return Outcome{Policy: r.Policy, Decision: r.Decision, ACR: r.ACR, Shown: r.Shown, Exemption: r.Exemption}
}

// AsksLess reports whether an outcome asks for less than another one in any respect.
func (o Outcome) AsksLess(than Outcome) bool { return o.result().AsksLess(than.result()) }

func (o Outcome) result() Result { return Result{Decision: o.Decision, ACR: o.ACR, Shown: o.Shown} }

// Past is a decision as it was put on record: what a policy was given and what it
// answered. The signals only say which of them were there.
type Past struct {
	ID    string // of the transaction
	In    Payment
	Late  bool // it came when its time was over
	Was   Outcome
	Score int
	Codes []string // of its reasons
}

// Again decides what is on record with a policy. The one it was decided with gives
// the same result.
func (p Policy) Again(past Past) Result {
	r := p.Decide(past.In)
	if past.Late {
		r = p.Late(r)
	}
	return r
}
