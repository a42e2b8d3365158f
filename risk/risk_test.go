package risk_test

import (
	"encoding/csv"
	"os"
	"reflect"
	"strconv"
	"testing"

	"mohur/risk"
)

var all = risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d", Country: "AZ"}

// Clause 5.18: the decision table, with its edges.
func TestClause5_18_DecisionTable(t *testing.T) {
	f, err := os.Open("testdata/decisions.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, r := range rows[1:] {
		in := risk.Payment{Minor: number(r[0]), Currency: r[1], LowValueCount: number(r[3]), LowValueSum: number(r[4]), Exempt: r[5] == "yes"}
		if r[2] == "all" {
			in.Signals = all
		}
		got := risk.Version1().Payment(in)
		first := ""
		if len(got.Reasons) > 0 {
			first = got.Reasons[0].Code
		}
		if string(got.Decision) != r[6] || got.ACR != r[7] || got.Exemption != r[8] || first != r[9] || got.Policy != 1 {
			t.Errorf("line %d: %+v, first reason %q", i+2, got, first)
		}
		if again := risk.Version1().Payment(in); !reflect.DeepEqual(got, again) {
			t.Errorf("line %d: the same inputs gave another decision", i+2)
		}
	}
}

// A higher amount or a missing signal never asks for less.
func TestClause5_18_MoreRiskNeverAsksForLess(t *testing.T) {
	rank := map[risk.Decision]int{risk.Approved: 0, risk.StepUp: 1, risk.Held: 2, risk.Rejected: 3}
	p := risk.Version1()
	last := 0
	for minor := int64(1); minor < 3_000_000; minor += 997 {
		full := p.Payment(risk.Payment{Minor: minor, Currency: "AZN", Signals: all, Exempt: true})
		bare := p.Payment(risk.Payment{Minor: minor, Currency: "AZN", Exempt: true})
		if rank[full.Decision] < last {
			t.Fatalf("%d asks for less than a smaller amount: %s", minor, full.Decision)
		}
		if rank[bare.Decision] < rank[full.Decision] || bare.Score < full.Score {
			t.Fatalf("%d without signals asks for less", minor)
		}
		last = rank[full.Decision]
	}
}

func TestEveryReasonHasAText(t *testing.T) {
	for _, code := range []string{"signal-missing", "currency-without-rate", "amount-held", "proof-needed", "no-suitable-credential", "limit-exceeded"} {
		if risk.Text(code) == "" {
			t.Errorf("%s has no text", code)
		}
	}
}
