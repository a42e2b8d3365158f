package policy_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mohur/risk"
	"mohur/risk/policy"
)

// Every fault is told with its line and its field, all at once.
func TestFaultsNameLineAndField(t *testing.T) {
	text, err := os.ReadFile("testdata/faults.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = policy.Parse(text)
	var faults policy.Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	want := `line 2: version: needs to be a whole number from 1 to
line 3: effective_from: needs to be a time
line 5: login.acr: needs to be single or strong
line 7: payments.acr: needs to be linked
line 8: payments.shown: needs to be none, agent or device
line 9: payments.proof_up_to: needs quotes
line 11: payments.low_value.each: "50,00" needs to be decimal text
line 11: payments.low_value.in_sum: is needed
line 12: payments.low_value.in_a_row: needs to be a whole number from 0 to 254
line 16: scores[0].text: is needed
line 17: scores[0].points: needs to be a whole number from 1 to 100
line 18: scores[0].when: column 1: undeclared reference to 'score'
line 20: rules[0].code: is a code of the server's own
line 21: rules[0].text: needs a sentence
line 22: rules[0].when: column 8: found no matching overload
line 23: rules[0].decision: needs to be step_up, held or rejected
line 24: rules[1].code: needs 2 to 40 of a-z
line 26: rules[1].when: column 14: azn: "1,000" needs to be decimal text
line 27: rules[2].code: stands there twice
line 29: rules[2].when: gives int; a condition is true or false
line 30: rules[3].when: is needed`
	lines := strings.Split(err.Error(), "\n")
	for i, w := range strings.Split(want, "\n") {
		if i >= len(lines) || !strings.HasPrefix(lines[i], w) {
			t.Fatalf("line %d: want %q in\n%s", i, w, err)
		}
	}
}

// What is not strict YAML is refused as a whole.
func TestAPolicyIsStrictYAML(t *testing.T) {
	whole := string(policy.Default().Source)
	for name, c := range map[string]struct{ text, want string }{
		"unknown member":  {strings.Replace(whole, "  each:", "  eech: \"1.00\"\n    each:", 1), `payments.low_value.eech: unknown field "eech"`},
		"repeated member": {whole + "\nversion: 3\n", `mapping key "version" already defined`},
		"alias":           {strings.NewReplacer(`"50.00"`, `&a "50.00"`, `"150.00"`, `*a`).Replace(whole), "payments.low_value.each: is an alias, an anchor or a tag"},
		"two documents":   {whole + "\n---\nversion: 2\n", "one document"},
		"empty":           {"", "one document"},
		"no mapping":      {"- 1\n", "line 1"},
		"text for number": {strings.Replace(whole, "version: 1", "version: one", 1), "version: "},
		"not YAML":        {"version: [1\n", "line 1"},
		"brackets":        {strings.Repeat("[", 100_000), "line 1: nests deeper"},
		"lists in lists":  {"version: 2\n" + strings.Repeat("- ", 1000), "line 2: nests deeper"},
		"empty lines":     {"a: |\n" + strings.Repeat("\n", 21) + "b: 1\n", "line 22: has too many empty lines"},
		"bare returns":    {"a: |\n" + strings.Repeat("\r", 21), "line 22: has too many empty lines"},
		"blanks":          {"a: |\n" + strings.Repeat(" \t\r\n", 21), "line 22: has too many empty lines"},
		"many in all":     {"a: |\n" + strings.Repeat("  b\n\n", 1001), "line 2003: has too many empty lines"},
		"members":         {each("k%d: 1\n", 6001), "line 6001: has more than 6000 members"},
		"keys":            {each("? k%d\n", 6001), "line 6001: has more than 6000 members"},
		"quoted members":  {"{" + each("\"k%d\":1,\n", 6001) + "}", "line 6001: has more than 6000 members"},
		"members at ends": {each("k%d:\r", 6001), "line 6001: has more than 6000 members"},
		"too long":        {whole + strings.Repeat("#", 256<<10), "longer than"},
		"a rule too many": {strings.Replace(whole, "rules: []", "rules:\n"+strings.Repeat("  - {code: a, text: t, when: \"true\"}\n", 201), 1), "rules: holds 201"},
	} {
		_, err := policy.Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// each is a line for each of so many numbers.
func each(line string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, line, i)
	}
	return b.String()
}

// A policy with as many rules, scores and exceptions as there may be is not too long.
func TestTheLargestPolicyIsRead(t *testing.T) {
	const span = `, from: "2016-01-01T00:00:00+04:00", until: "2016-02-01T00:00:00+04:00"`
	text := with(
		acr, acr+"  rules:\n"+each(`    - {code: l-%d, text: "t: t", when: malware, acr: strong, decision: rejected`+span+"}\n", 200),
		"scores: []", "scores:\n"+each(`  - {code: s-%d, text: "t: t", points: 1, when: malware`+span+"}\n", 200),
		rules, "rules:\n"+each(`  - {code: r-%d, text: "t: t", when: malware, decision: held, shown: device`+span+"}\n\n", 200)+
			"exceptions:\n"+each(`  - {code: e-%d, text: "t: t", rule: r-1, when: malware`+span+"}\n", 50),
	)
	if got := faults(t, text); got != "" {
		t.Errorf("%.300s", got)
	}
}

// The language compares and counts. It has no clock, no loop, no pattern, no
// fraction, and no way to ask whether a fact is there.
func TestConditionsAreBounded(t *testing.T) {
	parse := func(when string) (risk.Policy, error) {
		return policy.Parse([]byte(with(rules, "rules:\n  - code: it\n    text: why\n    when: '"+strings.ReplaceAll(when, "'", "''")+"'\n")))
	}
	for _, when := range []string{
		`amount > 1.5`, `1.5 > 1.0`, `has(payee_new)`, `has(payee.new)`, `[1, 2].exists(x, x > 1)`, `[1].all(x, true)`, `currency.matches("(a+)+")`, `timestamp("2027-01-01T00:00:00Z") > timestamp("2026-01-01T00:00:00Z")`,
		`duration("1s") < duration("2s")`, `dyn(amount) > 1`, `type(amount) == int`, `now() > 1`, `size(currency) > 1`, `{"a": 1} == {"a": 2}`, `null == null`, `amount > 1u`, `currency == b"AZN"`,
		`amount > azn(currency)`, `amount > azn(100)`, `amount > azn("1e3")`, `amount > azn("-1.00")`, `azn("1.00")`, `unheard`, ``, `amount >`, `true || `, `amount == 1 ? true : 1`,
		strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60), strings.Repeat("true && ", 300) + "true", strings.Repeat("payee_country==currency||", 75) + "true",
	} {
		if _, err := parse(when); err == nil || !strings.Contains(err.Error(), "rules[0].when: ") {
			t.Errorf("%.60s: %v", when, err)
		}
	}
	for when, holds := range map[string]bool{
		`amount >= azn("1.00")`: true, `amount > azn("1.00")`: false, `currency in ["AZN", "USD"]`: true, `hour == 0 ? false : malware`: true, `day_sum + amount > 9223372036854775807`: true,
		`amount * 9223372036854775807 > 0`: true, `amount / (amount - 100) > 0`: true, `malware && false`: false, `malware && amount < 0`: false, `!malware`: true, `!(malware || true)`: false, `payee_country != "AZ"`: true,
	} {
		p, err := parse(when)
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		r := p.Payment(risk.Payment{Minor: 100, Currency: "AZN", Signals: all, Exempt: true})
		if (r.Decision != risk.Approved) != holds {
			t.Errorf("%s: %+v", when, r)
		}
	}
}

// Check finds where a higher amount or score asks for less.
func TestCheckWarnsOfALowerDemand(t *testing.T) {
	for when, want := range map[string]string{
		`amount < azn("123.45")`:               "an amount of 123.45 asks for less than one of 123.44: step_up, shown none instead of held, shown none",
		`score > 20 && score < 45`:             "a score of 45 asks for less than one of 44",
		`malware && amount == azn("700.00")`:   "an amount of 700.01 asks for less than one of 700.00",
		`hour >= 22 && amount < azn("600.00")`: "an amount of 600.00 asks for less than one of 599.99",
		`device_known`:                         "device_known is not known of every payment: where it is not, these hold wherever their answer depends on it: rule it",
	} {
		p, err := policy.Parse([]byte(with(rules, "rules:\n  - {code: it, text: why, decision: held, when: '"+when+"'}\n")))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(policy.Check(p), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", when, got)
		}
	}
	if got := policy.Check(policy.Default()); len(got) != 0 {
		t.Errorf("the shipped policy: %q", got)
	}
	for _, w := range policy.Check(bank(t)) {
		if !strings.Contains(w, "not known of every payment") {
			t.Errorf("the bank's policy: %s", w)
		}
	}
}

// docs/policy.md shows rules that are in order and names every fact.
func TestTheDocumentIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	p, err := policy.Parse([]byte(strings.Replace(string(policy.Default().Source), "rules: []", example, 1)))
	if err != nil || len(p.Rules) != 3 {
		t.Errorf("%d rules, %v", len(p.Rules), err)
	}
	for i, at := range []string{"## Exemptions\n", "## Rules on log-ins\n", "## Exceptions\n"} {
		_, example, _ := strings.Cut(string(text), at)
		_, example, _ = strings.Cut(example, "```yaml\n")
		example, _, _ = strings.Cut(example, "```")
		_, inner, _ := strings.Cut(example, "\n")
		whole := []string{
			strings.Replace(string(policy.Recommended().Source), "  low_value:\n", inner+"  low_value:\n", 1),
			with("login:\n  acr: strong\n", example),
			strings.Replace(string(policy.Recommended().Source), "exceptions: []", example, 1),
		}[i]
		if i == 0 { // in place of the pack that is off
			before, after, _ := strings.Cut(whole, "  # All of these are off")
			_, after, _ = strings.Cut(after, "# Points for each signal")
			whole = before + "# Points for each signal" + after
		}
		if _, err := policy.Parse([]byte(whole)); err != nil || example == "" {
			t.Errorf("%s: %v", at, err)
		}
	}
	known, later, _ := strings.Cut(string(text), "Missing where what they rest on is not told:")
	for _, term := range risk.Terms() {
		part := later
		if term.Given {
			part = known
		}
		if !strings.Contains(part, "`"+term.Name+"`") {
			t.Errorf("%s is not where it belongs", term.Name)
		}
	}
}

// Clause 5.24: no text makes the reader panic, and whatever it takes decides without
// one.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"default.yaml", "recommended.yaml", "testdata/bank.yaml", "testdata/faults.yaml", "testdata/parts.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policy.Parse(text)
		if err != nil {
			return
		}
		r := p.Payment(risk.Payment{Minor: 1 << 40, Currency: "AZN"})
		if r.Decision == risk.Approved && p.LowValueEach < 1<<40 {
			t.Errorf("approved: %+v", r)
		}
		if l := p.Login(risk.Signals{}, nil, p.From); l.ACR != "single" && l.ACR != "strong" || l.Decision != risk.StepUp && l.Decision != risk.Rejected {
			t.Errorf("a log-in: %+v", l)
		}
		for _, e := range p.Exceptions {
			if d := e.Until.Sub(e.From); d <= 0 || d > 92*24*time.Hour {
				t.Errorf("an exception of %s", d)
			}
		}
		for i, b := range p.Exemptions.TRA {
			if b.Rate > risk.ReferenceBands()[i].Rate || b.UpTo > 950_00 {
				t.Errorf("a band of %+v", b)
			}
		}
	})
}

// Clause 5.18: what is left of a policy that was cut off on its way would ask less: it
// is refused wherever the cut is, and so is one with something after its last line.
func TestClause5_18_APolicyThatWasCutOffIsRefused(t *testing.T) {
	for _, name := range []string{"default.yaml", "recommended.yaml", "testdata/bank.yaml", "testdata/parts.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ceilings := strings.Replace(string(text), last, "limits:\n  per_transaction: \"10000.00\"\n  per_channel:\n    mobile: \"5000.00\"\n    pc: \"5000.00\"\n  per_token: \"20000.00\"\n"+last, 1)
		for _, whole := range []string{string(text), ceilings} {
			if _, err := policy.Parse([]byte(whole)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines := strings.SplitAfter(strings.TrimRight(whole, "\n"), "\n")
			for i := range lines {
				if _, err := policy.Parse([]byte(strings.Join(lines[:i], ""))); err == nil {
					t.Errorf("%s is taken with its first %d lines", name, i)
				}
			}
			for cut := 1; cut < len(last)+2; cut++ {
				if _, err := policy.Parse([]byte(whole[:len(whole)-1-cut])); err == nil {
					t.Errorf("%s is taken without its last %d characters", name, cut)
				}
			}
		}
	}
	for text, want := range map[string]string{
		with(last, ""):                                      "is cut off: a policy ends with the line end: true",
		with(last, "end: false\n"):                          "end: needs to be true",
		with(last, "end:\n"):                                "end: needs to be true",
		with(last, "end: yes\n"):                            "end: ",
		with(last, "end: {end: true}\n"):                    "end: ",
		with(last, "", "scores: []", "scores: []\n"+last):   "end: needs to be the last line of the policy; rules comes after it",
		with(last, last+"exceptions: []\n"):                 "end: needs to be the last line of the policy; exceptions comes after it",
		with(last, last+"end: true\n"):                      `mapping key "end" already defined`,
		with(last, last+"---\nrules: []\n"):                 "one document",
		with(low, "  exemptions:\n"+low):                    "payments.exemptions: is empty",
		with(low, "  exemptions: {}\n"+low):                 "payments.exemptions: is empty",
		with(low, "  exemptions:\n    own_accounts:\n"+low): "payments.exemptions.own_accounts.up_to: is needed",
		with(low, "  exemptions:\n    tra:\n"+low):          "payments.exemptions.tra.highest_score: is needed",
	} {
		if got := faults(t, text); !strings.Contains(got, want) {
			t.Errorf("want %s: %q", want, got)
		}
	}
}

// Whole numbers are what they look like: YAML's other ways to write one are none.
func TestNumbersInOtherBasesAreRefused(t *testing.T) {
	for _, n := range []string{"070", "00", "0o70", "0x46", "0b11", "7_0", "+70", "-0", "7.0e1"} {
		for what, text := range map[string]string{
			"scores[0].points":              with("scores: []", "scores:\n  - {code: ab, text: t, points: "+n+", when: malware}"),
			"version":                       with("version: 1\n", "version: "+n+"\n"),
			"payments.low_value.in_a_row":   with("in_a_row: 5", "in_a_row: "+n),
			"signals.missing":               with("missing: 10", "missing: "+n),
			"payments.exemptions.recurring": with(low, "  exemptions:\n    recurring: {up_to: \"1.00\", highest_score: "+n+"}\n"+low),
		} {
			if got := faults(t, text); !strings.Contains(got, what) {
				t.Errorf("%s: %s: %q", what, n, got)
			}
		}
	}
	if got := faults(t, with("missing: 10", "missing: 010")); !strings.Contains(got, "signals.missing: needs to be written in digits alone") {
		t.Error(got)
	}
}

// A file that lacks a part, or says a number otherwise, asks less than it seems to: it
// is refused.
func TestWhatAsksLessThanItSays(t *testing.T) {
	text, err := os.ReadFile("default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	whole := string(text)
	for old, wrong := range map[string]string{
		"rules: []": "", "scores: []": "", "missing: 10": "missing: ~", "highest_score: 59": "highest_score: 59.9",
		"in_a_row: 5": "in_a_row: \"7\"",
	} {
		if !strings.Contains(whole, old) {
			t.Fatalf("the shipped policy has no %q", old)
		}
		if _, err := policy.Parse([]byte(strings.Replace(whole, old, wrong, 1))); err == nil {
			t.Errorf("%q in place of %q is taken", wrong, old)
		}
	}
	for _, empty := range []string{"rules:", "rules: ~", "rules: {}"} {
		if _, err := policy.Parse([]byte(strings.Replace(whole, "rules: []", empty, 1))); err == nil {
			t.Errorf("%q is taken", empty)
		}
	}
	// A country written otherwise is not known, and what is not known holds.
	p, err := policy.Parse([]byte(strings.Replace(whole, "rules: []", "rules:\n  - code: sanctions\n    text: nobody there is paid\n    when: payee_country in [\"IR\"]\n    decision: held\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for country, held := range map[string]bool{"IR": true, "ir": true, "Ir": true, "IR ": true, "Iran": true, "": true, "AZ": false} {
		in := risk.Payment{Minor: 10_000, Currency: "AZN", Facts: risk.Facts{"payee_country": country}}
		if got := p.Payment(in); (got.Decision == risk.Held) != held {
			t.Errorf("%q: %s", country, got.Decision)
		}
	}
}
