package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"mohur/parties"
	"mohur/problem"
	"mohur/risk/policy"
)

// A refusal that cannot be written is an internal error, never an empty success.
func TestARefusalThatCannotBeWrittenIsNoSuccess(t *testing.T) {
	w := newWorld(t)
	w.over(t, func(context.Context, *http.Request) (parties.Caller, error) {
		return parties.Caller{}, problem.New(problem.Conflict, "half of a letter: \xc3")
	})
	p := w.ask("", "GET", "/v1/policy", nil).refused(500, "internal")
	if log := w.log.String(); !strings.Contains(log, p.Instance) || !strings.Contains(log, "invalid UTF-8") {
		t.Errorf("the log: %s", log)
	}
}

// A name that is too long for a refusal is cut between its letters.
func TestARefusedCurrencyIsCutByItsLetters(t *testing.T) {
	w := newWorld(t)
	day := w.Clock.Now().In(w.Book.Zone).Format(time.DateOnly)
	p := w.ask(w.as("core"), "PUT", "/v1/rates", body{"date": day, "rates": body{"aééééééééé": "1.7"}, "source": "CBAR"}).refused(422, "invalid-request")
	if len(p.Errors) != 1 || p.Errors[0].Field != "rates.aééééééé" {
		t.Errorf("%+v", p.Errors)
	}
}

// One policy is read at a time, whoever brings it and whatever for: a long one takes
// the processor for a second.
func TestOnePolicyIsReadAtATime(t *testing.T) {
	w := newWorld(t)
	key := w.as("security")
	free := w.api.HoldPolicies()
	for _, c := range []struct {
		method, path string
		in           body
	}{
		{"PUT", "/v1/policy", w.adoption(2, 0, "20.00")},
		{"PUT", "/v1/policy/shadow", body{"yaml": ownPolicy(2, w.Clock.Now(), "10.00")}},
		{"POST", "/v1/policy/simulate", body{"policy": string(policy.Default().Source)}},
		{"POST", "/v1/policy/simulate", body{"version": 1}},
	} {
		a := w.ask(key, c.method, c.path, c.in)
		a.refused(429, "too-many-requests")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: not told when to come back", a.what)
		}
	}
	free()
	w.ask(key, "POST", "/v1/policy/simulate", body{"version": 1}).is(200)
	w.ask(key, "PUT", "/v1/policy/shadow", body{"yaml": ownPolicy(2, w.Clock.Now(), "10.00")}).is(200)
	w.ask(key, "PUT", "/v1/policy", w.adoption(2, 0, "20.00")).is(200)
}

// A simulation of years that cannot be written is refused.
func TestSimulationOfAnUnheardYear(t *testing.T) {
	w := newWorld(t)
	key := w.as("security")
	w.ask(key, "POST", "/v1/policy/simulate", body{"version": 1, "from": "1066-10-14T00:00:00Z"}).faulty("from")
	w.ask(key, "POST", "/v1/policy/simulate", body{"version": 1, "to": "9999-12-31T23:59:59Z"}).faulty("to")
}
