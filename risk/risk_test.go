package risk_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"mohur/risk"
)

var all = risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d", Country: "AZ"}

func bands() risk.Policy {
	return risk.Policy{
		Version: 7, LowValueEach: 50_00, LowValueInRow: 5, LowValueSum: 150_00, LinkedUpTo: 20_000_00, MaxExemptScore: 59,
		MissingSignal: 10, LoginACR: "strong", PaymentACR: "linked", PaymentShown: "none", DailyPerCustomer: 100_000_00,
	}
}

// asked is a condition that answers as it is told, or as f does.
type asked func(risk.Facts) (bool, error)

func (a asked) Holds(f risk.Facts) (bool, error) { return a(f) }

func codes(r risk.Result) string {
	var out []string
	for _, x := range r.Reasons {
		out = append(out, x.Code)
	}
	return strings.Join(out, " ")
}

// A rule that breaks, panics or lacks a fact asks for what it asks for; one that
// breaks lets nothing be exempt. A score that breaks counts.
func TestClause5_24_AFailingRuleNeverApproves(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		when  asked
		codes string
	}{
		"breaks": {func(risk.Facts) (bool, error) { return false, broken }, "r rule-failed proof-needed"},
		"panics": {func(f risk.Facts) (bool, error) { return f["payee_new"].(bool), nil }, "r rule-failed proof-needed"},
		"lacks":  {func(risk.Facts) (bool, error) { return false, risk.ErrMissing }, "r proof-needed"},
		"holds":  {func(risk.Facts) (bool, error) { return true, nil }, "r proof-needed"},
	} {
		p := bands()
		p.Rules = []risk.Rule{{Code: "r", Demand: risk.Demand{Decision: risk.StepUp, Shown: "agent"}, When: c.when}}
		r := p.Payment(risk.Payment{Minor: 1, Currency: "AZN", Signals: all, Exempt: true})
		if r.Decision != risk.StepUp || r.ACR != "linked" || r.Shown != "agent" || r.Exemption != "" || codes(r) != c.codes {
			t.Errorf("a rule that %s: %+v", name, r)
		}
		p = bands()
		p.Scores = []risk.Score{{Code: "s", Points: 7, When: c.when}}
		r = p.Payment(risk.Payment{Minor: 1, Currency: "AZN", Signals: all, Exempt: true})
		if r.Score != 7 || (r.Decision == risk.Approved) != (name == "lacks" || name == "holds") {
			t.Errorf("a score that %s: %+v", name, r)
		}
	}
	p := bands()
	p.Rules = []risk.Rule{{Code: "r", When: nil}} // no condition at all
	if r := p.Payment(risk.Payment{Minor: 1, Currency: "AZN", Signals: all, Exempt: true}); r.Decision != risk.StepUp {
		t.Errorf("a rule without a condition: %+v", r)
	}
}

func TestTheStrongestRuleWins(t *testing.T) {
	yes := asked(func(risk.Facts) (bool, error) { return true, nil })
	demands := []risk.Demand{{Decision: risk.Rejected}, {Decision: risk.Held, Shown: "agent"}, {Decision: risk.StepUp, Shown: "device"}, {Shown: "none"}}
	for i := range demands {
		p := bands()
		for j := range demands {
			p.Rules = append(p.Rules, risk.Rule{Code: "r", Demand: demands[(i+j)%len(demands)], When: yes})
		}
		if r := p.Payment(risk.Payment{Minor: 1, Currency: "AZN", Signals: all}); r.Decision != risk.Rejected || r.Shown != "device" || r.ACR != "linked" {
			t.Errorf("begun with %d: %+v", i, r)
		}
	}
	if r := (risk.Policy{}).Payment(risk.Payment{Minor: 1, Currency: "AZN", Signals: all, Exempt: true}); r.Decision != risk.Held || r.ACR != "linked" {
		t.Errorf("a policy that says nothing: %+v", r)
	}
}

// Amounts are compared exactly, rounded up, and one that cannot be told is held.
func TestClause5_18_AmountsByTheRateOfTheDay(t *testing.T) {
	rates := risk.Rates{"USD": {Qepik: 17, Per: 10}, "JPY": {Qepik: 113, Per: 100}, "BAD": {Qepik: 0, Per: 1}, "BAR": {Qepik: 1, Per: 0}, "ONE": {Qepik: 1, Per: 1}, "BIG": {Qepik: math.MaxInt64, Per: 1}}
	for _, c := range []struct {
		minor    int64
		currency string
		qepik    any
	}{
		{100, "AZN", int64(100)}, {100, "USD", int64(170)}, {1, "USD", int64(2)}, {10, "USD", int64(17)}, {11, "USD", int64(19)}, {100, "JPY", int64(113)}, {1, "JPY", int64(2)},
		{100, "EUR", nil}, {100, "", nil}, {100, "BAD", nil}, {100, "BAR", nil}, {1, "BIG", nil}, {2, "BIG", nil}, {1<<53 - 1, "ONE", int64(1<<53 - 1)}, {1 << 53, "ONE", nil}, {math.MaxInt64, "USD", nil}, {0, "AZN", nil}, {-1, "AZN", nil}, {-1, "USD", nil},
	} {
		r := bands().Payment(risk.Payment{Minor: c.minor, Currency: c.currency, Rates: rates, Signals: all, Exempt: true})
		if r.Facts["amount"] != c.qepik || c.qepik == nil && r.Decision != risk.Held {
			t.Errorf("%d %s: %v, %s", c.minor, c.currency, r.Facts["amount"], r.Decision)
		}
	}
}

// What has another kind than its name promises is missing, and nobody passes off a
// fact that is computed.
func TestFactsAreTakenByTheirKind(t *testing.T) {
	at := time.Date(2027, 3, 1, 20, 0, 0, 0, time.UTC).In(time.FixedZone("Asia/Baku", 4*3600))
	r := bands().Payment(risk.Payment{Minor: 100, Currency: "AZN", At: at, Signals: all, Facts: risk.Facts{
		"amount": int64(1), "hour": int64(12), "country": "XX", "currency": "XXX", "score": int64(0), "payee_new": "no", "day_sum": int64(-1), "malware": false,
		"payee_country": "", "mds_status": strings.Repeat("x", risk.MaxWord+1), "unheard": true, "payees": 1,
	}})
	want := risk.Facts{"amount": int64(100), "hour": int64(0), "weekday": int64(2), "country": "AZ", "currency": "AZN", "score": int64(0), "malware": false}
	if !reflect.DeepEqual(r.Facts, want) {
		t.Errorf("%v", r.Facts)
	}
}

func TestEveryReasonHasAText(t *testing.T) {
	p := bands()
	p.Rules, p.Scores = []risk.Rule{{Code: "r", Text: "a rule"}}, []risk.Score{{Code: "s", Text: "a score"}}
	for _, code := range []string{"signal-missing", "currency-without-rate", "amount-held", "proof-needed", "no-suitable-credential", "limit-exceeded", "rule-failed", "r", "s"} {
		if p.Text(code) == "" {
			t.Errorf("%s has no text", code)
		}
	}
	if p.Text("unheard") != "" || risk.Text("r") != "" {
		t.Error("a code that nobody has has a text")
	}
}

// Two results of one payment are raised to the stronger one in every respect, whichever
// comes first, and what is not exempt by one is not exempt.
func TestResultsAreRaised(t *testing.T) {
	why := func(codes ...string) (out []risk.Reason) {
		for _, c := range codes {
			out = append(out, risk.Reason{Code: c})
		}
		return out
	}
	exempt := risk.Result{Decision: risk.Approved, Shown: "none", Exemption: "low_value", Score: 5, Reasons: why("s")}
	proof := risk.Result{Decision: risk.StepUp, ACR: "linked", Shown: "agent", Score: 3, Reasons: why("a", "proof-needed")}
	held := risk.Result{Decision: risk.Held, ACR: "strong", Shown: "none", Score: 40, Reasons: why("a", "night")}
	for _, c := range []struct {
		a, b, want risk.Result
		codes      [2]string
	}{
		{exempt, exempt, exempt, [2]string{"s", "s"}},
		{exempt, proof, risk.Result{Decision: risk.StepUp, ACR: "linked", Shown: "agent", Score: 5}, [2]string{"s a proof-needed", "a proof-needed s"}},
		{proof, held, risk.Result{Decision: risk.Held, ACR: "linked", Shown: "agent", Score: 40}, [2]string{"a night", "a night"}},
	} {
		for i, got := range []risk.Result{c.a.Raised(c.b), c.b.Raised(c.a)} {
			if got.Outcome() != c.want.Outcome() || got.Score != c.want.Score || codes(got) != c.codes[i] {
				t.Errorf("%s and %s: %+v", c.a.Decision, c.b.Decision, got)
			}
		}
	}
	if len(proof.Reasons) != 2 || len(held.Reasons) != 2 {
		t.Error("a result was changed")
	}
}

// An address or a country that is none gives the points of one that was left out.
func TestClause5_24_ASignalThatIsNoneIsMissing(t *testing.T) {
	p := risk.Policy{MissingSignal: 7}
	for _, c := range []struct {
		s    risk.Signals
		want int
	}{
		{all, 0}, {risk.Signals{}, 28}, {risk.Signals{IP: "::ffff:192.0.2.1", UserAgent: "u", DeviceID: "d", Country: "IR"}, 0},
		{risk.Signals{IP: "192.0.2.1:4711", UserAgent: "u", DeviceID: "d", Country: "IR"}, 7}, {risk.Signals{IP: "a, b", UserAgent: "u", DeviceID: "d", Country: "ir"}, 14},
	} {
		if got, reasons := p.Signals(c.s); got != c.want || len(reasons) != c.want/7 {
			t.Errorf("%+v: %d points, %v", c.s, got, reasons)
		}
	}
}
