package policy_test

import (
	"encoding/csv"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
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
		"payee_trusted": false, "own_account": false, "recurring": false, "company": false,
	}
}

// withPack is the recommended policy with the optional exemptions switched on.
func withPack(t testing.TB) risk.Policy {
	t.Helper()
	text := string(policy.Recommended().Source)
	for _, c := range []struct{ off, on string }{
		{`"0.00" # "5000.00"`, `"5000.00"`}, {`"0.00" # "500.00"`, `"600.00"`}, {`"0.00" # "500.00"`, `"700.00"`},
		{"bands: []", `bands: [{up_to: "100.00", fraud_rate: "0.015 %"}, {up_to: "250.00", fraud_rate: "0.010 %"}, {up_to: "500.00", fraud_rate: "0.005%"}]`},
	} {
		if !strings.Contains(text, c.off) {
			t.Fatalf("the recommended policy has no %s", c.off)
		}
		text = strings.Replace(text, c.off, c.on, 1)
	}
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withExceptions is that policy with rules switched off for a time.
func withExceptions(t testing.TB) risk.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(strings.Replace(string(withPack(t).Source), "exceptions: []", `exceptions:
  - {code: trial, text: keys of the trial, rule: fresh-token, when: channel == "internet" && amount <= azn("20000.00"), from: "2027-02-01T00:00:00+04:00", until: "2027-04-01T00:00:00+04:00"}
  - {code: fair, text: staff at the fair, rule: country-change, when: country_changed && score < 90, from: "2027-03-01T00:00:00+04:00", until: "2027-03-01T18:00:00+04:00"}
`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fraud are the rates of withPack's bands: so many millionths, or what it says.
func fraud(t *testing.T, value string) (out []risk.FraudRate) {
	t.Helper()
	for _, upTo := range []int64{100_00, 250_00, 500_00} {
		rate := risk.FraudRate{UpTo: upTo, Total: 1_000_000}
		switch value {
		case "none":
			return nil
		case "zero":
			rate.Total = 0
		case "stopped":
			rate.Stopped = true
		default:
			rate.Fraud = number(t, value)
		}
		out = append(out, rate)
	}
	return out
}

// payment reads a line of a table: what differs from an ordinary payment at noon.
func payment(t *testing.T, value, currency, differs string) risk.Payment {
	t.Helper()
	in := risk.Payment{
		Minor: number(t, strings.ReplaceAll(value, ".", "")), Currency: currency, Rates: risk.Rates{"USD": {Qepik: 17, Per: 10}},
		At: time.Date(2027, 3, 1, 12, 0, 0, 0, baku), Signals: all, Facts: well(), Exempt: true, FraudRates: fraud(t, "0"),
	}
	for _, pair := range strings.Fields(differs) {
		name, v, _ := strings.Cut(pair, "=")
		switch name {
		case "count":
			in.LowValueCount = number(t, v)
		case "sum":
			in.LowValueSum = number(t, v)
		case "signals":
			for _, s := range []struct {
				name string
				of   *string
			}{{"ip", &in.Signals.IP}, {"user_agent", &in.Signals.UserAgent}, {"device_id", &in.Signals.DeviceID}, {"country", &in.Signals.Country}} {
				if v == "none" || v == "-"+s.name {
					*s.of = ""
				}
			}
		case "exempt":
			in.Exempt = v == "yes"
		case "fraud":
			in.FraudRates = fraud(t, v)
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

// Clause 5.18: a bank's own policy, the recommended one, and that with the optional
// exemptions, line by line: edges, currency without a rate, missing signals,
// splitting, midnight in Baku.
func TestClause5_18_DecisionTable(t *testing.T) {
	for name, p := range map[string]risk.Policy{"decisions": bank(t), "recommended": policy.Recommended(), "exemptions": withPack(t)} {
		for _, r := range table(t, "testdata/"+name+".csv") {
			in := payment(t, r[1], r[2], r[3])
			got := p.Payment(in)
			var codes []string
			for _, x := range got.Reasons {
				codes = append(codes, x.Code)
			}
			if string(got.Decision) != r[4] || got.Shown != r[5] || got.Exemption != r[6] || strings.Join(codes, " ") != r[7] {
				t.Errorf("%s, %s: %s, shown %s, %q, %v, score %d", name, r[0], got.Decision, got.Shown, got.Exemption, codes, got.Score)
			}
			if again := p.Payment(in); !reflect.DeepEqual(got, again) {
				t.Errorf("%s, %s: the same inputs gave another decision", name, r[0])
			}
		}
	}
}

// Clause 5.24, RTS Article 2(2): each of the five inputs moves the score of the
// recommended policy, and what is on a list of stolen elements is never paid at once.
func TestClause5_24_EachInputOfMonitoringMovesTheScore(t *testing.T) {
	p := policy.Recommended()
	for _, c := range []struct{ input, value, facts string }{
		{"lists of compromised or stolen elements", "40.00", "compromised=true"},
		{"the amount", "5000.01", ""},
		{"known scenarios of fraud: an account taken over", "40.00", "payee_new=true contacts_age=3600"},
		{"known scenarios of fraud: splitting", "40.00", "payee_day_count=2 payee_day_sum=99000"},
		{"signs of malware", "40.00", "malware=true"},
		{"the log of the device: a new one", "40.00", "device_known=false"},
		{"the log of the device: abnormal use", "40.00", "hour_count=5"},
	} {
		base := p.Payment(payment(t, "40.00", "AZN", ""))
		got := p.Payment(payment(t, c.value, "AZN", c.facts))
		if base.Score != 0 || got.Score <= base.Score {
			t.Errorf("%s: %d after %d", c.input, got.Score, base.Score)
		}
	}
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		in := random(r)
		in.Facts["compromised"] = true
		if got := p.Payment(in); got.Decision != risk.Held && got.Decision != risk.Rejected {
			t.Fatalf("stolen, and %s: %+v", got.Decision, in)
		}
	}
}

// Clause 5.32: above 1,000 AZN to a new payee, and in the top band, the customer has to
// have seen what he pays, whatever else is known.
func TestClause5_32_WhatTheCustomerHasToHaveSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 32))
	for name, p := range map[string]risk.Policy{"recommended": policy.Recommended(), "with the exemptions": withPack(t)} {
		for range 1000 {
			in := random(r)
			in.Minor = 10_000_01 + r.Int64N(10_000_000)
			if got := p.Payment(in); got.Shown == "none" || got.Decision == risk.Approved {
				t.Fatalf("%s, top band: %+v", name, got)
			}
			in.Minor = 1000_01 + r.Int64N(1_000_000)
			if in.Facts["payee_new"] = true; r.IntN(2) == 0 {
				delete(in.Facts, "payee_new")
			}
			if got := p.Payment(in); got.Shown == "none" || got.Decision == risk.Approved {
				t.Fatalf("%s, new payee: %+v", name, got)
			}
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
	if r.IntN(3) > 0 { // the same fraud in all bands: the rate of a lower band is not worse
		rate := risk.FraudRate{Fraud: r.Int64N(200), Total: 1_000_000, Stopped: r.IntN(10) == 0}
		for _, upTo := range []int64{100_00, 250_00, 500_00} {
			rate.UpTo = upTo
			in.FraudRates = append(in.FraudRates, rate)
		}
	}
	few := r.IntN(2) == 0 // an ordinary payment but for a few facts, so that some are exempt
	if few {
		in.Facts, in.Signals, in.LowValueCount = well(), all, 0
	}
	for _, term := range risk.Terms() {
		if few && r.IntN(10) > 0 || r.IntN(4) == 0 {
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
	for name, p := range map[string]risk.Policy{"shipped": policy.Default(), "bank": bank(t), "recommended": policy.Recommended(), "with the exemptions": withPack(t), "with exceptions": withExceptions(t)} {
		r := rand.New(rand.NewPCG(5, 18))
		exempt, excepted := map[string]int{}, 0
		for range 400 {
			in := random(r)
			got := p.Payment(in)
			exempt[got.Exemption]++
			if slices.ContainsFunc(got.Reasons, func(x risk.Reason) bool { return x.Code == "trial" || x.Code == "fair" }) {
				excepted++
			}
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
			unrated := in
			if unrated.FraudRates = nil; p.Payment(unrated).AsksLess(got) {
				t.Fatalf("%s: without rates of fraud it asks for less: %+v", name, in)
			}
		}
		if (excepted > 0) != (name == "with exceptions") {
			t.Errorf("%s: %d payments were excepted", name, excepted)
		}
		for _, e := range []string{"own_account", "trusted_payee", "recurring", "tra"} {
			if (exempt[e] > 0) != strings.HasPrefix(name, "with") {
				t.Errorf("%s: %d payments were exempt as %s", name, exempt[e], e)
			}
		}
	}
}

func BenchmarkDecision(b *testing.B) {
	for name, p := range map[string]risk.Policy{"default": policy.Default(), "bank": bank(b), "recommended": policy.Recommended(), "exemptions": withPack(b)} {
		in := risk.Payment{Minor: 1_500_00, Currency: "AZN", At: time.Date(2027, 3, 1, 12, 0, 0, 0, baku), Signals: all, Facts: well(), Exempt: true}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Payment(in)
			}
		})
	}
}
