package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mohur/risk/policy"
)

// manyNumbers is a policy of so many rules, each with forty numbers of its own.
func manyNumbers(n int) string {
	var list strings.Builder
	for i := range n {
		var some []string
		for j := range 40 {
			some = append(some, fmt.Sprintf("amount == %d", 100_000+i*1000+j*7))
		}
		fmt.Fprintf(&list, "\n  - {code: r-%d, text: t, when: \"%s\"}", i, strings.Join(some, " || "))
	}
	return with(rules, "rules:"+list.String()+"\n")
}

// A trial ends for every policy there can be, in a number of points that falls as the
// policy grows.
func TestCheckIsBounded(t *testing.T) {
	p, err := policy.Parse([]byte(manyNumbers(200)))
	if err != nil {
		t.Fatal(err)
	}
	points := 0
	got := policy.CheckUntil(p, func() bool { points++; return points > 20_000 })
	// A condition of forty comparisons takes forty steps and more.
	if points == 0 || points*200*40 > 15_000_000 {
		t.Errorf("%d points", points)
	}
	if text := strings.Join(got, "\n"); !strings.Contains(text, "were left out") || strings.Contains(text, "was stopped") {
		t.Errorf("%.300s", text)
	}
}

// A trial ends as soon as it is told to, says so, and tells what takes no time.
func TestCheckIsStopped(t *testing.T) {
	p, err := policy.Parse([]byte(with(rules, `rules: [{code: one, text: t, when: amount < azn("321.00")}, {code: two, text: t, when: device_known}]`)))
	if err != nil {
		t.Fatal(err)
	}
	points := 0
	got := policy.CheckUntil(p, func() bool { points++; return points == 10 })
	if points != 10 {
		t.Errorf("%d points", points)
	}
	if text := strings.Join(got, "\n"); !strings.Contains(text, "was stopped before its end") || !strings.Contains(text, "device_known is not known of every payment") {
		t.Errorf("%s", text)
	}
	if whole := policy.CheckUntil(p, func() bool { return false }); !slices.Equal(whole, policy.Check(p)) {
		t.Errorf("%s", whole)
	}
}
