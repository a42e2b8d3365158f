package risk_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"mohur/risk"
)

// Clause 5.4: rules raise what a log-in takes and nothing lowers it; what is missing,
// breaks or is written otherwise asks for more.
func TestClause5_4_RulesOfLogins(t *testing.T) {
	yes := asked(func(risk.Facts) (bool, error) { return true, nil })
	strong, rejected := risk.Demand{ACR: "strong"}, risk.Demand{Decision: risk.Rejected}
	for name, c := range map[string]struct {
		acr      string
		rules    []risk.Rule
		want     string
		decision risk.Decision
	}{
		"none":                 {"single", nil, "single", risk.StepUp},
		"strong":               {"strong", nil, "strong", risk.StepUp},
		"no policy":            {"", nil, "strong", risk.StepUp},
		"raised":               {"single", []risk.Rule{{Code: "r", Demand: strong, When: yes}}, "strong", risk.StepUp},
		"does not hold":        {"single", []risk.Rule{{Code: "r", Demand: strong, When: asked(func(risk.Facts) (bool, error) { return false, nil })}}, "single", risk.StepUp},
		"not lowered":          {"strong", []risk.Rule{{Code: "r", Demand: risk.Demand{ACR: "single"}, When: yes}}, "strong", risk.StepUp},
		"lacks":                {"single", []risk.Rule{{Code: "r", Demand: strong, When: asked(func(risk.Facts) (bool, error) { return false, risk.ErrMissing })}}, "strong", risk.StepUp},
		"breaks":               {"single", []risk.Rule{{Code: "r", Demand: strong, When: asked(func(risk.Facts) (bool, error) { return false, errors.New("broken") })}}, "strong", risk.StepUp},
		"has no condition":     {"single", []risk.Rule{{Code: "r", Demand: strong}}, "strong", risk.StepUp},
		"rejected":             {"single", []risk.Rule{{Code: "r", Demand: rejected, When: yes}, {Code: "s", Demand: strong, When: yes}}, "strong", risk.Rejected},
		"nobody holds log-ins": {"single", []risk.Rule{{Code: "r", Demand: risk.Demand{Decision: risk.Held}, When: yes}}, "single", risk.Rejected},
		"unheard":              {"loose", []risk.Rule{{Code: "r", Demand: risk.Demand{ACR: "linked"}, When: yes}}, "strong", risk.StepUp},
	} {
		p := bands()
		p.LoginACR, p.LoginRules = c.acr, c.rules
		if r := p.Login(all, nil, time.Time{}); r.ACR != c.want || r.Decision != c.decision || r.Exemption != "" || r.Policy != 7 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A log-in's facts are those of a log-in, and nobody passes off one that is computed.
func TestTheFactsOfALogin(t *testing.T) {
	found := true
	s := all
	s.Malware, s.DeviceID = &found, ""
	r := bands().Login(s, risk.Facts{
		"amount": int64(1), "country": "XX", "hour": int64(5), "channel": "mobile", "device_known": true, "failed_attempts": int64(-1), "malware": false, "payee_new": false, "compromised": false, "score": int64(99),
	}, time.Date(2027, 3, 1, 20, 0, 0, 0, time.UTC))
	want := risk.Facts{"country": "AZ", "hour": int64(20), "weekday": int64(1), "channel": "mobile", "device_known": true, "malware": true, "compromised": false, "score": int64(10)}
	if !reflect.DeepEqual(r.Facts, want) || r.Score != 10 || codes(r) != "signal-missing" {
		t.Errorf("%+v", r)
	}
	names := map[string]bool{}
	for _, term := range risk.LoginTerms() {
		names[term.Name] = true
	}
	if len(names) != 11 || names["amount"] || !names["device_known"] {
		t.Errorf("%v", names)
	}
}

// Clause 5.24: what the front end says of malware is a fact of the payment; where it
// says nothing, nothing is known. Neither costs the points of a missing signal.
func TestClause5_24_MalwareIsTold(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		told  *bool
		known any
		want  any
	}{{nil, nil, nil}, {&yes, nil, true}, {&no, nil, false}, {&no, true, true}, {&yes, false, true}, {nil, true, true}} {
		s := all
		s.Malware = c.told
		in := risk.Payment{Minor: 1, Currency: "AZN", Signals: s, Facts: risk.Facts{}}
		if c.known != nil {
			in.Facts["malware"] = c.known
		}
		if r := bands().Payment(in); r.Facts["malware"] != c.want || r.Score != 0 {
			t.Errorf("%+v: %v, score %d", c, r.Facts["malware"], r.Score)
		}
	}
}
