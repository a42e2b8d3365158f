package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/payment"
	"mohur/risk"
)

// TestSimulate: a policy is tried on what the demo's people paid, over the socket, in
// words, as JSON and as a page.
func TestSimulate(t *testing.T) {
	in := start(t)
	must(t, "demo", "--config", in.file)
	// Three payments were begun, and one of them was decided again with its proof.
	for name, want := range map[string]string{`mohur_decision_seconds_count{policy="1"}`: "4", `mohur_decisions_total{decision="approved",exemption="low_value"}`: "1"} {
		if got := in.metric(name); !strings.HasSuffix(got, want) {
			t.Errorf("%s is %q", name, got)
		}
	}
	dir := t.TempDir()
	own, page := filepath.Join(dir, "own.yaml"), filepath.Join(dir, "page.html")
	text := strings.NewReplacer("version: 1\n", "version: 2\n", `proof_up_to: "20000.00"`, `proof_up_to: "1000.00"`).Replace(must(t, "policy", "default"))
	if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	told := must(t, "policy", "simulate", own, "--config", in.file, "--html", page)
	for _, want := range []string{"version 2, on 3 decisions", "asks for more: 2 (66.7 %), for less: 0", "step_up", "amount-held", "the largest of which more would be asked", "9,500.00 AZN"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is missing:\n%s", want, told)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "<svg") || !strings.Contains(string(html), "9,500.00 AZN") {
		t.Errorf("%v\n%s", err, html)
	}
	var got trial
	if err := json.Unmarshal([]byte(must(t, "policy", "simulate", own, "--config", in.file, "--json")), &got); err != nil || got.Decisions != 3 || got.Stricter != 2 || len(got.SHA256) != 64 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(own, []byte(strings.Replace(text, "linked", "loose", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := command(t, "policy", "simulate", own, "--config", in.file); code == exitOK || !strings.Contains(stderr, "payments.acr") || !strings.Contains(stderr, "line ") {
		t.Errorf("%d, %s", code, stderr)
	}
	if code, _, stderr := command(t, "policy", "simulate", own, "--config", in.file, "--from", "today"); code != exitUsage || !strings.Contains(stderr, "--from needs a day") {
		t.Errorf("%d, %s", code, stderr)
	}
}

// Parts that are tried one after the other add up to what one call would have told.
func TestPartsOfATrialAddUp(t *testing.T) {
	money := func(n int64) payment.Money { return payment.FromMinor(n, "AZN") }
	first := trial{
		Version: 2, SHA256: "ab", Decisions: 10, Changed: 3, Stricter: 2, Weaker: 1, Next: "on",
		Matrix:  []trialCell{{"approved", "approved", 7, 0, 0, money(700)}, {"approved", "held", 3, 2, 1, money(3e17)}},
		Reasons: []trialCode{{"a", 5, 1}, {"b", 0, 1}}, Days: []trialDay{{"2026-11-01", 6, 2, 0}, {"2026-11-02", 4, 0, 1}},
	}
	second := trial{
		Version: 2, SHA256: "ab", Decisions: 5, Unreadable: 1, Changed: 1, Weaker: 1,
		Matrix: []trialCell{{"approved", "held", 1, 0, 1, money(1)}, {"held", "held", 4, 0, 0, money(4)}}, Reasons: []trialCode{{"b", 9, 9}}, Days: []trialDay{{"2026-11-02", 5, 0, 1}},
	}
	for i := range 60 {
		e := example{Transaction: fmt.Sprint("tx", i), Change: "weaker", Home: money(int64(i * 7919 % 60))}
		if i%2 == 0 {
			first.Examples = append(first.Examples, e)
		} else {
			second.Examples = append(second.Examples, e)
		}
	}
	var all trial
	all.add(&first)
	if all.Next != "on" {
		t.Error("it does not go on")
	}
	all.add(&second)
	want := trial{
		Version: 2, SHA256: "ab", Decisions: 15, Unreadable: 1, Changed: 4, Stricter: 2, Weaker: 2,
		Matrix:  []trialCell{{"approved", "approved", 7, 0, 0, money(700)}, {"approved", "held", 4, 2, 2, money(3e17 + 1)}, {"held", "held", 4, 0, 0, money(4)}},
		Reasons: []trialCode{{"b", 9, 10}, {"a", 5, 1}}, Days: []trialDay{{"2026-11-01", 6, 2, 0}, {"2026-11-02", 9, 0, 2}}, Examples: all.Examples,
	}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("%+v\nwant %+v", all, want)
	}
	if len(all.Examples) != mostShown || all.Examples[0].Home != money(59) || all.Examples[49].Home != money(10) {
		t.Errorf("%d examples, %+v", len(all.Examples), all.Examples[0])
	}
}

func TestTheTimeOfATrial(t *testing.T) {
	zone := time.FixedZone("Asia/Baku", 4*3600)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ from, to, begin, end string }{
		{"", "", "2025-10-18T12:00:00Z", "2026-11-22T12:00:00Z"},
		{"2026-11-01", "2026-11-01", "2026-10-31T20:00:00Z", "2026-11-01T20:00:00Z"},
		{"2026-11-01T00:00:00Z", "2026-11-01T00:00:01Z", "2026-11-01T00:00:00Z", "2026-11-01T00:00:01Z"},
		{"2026-11-02", "2026-11-01", "", ""}, {"yesterday", "", "", ""}, {"", "2026-13-01", "", ""},
	} {
		span, err := readSpan(c.from, c.to, zone, now)
		if (err != nil) != (c.begin == "") {
			t.Errorf("%q to %q: %v, %v", c.from, c.to, span, err)
		}
		if err == nil && (span[0].UTC().Format(time.RFC3339) != c.begin || span[1].UTC().Format(time.RFC3339) != c.end) {
			t.Errorf("%q to %q: %v", c.from, c.to, span)
		}
	}
}

// The page runs nothing and fetches nothing, whatever the file and the codes are called.
func TestThePageOfATrialIsOnlyAPage(t *testing.T) {
	day := trialDay{"2026-11-01", 3, 2, 0}
	bad := trial{
		Version: 2, Decisions: 3, Stricter: 2, Days: []trialDay{day}, Reasons: []trialCode{{"<script>alert(1)</script>", 1, 1}},
		Examples: []example{{Transaction: `"><img src=x onerror=alert(1)>`, Change: "stricter"}},
	}
	page, err := trialPage(&bad, "<script>.yaml", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"<script", "<img", "http:", "https:", "url(", "@import"} {
		if strings.Contains(string(page), never) {
			t.Errorf("the page has %s", never)
		}
	}
	if none, err := trialPage(&trial{}, "own.yaml", time.UTC); err != nil || strings.Contains(string(none), "NaN") || strings.Contains(string(none), "<svg") {
		t.Errorf("of nothing: %v\n%s", err, none)
	}
	many := trial{Decisions: 1}
	for i := range 400 {
		many.Days = append(many.Days, trialDay{time.Date(2025, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), 1, 0, 1})
	}
	if c := barsOf(many.Days); len(c.Bars) != 14 || c.Zero != c.Top || c.Bars[0].Down <= 0 {
		t.Errorf("%+v", c)
	}
}

// What a decision was and how long it took can be read by the version of the policy.
func TestDecisionsAreMeasured(t *testing.T) {
	r := prometheus.NewRegistry()
	m := newDecisionMetrics(r)
	m.observe(payment.Judged{Policy: 7, Took: 80 * time.Microsecond, Decision: risk.Approved, Exemption: "low_value", Shadow: "stricter"})
	m.observe(payment.Judged{Policy: 7, Took: 2 * time.Second, Decision: risk.Held})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, f := range families {
		for _, x := range f.Metric {
			seen[f.GetName()] += fmt.Sprint(x.Label, x.GetCounter().GetValue(), " ")
			if h := x.GetHistogram(); h != nil {
				seen[f.GetName()] += fmt.Sprint(h.GetSampleCount(), h.Bucket[0].GetUpperBound(), h.Bucket[len(h.Bucket)-1].GetUpperBound(), h.Bucket[len(h.Bucket)-1].GetCumulativeCount())
			}
		}
	}
	for name, parts := range map[string][]string{
		"mohur_decision_seconds":       {`"policy"`, `"7"`, "2 1e-05 1 1"},
		"mohur_decisions_total":        {`"approved"`, `"low_value"`, `"held"`},
		"mohur_shadow_decisions_total": {`"stricter"`},
	} {
		for _, part := range parts {
			if !strings.Contains(seen[name], part) {
				t.Errorf("%s: %s", name, seen[name])
			}
		}
	}
}
