package api

import "mohur/problem"

var simulating = map[string]operation{
	"POST /v1/policy/simulate": {id: "simulatePolicy", tag: "oversight", summary: "Try a policy on decisions that were made",
		about: "Decides the payments of a time again, as the policy would have, with what was known of each of them then, and tells what would have changed. Nothing is changed. One call tries a million decisions at most; where it stopped, next_cursor is there: the same request with it as cursor goes on, and the answers add up. One runs at a time (429).",
		in:    body((*exchange).simulatePolicy), out: []result{gives[simulationOut](200, "What would have changed.")}, refuses: []problem.Code{problem.NotFound}},
}
