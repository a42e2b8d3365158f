package main

import "testing"

// Every fact that could be missing has its count from the start, and a server that is
// well misses none.
func TestMissingFactsAreCounted(t *testing.T) {
	in := start(t)
	for _, fact := range []string{"day_sum", "payee_new", "compromised", "failed_attempts", "mds_status"} {
		if n := in.metric(`mohur_risk_facts_missing_total{fact="` + fact + `"}`); n != "0" {
			t.Errorf("%s: %q", fact, n)
		}
	}
}
