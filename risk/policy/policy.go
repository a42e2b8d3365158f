// Package policy reads a bank's policy: YAML, with conditions in CEL, checked as a
// whole before anything of it is used. It is pure, as risk is: text goes in, a
// risk.Policy or every fault with its line comes out (clauses 5.1, 5.18).
package policy

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml/ast"

	"mohur/risk"
)

// The bounds of a policy.
const (
	maxText  = 256 << 10 // bytes
	maxRules = 200       // and as many scores
	maxQepik = 1_000_000_000_000_00
)

//go:embed default.yaml
var shipped []byte

//go:embed recommended.yaml
var recommended []byte

// Default is the policy the server ships with. It is in force where the bank names
// none of its own.
var Default = sync.OnceValue(func() risk.Policy {
	p := must(shipped)
	p.BuiltIn = true
	return p
})

// Recommended is a policy for an Azerbaijani bank that uses all the server knows of a
// payment, for the bank to begin its own from. It is version 2.
var Recommended = sync.OnceValue(func() risk.Policy { return must(recommended) })

func must(text []byte) risk.Policy {
	p, err := Parse(text)
	if err != nil {
		panic(err) // it is tested
	}
	return p
}

// file is the policy as it is written.
type file struct {
	Version       int64  `yaml:"version"`
	EffectiveFrom string `yaml:"effective_from"`
	Login         struct {
		ACR   string      `yaml:"acr"`
		Rules []loginRule `yaml:"rules"`
	} `yaml:"login"`
	Payments struct {
		ACR       string `yaml:"acr"`
		Shown     string `yaml:"shown"`
		ProofUpTo string `yaml:"proof_up_to"`
		Daily     string `yaml:"daily_per_customer"`
		LowValue  struct {
			Each    string `yaml:"each"`
			InARow  int64  `yaml:"in_a_row"`
			InSum   string `yaml:"in_sum"`
			Highest int64  `yaml:"highest_score"`
		} `yaml:"low_value"`
		Exemptions exemptions `yaml:"exemptions"`
	} `yaml:"payments"`
	Signals struct {
		Missing int64 `yaml:"missing"`
	} `yaml:"signals"`
	Scores     []score     `yaml:"scores"`
	Rules      []rule      `yaml:"rules"`
	Limits     limits      `yaml:"limits"`
	Exceptions []exception `yaml:"exceptions"`
	End        bool        `yaml:"end"`
}

type score struct {
	Code   string `yaml:"code"`
	Text   string `yaml:"text"`
	Points int64  `yaml:"points"`
	When   string `yaml:"when"`
	From   string `yaml:"from"`
	Until  string `yaml:"until"`
}

type rule struct {
	Code     string `yaml:"code"`
	Text     string `yaml:"text"`
	When     string `yaml:"when"`
	Decision string `yaml:"decision"`
	Shown    string `yaml:"shown"`
	From     string `yaml:"from"`
	Until    string `yaml:"until"`
}

// Parse reads a policy. The error is Faults: all there are, but for text that is
// not YAML or has unknown members, where it is the first.
func Parse(text []byte) (risk.Policy, error) {
	r := &reader{codes: map[string]bool{}, languages: map[purpose]*language{}}
	f, ok := r.open(text)
	if !ok {
		return risk.Policy{}, r.faults.err()
	}
	p := risk.Policy{Version: int(r.number("version", f.Version, 1, 1<<31-1)), Source: slices.Clone(text)}
	if r.need("effective_from") {
		p.From = r.time("effective_from", f.EffectiveFrom)
	}
	p.LoginACR = r.choice("login.acr", f.Login.ACR, "single", "strong")
	if p.PaymentACR = f.Payments.ACR; r.need("payments.acr") && p.PaymentACR != "linked" {
		r.fault("payments.acr", "needs to be linked: what is not bound to amount and payee approves no payment")
	}
	p.PaymentShown = r.choice("payments.shown", f.Payments.Shown, "none", "agent", "device")
	p.LinkedUpTo = r.amount("payments.proof_up_to", f.Payments.ProofUpTo)
	p.DailyPerCustomer = r.amount("payments.daily_per_customer", f.Payments.Daily)
	low := f.Payments.LowValue
	p.LowValueEach, p.LowValueSum = r.amount("payments.low_value.each", low.Each), r.amount("payments.low_value.in_sum", low.InSum)
	p.LowValueInRow = r.number("payments.low_value.in_a_row", low.InARow, 0, 254)
	p.MaxExemptScore = int(r.number("payments.low_value.highest_score", low.Highest, 0, risk.MaxScore))
	p.MissingSignal = int(r.number("signals.missing", f.Signals.Missing, 0, risk.MaxScore))
	if p.LowValueEach > p.LinkedUpTo {
		r.fault("payments.low_value.each", "is more than payments.proof_up_to")
	}
	r.ended()
	p.Limits = r.limits(f.Limits)
	r.exempt(f.Payments.Exemptions, &p)
	r.login(f.Login.Rules, &p)
	r.conditions(f, &p)
	r.exceptions(f.Exceptions, &p)
	if err := r.faults.err(); err != nil {
		return risk.Policy{}, err
	}
	return p, nil
}

// conditions compiles the scores and rules.
func (r *reader) conditions(f file, p *risk.Policy) {
	r.list("scores", len(f.Scores), maxRules)
	r.list("rules", len(f.Rules), maxRules)
	for i, s := range f.Scores[:min(len(f.Scores), maxRules)] {
		at := fmt.Sprintf("scores[%d].", i)
		r.named(at, s.Code, s.Text)
		from, until := r.span(at, s.From, s.Until)
		p.Scores = append(p.Scores, risk.Score{
			Code: s.Code, Text: s.Text, Points: int(r.number(at+"points", s.Points, 1, risk.MaxScore)), When: r.when(at+"when", s.When, ofScores),
			From: from, Until: until,
		})
	}
	for i, u := range f.Rules[:min(len(f.Rules), maxRules)] {
		at := fmt.Sprintf("rules[%d].", i)
		r.named(at, u.Code, u.Text)
		d := risk.Demand{Decision: risk.StepUp}
		if r.has(at + "decision") {
			d.Decision = risk.Decision(r.choice(at+"decision", u.Decision, string(risk.StepUp), string(risk.Held), string(risk.Rejected)))
		}
		if r.has(at + "shown") {
			d.Shown = r.choice(at+"shown", u.Shown, "none", "agent", "device")
		}
		from, until := r.span(at, u.From, u.Until)
		p.Rules = append(p.Rules, risk.Rule{Code: u.Code, Text: u.Text, Demand: d, When: r.when(at+"when", u.When, ofRules), From: from, Until: until})
	}
}

// ended checks that the text has its last line: one that was cut off would ask less
// than it says.
func (r *reader) ended() {
	switch end, is := r.nodes["end"].(*ast.BoolNode); {
	case !r.has("end"):
		r.fault("", "is cut off: a policy ends with the line end: true")
	case r.last != "end":
		r.fault("end", "needs to be the last line of the policy; "+r.last+" comes after it")
	case !is || !end.Value:
		r.fault("end", "needs to be true")
	}
}

// list checks that a list is there, also when it is empty.
func (r *reader) list(path string, n, most int) {
	if _, is := r.nodes[path].(*ast.SequenceNode); r.need(path) && !is {
		r.fault(path, "needs to be a list; [] where there is nothing")
	}
	if n > most {
		r.fault(path, fmt.Sprintf("holds %d, and %d is the most", n, most))
	}
}

var codeForm = regexp.MustCompile(`^[a-z][a-z0-9-]{1,39}$`)

// named checks what a reason is called. A code means one thing only.
func (r *reader) named(at, code, text string) {
	if r.need(at+"code") && !codeForm.MatchString(code) {
		r.fault(at+"code", "needs 2 to 40 of a-z 0-9 -, a letter first")
	} else if risk.Text(code) != "" {
		r.fault(at+"code", "is a code of the server's own; choose another")
	} else if r.codes[code] {
		r.fault(at+"code", "stands there twice; every score and rule has a code of its own")
	}
	r.codes[code] = true
	if r.need(at+"text") && (strings.TrimSpace(text) == "" || len(text) > 200) {
		r.fault(at+"text", "needs a sentence of at most 200 characters that says why")
	}
}

// when compiles a condition, in the language of what it is for.
func (r *reader) when(path, text string, of purpose) risk.Condition {
	if !r.need(path) {
		return nil
	}
	if r.languages[of] == nil {
		lang, err := newLanguage(of)
		if err != nil {
			r.fault(path, err.Error())
			return nil
		}
		r.languages[of] = lang
	}
	c, err := r.languages[of].compile(text)
	if err != nil {
		r.fault(path, err.Error())
		return nil
	}
	return c
}

// YAML has numbers in other bases too, and 070 is one.
var numberForm = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

func (r *reader) number(path string, n, low, high int64) int64 {
	if !r.need(path) {
		return 0
	}
	if node, whole := r.nodes[path].(*ast.IntegerNode); !whole || n < low || n > high {
		r.fault(path, fmt.Sprintf("needs to be a whole number from %d to %d", low, high))
	} else if !numberForm.MatchString(node.GetToken().Value) {
		r.fault(path, "needs to be written in digits alone, without a zero before them")
	}
	return n
}

func (r *reader) choice(path, value string, allowed ...string) string {
	if r.need(path) && !slices.Contains(allowed, value) {
		r.fault(path, "needs to be "+strings.Join(allowed[:len(allowed)-1], ", ")+" or "+allowed[len(allowed)-1])
	}
	return value
}

func (r *reader) amount(path, text string) int64 {
	if !r.need(path) {
		return 0
	}
	if !r.quoted(path) {
		r.fault(path, `needs quotes, such as "50.00": a number without them may be rounded`)
		return 0
	}
	n, err := qepik(text)
	if err != nil {
		r.fault(path, err.Error())
	}
	return n
}

var amountForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,14})(\.[0-9]{1,2})?$`)

// qepik reads decimal text exactly.
func qepik(text string) (int64, error) {
	if !amountForm.MatchString(text) {
		return 0, fmt.Errorf("%.40q needs to be decimal text with at most two places, such as \"1000.00\"", text)
	}
	whole, frac, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(frac + "00")[:2], 10, 64)
	if err != nil || n > maxQepik {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return n, nil
}
