package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	domain "mohur/payment"
	"mohur/risk/policy"
	store "mohur/store/bound"
	"mohur/tokens/pskc"
)

// A risk officer tries a policy on the payments of the past, part after part, and
// nothing comes of it but an entry in the log.
func TestClause5_6_APolicyIsTriedBeforeItIsInForce(t *testing.T) {
	w := newWorld(t)
	key, security := w.as("frontend"), w.as("security")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	token := w.login(key, c.ID, d).str("access_token")
	for i, value := range []string{"1.00", "20.00", "60.00", "900.00", "20000.01"} {
		w.ask(key, "POST", "/v1/transactions", payment(fmt.Sprint("R-", i), value, token)).is(201)
	}
	text := strings.NewReplacer("version: 1\n", "version: 2\n", `each: "50.00"`, `each: "10.00"`, `proof_up_to: "20000.00"`, `proof_up_to: "500.00"`).Replace(string(policy.Default().Source))
	before := len(w.Entries())
	got := w.ask(security, "POST", "/v1/policy/simulate", body{"policy": text}).is(200)
	got.has(body{
		"policy_version": 2.0, "decisions": 5.0, "changed": 2.0, "stricter": 2.0, "weaker": 0.0, "unreadable": 0.0, "next_cursor": nil,
		"matrix.0.from": "approved", "matrix.0.to": "approved", "matrix.0.sum.value": "1.00", "matrix.1.to": "step_up", "matrix.1.stricter": 1.0, "days.0.decisions": 5.0, "days.0.stricter": 2.0,
		"examples.0.amount.value": "900.00", "examples.0.amount_azn.value": "900.00", "examples.0.change": "stricter", "examples.0.was.decision": "step_up", "examples.0.would_be.decision": "held",
		"examples.0.reasons.0": "amount-held", "examples.1.was.exemption": "low_value",
	})
	if entries := w.Entries(); len(entries) != before+1 || entries[before].Event != "policy.simulated" {
		t.Errorf("%d entries", len(entries)-before)
	}
	w.ask(w.as("auditor"), "POST", "/v1/policy/simulate", body{"version": 1}).is(200).has(body{"policy_version": 1.0, "decisions": 5.0, "changed": 0.0})

	part := w.ask(security, "POST", "/v1/policy/simulate", body{"policy": text, "limit": 3}).is(200)
	part.has(body{"decisions": 3.0})
	w.ask(security, "POST", "/v1/policy/simulate", body{"policy": text, "cursor": part.str("next_cursor"), "limit": 3}).is(200).has(body{"decisions": 2.0, "next_cursor": nil})
	later := w.Clock.Now().Add(time.Hour).Format(time.RFC3339)
	w.ask(security, "POST", "/v1/policy/simulate", body{"policy": text, "from": later, "to": w.Clock.Now().Add(2 * time.Hour).Format(time.RFC3339)}).is(200).has(body{"decisions": 0.0})

	for name, in := range map[string]body{
		"nothing":     {},
		"both":        {"policy": text, "version": 1},
		"no time":     {"policy": text, "from": later, "to": later},
		"many":        {"policy": text, "limit": 1_000_001},
		"a cursor":    {"policy": text, "cursor": "x"},
		"two faults":  {"policy": strings.NewReplacer("linked", "loose", "version: 1\n", "version: 0\n").Replace(string(policy.Default().Source))},
		"no policy":   {"policy": "nothing of it"},
		"no such":     {"policy": text, "form": later},
		"a late time": {"policy": text, "from": "yesterday"},
	} {
		refused := w.ask(security, "POST", "/v1/policy/simulate", in).is(422)
		if name == "two faults" {
			refused.has(body{"errors.0.field": "policy", "errors.1.field": "policy"})
			if text := fmt.Sprint(refused.at("errors")); !strings.Contains(text, ": version") || !strings.Contains(text, "line ") || !strings.Contains(text, "payments.acr") {
				t.Errorf("%s", text)
			}
		}
	}
	w.ask(security, "POST", "/v1/policy/simulate", body{"version": 9}).refused(404, "not-found")
	w.ask(w.as("operator"), "POST", "/v1/policy/simulate", body{"policy": text}).refused(403, "forbidden")
}

// One simulation runs at a time: a second one does not get in the way of payments.
func TestOneSimulationAtATime(t *testing.T) {
	w := newWorld(t)
	hold, held := make(chan struct{}), make(chan struct{})
	w.Disk.Engine = &stillDisk{w.Disk.Engine, held, hold}
	first := make(chan *answer)
	security, auditor := w.as("security"), w.as("auditor")
	go func() { first <- w.ask(security, "POST", "/v1/policy/simulate", body{"version": 1}) }()
	<-held
	w.ask(auditor, "POST", "/v1/policy/simulate", body{"version": 1}).refused(429, "too-many-requests")
	close(hold)
	(<-first).is(200)
	w.ask(auditor, "POST", "/v1/policy/simulate", body{"version": 1}).is(200)
}

// stillDisk reads the first page of decisions when it is told to.
type stillDisk struct {
	store.Engine
	held, hold chan struct{}
}

func (d *stillDisk) Decisions(ctx context.Context, from, to time.Time, cursor string, limit int) (domain.Decisions, error) {
	select {
	case <-d.hold:
	default:
		close(d.held)
		<-d.hold
	}
	return d.Engine.Decisions(ctx, from, to, cursor, limit)
}
