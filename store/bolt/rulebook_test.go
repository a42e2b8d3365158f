package bolt

import (
	"path/filepath"
	"strings"
	"testing"

	"mohur/audit"
	"mohur/rulebook"
	"mohur/settle"
)

// A policy that somebody took away, or put there, is found by a check of the store.
func TestClause5_2_ACheckFindsAMissingPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		effects []settle.Effect
		want    string
	}{
		"whole":           {[]settle.Effect{rulebook.SaveHead{Head: rulebook.Head{Versions: []int{2}, Version: 1}}, rulebook.SavePolicy{Policy: rulebook.Policy{Version: 2}}}, ""},
		"a version gone":  {[]settle.Effect{rulebook.SaveHead{Head: rulebook.Head{Versions: []int{2, 3}, Version: 1}}, rulebook.SavePolicy{Policy: rulebook.Policy{Version: 2}}}, "head: the version 3 that it lists is not there"},
		"one put there":   {[]settle.Effect{rulebook.SaveHead{Head: rulebook.Head{Versions: []int{2}, Version: 1}}, rulebook.SavePolicy{Policy: rulebook.Policy{Version: 2}}, rulebook.SavePolicy{Policy: rulebook.Policy{Version: 4}}}, "4: the list of versions does not know of it"},
		"the head gone":   {[]settle.Effect{rulebook.SavePolicy{Policy: rulebook.Policy{Version: 2}}}, "2: the list of versions does not know of it"},
		"a shadow put in": {[]settle.Effect{rulebook.SaveHead{Head: rulebook.Head{Version: 1}}, rulebook.SaveShadow{Shadow: rulebook.Shadow{YAML: "x", Version: 1}}}, "shadow: the list of versions does not know of it"},
	} {
		s := openTest(t, Options{Path: filepath.Join(t.TempDir(), "store")})
		if r, err := s.Settle(t.Context(), settle.Command{Effects: c.effects, Entries: []audit.Draft{testDraft("x")}}); err != nil || r.Outcome != settle.Done {
			t.Fatalf("%s: %s, %v", name, r.Outcome, err)
		}
		_, faults, err := s.Examine(t.Context(), names[inPolicies], "", 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range faults {
			got = append(got, f.ID+": "+f.Text)
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
