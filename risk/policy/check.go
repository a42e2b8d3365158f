package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mohur/risk"
)

// maxTried bounds what Check costs, in the steps of conditions. The least of amounts,
// scores and circumstances of the longest policy there is stay within it.
const maxTried = 15_000_000

// allBad is the circumstance that is never left out, with the first ones.
const allBad = "with all bad"

// Check tries a policy over a grid of amounts, scores and circumstances and returns
// a sentence for everything a risk officer should look at: where a higher amount or
// score asks for less, what goes without a proof more easily than it seems, and
// conditions on facts that are not known of every payment, which hold where they are
// not. It is a trial of many points, not a proof.
func Check(p risk.Policy) []string { return CheckUntil(p, nil) }

// CheckUntil is Check, and ends early once stop says so, which it asks at every point.
// Then it says that it did. A nil stop never does.
func CheckUntil(p risk.Policy, stop func() bool) []string {
	edges, notes := conditionsOf(p)
	amounts, scores := grid(p, edges)
	found := &findings{seen: map[string]bool{}}
	scenes := circumstances(p)
	each := steps(p)
	tooMuch := func() bool { return len(amounts)*len(scores)*len(scenes)*each > maxTried }
	if tooMuch() {
		found.list = append(found.list, "the policy has too many numbers for all of them to be tried: some amounts, scores and circumstances were left out")
	}
	for _, least := range []int{20, 4} {
		for tooMuch() && max(len(amounts), len(scores)) > least {
			amounts, scores = half(amounts, least), half(scores, least)
		}
		if tooMuch() {
			scenes = fewer(scenes, max(4, maxTried/(len(amounts)*len(scores)*each)))
		}
	}
	if !found.tried(p, scenes, amounts, scores, stop) {
		found.list = append(found.list, "the trial over amounts and scores was stopped before its end; run `mohur policy check`")
	}
	found.list = append(found.list, loose(p)...)
	return append(found.list, notes...)
}

// tried looks at every point; false if it was stopped.
func (f *findings) tried(p risk.Policy, scenes []circumstance, amounts, scores []int64, stop func() bool) bool {
	for _, c := range scenes {
		table := make([][]risk.Result, len(amounts))
		for i, minor := range amounts {
			in := c.in
			in.Minor, in.Currency, in.Exempt = minor, risk.Home, true
			for j, score := range scores {
				if stop != nil && stop() {
					return false
				}
				r := p.PaymentAt(in, int(score))
				table[i] = append(table[i], r)
				if i > 0 && r.AsksLess(table[i-1][j]) {
					f.add("an amount", amount(amounts[i-1]), amount(minor), table[i-1][j], r, fmt.Sprintf("at score %d, %s", score, c.name))
				}
				if j > 0 && r.AsksLess(table[i][j-1]) {
					f.add("a score", strconv.FormatInt(scores[j-1], 10), strconv.FormatInt(score, 10), table[i][j-1], r, fmt.Sprintf("at %s AZN, %s", amount(minor), c.name))
				}
			}
		}
	}
	return true
}

// steps are those of one decision at most.
func steps(p risk.Policy) int {
	n := 50 // what is done beside conditions
	add := func(when risk.Condition) {
		if c, ok := when.(*condition); ok {
			n += c.cost
		}
	}
	for _, s := range p.Scores {
		add(s.When)
	}
	for _, r := range p.Rules {
		add(r.When)
	}
	for _, e := range p.Exceptions {
		add(e.When)
	}
	return n
}

// half leaves out every second of many.
func half(of []int64, least int) []int64 {
	if len(of) <= least {
		return of
	}
	out := of[:0:0]
	for i := 0; i < len(of); i += 2 {
		out = append(out, of[i])
	}
	return out
}

// fewer leaves the first ones, and the one with all that is bad.
func fewer(scenes []circumstance, most int) []circumstance {
	if len(scenes) <= most {
		return scenes
	}
	bad := slices.IndexFunc(scenes, func(c circumstance) bool { return c.name == allBad })
	if bad < most {
		return scenes[:most]
	}
	return append(slices.Clone(scenes[:most-1]), scenes[bad])
}

// findings are steps up that ask for less, each told once.
type findings struct {
	seen map[string]bool
	list []string
}

func (f *findings) add(what, from, to string, before, after risk.Result, where string) {
	step := what + from + "/" + to
	if f.seen[step] {
		return
	}
	f.seen[step] = true
	say := func(r risk.Result) string {
		if r.Decision == risk.Approved {
			return "approved without a proof"
		}
		return fmt.Sprintf("%s, shown %s", r.Decision, r.Shown)
	}
	f.list = append(f.list, fmt.Sprintf("%s of %s asks for less than one of %s: %s instead of %s (%s)", what, to, from, say(after), say(before), where))
}

// conditionsOf returns the numbers that conditions compare with, and a note on each
// fact that is not known of every payment.
func conditionsOf(p risk.Policy) (edges []int64, notes []string) {
	speak, except := map[string][]string{}, map[string][]string{}
	look := func(of map[string][]string, what string, when risk.Condition) {
		c, ok := when.(*condition)
		if !ok {
			return
		}
		edges = append(edges, c.edges...)
		for _, name := range c.needs {
			of[name] = append(of[name], what)
		}
	}
	for _, s := range p.Scores {
		look(speak, "score "+s.Code, s.When)
	}
	for _, r := range p.Rules {
		look(speak, "rule "+r.Code, r.When)
	}
	for _, r := range p.LoginRules {
		look(speak, "log-in rule "+r.Code, r.When)
	}
	for _, e := range p.Exceptions {
		look(except, "exception "+e.Code, e.When)
	}
	for _, t := range risk.Terms() {
		if list := speak[t.Name]; !t.Given && len(list) > 0 {
			notes = append(notes, fmt.Sprintf("%s is not known of every payment: where it is not, these hold wherever their answer depends on it: %s", t.Name, strings.Join(list, ", ")))
		}
		if list := except[t.Name]; !t.Given && len(list) > 0 {
			notes = append(notes, fmt.Sprintf("%s is not known of every payment: where it is not, these except nothing: %s", t.Name, strings.Join(list, ", ")))
		}
	}
	return edges, notes
}

// grid is the amounts and scores that are tried: round ones, and those around
// every number of the policy.
func grid(p risk.Policy, edges []int64) (amounts, scores []int64) {
	for n := int64(1); n <= maxQepik; n *= 10 {
		amounts = append(amounts, n, 5*n)
	}
	for n := int64(0); n <= risk.MaxScore; n += 10 {
		scores = append(scores, n)
	}
	near := func(n, low, high int64, list []int64) []int64 {
		for _, v := range []int64{n - 1, n, n + 1} {
			if v >= low && v <= high {
				list = append(list, v)
			}
		}
		return list
	}
	bounds, highest := []int64{p.LowValueEach, p.LowValueSum, p.LinkedUpTo}, []int64{int64(p.MaxExemptScore), int64(p.Exemptions.TRAScore)}
	for _, b := range p.Exemptions.TRA {
		bounds = append(bounds, b.UpTo)
	}
	for _, e := range optional(p.Exemptions) {
		bounds, highest = append(bounds, e.UpTo), append(highest, int64(e.MaxScore))
	}
	for _, n := range append(bounds, edges...) {
		amounts = near(n, 1, maxQepik, amounts)
	}
	for _, n := range append(highest, edges...) {
		scores = near(n, 0, risk.MaxScore, scores)
	}
	slices.Sort(amounts)
	slices.Sort(scores)
	return slices.Compact(amounts), slices.Compact(scores)
}

func amount(qepik int64) string { return fmt.Sprintf("%d.%02d", qepik/100, qepik%100) }
