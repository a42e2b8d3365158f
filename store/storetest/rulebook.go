package storetest

import (
	"slices"
	"testing"

	"mohur/rulebook"
	"mohur/settle"
)

// testPolicies: a version is written once; head and shadow are replaced only by who
// knows them.
func testPolicies(t *testing.T, s Store) {
	_, err := s.AdoptedPolicy(t.Context(), 2)
	absent(t, "policy", err)
	_, err = s.PolicyHead(t.Context())
	absent(t, "head", err)
	_, err = s.ShadowPolicy(t.Context())
	absent(t, "shadow", err)
	p := rulebook.Policy{Version: 2, YAML: "version: 2\n# <&>", From: epoch, Board: "17/2027", Maker: "~anna", Checker: "~boris", Approval: "ap_1", At: epoch, MAC: bytesOf("mac")}
	head := rulebook.Head{Versions: []int{2}, Version: 1, MAC: bytesOf("mac")}
	want(t, s, settle.Done, rulebook.SaveHead{Head: head}, rulebook.SavePolicy{Policy: p})
	other := p
	other.YAML = "version: 2\n"
	want(t, s, settle.Exists, rulebook.SavePolicy{Policy: other})
	got, err := s.AdoptedPolicy(t.Context(), 2)
	same(t, "policy", got, err, p)
	next := rulebook.Head{Versions: []int{2, 10}, Shadow: 1, Version: 2, MAC: bytesOf("mac")}
	ten := p
	ten.Version = 10
	shadow := rulebook.Shadow{YAML: "version: 3\n", By: "~anna", At: epoch, Version: 1, MAC: bytesOf("mac")}
	want(t, s, settle.Done, rulebook.SaveHead{Head: next}, rulebook.SavePolicy{Policy: ten}, rulebook.SaveShadow{Shadow: shadow})
	want(t, s, settle.Stale, rulebook.SaveHead{Head: next})
	want(t, s, settle.Exists, rulebook.SaveShadow{Shadow: shadow})
	gotHead, err := s.PolicyHead(t.Context())
	same(t, "head", gotHead, err, next)
	gotShadow, err := s.ShadowPolicy(t.Context())
	same(t, "shadow", gotShadow, err, shadow)
	versions, err := s.AdoptedVersions(t.Context())
	if err != nil || !slices.Equal(versions, []int{2, 10}) {
		t.Errorf("versions %v, %v", versions, err)
	}
}

// testRates: one record, replaced only by who knows it.
func testRates(t *testing.T, s Store) {
	_, err := s.ExchangeRates(t.Context())
	absent(t, "rates", err)
	first := rulebook.Rates{
		Date: "2031-03-05", Quotes: map[string]rulebook.Quote{"USD": {Rate: "1.7000", Date: "2031-03-05", Before: "1.7000"}}, Source: "CBAR", By: "core", At: epoch, Version: 1, MAC: bytesOf("mac"),
	}
	want(t, s, settle.Done, rulebook.SaveRates{Rates: first})
	want(t, s, settle.Exists, rulebook.SaveRates{Rates: first})
	second := first
	second.Date, second.Version = "2031-03-06", 2
	want(t, s, settle.Done, rulebook.SaveRates{Rates: second})
	want(t, s, settle.Stale, rulebook.SaveRates{Rates: second})
	got, err := s.ExchangeRates(t.Context())
	same(t, "rates", got, err, second)
}
