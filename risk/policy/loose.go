package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mohur/risk"
)

// maxTurns bounds the times that Check tries.
const maxTurns = 20

// optional are the exemptions of the pack that a highest amount turns on, by name.
func optional(e risk.Exemptions) map[string]risk.Exemption {
	return map[string]risk.Exemption{"own_accounts": e.OwnAccounts, "trusted_payees": e.TrustedPayees, "recurring": e.Recurring}
}

// loose tells what goes without a proof, or without a rule, more easily than it seems.
func loose(p risk.Policy) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	low := p.LowValueEach > 0 && p.LowValueInRow > 0
	if low && p.MaxExemptScore == risk.MaxScore {
		say("payments.low_value goes with every score: a highest_score of 100 bounds nothing")
	}
	pack := len(p.Exemptions.TRA) > 0
	for _, name := range []string{"own_accounts", "trusted_payees", "recurring"} {
		e := optional(p.Exemptions)[name]
		if e.UpTo == 0 {
			continue
		}
		pack = true
		if e.MaxScore == risk.MaxScore {
			say("payments.exemptions.%s goes with every score: a highest_score of 100 bounds nothing", name)
		}
	}
	if len(p.Exemptions.TRA) > 0 && p.Exemptions.TRAScore == risk.MaxScore {
		say("payments.exemptions.tra goes with every score: a highest_score of 100 bounds nothing")
	}
	var goes []string
	if low {
		goes = append(goes, fmt.Sprintf("payments of %s AZN in sum", amount(p.LowValueSum)))
	}
	if pack {
		goes = append(goes, "what payments.exemptions lets go")
	}
	if p.LoginACR == "single" && len(goes) > 0 {
		say("login.acr is single: whoever has one factor makes %s without a second one", strings.Join(goes, " and "))
	}
	for _, fact := range []string{"malware", "compromised"} {
		if pack && !slices.ContainsFunc(p.Rules, func(r risk.Rule) bool { return speaksOf(r.When, fact) }) {
			say("payments.exemptions lets payments go without a proof, and no rule speaks of %s", fact)
		}
	}
	over := func(what string, until time.Time) {
		if !until.IsZero() && !until.After(p.From) {
			say("%s has ended before the policy is in force", what)
		}
	}
	for _, s := range p.Scores {
		over("the score "+s.Code, s.Until)
	}
	for _, r := range slices.Concat(p.Rules, p.LoginRules) {
		over("the rule "+r.Code, r.Until)
	}
	for _, e := range p.Exceptions {
		over("the exception "+e.Code, e.Until)
	}
	given := map[string]bool{"score": true}
	for _, t := range risk.Terms() {
		given[t.Name] = t.Given
	}
	for _, r := range p.LoginRules {
		c, ok := r.When.(*condition)
		if !ok || r.Decision != risk.Rejected {
			continue
		}
		for _, name := range c.needs {
			if !given[name] {
				say("the log-in rule %s refuses every log-in whose answer depends on %s and of which it is not known", r.Code, name)
			}
		}
	}
	return found
}

func speaksOf(when risk.Condition, fact string) bool {
	c, ok := when.(*condition)
	return ok && slices.Contains(c.needs, fact)
}
