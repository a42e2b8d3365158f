package bolt

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"mohur/rulebook"
)

// The adopted policies lie beside their head and the shadow policy, the rates apart.
// None is ever removed. An adopted policy never changes, so its version is always 1.
var (
	adoptedPolicies = table[rulebook.Policy]{
		rows: inPolicies,
		key:  func(p *rulebook.Policy) (string, uint64) { return strconv.Itoa(p.Version), 1 },
	}
	policyHeads = table[rulebook.Head]{
		rows: inPolicies,
		key:  func(h *rulebook.Head) (string, uint64) { return rulebook.HeadID, h.Version },
	}
	shadowPolicies = table[rulebook.Shadow]{
		rows: inPolicies,
		key:  func(s *rulebook.Shadow) (string, uint64) { return rulebook.ShadowID, s.Version },
	}
	exchangeRates = table[rulebook.Rates]{
		rows: inRates,
		key:  func(r *rulebook.Rates) (string, uint64) { return rulebook.RatesID, r.Version },
	}
)

// AdoptedPolicy implements rulebook.Store.
func (s *Store) AdoptedPolicy(ctx context.Context, version int) (rulebook.Policy, error) {
	return one(ctx, s, adoptedPolicies, strconv.Itoa(version))
}

// AdoptedVersions implements rulebook.Store.
func (s *Store) AdoptedVersions(ctx context.Context) (versions []int, err error) {
	err = s.view(ctx, func(r reading) error {
		c := r.in(inPolicies).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if string(k) == rulebook.HeadID || string(k) == rulebook.ShadowID {
				continue
			}
			n, err := strconv.Atoi(string(k))
			if err != nil {
				return damaged(inPolicies, string(k), fmt.Errorf("it is no version"))
			}
			versions = append(versions, n)
		}
		return nil
	})
	slices.Sort(versions)
	return versions, err
}

// PolicyHead implements rulebook.Store.
func (s *Store) PolicyHead(ctx context.Context) (rulebook.Head, error) {
	return one(ctx, s, policyHeads, rulebook.HeadID)
}

// ShadowPolicy implements rulebook.Store.
func (s *Store) ShadowPolicy(ctx context.Context) (rulebook.Shadow, error) {
	return one(ctx, s, shadowPolicies, rulebook.ShadowID)
}

// ExchangeRates implements rulebook.Store.
func (s *Store) ExchangeRates(ctx context.Context) (rulebook.Rates, error) {
	return one(ctx, s, exchangeRates, rulebook.RatesID)
}

// examinePolicy says what is wrong with a row of the policies.
func (r reading) examinePolicy(key string) []string {
	head, err := policyHeads.load(r, rulebook.HeadID)
	switch key {
	case rulebook.HeadID:
		wrong := policyHeads.examine(r, key)
		for _, v := range head.Versions {
			wrong = append(wrong, when(r.get(inPolicies, strconv.Itoa(v)) == nil, fmt.Sprintf("the version %d that it lists is not there", v))...)
		}
		return wrong
	case rulebook.ShadowID:
		return append(shadowPolicies.examine(r, key), when(err != nil || head.Shadow == 0, "the list of versions does not know of it")...)
	}
	v, _ := strconv.Atoi(key)
	return append(adoptedPolicies.examine(r, key), when(err != nil || !slices.Contains(head.Versions, v), "the list of versions does not know of it")...)
}
