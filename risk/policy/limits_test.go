package policy_test

import (
	"maps"
	"strings"
	"testing"

	"mohur/risk/policy"
)

// Clause 5.32: a policy's ceilings are read exactly, each may be left out, and none is
// lost by a slip of the pen.
func TestClause5_32_APolicyHasCeilings(t *testing.T) {
	with := func(section string) []byte { return []byte(with(last, section+last)) }
	p, err := policy.Parse(with(`
limits:
  per_transaction: "10000.00"
  per_channel: {internet: "5000.50", mobile: "0.00"}
  per_token: "20000.00"
`))
	if err != nil {
		t.Fatal(err)
	}
	if l := p.Limits; *l.PerTransaction != 10_000_00 || *l.PerToken != 20_000_00 || !maps.Equal(l.PerChannel, map[string]int64{"internet": 5000_50, "mobile": 0}) {
		t.Errorf("%+v", l)
	}
	if l := policy.Default().Limits; l.PerTransaction != nil || l.PerToken != nil || l.PerChannel != nil {
		t.Errorf("the shipped policy: %+v", l)
	}
	if p, err := policy.Parse(with("limits: {per_token: \"1.00\"}\n")); err != nil || p.Limits.PerTransaction != nil || p.Limits.PerChannel != nil {
		t.Errorf("%+v, %v", p.Limits, err)
	}
	for section, says := range map[string]string{
		"limits:\n":          "limits: is empty",
		"limits: {}\n":       "limits: is empty",
		"limits: []\n":       "limits: ",
		"limits: \"1.00\"\n": "limits: ",
		"limits:\n  per_channel:\n  per_token: \"1.00\"\n": "limits.per_channel: is empty",
		"limits: {per_channel: {}}\n":                      "limits.per_channel: is empty",
		"limits: {per_channel: ~}\n":                       "limits.per_channel: is empty",
		"limits: {per_transaction: 100.00}\n":              "limits.per_transaction: needs quotes",
		"limits: {per_token: }\n":                          "limits.per_token: needs quotes",
		"limits: {per_channel: {web: \"1.00\"}}\n":         `unknown field "web"`,
		"limits: {per_channel: {pc: \"-1.00\"}}\n":         "limits.per_channel.pc: ",
		"limits: {per_transaction: \"1.001\"}\n":           "limits.per_transaction: ",
		"limits: {}\nlimits: {per_token: \"1\"}\n":         "limits",
	} {
		if _, err := policy.Parse(with(section)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", section, err)
		}
	}
}
