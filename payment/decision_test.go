package payment_test

import (
	"encoding/csv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mohur/payment"
	"mohur/risk"
	"mohur/risk/policy"
)

var allSignals = risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d", Country: "AZ"}

// tried are the policies that records are replayed with.
func tried(t testing.TB) []risk.Policy {
	t.Helper()
	text, err := os.ReadFile("../risk/policy/testdata/bank.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return []risk.Policy{policy.Default(), own}
}

// same decides a payment, stores it, reads it and decides it again.
func same(t *testing.T, p risk.Policy, in risk.Payment, late bool) {
	t.Helper()
	r := p.Decide(in)
	if late {
		r = p.Late(r)
	}
	row := payment.RecordOf("tx_1", in, r, late).Encode()
	d, err := payment.DecodeDecision("tx_1", row)
	if err != nil {
		t.Fatalf("%+v: %v", in, err)
	}
	again := p.Again(d.Past)
	var codes []string
	for _, reason := range r.Reasons {
		codes = append(codes, reason.Code)
	}
	sameReasons := slices.EqualFunc(again.Reasons, r.Reasons, func(a, b risk.Reason) bool { return a == b })
	if again.Outcome() != r.Outcome() || again.Score != r.Score || !sameReasons || !reflect.DeepEqual(again.Facts, r.Facts) {
		t.Errorf("%+v\nwas   %+v\nagain %+v", in, r, again)
	}
	if d.Was != r.Outcome() || d.Score != r.Score || !slices.Equal(d.Codes, codes) || !d.In.At.Equal(in.At) || d.Late != late {
		t.Errorf("the record: %+v of %+v", d, r)
	}
	for _, secret := range []string{allSignals.IP, "Mobile Safari", "device-id-of-the-customer"} {
		if strings.Contains(string(row), secret) {
			t.Errorf("the record holds %q", secret)
		}
	}
}

// Every payment of the decision tables is decided again as it was, from its record.
func TestClause5_24_TheTablesAreDecidedAgainFromTheirRecords(t *testing.T) {
	files, err := filepath.Glob("../risk/policy/testdata/*.csv")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	n := 0
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(rows[0], "facts") {
			continue
		}
		for _, row := range rows[1:] {
			for _, p := range tried(t) {
				same(t, p, line(rows[0], row), n%7 == 0)
				n++
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d payments", n)
	}
}

// line is the payment of a row: what it says of facts, on top of an ordinary payment.
func line(head, row []string) risk.Payment {
	in := risk.Payment{
		Currency: "AZN", At: time.Date(2027, 3, 1, 12, 0, 0, 0, time.FixedZone("Asia/Baku", 4*3600)), Signals: allSignals, Exempt: true,
		Rates: risk.Rates{"USD": {Qepik: 17, Per: 10}}, Facts: risk.Facts{"payee_new": false, "country_changed": false, "day_sum": int64(0)},
	}
	for i, column := range head {
		switch column {
		case "value":
			in.Minor, _ = strconv.ParseInt(strings.ReplaceAll(row[i], ".", ""), 10, 64)
		case "currency":
			in.Currency = row[i]
		case "facts":
			for _, pair := range strings.Fields(row[i]) {
				name, v, _ := strings.Cut(pair, "=")
				n, err := strconv.ParseInt(v, 10, 64)
				at, noTime := time.Parse(time.RFC3339, v)
				switch {
				case name == "count" && err == nil:
					in.LowValueCount = n
				case name == "sum" && err == nil:
					in.LowValueSum = n
				case name == "signals":
					in.Signals = risk.Signals{}
				case noTime == nil:
					in.At = at.In(in.At.Location())
				case v == "true" || v == "false":
					in.Facts[name] = v == "true"
				case err == nil:
					in.Facts[name] = n
				case v == "?":
					delete(in.Facts, name)
				default:
					in.Facts[name] = v
				}
			}
		}
	}
	return in
}

// anyPayment is one of which anything may be known, or not, or be nonsense.
func anyPayment(r *rand.Rand) risk.Payment {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	in := risk.Payment{
		Minor: r.Int64N(1<<uint(r.IntN(50)+1)) - 1, Currency: pick("AZN", "AZN", "USD", "EUR", "JPY", "XXX", ""), Exempt: r.IntN(3) > 0,
		At:      time.Unix(r.Int64N(4e9), r.Int64N(1e9)).In(time.FixedZone("", 900*(r.IntN(97)-48))),
		Signals: risk.Signals{IP: pick("", allSignals.IP), UserAgent: pick("", "Mobile Safari"), DeviceID: pick("", "device-id-of-the-customer"), Country: pick("", "AZ", "ir", "KP", "no country")},
		Rates:   risk.Rates{"USD": {Qepik: r.Int64N(100), Per: r.Int64N(10)}, "EUR": {Qepik: 1836, Per: 1000}}, Facts: risk.Facts{},
		LowValueCount: r.Int64N(7), LowValueSum: r.Int64N(20000),
	}
	if r.IntN(4) == 0 {
		found := r.IntN(2) == 0
		in.Signals.Malware = &found
	}
	for range r.IntN(4) {
		in.FraudRates = append(in.FraudRates, risk.FraudRate{UpTo: r.Int64N(1e6), Fraud: r.Int64N(1e6), Total: r.Int64N(1e12), Stopped: r.IntN(2) == 0})
	}
	for _, term := range risk.Terms() {
		switch {
		case r.IntN(4) == 0:
		case r.IntN(20) == 0:
			in.Facts[term.Name] = "no such value, and too long for a fact by far and by far and by far"
		case term.Kind == risk.Number:
			in.Facts[term.Name] = r.Int64N(1<<uint(r.IntN(40)+1)) - 1
		case term.Kind == risk.Truth:
			in.Facts[term.Name] = r.IntN(2) == 0
		default:
			in.Facts[term.Name] = pick("AZ", "ok", "none", "a bank's own word", "internet", "")
		}
	}
	if r.IntN(10) == 0 {
		in.Facts["a fact of another version"] = int64(1)
	}
	return in
}

func TestClause5_24_AnyPaymentIsDecidedAgainFromItsRecord(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	for range 3000 {
		in := anyPayment(r)
		for _, p := range tried(t) {
			same(t, p, in, r.IntN(5) == 0)
		}
	}
}

// A record of everything that can be known fits in 400 bytes.
func TestADecisionIsSmall(t *testing.T) {
	in := risk.Payment{
		Minor: 1<<53 - 1, Currency: "USD", At: time.Now(), Signals: allSignals, Exempt: true, Rates: risk.Rates{"USD": {Qepik: 17000, Per: 10000}}, Facts: risk.Facts{},
		LowValueCount: 5, LowValueSum: 150_00, FraudRates: []risk.FraudRate{{UpTo: 100_00, Fraud: 1e6, Total: 1e12}, {UpTo: 250_00, Fraud: 1e6, Total: 1e12}, {UpTo: 500_00, Fraud: 1e6, Total: 1e12}},
	}
	for _, term := range risk.Terms() {
		switch term.Kind {
		case risk.Number:
			in.Facts[term.Name] = int64(1e9)
		case risk.Truth:
			in.Facts[term.Name] = true
		default:
			in.Facts[term.Name] = "AZ"
		}
	}
	d := payment.RecordOf("tx_1", in, policy.Default().Decide(in), false)
	d.Codes = []string{"new-payee-large", "fresh-contacts", "another-country", "night-transfer", "proof-needed"}
	d.Shadow = &risk.Outcome{Policy: 12, Decision: risk.Held, ACR: "linked", Shown: "agent"}
	if n := len(d.Encode()); n > 400 {
		t.Errorf("%d bytes", n)
	}
	got, err := payment.DecodeDecision("tx_1", d.Encode())
	if err != nil || *got.Shadow != *d.Shadow {
		t.Errorf("%+v, %v", got.Shadow, err)
	}
}

// Whatever is added to a decision's input has to be stored, or a replay decides on
// less than was known. InForce is of the decision with the proof, which is not replayed.
func TestEveryInputIsStored(t *testing.T) {
	members := func(v any) (names []string) {
		for f := range reflect.TypeOf(v).Fields() {
			names = append(names, f.Name)
		}
		return names
	}
	if got, want := members(risk.Payment{}), strings.Fields("Minor Currency Rates At InForce Signals Facts LowValueCount LowValueSum Exempt FraudRates"); !slices.Equal(got, want) {
		t.Errorf("risk.Payment has %v: store what is new in Decision.Encode and add it here", got)
	}
	if got, want := members(risk.Signals{}), strings.Fields("IP UserAgent DeviceID Country Malware"); !slices.Equal(got, want) {
		t.Errorf("risk.Signals has %v", got)
	}
	if len(payment.FactNames) > 62 {
		t.Error("a fact's number has six bits")
	}
}

func FuzzDecodeDecision(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		in := anyPayment(r)
		f.Add(payment.RecordOf("tx_1", in, policy.Default().Decide(in), false).Encode())
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		d, err := payment.DecodeDecision("tx_1", row)
		if err != nil {
			return
		}
		again, err := payment.DecodeDecision("tx_1", d.Encode())
		if err != nil || !reflect.DeepEqual(again.Was, d.Was) || !reflect.DeepEqual(again.In.Facts, d.In.Facts) || !again.In.At.Equal(d.In.At) {
			t.Errorf("%+v is read again as %+v, %v", d, again, err)
		}
	})
}
