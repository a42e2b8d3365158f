package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/risk/policy"
)

// Clause 5.1: the server starts with the policy of its configuration or not at all.
func TestClause5_1_ThePolicyOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	text := string(policy.Default().Source)
	write := func(name, text string) *Config {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := parseConfig(filepath.Join(dir, "mohur.yaml"), []byte(least+"policy: "+name+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	own := strings.Replace(text, "version: 1", "version: 2", 1)
	for name, c := range map[string]struct{ text, want string }{
		"own":     {strings.Replace(own, `"50.00"`, `"20.00"`, 1), ""},
		"shipped": {text, ""},
		"one":     {strings.Replace(text, `"50.00"`, `"20.00"`, 1), "begins at 2"},
		"early":   {strings.Replace(own, "2015-12-21T00:00:00", "2027-01-01T04:00:01", 1), "still to come"},
		"on time": {strings.Replace(own, "2015-12-21T00:00:00", "2027-01-01T04:00:00", 1), ""},
		"broken":  {strings.Replace(own, "linked", "loose", 1), "payments.acr: needs to be linked"},
	} {
		config := write(strings.ReplaceAll(name, " ", "-")+".yaml", c.text)
		p, err := config.riskPolicy(now)
		if c.want == "" && (err != nil || string(p.Source) != c.text) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: version %d, %v", name, p.Version, err)
		}
		x := &examination{config: config}
		if x.policy(); name != "early" && name != "on time" && (len(x.found) != 1 || (x.found[0].Verdict == failing) != (c.want != "")) {
			t.Errorf("%s: the doctor says %+v", name, x.found)
		}
	}
	config := write("gone.yaml", text)
	if err := os.Remove(config.Policy); err != nil {
		t.Fatal(err)
	}
	if _, err := config.riskPolicy(now); err == nil {
		t.Error("a policy that is not there")
	}
	config.Policy = ""
	if p, err := config.riskPolicy(now); err != nil || !p.BuiltIn {
		t.Errorf("without the setting: %+v, %v", p, err)
	}
}
