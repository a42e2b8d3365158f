package risk_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"mohur/risk"
)

func past(list ...risk.Past) iter.Seq2[risk.Past, error] {
	return func(yield func(risk.Past, error) bool) {
		for _, x := range list {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// record decides a payment and puts it on record.
func record(p risk.Policy, id string, in risk.Payment) risk.Past {
	r := p.Decide(in)
	x := risk.Past{ID: id, In: in, Was: r.Outcome(), Score: r.Score}
	for _, reason := range r.Reasons {
		x.Codes = append(x.Codes, reason.Code)
	}
	return x
}

// baku is the bank's clock.
var baku = time.FixedZone("", 4*3600)

// A replay counts each payment in one cell, one day and one direction, and names the
// largest of those that would be decided otherwise.
func TestReplayTellsWhatWouldChange(t *testing.T) {
	p, tight := bands(), bands()
	tight.Version, tight.LowValueEach, tight.LinkedUpTo = 8, 10_00, 1_000_00
	at := time.Date(2027, 3, 1, 23, 59, 59, 0, baku)
	var list []risk.Past
	for i, minor := range []int64{5_00, 20_00, 30_00, 500_00, 1_000_01, 20_000_01} {
		list = append(list, record(p, fmt.Sprint("tx", i), risk.Payment{Minor: minor, Currency: "AZN", At: at.Add(time.Duration(i) * time.Second), Signals: all, Exempt: true}))
	}
	got, err := risk.Replay(tight, past(list...))
	if err != nil || got.Policy != 8 || got.Decisions != 6 || got.Same != 3 || got.Stricter != 3 || got.Weaker != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	cells := []risk.Cell{
		{From: risk.Approved, To: risk.Approved, Count: 1, Sum: 5_00}, {From: risk.Approved, To: risk.StepUp, Count: 2, Sum: 50_00, Stricter: 2},
		{From: risk.StepUp, To: risk.StepUp, Count: 1, Sum: 500_00}, {From: risk.StepUp, To: risk.Held, Count: 1, Sum: 1_000_01, Stricter: 1},
		{From: risk.Held, To: risk.Held, Count: 1, Sum: 20_000_01},
	}
	if !slices.Equal(got.Cells, cells) {
		t.Errorf("cells: %+v", got.Cells)
	}
	if want := []risk.Day{{Date: "2027-03-01", Decisions: 1}, {Date: "2027-03-02", Decisions: 5, Stricter: 3}}; !slices.Equal(got.Days, want) {
		t.Errorf("days: %+v", got.Days)
	}
	if want := []risk.ReasonCount{{Code: "proof-needed", Was: 2, Would: 3}, {Code: "amount-held", Was: 1, Would: 2}}; !slices.Equal(got.Reasons, want) {
		t.Errorf("reasons: %+v", got.Reasons)
	}
	if len(got.ToWeaker) != 0 || len(got.ToStrict) != 3 || got.ToStrict[0].ID != "tx4" || got.ToStrict[0].Would.Decision != risk.Held || got.ToStrict[2].Amount != 20_00 {
		t.Errorf("examples: %+v", got.ToStrict)
	}
	back, err := risk.Replay(p, func(yield func(risk.Past, error) bool) {
		for _, x := range list {
			r := tight.Again(x)
			x.Was = r.Outcome()
			yield(x, nil)
		}
	})
	if err != nil || back.Weaker != 3 || back.Stricter != 0 || back.ToWeaker[0].ID != "tx4" {
		t.Errorf("the other way: %+v, %v", back, err)
	}
	broken := errors.New("broken")
	if got, err := risk.Replay(p, func(yield func(risk.Past, error) bool) { yield(risk.Past{}, broken) }); !errors.Is(err, broken) || got.Decisions != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// What a replay holds does not grow with what it reads, and its sums do not turn over.
func TestReplayIsBounded(t *testing.T) {
	p, tight := bands(), bands()
	tight.LinkedUpTo = 0
	const many = 5000
	got, err := risk.Replay(tight, func(yield func(risk.Past, error) bool) {
		for i := range many {
			x := record(p, fmt.Sprint("tx", i), risk.Payment{Minor: int64(i*7919%many) + 1, Currency: "AZN", At: time.Unix(int64(i)*86400, 0), Signals: all})
			x.Codes = []string{fmt.Sprint("code-", i)}
			if !yield(x, nil) {
				return
			}
		}
	})
	if err != nil || got.Decisions != many || len(got.ToStrict) != 50 || len(got.Days) != 4000 || len(got.Reasons) != 1000 {
		t.Fatalf("%d, %d examples, %d days, %d codes, %v", got.Decisions, len(got.ToStrict), len(got.Days), len(got.Reasons), err)
	}
	for i, e := range got.ToStrict {
		if e.Amount != many-int64(i) {
			t.Errorf("example %d has %d", i, e.Amount)
		}
	}
	big := record(p, "tx", risk.Payment{Minor: 1<<53 - 1, Currency: "AZN", At: time.Unix(0, 0), Signals: all})
	got, err = risk.Replay(p, func(yield func(risk.Past, error) bool) {
		for range 2000 {
			yield(big, nil)
		}
	})
	if err != nil || got.Cells[0].Sum != math.MaxInt64 {
		t.Errorf("%+v, %v", got.Cells, err)
	}
}

// Rules that break altogether hold the payment, of which the amount is still known.
func TestClause5_24_APolicyThatBreaksHolds(t *testing.T) {
	p := bands()
	p.Rules = []risk.Rule{{Code: "r", When: asked(func(risk.Facts) (bool, error) { return true, loud{} })}}
	r := p.Decide(risk.Payment{Minor: 1, Currency: "AZN", Signals: all, Exempt: true})
	if r.Decision != risk.Held || r.ACR != "linked" || r.Exemption != "" || r.Policy != 7 || r.Facts["amount"] != int64(1) || codes(r) != "engine-failed" {
		t.Errorf("%+v", r)
	}
}

// loud is an error that panics when it is looked at.
type loud struct{}

func (loud) Error() string   { panic("loud") }
func (loud) Is(error) bool   { panic("loud") }
func (loud) As(any) bool     { panic("loud") }
func (loud) Unwrap() []error { panic("loud") }

// What comes too late approves nothing, and takes nothing away from a stricter answer.
func TestClause5_25_WhatComesTooLateIsNotExempt(t *testing.T) {
	p := bands()
	small := risk.Payment{Minor: 1, Currency: "AZN", Signals: all, Exempt: true}
	if r := p.Payment(small); r.Decision != risk.Approved {
		t.Fatalf("%+v", r)
	}
	r := p.Late(p.Payment(small))
	if r.Decision != risk.StepUp || r.ACR != "linked" || r.Shown != "none" || r.Exemption != "" || codes(r) != "budget-spent" {
		t.Errorf("%+v", r)
	}
	large := p.Payment(risk.Payment{Minor: 20_000_01, Currency: "AZN", Signals: all})
	if r := p.Late(large); r.Decision != risk.Held || codes(r) != codes(large) {
		t.Errorf("%+v", r)
	}
	if r := p.Again(risk.Past{In: small, Late: true}); r.Decision != risk.StepUp {
		t.Errorf("again: %+v", r)
	}
}
