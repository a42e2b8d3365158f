package payment_test

import (
	"errors"
	"testing"
	"time"

	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
)

// A row that holds what cannot be written in an answer is unreadable: one of them
// does not make every simulation fail.
func TestAHostileDecisionIsUnreadable(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		id       string
		spoil    func(*payment.Decision)
		readable bool
	}{
		"as it should be":     {"tx_1", func(*payment.Decision) {}, true},
		"the first second":    {"tx_1", func(d *payment.Decision) { d.In.At = time.Time{} }, true},
		"the last second":     {"tx_1", func(d *payment.Decision) { d.In.At = time.Date(9000, 12, 31, 23, 59, 59, 0, time.UTC) }, true},
		"before the first":    {"tx_1", func(d *payment.Decision) { d.In.At = time.Time{}.Add(-time.Second) }, false},
		"after the last":      {"tx_1", func(d *payment.Decision) { d.In.At = time.Date(9001, 1, 1, 0, 0, 0, 0, time.UTC) }, false},
		"an unheard year":     {"tx_1", func(d *payment.Decision) { d.In.At = time.Unix(1<<62, 0) }, false},
		"an id of bytes":      {"tx_\xff", func(*payment.Decision) {}, false},
		"a decision of bytes": {"tx_1", func(d *payment.Decision) { d.Was.Decision = "\xff" }, false},
		"a shadow of bytes":   {"tx_1", func(d *payment.Decision) { d.Shadow = &risk.Outcome{Shown: "a\xc3"} }, false},
		"a code of bytes":     {"tx_1", func(d *payment.Decision) { d.Codes = []string{"a", "\xff\xfe"} }, false},
		"a currency of bytes": {"tx_1", func(d *payment.Decision) { d.In.Currency = "\xed\xa0\x80" }, false},
		"a fact of bytes":     {"tx_1", func(d *payment.Decision) { d.In.Facts = risk.Facts{"country": "\xff"} }, false},
		"a name of bytes":     {"tx_1", func(d *payment.Decision) { d.In.Facts = risk.Facts{"\xff": true} }, false},
	} {
		d := payment.Decision{Past: risk.Past{In: risk.Payment{Minor: 1, Currency: "AZN", At: at, Facts: risk.Facts{"country": "AZ"}}, Was: risk.Outcome{Decision: risk.StepUp}, Codes: []string{"proof-needed"}}}
		c.spoil(&d)
		if _, err := payment.DecodeDecision(c.id, d.Encode()); (err == nil) != c.readable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A simulation of a time that cannot be written is refused before anything is read.
func TestSimulateNeedsATimeThatCanBeWritten(t *testing.T) {
	s := &payment.Service{} // it reads nothing: it has no store
	good := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		from, to time.Time
		field    string
	}{
		"from": {time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), good, "from"},
		"to":   {good, time.Date(9001, 1, 1, 0, 0, 0, 0, time.UTC), "to"},
		"zone": {time.Date(2000, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)), good, "from"},
	} {
		_, err := s.Simulate(t.Context(), payment.SimulateCommand{From: c.from, To: c.to})
		var p *problem.Error
		if !problem.Is(err, problem.Invalid) || !errors.As(err, &p) || len(p.Fields) != 1 || p.Fields[0].Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}
