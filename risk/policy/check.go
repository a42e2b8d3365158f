package policy

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"mohur/risk"
)

// Check tries a policy over a grid of amounts, scores and circumstances and returns
// a sentence for everything a risk officer should look at: where a higher amount or
// score asks for less, and conditions on facts that the server does not know of
// every payment, which therefore hold for all of them. It is a trial of many
// points, not a proof.
func Check(p risk.Policy) []string {
	edges, notes := conditionsOf(p)
	amounts, scores := grid(p, edges)
	found := &findings{seen: map[string]bool{}}
	for _, c := range circumstances() {
		table := make([][]risk.Result, len(amounts))
		for i, minor := range amounts {
			in := c.in
			in.Minor, in.Currency, in.Exempt = minor, risk.Home, true
			for j, score := range scores {
				r := p.PaymentAt(in, int(score))
				table[i] = append(table[i], r)
				if i > 0 && r.AsksLess(table[i-1][j]) {
					found.add("an amount", amount(amounts[i-1]), amount(minor), table[i-1][j], r, fmt.Sprintf("at score %d, %s", score, c.name))
				}
				if j > 0 && r.AsksLess(table[i][j-1]) {
					found.add("a score", strconv.FormatInt(scores[j-1], 10), strconv.FormatInt(score, 10), table[i][j-1], r, fmt.Sprintf("at %s AZN, %s", amount(minor), c.name))
				}
			}
		}
	}
	return append(found.list, notes...)
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

// conditionsOf returns the numbers that conditions compare with, and notes on facts
// that are not known.
func conditionsOf(p risk.Policy) (edges []int64, notes []string) {
	given := map[string]bool{}
	for _, t := range risk.Terms() {
		given[t.Name] = t.Given
	}
	look := func(kind, code string, when risk.Condition) {
		c, ok := when.(*condition)
		if !ok {
			return
		}
		edges = append(edges, c.edges...)
		for _, name := range c.needs {
			if !given[name] {
				notes = append(notes, fmt.Sprintf("the %s %s speaks of %s, which the server does not know yet: until it does, the condition holds wherever the answer depends on it", kind, code, name))
			}
		}
	}
	for _, s := range p.Scores {
		look("score", s.Code, s.When)
	}
	for _, r := range p.Rules {
		look("rule", r.Code, r.When)
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
	for _, n := range append([]int64{p.LowValueEach, p.LowValueSum, p.LinkedUpTo}, edges...) {
		amounts = near(n, 1, maxQepik, amounts)
	}
	for _, n := range append([]int64{int64(p.MaxExemptScore)}, edges...) {
		scores = near(n, 0, risk.MaxScore, scores)
	}
	slices.Sort(amounts)
	slices.Sort(scores)
	return slices.Compact(amounts), slices.Compact(scores)
}

// circumstance is what stays the same while amount and score rise.
type circumstance struct {
	name string
	in   risk.Payment
}

// circumstances are: nothing known, all well, one thing bad at a time, all bad, and
// hours, services and channels.
func circumstances() []circumstance {
	at := func(hour int) time.Time { return time.Date(2026, 1, 5, hour, 0, 0, 0, time.UTC) }
	scene := func(name string, hour int, facts risk.Facts) circumstance {
		return circumstance{name, risk.Payment{At: at(hour), Facts: facts, Signals: risk.Signals{IP: "-", UserAgent: "-", DeviceID: "-", Country: "AZ"}}}
	}
	well := func() risk.Facts {
		f := risk.Facts{"service": "transactional", "channel": "internet", "device_known": true, "payees": int64(1), "payer_country": "AZ", "payee_country": "AZ", "mds_status": "ok"}
		for _, t := range risk.Terms() {
			if _, set := f[t.Name]; set {
				continue
			}
			switch t.Kind {
			case risk.Truth:
				f[t.Name] = false
			case risk.Number:
				f[t.Name] = int64(0)
			}
		}
		for _, age := range []string{"contacts_age", "credential_age"} {
			f[age] = int64(10 * 365 * 24 * 3600)
		}
		return f
	}
	out := []circumstance{{"with nothing else known", risk.Payment{}}, scene("with all well", 12, well())}
	bad := well()
	for _, t := range risk.Terms() {
		if t.Kind == risk.Truth {
			one := well()
			one[t.Name] = t.Name != "device_known"
			bad[t.Name] = one[t.Name]
			out = append(out, scene(fmt.Sprintf("with %s %v", t.Name, one[t.Name]), 12, one))
		}
	}
	out = append(out, scene("with all bad", 3, bad))
	for _, hour := range []int{0, 6, 23} {
		out = append(out, scene(fmt.Sprintf("at %02d:00", hour), hour, well()))
	}
	for _, service := range []string{"information", "transactional"} {
		for _, channel := range []string{"pc", "internet", "mobile"} {
			one := well()
			one["service"], one["channel"] = service, channel
			out = append(out, scene(service+" on "+channel, 12, one))
		}
	}
	return out
}

func amount(qepik int64) string { return fmt.Sprintf("%d.%02d", qepik/100, qepik%100) }
