package api

import "mohur/problem"

var listing = map[string]operation{
	"GET /v1/compromised": {id: "getCompromised", tag: "watch", summary: "How long the list of compromised things is", about: "Counts only: what is on the list is kept as hashes.",
		out: []result{gives[compromisedOut](200, "The counts, version 0 where there never was a list.")}},
	"PUT /v1/compromised": mayWait(operation{id: "putCompromised", tag: "watch", summary: "Change the list of compromised accounts, devices, addresses and countries",
		about: "A payment that has to do with one of them has the fact compromised, which rules of the policy speak of. 2,000 at once, 100,000 in all; a longer list is sent as one replace and further adds. The log says who changed it and how many items, not which. Outside development remove and replace wait for a second person; add does not.",
		in:    body((*exchange).putCompromised), out: []result{gives[compromisedOut](200, "The counts as they are now.")}, refuses: []problem.Code{problem.Conflict}}),
}
