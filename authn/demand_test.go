package authn_test

import (
	"fmt"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/compromised"
	"mohur/parties"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

// loginRules puts a policy with rules for log-ins in force, at level single but for them.
func loginRules(t *testing.T, b *banktest.Bank, rules string) {
	t.Helper()
	p, err := policy.Parse([]byte(`version: 7
effective_from: "2026-01-01T00:00:00+04:00"
login:
  acr: single
  rules:
` + rules + `
payments:
  acr: linked
  shown: none
  proof_up_to: "20000.00"
  daily_per_customer: "20000.00"
  low_value: {each: "50.00", in_a_row: 5, in_sum: "150.00", highest_score: 20}
signals: {missing: 10}
scores: []
rules: []
end: true
`))
	if err != nil {
		t.Fatal(err)
	}
	b.Rules = p
}

func rule(code, when, asks string) string {
	return fmt.Sprintf("    - {code: %s, text: a rule, when: '%s', %s}\n", code, when, asks)
}

// opened begins a log-in with everything a front end can tell.
func opened(t *testing.T, b *banktest.Bank, customer string, s risk.Signals) authn.View {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet, Signals: s})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Clause 5.4: what is known of a log-in raises its level, each fact by itself, and what
// is not known counts as holding.
func TestClause5_4_RulesRaiseALogin(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	home := risk.Signals{IP: "192.0.2.1", UserAgent: "ua", DeviceID: "his", Country: "AZ"}
	loginRules(t, b, rule("strong", "hour >= 0", "acr: strong"))
	if _, err := loginFrom(t, b, c.ID, d.HOTP(), home, parties.Internet); err != nil {
		t.Fatal(err)
	}
	b.Clock.Forward(48 * time.Hour) // the contacts are no longer new
	with := func(change func(*risk.Signals)) risk.Signals {
		s := home
		change(&s)
		return s
	}
	if _, err := b.Authn.Compromised.Change(t.Context(), b.Staff(), compromised.Add, []compromised.Item{{Kind: compromised.Device, Value: "stolen"}}); err != nil {
		t.Fatal(err)
	}
	yes := true
	for what, v := range map[string]struct {
		when   string
		quiet  risk.Signals
		raised risk.Signals
	}{
		"device":      {"!device_known", home, with(func(s *risk.Signals) { s.DeviceID = "another" })},
		"no device":   {"!device_known", home, with(func(s *risk.Signals) { s.DeviceID = "" })},
		"country":     {"country_changed", home, with(func(s *risk.Signals) { s.Country = "TR" })},
		"no country":  {"country_changed", home, with(func(s *risk.Signals) { s.Country = "" })},
		"compromised": {"compromised", home, with(func(s *risk.Signals) { s.DeviceID = "stolen" })},
		"malware":     {"malware", with(func(s *risk.Signals) { no := false; s.Malware = &no }), with(func(s *risk.Signals) { s.Malware = &yes })},
	} {
		loginRules(t, b, rule("raise", v.when, "acr: strong"))
		quiet, raised := opened(t, b, c.ID, v.quiet), opened(t, b, c.ID, v.raised)
		if quiet.Attempt.ACR != authn.Single || raised.Attempt.ACR != authn.Strong || len(raised.Attempt.Ways[0]) != 2 {
			t.Errorf("%s: %s, then %s by %v", what, quiet.Attempt.ACR, raised.Attempt.ACR, raised.Attempt.Ways)
		}
		if got := raised.Attempt.Reasons; len(got) == 0 || got[len(got)-1] != "raise" {
			t.Errorf("%s: reasons %v", what, got)
		}
	}
	loginRules(t, b, rule("fresh", "contacts_age < 86400", "acr: strong"))
	if v := opened(t, b, c.ID, home); v.Attempt.ACR != authn.Single {
		t.Errorf("old contacts: %s", v.Attempt.ACR)
	}
	if n, _ := b.Person(pskc.HOTP); opened(t, b, n.ID, home).Attempt.ACR != authn.Strong {
		t.Error("new contacts raise nothing")
	}
	// A member of staff who may have to mend the rules is not kept out by them.
	loginRules(t, b, rule("none", "hour >= 0", "decision: rejected"))
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: parties.Subject("ayla"), Purpose: authn.Login, Channel: parties.Internet})
	if err != nil || v.Attempt.Cause == "policy-rejected" {
		t.Errorf("staff: %+v, %v", v.Attempt, err)
	}
}

// Refused answers raise the next log-in, for an id that nobody has as for a customer, and
// by as many.
func TestClause5_4_RefusedAnswersRaiseALogin(t *testing.T) {
	b := banktest.New(t)
	c, _ := b.Person(pskc.HOTP)
	loginRules(t, b, rule("guessed", "failed_attempts >= 3", "acr: strong"))
	for _, id := range []string{c.ID, "C-NOBODY"} {
		for n := range 5 {
			v := opened(t, b, id, risk.Signals{})
			if raised := v.Attempt.ACR == authn.Strong; raised != (n >= 3) {
				t.Errorf("%s after %d refusals: %s", id, n, v.Attempt.ACR)
			}
			if len(v.Attempt.Ways[0]) == 2 {
				answer(t, b, v.Attempt.ID, authn.PIN, "999999")
			}
			if _, err := answer(t, b, v.Attempt.ID, v.Attempt.Ways[0][0], "00000000"); !refused(err) {
				t.Fatal(err)
			}
		}
	}
	// They count for a day, on record: a restart forgets none of a customer's.
	b.Edit(func(bolttest.File) {})
	loginRules(t, b, rule("guessed", "failed_attempts >= 3", "acr: strong"))
	if v := opened(t, b, c.ID, risk.Signals{}); v.Attempt.ACR != authn.Strong {
		t.Error("a restart forgot them")
	}
	b.Clock.Forward(25 * time.Hour)
	if v := opened(t, b, c.ID, risk.Signals{}); v.Attempt.ACR != authn.Single {
		t.Error("a day later they still count")
	}
}

// What the policy rejects looks like any log-in and grants nothing. The log says why.
func TestClause5_4_ARejectedLoginTellsNothing(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	loginRules(t, b, rule("sanctioned", `country == "KP"`, "decision: rejected")+rule("always", "hour >= 0", "acr: strong"))
	there := risk.Signals{Country: "KP"}
	if shape(opened(t, b, c.ID, there).Attempt) != shape(opened(t, b, c.ID, risk.Signals{Country: "AZ"}).Attempt) {
		t.Error("it looks otherwise")
	}
	if _, err := loginFrom(t, b, c.ID, d.HOTP(), there, parties.Internet); !refused(err) {
		t.Fatalf("a right code: %v", err)
	}
	if b.Count("authentication.answered", "refused", "policy-rejected") != 1 || b.Count("session.opened", "", "") != 0 {
		t.Error("the log does not say why")
	}
	if _, err := loginFrom(t, b, c.ID, d.HOTP(), risk.Signals{Country: "AZ"}, parties.Internet); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"C-NOBODY-1", "C-NOBODY-2"} {
		if v := opened(t, b, id, there); v.Attempt.ACR != authn.Strong {
			t.Errorf("%s: %+v", id, v.Attempt)
		}
	}
}

// A log-in without a name is rejected by where it comes from, whoever proves himself, and
// stays so after the first answer.
func TestClause5_4_ANamelessLoginIsRejected(t *testing.T) {
	b := passkeyBank(t, false)
	_, k := b.Holder()
	loginRules(t, b, rule("sanctioned", `country == "KP"`, "decision: rejected"))
	for country, want := range map[string]bool{"KP": false, "AZ": true} {
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Purpose: authn.Login, Channel: parties.Internet, Signals: risk.Signals{Country: country}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options)))
			if granted := err == nil && got.Session != nil; granted != want {
				t.Errorf("from %s: granted %t, %v", country, granted, err)
			}
			if want {
				break
			}
		}
	}
	if b.Count("authentication.answered", "refused", "policy-rejected") != 2 {
		t.Error("the log does not say why")
	}
}

// With rules that ask about the customer, ids that nobody has are asked for more or less
// like customers, and each always the same.
func TestClause5_22_NobodysHabitsAreStable(t *testing.T) {
	b := banktest.New(t)
	loginRules(t, b, rule("moved", "country_changed", "acr: strong")+rule("fresh", "contacts_age < 86400", "acr: strong"))
	levels := map[authn.ACR]int{}
	for i := range 60 {
		id := fmt.Sprintf("nobody-%d", i)
		one, two := opened(t, b, id, risk.Signals{Country: "AZ"}), opened(t, b, id, risk.Signals{Country: "AZ"})
		if one.Attempt.ACR != two.Attempt.ACR {
			t.Errorf("%s: %s, then %s", id, one.Attempt.ACR, two.Attempt.ACR)
		}
		levels[one.Attempt.ACR]++
	}
	if levels[authn.Strong] == 0 || levels[authn.Single] < 30 {
		t.Errorf("levels: %v", levels)
	}
}
