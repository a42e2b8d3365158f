package api

import "mohur/problem"

var ruling = map[string]operation{
	"GET /v1/policy": {id: "getPolicy", tag: "oversight", summary: "The policy in force (clauses 5.18, 5.22, 5.23)", about: "With what is scheduled, and what is tried beside it.",
		out: []result{gives[policyOut](200, "The policy.")}},
	"PUT /v1/policy": mayWait(operation{id: "putPolicy", tag: "oversight", summary: "Adopt a policy (clauses 5.1, 5.2, 5.6)",
		about: "Every fault of the text is told, each with its line, before anybody is asked to approve it. A version means one text for ever and is above every version there is. It comes into force by itself at its effective_from, or when it is approved if that is later; decisions under way go on with the policy they began with.",
		in:    body((*exchange).putPolicy), out: []result{gives[adoptedOut](200, "Adopted.")}, refuses: []problem.Code{problem.Conflict}}),
	"GET /v1/policies": {id: "listPolicies", tag: "oversight", summary: "List the versions of the policy", about: "Every version that was adopted, and that of the configuration; without their texts.",
		out: []result{gives[page[versionOut]](200, "The highest first.")}},
	"GET /v1/policies/:version": {id: "getPolicyVersion", tag: "oversight", summary: "Look at a version of the policy", about: "Nothing that was adopted is ever removed.",
		out: []result{gives[versionOut](200, "The version with its text.")}},
	"PUT /v1/policy/shadow": {id: "putShadow", tag: "oversight", summary: "Try a policy beside the one in force (clause 5.6)", about: "Every payment is judged by it, too; what it would have decided is on record and nothing else comes of it. There is one at a time.",
		in: body((*exchange).putShadow), out: []result{gives[shadowOut](200, "It is tried from now on.")}, refuses: []problem.Code{problem.Conflict}},
	"DELETE /v1/policy/shadow": {id: "deleteShadow", tag: "oversight", summary: "End the trial of a policy", out: []result{givesNothing("It has ended.")}, refuses: []problem.Code{problem.Conflict}},
	"GET /v1/rates": {id: "getRates", tag: "oversight", summary: "The rates of exchange", about: "Of each currency the newest. One that is too old is not used: payments in it are held.",
		out: []result{gives[ratesOut](200, "As they stand.")}},
	"PUT /v1/rates": mayWait(operation{id: "putRates", tag: "oversight", summary: "Set the rates of exchange of a day",
		about: "AZN for one unit. Currencies that are left out keep theirs, which grow older. Outside development a rate that differs by more than a tenth from the one that was set on the day before, by the server's clock, or the first one of a currency, waits for a second person, and all that were sent with it.",
		in:    body((*exchange).putRates), out: []result{gives[ratesOut](200, "Set.")}, refuses: []problem.Code{problem.Conflict}}),
}
