package risk

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxScore is the highest score; 0 is the lowest.
const MaxScore = 100

// Condition is a question about the facts. The same facts always give the same
// answer. One that needs a fact which is not there returns ErrMissing.
type Condition interface {
	Holds(facts Facts) (bool, error)
}

// ErrMissing is returned by a condition that cannot be judged because a fact it
// needs is not known. It counts as holding: what is missing never lowers a demand.
var ErrMissing = errors.New("risk: a fact is missing")

// Score is points that a condition adds, 0 to MaxScore.
type Score struct {
	Code   string
	Text   string
	Points int
	When   Condition
	From   time.Time // not before; zero: always
	Until  time.Time // it ends by itself then; zero: never
}

// Rule is a demand on the payments for which its condition holds.
type Rule struct {
	Code string
	Text string
	Demand
	When  Condition
	From  time.Time // not before; zero: always
	Until time.Time // it ends by itself then; zero: never
}

// Demand is what is asked of a payment. An empty member asks for nothing.
type Demand struct {
	Decision Decision
	ACR      string // single, strong, linked
	Shown    string // none, agent, device
}

var (
	decisions = map[Decision]int{"": 0, Approved: 0, StepUp: 1, Held: 2, Rejected: 3}
	levels    = map[string]int{"": 0, "single": 1, "strong": 2, "linked": 3}
	shown     = map[string]int{"": 0, "none": 0, "agent": 1, "device": 2}
)

// within reports whether a rule or score is in force at a time. Where the time is not
// known, it is.
func within(from, until, at time.Time) bool {
	return at.IsZero() || !at.Before(from) && (until.IsZero() || at.Before(until))
}

// unknown ranks what is in no list: nothing is stronger.
const unknown = 99

func rank[K comparable](of map[K]int, key K) int {
	if n, ok := of[key]; ok {
		return n
	}
	return unknown
}

// raised is the stronger of two demands, member by member.
func (d Demand) raised(by Demand) Demand {
	if rank(decisions, by.Decision) > rank(decisions, d.Decision) {
		d.Decision = by.Decision
	}
	if rank(levels, by.ACR) > rank(levels, d.ACR) {
		d.ACR = by.ACR
	}
	if rank(shown, by.Shown) > rank(shown, d.Shown) {
		d.Shown = by.Shown
	}
	return d
}

// Raised is the stronger of two results, member by member, with the reasons of both.
func (r Result) Raised(by Result) Result {
	d := Demand{r.Decision, r.ACR, r.Shown}.raised(Demand{by.Decision, by.ACR, by.Shown})
	r.Decision, r.ACR, r.Shown, r.Score = d.Decision, d.ACR, d.Shown, max(r.Score, by.Score)
	if r.Decision != Approved {
		r.Exemption = ""
	}
	reasons := slices.Clone(r.Reasons)
	for _, reason := range by.Reasons {
		if !slices.ContainsFunc(reasons, func(was Reason) bool { return was.Code == reason.Code }) {
			reasons = append(reasons, reason)
		}
	}
	if r.Decision == Held || r.Decision == Rejected { // a proof is not what it waits for
		reasons = slices.DeleteFunc(reasons, func(reason Reason) bool { return reason.Code == "proof-needed" })
	}
	r.Reasons = reasons
	return r
}

// AsksLess reports whether a result asks for less than another one in any
// respect: decision, level or what is shown.
func (r Result) AsksLess(than Result) bool {
	return rank(decisions, r.Decision) < rank(decisions, than.Decision) ||
		rank(levels, r.ACR) < rank(levels, than.ACR) ||
		r.Decision != Approved && than.Decision != Approved && rank(shown, r.Shown) < rank(shown, than.Shown)
}

// try asks a condition. One that fails in any way holds, and says how it failed.
func try(c Condition, facts Facts) (holds bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			holds, err = true, fmt.Errorf("risk: a condition panicked: %v", v)
		}
	}()
	if holds, err = c.Holds(facts); err != nil {
		return true, err
	}
	return holds, nil
}

// failed tells a condition that broke from one that lacked a fact.
func failed(err error) bool { return err != nil && !errors.Is(err, ErrMissing) }
