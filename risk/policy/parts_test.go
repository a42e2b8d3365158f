package policy_test

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"mohur/risk"
	"mohur/risk/policy"
)

// with is the shipped policy with parts put in: each pair is what stands in it and
// what comes in its place.
func with(pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(string(policy.Default().Source))
}

const (
	rules = "rules: []"
	acr   = "  acr: strong\n"
	low   = "  low_value:\n"
	last  = "end: true\n"
)

func faults(t *testing.T, text string) string {
	t.Helper()
	_, err := policy.Parse([]byte(text))
	var f policy.Faults
	if err != nil && !errors.As(err, &f) {
		t.Fatal(err)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// Every part of the language reaches the policy.
func TestTheOptionalPartsOfAPolicy(t *testing.T) {
	text, err := os.ReadFile("testdata/parts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := risk.Exemptions{
		OwnAccounts: risk.Exemption{UpTo: 5000_00, MaxScore: 40}, TrustedPayees: risk.Exemption{UpTo: 500_00, MaxScore: 30},
		TRA: []risk.Band{{UpTo: 190_00, Rate: 150}, {UpTo: 475_00, Rate: 100}, {UpTo: 950_00, Rate: 1}}, TRAScore: 19,
	}
	if !reflect.DeepEqual(p.Exemptions, want) {
		t.Errorf("%+v", p.Exemptions)
	}
	if l := p.LoginRules; len(l) != 2 || l[0].ACR != "strong" || l[0].Decision != "" || l[1].Decision != risk.Rejected || !l[1].Until.Equal(at("2027-02-01T00:00:00+04:00")) {
		t.Errorf("%+v", l)
	}
	if s := p.Scores[0]; !s.From.Equal(at("2027-01-10T00:00:00+04:00")) || !s.Until.IsZero() {
		t.Errorf("%+v", s)
	}
	if r := p.Rules[0]; !r.From.Equal(at("2027-01-10T00:00:00+04:00")) || !r.Until.Equal(at("2027-02-10T00:00:00+04:00")) {
		t.Errorf("%+v", r)
	}
	if e := p.Exceptions; len(e) != 2 || !e[0].From.Equal(p.From) || !e[0].Until.Equal(at("2027-04-03T00:00:00+04:00")) || e[0].Rule != "limit" || !e[1].From.Equal(at("2027-01-15T00:00:00+04:00")) {
		t.Errorf("%+v", e)
	}
	for _, code := range []string{"new-device", "off-hours", "odd", "limit", "trial", "later"} {
		if p.Text(code) == "" {
			t.Errorf("%s has no text", code)
		}
	}
	single := risk.Signals{IP: "i", UserAgent: "u", DeviceID: "d", Country: "AZ"}
	noon := at("2027-01-20T12:00:00+04:00")
	for _, c := range []struct {
		facts    risk.Facts
		at       time.Time
		acr      string
		decision risk.Decision
	}{
		{risk.Facts{"device_known": true}, noon, "single", risk.StepUp},
		{risk.Facts{"device_known": false}, noon, "strong", risk.StepUp},
		{nil, noon, "strong", risk.StepUp},
		{risk.Facts{"device_known": true}, noon.Add(-9 * time.Hour), "single", risk.Rejected},
		{risk.Facts{"device_known": true}, noon.AddDate(0, 1, 0).Add(-9 * time.Hour), "single", risk.StepUp},
	} {
		if r := p.Login(single, c.facts, c.at); r.ACR != c.acr || r.Decision != c.decision {
			t.Errorf("%v at %s: %+v", c.facts, c.at, r)
		}
	}
	// Clause 5.6: the exception of the file, to its last second.
	for when, want := range map[string]risk.Decision{
		"2026-12-31T23:59:59+04:00": risk.StepUp, "2027-01-10T00:00:00+04:00": risk.StepUp, "2027-02-09T23:59:59+04:00": risk.StepUp, "2027-02-10T00:00:00+04:00": risk.StepUp,
	} {
		in := risk.Payment{Minor: 60_00, Currency: "AZN", Signals: all, At: at(when), Facts: risk.Facts{"channel": "pc", "service": "transactional"}}
		if r := p.Payment(in); r.Decision != want {
			t.Errorf("excepted at %s: %s", when, r.Decision)
		}
		in.Facts["channel"] = "mobile"
		want := want
		if when[:7] == "2027-01" || strings.HasPrefix(when, "2027-02-09") {
			want = risk.Held
		}
		if r := p.Payment(in); r.Decision != want {
			t.Errorf("not excepted at %s: %s", when, r.Decision)
		}
	}
}

// What is wrong with them is told with its line.
func TestFaultsOfTheOptionalParts(t *testing.T) {
	tra := func(bands string) string {
		return with(low, "  exemptions:\n    tra:\n      highest_score: 10\n      bands: ["+bands+"]\n"+low)
	}
	exception := func(fields string) string {
		return with(rules, "rules:\n  - {code: one, text: t, when: malware}\nexceptions:\n  - {code: it, text: t, rule: one, when: \"true\", "+fields+"}\n")
	}
	for name, c := range map[string]struct{ text, want string }{
		"a rate above the first":      {tra(`{up_to: "100.00", fraud_rate: "0.0151 %"}`), "payments.exemptions.tra.bands[0].fraud_rate: is more than the reference rate for a band of this place and amount, 0.015 %"},
		"the first":                   {tra(`{up_to: "190.00", fraud_rate: "0.015 %"}`), ""},
		"a rate above the second":     {tra(`{up_to: "50.00", fraud_rate: "0.015 %"}, {up_to: "100.00", fraud_rate: "0.0101 %"}`), "bands[1].fraud_rate: is more than the reference rate for a band of this place and amount, 0.010 %"},
		"a rate above the third":      {tra(`{up_to: "50.00", fraud_rate: "0.015 %"}, {up_to: "60.00", fraud_rate: "0.01 %"}, {up_to: "70.00", fraud_rate: "0.0051%"}`), "bands[2].fraud_rate: is more than"},
		"a first band of the second":  {tra(`{up_to: "190.01", fraud_rate: "0.0101 %"}`), "bands[0].fraud_rate: is more than the reference rate for a band of this place and amount, 0.010 %"},
		"a first band of the third":   {tra(`{up_to: "475.01", fraud_rate: "0.0051 %"}`), "amount, 0.005 %"},
		"four bands":                  {tra(`{up_to: "1.00", fraud_rate: "0 %"}, {up_to: "2.00", fraud_rate: "0 %"}, {up_to: "3.00", fraud_rate: "0 %"}, {up_to: "4.00", fraud_rate: "0 %"}`), "payments.exemptions.tra.bands: holds 4, and 3 is the most"},
		"above the bands":             {tra(`{up_to: "950.01", fraud_rate: "0 %"}`), "bands[0].up_to: is more than 950.00"},
		"bands that do not rise":      {tra(`{up_to: "100.00", fraud_rate: "0 %"}, {up_to: "100.00", fraud_rate: "0 %"}`), "bands[1].up_to: needs to be more than 0 and than the band before"},
		"a band of nothing":           {tra(`{up_to: "0.00", fraud_rate: "0 %"}`), "bands[0].up_to: needs to be more than 0"},
		"no rate":                     {tra(`{up_to: "100.00"}`), "bands[0].fraud_rate: is needed"},
		"a rate without percent":      {tra(`{up_to: "100.00", fraud_rate: "0.015"}`), "bands[0].fraud_rate: needs to be a percentage"},
		"a rate below zero":           {tra(`{up_to: "100.00", fraud_rate: "-0.015 %"}`), "bands[0].fraud_rate: needs to be a percentage"},
		"a rate of five places":       {tra(`{up_to: "100.00", fraud_rate: "0.00015 %"}`), "bands[0].fraud_rate: needs to be a percentage"},
		"no bands":                    {with(low, "  exemptions: {tra: {highest_score: 1}}\n"+low), "payments.exemptions.tra.bands: is needed"},
		"no score":                    {with(low, "  exemptions: {tra: {bands: []}}\n"+low), "payments.exemptions.tra.highest_score: is needed"},
		"an amount without a score":   {with(low, "  exemptions: {own_accounts: {up_to: \"1.00\"}}\n"+low), "payments.exemptions.own_accounts.highest_score: is needed"},
		"an exemption of nothing":     {with(low, "  exemptions:\n    recurring:\n"+low), "payments.exemptions.recurring.up_to: is needed"},
		"more than a proof approves":  {with(low, "  exemptions: {trusted_payees: {up_to: \"20000.01\", highest_score: 1}}\n"+low), "payments.exemptions.trusted_payees.up_to: is more than payments.proof_up_to"},
		"a score of 101":              {with(low, "  exemptions: {trusted_payees: {up_to: \"1.00\", highest_score: 101}}\n"+low), "trusted_payees.highest_score: needs to be a whole number from 0 to 100"},
		"an unheard exemption":        {with(low, "  exemptions: {everything: {up_to: \"1.00\", highest_score: 1}}\n"+low), "unknown field"},
		"a quarter":                   {exception(`from: "2027-01-01T00:00:00+04:00", until: "2027-04-03T00:00:00+04:00"`), ""},
		"a second more":               {exception(`from: "2027-01-01T00:00:00+04:00", until: "2027-04-03T00:00:01+04:00"`), "exceptions[0].until: needs to be later than from (left out: effective_from), and within 92 days of it"},
		"a quarter without a from":    {exception(`until: "2016-03-22T00:00:00+04:00"`), ""},
		"more without a from":         {exception(`until: "2016-03-22T00:00:01+04:00"`), "exceptions[0].until: needs to be later than from"},
		"no end":                      {exception(`from: "2027-01-01T00:00:00+04:00"`), "exceptions[0].until: is needed"},
		"an end before":               {exception(`from: "2027-01-01T00:00:00+04:00", until: "2027-01-01T00:00:00+04:00"`), "exceptions[0].until: needs to be later than from"},
		"a date":                      {exception(`until: "2016-01-01"`), "exceptions[0].until: needs to be a time"},
		"the year nought":             {exception(`from: "0001-01-01T00:00:00Z", until: "2016-01-01T00:00:00Z"`), "exceptions[0].from: needs to be within the years 2000 to 9000"},
		"the first second":            {with(rules, `rules: [{code: one, text: t, when: malware, from: "2000-01-01T04:00:00+04:00", until: "9000-12-31T23:59:59Z"}]`), ""},
		"before the first":            {with(rules, `rules: [{code: one, text: t, when: malware, from: "2000-01-01T00:00:00+04:00"}]`), "rules[0].from: needs to be within the years"},
		"after the last":              {with(rules, `rules: [{code: one, text: t, when: malware, until: "9000-12-31T23:00:00-04:00"}]`), "rules[0].until: needs to be within the years"},
		"a rule there is not":         {with(rules, "rules: []\nexceptions:\n  - {code: it, text: t, rule: amount-held, when: \"true\", until: \"2016-01-01T00:00:00Z\"}\n"), `exceptions[0].rule: "amount-held" is the code of no rule`},
		"a code for two":              {strings.Replace(exception(`until: "2016-01-01T00:00:00Z"`), "code: it", "code: one", 1), "exceptions[0].code: stands there twice"},
		"no condition":                {strings.Replace(exception(`until: "2016-01-01T00:00:00Z"`), `when: "true", `, "", 1), "exceptions[0].when: is needed"},
		"no text":                     {strings.Replace(exception(`until: "2016-01-01T00:00:00Z"`), "code: it, text: t", `code: it, text: ""`, 1), "exceptions[0].text: needs a sentence"},
		"no list of exceptions":       {with(last, "exceptions:\n"+last), "exceptions: needs to be a list"},
		"exceptions past the most":    {with(rules, "rules:\n  - {code: one, text: t, when: malware}\nexceptions:\n"+strings.Repeat("  - {code: a}\n", 51)), "exceptions: holds 51, and 50 is the most"},
		"a rule that ends before":     {with(rules, `rules: [{code: one, text: t, when: malware, from: "2027-01-01T00:00:00Z", until: "2027-01-01T00:00:00Z"}]`), "rules[0].until: needs to be later than from"},
		"a score from nowhere":        {with("scores: []", `scores: [{code: one, text: t, points: 1, when: malware, from: soon}]`), "scores[0].from: needs to be a time"},
		"a log-in rule on an amount":  {with(acr, acr+"  rules: [{code: one, text: t, when: amount > 1, acr: strong}]\n"), "login.rules[0].when: column 1: undeclared reference to 'amount' (a log-in has none)"},
		"a log-in rule for nothing":   {with(acr, acr+"  rules: [{code: one, text: t, when: malware}]\n"), "login.rules[0].acr: is needed, or decision"},
		"a log-in rule that lowers":   {with(acr, acr+"  rules: [{code: one, text: t, when: malware, acr: single}]\n"), "login.rules[0].acr: needs to be strong"},
		"a linked log-in":             {with(acr, acr+"  rules: [{code: one, text: t, when: malware, acr: linked}]\n"), "login.rules[0].acr: needs to be strong"},
		"a held log-in":               {with(acr, acr+"  rules: [{code: one, text: t, when: malware, decision: held}]\n"), "login.rules[0].decision: needs to be rejected"},
		"no list of log-in rules":     {with(acr, acr+"  rules:\n"), "login.rules: needs to be a list"},
		"an exception to a log-in's":  {with(acr, acr+"  rules: [{code: one, text: t, when: malware, acr: strong}]\n", rules, "rules: []\nexceptions:\n  - {code: it, text: t, rule: one, when: \"true\", until: \"2016-01-01T00:00:00Z\"}\n"), "is the code of no rule in rules"},
		"a log-in rule with a shown":  {with(acr, acr+"  rules: [{code: one, text: t, when: malware, acr: strong, shown: agent}]\n"), "unknown field"},
		"a score that asks the score": {with("scores: []", "scores: [{code: one, text: t, points: 1, when: score > 1}]"), "undeclared reference to 'score' (the scores make it)"},
	} {
		got := faults(t, c.text)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Check tells what goes without a proof, or without a rule, more easily than it seems,
// and tries what is in force for a time only.
func TestCheckWarnsOfWhatIsLoose(t *testing.T) {
	pack := "  exemptions: {own_accounts: {up_to: \"500.00\", highest_score: 100}}\n"
	exception := func(when, until string) string {
		return with(rules, "rules:\n  - {code: one, text: t, decision: held, when: amount > 100}\nexceptions:\n  - {code: it, text: t, rule: one, when: '"+when+"', from: \"2015-12-01T00:00:00+04:00\", until: \""+until+"\"}\n")
	}
	for name, c := range map[string]struct{ text, want string }{
		"one factor":                {with(acr, "  acr: single\n"), "login.acr is single: whoever has one factor makes payments of 150.00 AZN in sum without a second one"},
		"one factor and the pack":   {with(acr, "  acr: single\n", low, pack+low), "150.00 AZN in sum and what payments.exemptions lets go"},
		"every score":               {with("highest_score: 59", "highest_score: 100"), "payments.low_value goes with every score"},
		"every score of the pack":   {with(low, pack+low), "payments.exemptions.own_accounts goes with every score"},
		"no rule on malware":        {with(low, pack+low), "no rule speaks of malware"},
		"no rule on stolen ones":    {with(low, pack+low), "no rule speaks of compromised"},
		"an exception that is over": {exception("true", "2015-12-21T00:00:00+04:00"), "the exception it has ended before the policy is in force"},
		"a rule that is over":       {with(rules, `rules: [{code: one, text: t, when: amount > 1, until: "2015-12-21T00:00:00+04:00"}]`), "the rule one has ended before"},
		"an exception for the rich": {exception(`amount > azn("700.00")`, "2016-01-01T00:00:00+04:00"), "an amount of 700.01 asks for less than one of 700.00: step_up, shown none instead of held"},
		"an exception unknown":      {exception(`device_known`, "2016-01-01T00:00:00+04:00"), "where it is not, these except nothing: exception it"},
		"a rule for a month":        {with(rules, `rules: [{code: one, text: t, decision: held, when: amount < azn("321.00"), from: "2027-01-01T00:00:00+04:00"}]`), "an amount of 321.00 asks for less than one of 320.99"},
		"a log-in that is refused":  {with(acr, acr+"  rules: [{code: one, text: t, when: \"!device_known\", decision: rejected}]\n"), "the log-in rule one refuses every log-in whose answer depends on device_known and of which it is not known"},
	} {
		p, err := policy.Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(policy.Check(p), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	for name, p := range map[string]risk.Policy{"recommended": policy.Recommended(), "with the exemptions": withPack(t)} {
		for _, w := range policy.Check(p) {
			if !strings.Contains(w, "not known of every payment") {
				t.Errorf("%s: %s", name, w)
			}
		}
	}
	// However many numbers there are, a check stays within bounds and says so.
	var many strings.Builder
	for i := range 200 {
		many.WriteString("\n  - {code: r" + strings.Repeat("x", i%30) + string(rune('a'+i/30)) + ", text: t, when: \"amount > " + strings.Repeat("7", 1+i%12) + string(rune('0'+i%10)) + " || score == " + string(rune('1'+i%9)) + "\"}")
	}
	p, err := policy.Parse([]byte(with(rules, "rules:"+many.String()+"\n")))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(policy.Check(p), "\n"); !strings.Contains(got, "some amounts, scores and circumstances were left out") {
		t.Errorf("a policy with many numbers:\n%.300s", got)
	}
}
