package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn/pin"
)

// The limits of guessing and the rules of PINs can be set, within bounds that
// nobody configures past.
func TestClause5_22_LimitsAreSetWithinBounds(t *testing.T) {
	for text, fault := range map[string]string{
		"authentication: {failures: 3, locks: [2m, 2m, 1h]}": "",
		"authentication: {failures: 6}":                      "authentication.failures: needs to be from 1 to 5",
		"authentication: {failures: 0}":                      "authentication.failures: needs to be from 1 to 5",
		"authentication: {locks: []}":                        "one to five locks",
		"authentication: {locks: 5m}":                        "a list of times",
		"authentication: {locks: [5m, 1]}":                   "a list of times",
		"authentication: {locks: [5m, 1m]}":                  "as long as the one before",
		"authentication: {locks: [59s]}":                     "from 1m to 24h",
		"authentication: {locks: [25h]}":                     "from 1m to 24h",
		"authentication: {locks: [1m, 1m, 1m, 1m, 1m, 1m]}":  "one to five locks",

		"pin: {min_digits: 8, max_digits: 10, history: 10, min_age: 24h}": "",
		"pin: {min_digits: 4}":                "pin.min_digits: needs to be from 6 to 12",
		"pin: {max_digits: 13}":               "pin.max_digits: needs to be from 6 to 12",
		"pin: {min_digits: 9, max_digits: 8}": "pin.min_digits: is more than pin.max_digits",
		"pin: {history: 0}":                   "pin.history: needs to be from 1 to 10",
		"pin: {min_age: 721h}":                "pin.min_age",
		"enrollment: {bank_name: \"A: B\"}":   "enrollment.bank_name",
		"enrollment: {bank_name: A Bank}":     "",
	} {
		_, err := parseConfig("mohur.yaml", []byte(least+text+"\n"))
		if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", text, err, fault)
		}
	}
	c := mustParse(t, least+"authentication: {failures: 3, locks: [2m, 2m, 1h]}\npin: {min_digits: 8}\n")
	s := c.authnSettings()
	if s.Limits.Failures != 3 || !slices.Equal(s.Limits.Ladder, []time.Duration{2 * time.Minute, 2 * time.Minute, time.Hour}) {
		t.Errorf("the limits of an authentication: %+v", s.Limits)
	}
	if r := c.pinRules(); (r != pin.Rules{MinDigits: 8, MaxDigits: 12, History: 5}) {
		t.Errorf("the rules of PINs: %+v", r)
	}
}

// App tokens are the bank's decision: without one there are none, outside
// development.
func TestAppTokensAreThereOnlyWhereTheBankSaysSo(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "development: true\n": true, "enrollment: {apps: true}\n": true, "development: true\nenrollment: {apps: false}\n": false,
	} {
		if got := mustParse(t, least+text).apps(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if name := mustParse(t, least).bankName(); name != "auth.bank.example" {
		t.Errorf("the bank is called %q", name)
	}
}
