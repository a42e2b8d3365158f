package api

import "mohur/problem"

var exempting = map[string]operation{
	"GET /v1/customers/:id/payees": {id: "getPayees", tag: "customers", summary: "The payees a customer trusts", about: "A front end sees those of the customers who are logged in with it. Where the bank's policy has the exemption, a payment to one of them goes without a proof of its own.",
		out: []result{gives[listedOut](200, "The list, version 0 where there is none.")}, refuses: []problem.Code{problem.NotFound}},
	"PUT /v1/customers/:id/payees": {id: "putPayees", tag: "customers", summary: "Replace the payees a customer trusts",
		about: "Any change takes a proof: an authentication of purpose action, payees.add, whose data is this request without its proof. version is that of the list that is replaced, 0 for the first. What is new on it counts after the cooling time; the customer is told.",
		in:    body((*exchange).putPayees), out: []result{gives[listedOut](200, "The list as it is now.")}, refuses: []problem.Code{problem.ProofRequired, problem.NotFound, problem.Conflict}},
	"GET /v1/customers/:id/accounts": {id: "getAccounts", tag: "customers", summary: "The accounts that are a customer's own", out: []result{gives[listedOut](200, "The list, version 0 where there is none.")}, refuses: []problem.Code{problem.NotFound}},
	"PUT /v1/customers/:id/accounts": mayWait(operation{id: "putAccounts", tag: "customers", summary: "Say which accounts are a customer's own", about: "Where the bank's policy has the exemption, a payment between two of them at one bank goes without a proof of its own: so it takes two people. name and country are not compared.",
		in: body((*exchange).putAccounts), out: []result{gives[listedOut](200, "The list as it is now.")}, refuses: []problem.Code{problem.NotFound, problem.Conflict}}),
	"POST /v1/transactions/:id/fraud": mayWait(deciding("markFraud", "Say that a payment was fraudulent, or that it was not after all (clause 5.24)", body((*exchange).markFraud))),
	"GET /v1/reports/exemptions": {id: "reportExemptions", tag: "watch", summary: "What payments were approved by, and what was fraud", about: "By quarter and band: value, count, average and the part in the value of all (Articles 19 to 21 of the PSD2 RTS).",
		out: []result{gives[groundsOut](200, "The quarters from one moment to the other, the present one if none is named.")}},
	"POST /v1/exemptions/tra/give-back": mayWait(operation{id: "giveBack", tag: "watch", summary: "Let a band be exempt by its risk again", about: "One that lost the exemption, after a quarter within its reference rate (Article 20). It takes two people.",
		in: body((*exchange).giveBack), out: []result{gives[analysisOut](200, "What is stopped still.")}, refuses: []problem.Code{problem.Conflict}}),
}
