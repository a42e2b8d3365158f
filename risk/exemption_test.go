package risk_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"mohur/risk"
)

func pack() risk.Policy {
	p := bands()
	p.Exemptions = risk.Exemptions{
		OwnAccounts: risk.Exemption{UpTo: 5000_00, MaxScore: 29}, TrustedPayees: risk.Exemption{UpTo: 500_00, MaxScore: 29}, Recurring: risk.Exemption{UpTo: 300_00, MaxScore: 29},
		TRA: []risk.Band{{UpTo: 100_00, Rate: 150}, {UpTo: 250_00, Rate: 100}, {UpTo: 500_00, Rate: 50}}, TRAScore: 19,
	}
	return p
}

// quiet is a payment in which the analysis of Article 18 finds nothing.
func quiet(minor int64) risk.Payment {
	return risk.Payment{
		Minor: minor, Currency: "AZN", Signals: all, Exempt: true, LowValueCount: 5, // the counted one is spent
		Facts: risk.Facts{"malware": false, "compromised": false, "device_known": true, "country_changed": false, "payee_new": false, "payee_country": "AZ"},
	}
}

func honest(fraud, total int64) (out []risk.FraudRate) {
	for _, upTo := range []int64{100_00, 250_00, 500_00} {
		out = append(out, risk.FraudRate{UpTo: upTo, Fraud: fraud, Total: total})
	}
	return out
}

// Clause 5.18, RTS Article 18 and its Annex: the bands with their edges, each with
// rates just below, at and just above the reference.
func TestClause5_18_RiskAnalysisByBandsAndRates(t *testing.T) {
	for _, c := range []struct{ minor, rate int64 }{{1, 150}, {100_00, 150}, {100_01, 100}, {250_00, 100}, {250_01, 50}, {500_00, 50}, {500_01, -1}} {
		for _, total := range []int64{1_000_000, 10_000_000_000, 9_000_000_000_000_000_000} {
			at := max(c.rate, 0) * (total / 1_000_000)
			for fraud, want := range map[int64]bool{0: true, at - 1: true, at: true, at + 1: false, total: false, math.MaxInt64: false} {
				in := quiet(c.minor)
				in.FraudRates = honest(max(fraud, 0), total)
				want := want && c.rate > 0
				if r := pack().Payment(in); (r.Exemption == "tra") != want || (r.Decision == risk.Approved) != want {
					t.Errorf("%d qəpik with %d of %d: %s %q", c.minor, fraud, total, r.Decision, r.Exemption)
				}
			}
		}
	}
	for name, rates := range map[string][]risk.FraudRate{
		"nobody knows":        nil,
		"no payments":         honest(0, 0),
		"less than none":      honest(0, -1),
		"fraud below zero":    honest(-1, 1_000_000),
		"of another band":     {{UpTo: 250_00, Total: 1_000_000}},
		"stopped":             {{UpTo: 100_00, Total: 1_000_000, Stopped: true}},
		"told twice, one bad": {{UpTo: 100_00, Total: 1_000_000}, {UpTo: 100_00, Fraud: 1_000_000, Total: 1_000_000}},
	} {
		in := quiet(80_00)
		in.FraudRates = rates
		if r := pack().Payment(in); r.Decision != risk.StepUp || r.Exemption != "" {
			t.Errorf("%s: %s %q", name, r.Decision, r.Exemption)
		}
	}
}

// RTS Article 18(2)(c): each sign that is found, or that nobody looked for, ends the
// exemption; so does a higher score.
func TestClause5_24_AnalysisNeedsEverySign(t *testing.T) {
	good := func() risk.Payment {
		in := quiet(80_00)
		in.FraudRates = honest(0, 1)
		return in
	}
	if r := pack().Payment(good()); r.Exemption != "tra" || r.ACR != "" {
		t.Fatalf("%+v", r)
	}
	for fact, bad := range map[string]any{"malware": true, "compromised": true, "device_known": false, "country_changed": true, "payee_new": true, "payee_country": "azerbaijan"} {
		in := good()
		in.Facts[fact] = bad
		if r := pack().Payment(in); r.Exemption != "" {
			t.Errorf("%s is %v: %q", fact, bad, r.Exemption)
		}
		delete(in.Facts, fact)
		if r := pack().Payment(in); r.Exemption != "" {
			t.Errorf("nobody knows %s: %q", fact, r.Exemption)
		}
	}
	in := good()
	in.Signals.Country = ""
	if r := pack().PaymentAt(in, 0); r.Exemption != "" {
		t.Errorf("nobody knows the country: %q", r.Exemption)
	}
	for score, want := range map[int]string{0: "tra", 19: "tra", 20: ""} {
		if r := pack().PaymentAt(good(), score); r.Exemption != want {
			t.Errorf("score %d: %q", score, r.Exemption)
		}
	}
}

// RTS Articles 13 to 15: each fact exempts up to its amount and score, only where it
// is known, and nothing while the pack is off or a rule asks for something.
func TestClause5_18_OptionalExemptions(t *testing.T) {
	for fact, c := range map[string]struct {
		name string
		upTo int64
	}{"own_account": {"own_account", 5000_00}, "payee_trusted": {"trusted_payee", 500_00}, "recurring": {"recurring", 300_00}} {
		with := func(value any, minor int64) risk.Payment {
			in := quiet(minor)
			in.Facts = risk.Facts{fact: value}
			return in
		}
		for _, x := range []struct {
			in    risk.Payment
			score int
			want  string
		}{
			{with(true, c.upTo), 0, c.name}, {with(true, c.upTo), 29, c.name}, {with(true, c.upTo), 30, ""}, {with(true, c.upTo+1), 0, ""},
			{with(false, 60_00), 0, ""}, {with("true", 60_00), 0, ""}, {with(nil, 60_00), 0, ""},
		} {
			r := pack().PaymentAt(x.in, x.score)
			if r.Exemption != x.want || (r.Decision == risk.Approved) != (x.want != "") || (r.ACR == "") != (x.want != "") {
				t.Errorf("%s %v, %d, score %d: %s %q", fact, x.in.Facts[fact], x.in.Minor, x.score, r.Decision, r.Exemption)
			}
			if r := bands().PaymentAt(x.in, x.score); r.Exemption != "" {
				t.Errorf("%s exempts while it is off", fact)
			}
		}
		foreign := with(true, c.upTo)
		foreign.Currency, foreign.Rates = "USD", risk.Rates{"USD": {Qepik: 1, Per: 1}}
		if r := pack().Payment(foreign); r.Exemption != c.name {
			t.Errorf("%s in dollars: %q", fact, r.Exemption)
		}
		foreign.Rates = risk.Rates{"USD": {Qepik: 10000, Per: 9999}}
		if r := pack().Payment(foreign); r.Exemption != "" {
			t.Errorf("%s in dollars, rounded up over the edge: %q", fact, r.Exemption)
		}
		foreign.Rates = nil
		if r := pack().Payment(foreign); r.Decision != risk.Held {
			t.Errorf("%s without a rate: %+v", fact, r)
		}
		full := with(true, 60_00)
		full.Exempt = false
		if r := pack().Payment(full); r.Decision != risk.StepUp {
			t.Errorf("%s after a count was full: %+v", fact, r)
		}
		for name, when := range map[string]asked{
			"holds":  func(risk.Facts) (bool, error) { return true, nil },
			"lacks":  func(risk.Facts) (bool, error) { return false, risk.ErrMissing },
			"breaks": func(risk.Facts) (bool, error) { return false, errors.New("broken") },
		} {
			p := pack()
			p.Rules = []risk.Rule{{Code: "r", Demand: risk.Demand{Decision: risk.StepUp}, When: when}}
			if r := p.Payment(with(true, 60_00)); r.Exemption != "" || r.Decision != risk.StepUp {
				t.Errorf("%s and a rule that %s: %+v", fact, name, r)
			}
		}
	}
	// What spends nothing comes first, the counted one last.
	in := quiet(40_00)
	in.LowValueCount, in.FraudRates = 0, honest(0, 1)
	in.Facts["own_account"], in.Facts["payee_trusted"], in.Facts["recurring"] = true, true, true
	for _, fact := range []string{"own_account", "payee_trusted", "recurring", "device_known", ""} {
		want := map[string]string{"payee_trusted": "trusted_payee", "device_known": "tra", "": "low_value"}[fact]
		if want == "" {
			want = fact
		}
		if r := pack().Payment(in); r.Exemption != want {
			t.Errorf("%q where %q comes first", r.Exemption, want)
		}
		delete(in.Facts, fact)
	}
}

// Clause 5.6: an exception holds from its first second to the one before its end, for
// what it is known to speak of, and is told; the rule holds again by itself.
func TestClause5_6_AnExceptionEndsByItself(t *testing.T) {
	from := time.Date(2027, 1, 1, 0, 0, 0, 0, time.FixedZone("Asia/Baku", 4*3600))
	until := from.AddDate(0, 0, 92)
	yes := asked(func(risk.Facts) (bool, error) { return true, nil })
	policy := func(when asked) risk.Policy {
		p := bands()
		p.Rules = []risk.Rule{{Code: "rule", Demand: risk.Demand{Decision: risk.Held}, When: yes}, {Code: "other", Demand: risk.Demand{Decision: risk.StepUp}, When: yes}}
		p.Exceptions = []risk.Exception{{Code: "exception", Rule: "rule", When: when, From: from, Until: until}}
		return p
	}
	at := func(when time.Time) risk.Payment {
		return risk.Payment{Minor: 10_00, Currency: "AZN", Signals: all, Exempt: true, At: when}
	}
	for when, excepted := range map[time.Time]bool{
		from.Add(-time.Nanosecond): false, from: true, from.UTC(): true, until.Add(-time.Nanosecond): true, until: false, until.AddDate(1, 0, 0): false, {}: false,
	} {
		want, found := "rule other", risk.Held
		if excepted {
			want, found = "exception other proof-needed", risk.StepUp
		}
		if r := policy(yes).Payment(at(when)); r.Decision != found || codes(r) != want {
			t.Errorf("%s: %s, %s", when, r.Decision, codes(r))
		}
	}
	for name, when := range map[string]asked{
		"no":     func(risk.Facts) (bool, error) { return false, nil },
		"lacks":  func(risk.Facts) (bool, error) { return true, risk.ErrMissing },
		"breaks": func(risk.Facts) (bool, error) { return true, errors.New("broken") },
		"panics": func(f risk.Facts) (bool, error) { return f["payee_new"].(bool), nil },
	} {
		if r := policy(when).Payment(at(from)); r.Decision != risk.Held || codes(r) != "rule other" {
			t.Errorf("an exception that %s: %s, %s", name, r.Decision, codes(r))
		}
	}
	none := policy(yes)
	none.Exceptions[0].When = nil
	if r := none.Payment(at(from)); r.Decision != risk.Held {
		t.Errorf("an exception without a condition: %+v", r)
	}
	// A rule that broke lets nothing be exempt, also where it is excepted.
	broken := policy(yes)
	broken.Rules = []risk.Rule{{Code: "rule", Demand: risk.Demand{Decision: risk.Held}, When: asked(func(risk.Facts) (bool, error) { return false, errors.New("broken") })}}
	if r := broken.Payment(at(from)); r.Decision != risk.StepUp || r.Exemption != "" || codes(r) != "exception rule-failed proof-needed" {
		t.Errorf("an excepted rule that breaks: %s %q, %s", r.Decision, r.Exemption, codes(r))
	}
	if policy(yes).Text("exception") != policy(yes).Exceptions[0].Text {
		t.Error("the text of an exception")
	}
}

// Clause 5.6: a compensating limit is in force within its time and gone after; where
// the time is not known it is in force.
func TestClause5_6_TimeBoxedRulesAndScores(t *testing.T) {
	from := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	until := from.AddDate(0, 1, 0)
	yes := asked(func(risk.Facts) (bool, error) { return true, nil })
	p := bands()
	p.Rules = []risk.Rule{{Code: "r", Demand: risk.Demand{Decision: risk.Held}, When: yes, From: from, Until: until}}
	p.Scores = []risk.Score{{Code: "s", Points: 7, When: yes, From: from, Until: until}}
	p.LoginRules = []risk.Rule{{Code: "l", Demand: risk.Demand{Decision: risk.Rejected}, When: yes, From: from, Until: until}}
	for when, in := range map[time.Time]bool{from.Add(-1): false, from: true, until.Add(-1): true, until: false, {}: true} {
		r := p.Payment(risk.Payment{Minor: 1, Currency: "AZN", Signals: all, Exempt: true, At: when})
		if (r.Decision == risk.Held) != in || (r.Score == 7) != in {
			t.Errorf("%s: %+v", when, r)
		}
		if l := p.Login(all, nil, when); (l.Decision == risk.Rejected) != in {
			t.Errorf("log-in at %s: %+v", when, l)
		}
	}
	open := bands()
	open.Rules = []risk.Rule{{Code: "r", Demand: risk.Demand{Decision: risk.Held}, When: yes, From: from}}
	if r := open.Payment(risk.Payment{Minor: 1, Currency: "AZN", Signals: all, At: from.AddDate(50, 0, 0)}); r.Decision != risk.Held {
		t.Errorf("a rule without an end: %+v", r)
	}
}

// Clause 5.6: of a payment that is decided again later, parts with a time are judged by
// the later moment and everything else by the first one.
func TestClause5_6_TimesAreThoseOfThePresent(t *testing.T) {
	noon := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	always := asked(func(f risk.Facts) (bool, error) { return f["hour"] == int64(12), nil })
	p := bands()
	p.Scores = []risk.Score{{Code: "score", Points: 7, When: always, From: noon.Add(time.Minute)}}
	p.Rules = []risk.Rule{
		{Code: "ended", Demand: risk.Demand{Decision: risk.Held}, When: always, Until: noon.Add(time.Minute)},
		{Code: "off", Demand: risk.Demand{Shown: "agent"}, When: always},
	}
	p.Exceptions = []risk.Exception{{Code: "e", Rule: "off", When: always, From: noon, Until: noon.Add(time.Minute)}}
	in := risk.Payment{Minor: 100_00, Currency: "AZN", At: noon, Signals: all}
	if r := p.Payment(in); codes(r) != "ended e" || r.Decision != risk.Held {
		t.Errorf("at noon: %s, %v", r.Decision, codes(r))
	}
	in.InForce = noon.Add(2 * time.Hour)
	if r := p.Payment(in); codes(r) != "score off proof-needed" || r.Decision != risk.StepUp || r.Shown != "agent" || r.Score != 7 {
		t.Errorf("later: %s, %v", r.Decision, codes(r))
	}
}
