package policy_test

import (
	"encoding/csv"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"mohur/risk"
	"mohur/risk/policy"
)

var (
	all  = risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d", Country: "AZ"}
	baku = time.FixedZone("Asia/Baku", 4*3600)
)

func table(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func bank(t testing.TB) risk.Policy {
	t.Helper()
	text, err := os.ReadFile("testdata/bank.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Clause 5.18: the decision table of the shipped policy, with its edges.
func TestClause5_18_TheShippedPolicy(t *testing.T) {
	for i, r := range table(t, "testdata/default.csv") {
		in := risk.Payment{Minor: number(t, r[0]), Currency: r[1], LowValueCount: number(t, r[3]), LowValueSum: number(t, r[4]), Exempt: r[5] == "yes"}
		if r[2] == "all" {
			in.Signals = all
		}
		got, first := policy.Default().Payment(in), ""
		if len(got.Reasons) > 0 {
			first = got.Reasons[0].Code
		}
		if string(got.Decision) != r[6] || got.ACR != r[7] || got.Exemption != r[8] || first != r[9] || got.Policy != 1 || got.Shown != "none" {
			t.Errorf("line %d: %+v, first reason %q", i+2, got, first)
		}
	}
	if p := policy.Default(); p.LoginACR != "strong" || p.DailyPerCustomer != 100_000_00 || !p.BuiltIn || len(p.Source) == 0 {
		t.Errorf("%+v", p)
	}
}

// well is everything known of an ordinary payment.
func well() risk.Facts {
	return risk.Facts{
		"service": "transactional", "channel": "internet", "device_known": true, "network_changed": false, "country_changed": false, "payer_country": "AZ",
		"payee_country": "AZ", "payee_new": false, "payees": int64(1), "day_sum": int64(0), "day_count": int64(0), "hour_sum": int64(0), "hour_count": int64(0),
		"payee_day_sum": int64(0), "payee_day_count": int64(0), "failed_attempts": int64(0), "session_age": int64(60), "token_age": int64(60),
		"contacts_age": int64(1e7), "credential_age": int64(1e7), "mds_status": "ok", "compromised": false, "malware": false,
	}
}

// payment reads a line of decisions.csv: what differs from an ordinary payment at noon.
func payment(t *testing.T, value, currency, differs string) risk.Payment {
	t.Helper()
	in := risk.Payment{
		Minor: number(t, strings.ReplaceAll(value, ".", "")), Currency: currency, Rates: risk.Rates{"USD": {Qepik: 17, Per: 10}},
		At: time.Date(2027, 3, 1, 12, 0, 0, 0, baku), Signals: all, Facts: well(), Exempt: true,
	}
	for _, pair := range strings.Fields(differs) {
		name, v, _ := strings.Cut(pair, "=")
		switch name {
		case "count":
			in.LowValueCount = number(t, v)
		case "sum":
			in.LowValueSum = number(t, v)
		case "signals":
			in.Signals = risk.Signals{}
		case "at":
			at, err := time.Parse(time.RFC3339, v)
			if err != nil {
				t.Fatal(err)
			}
			in.At = at.In(baku)
		default:
			if _, known := in.Facts[name]; !known {
				t.Fatalf("there is no fact %s", name)
			}
			delete(in.Facts, name)
			if v == "true" || v == "false" {
				in.Facts[name] = v == "true"
			} else if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				in.Facts[name] = n
			} else if v != "?" {
				in.Facts[name] = v
			}
		}
	}
	return in
}

// Clause 5.18: a bank's own policy, line by line: edges, currency without a rate,
// missing signals, splitting, midnight in Baku.
func TestClause5_18_DecisionTable(t *testing.T) {
	p := bank(t)
	for _, r := range table(t, "testdata/decisions.csv") {
		in := payment(t, r[1], r[2], r[3])
		got := p.Payment(in)
		var codes []string
		for _, x := range got.Reasons {
			codes = append(codes, x.Code)
		}
		if string(got.Decision) != r[4] || got.Shown != r[5] || got.Exemption != r[6] || strings.Join(codes, " ") != r[7] {
			t.Errorf("%s: %s, shown %s, %q, %v, score %d", r[0], got.Decision, got.Shown, got.Exemption, codes, got.Score)
		}
		if again := p.Payment(in); !reflect.DeepEqual(got, again) {
			t.Errorf("%s: the same inputs gave another decision", r[0])
		}
	}
}

// random is a payment with some facts known and some not.
func random(r *rand.Rand) risk.Payment {
	in := risk.Payment{Minor: 1 + r.Int64N(3_000_000), Currency: "AZN", Facts: risk.Facts{}, LowValueCount: r.Int64N(7), LowValueSum: r.Int64N(20_000), Exempt: r.IntN(4) > 0}
	if r.IntN(2) == 0 {
		in.Minor = 1 + r.Int64N(10_000)
	}
	if r.IntN(4) > 0 {
		in.Signals = all
	}
	if r.IntN(4) > 0 {
		in.At = time.Date(2027, 3, 1, r.IntN(24), 0, 0, 0, baku)
	}
	for _, term := range risk.Terms() {
		if r.IntN(4) == 0 {
			continue
		}
		switch term.Kind {
		case risk.Truth:
			in.Facts[term.Name] = r.IntN(2) == 0
		case risk.Number:
			in.Facts[term.Name] = r.Int64N([]int64{4, 600_000, 100_000}[r.IntN(3)])
		case risk.Word:
			in.Facts[term.Name] = []string{"AZ", "IR", "information", "transactional", "ok"}[r.IntN(5)]
		}
	}
	return in
}

// Clause 5.18: a higher amount, a higher score or one fact less never asks for less,
// and the same inputs always decide alike.
func TestClause5_18_MoreRiskNeverAsksForLess(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 18))
	for name, p := range map[string]risk.Policy{"shipped": policy.Default(), "bank": bank(t)} {
		for range 1500 {
			in := random(r)
			got := p.Payment(in)
			if again := p.Payment(in); !reflect.DeepEqual(got, again) {
				t.Fatalf("%s: the same inputs gave another decision: %+v", name, in)
			}
			more := in
			more.Minor += []int64{1, 100, 100_000, 10_000_000}[r.IntN(4)]
			if p.Payment(more).AsksLess(got) {
				t.Fatalf("%s: a higher amount asks for less: %+v", name, in)
			}
			score := r.IntN(100)
			if p.PaymentAt(in, score+1+r.IntN(100-score)).AsksLess(p.PaymentAt(in, score)) {
				t.Fatalf("%s: a higher score asks for less: %+v", name, in)
			}
			for fact := range in.Facts {
				less := in
				less.Facts = maps.Clone(in.Facts)
				delete(less.Facts, fact)
				if after := p.Payment(less); after.AsksLess(got) || after.Score < got.Score {
					t.Fatalf("%s: without %s it asks for less: %+v", name, fact, in)
				}
			}
			bare := in
			bare.Signals = risk.Signals{}
			if after := p.Payment(bare); after.AsksLess(got) || after.Score < got.Score {
				t.Fatalf("%s: without signals it asks for less: %+v", name, in)
			}
		}
	}
}

func BenchmarkDecision(b *testing.B) {
	for name, p := range map[string]risk.Policy{"default": policy.Default(), "bank": bank(b)} {
		in := risk.Payment{Minor: 1_500_00, Currency: "AZN", At: time.Date(2027, 3, 1, 12, 0, 0, 0, baku), Signals: all, Facts: well(), Exempt: true}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Payment(in)
			}
		})
	}
}
