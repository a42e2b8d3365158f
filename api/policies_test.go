package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"mohur/parties"
	"mohur/risk/policy"
)

// ownPolicy is the shipped policy as another version with another exemption.
func ownPolicy(version int, from time.Time, each string) string {
	return strings.NewReplacer("version: 1", fmt.Sprint("version: ", version), `"2015-12-21T00:00:00+04:00"`, fmt.Sprintf("%q", from.Format(time.RFC3339)), `each: "50.00"`, fmt.Sprintf("each: %q", each)).
		Replace(string(policy.Default().Source))
}

func (w *world) adoption(version int, in time.Duration, each string) body {
	from := w.Clock.Now().Add(in).Truncate(time.Second)
	return body{"yaml": ownPolicy(version, from, each), "effective_from": from, "board_decision": "17/2027"}
}

func without(in body, name string) body {
	out := body{}
	for k, v := range in {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// Clause 5.2: a policy takes two people and the number of the board's decision. Who
// asks does not approve it, nor does a system; what was approved is in force from its
// time on by itself, with both people and the decision in the answer and the evidence.
func TestClause5_2_APolicyTakesTwoPeopleAndTheBoard(t *testing.T) {
	c := newChamber(t)
	carol := c.hired(c.anna, "carol", parties.Security, parties.Supervisor)
	in := c.adoption(2, time.Hour, "20.00")
	carol.login()
	carol.ask("PUT", "/v1/policy", without(in, "board_decision")).faulty("board_decision")
	in = c.adoption(2, time.Hour, "20.00")
	in["yaml"] = in["yaml"].(string) + strings.Repeat("# as long as one may be\n", 10_000)
	id := carol.ask("PUT", "/v1/policy", in).is(202).str("approval.id")
	carol.approve(id).refused(403, "forbidden")
	for _, system := range []string{c.as("supervisor"), c.as("everybody", parties.Roles()...)} {
		c.ask(system, "POST", "/v1/approvals/"+id+"/approve", body{"authentication": "at_x"}).refused(403, "forbidden")
	}
	c.ask(c.as("security"), "GET", "/v1/policy", nil).is(200).has(body{"version": 1.0, "source": "built in"})
	done := c.boris.approve(id).is(200)
	text := in["yaml"].(string)
	sum := sha256.Sum256([]byte(text))
	done.has(body{"state": "executed", "result.version": 2.0, "result.sha256": hex.EncodeToString(sum[:]), "result.board_decision": "17/2027"})
	p := c.ask(c.as("auditor"), "GET", "/v1/policy", nil).is(200)
	p.has(body{"version": 1.0, "scheduled.0.version": 2.0, "scheduled.0.state": "scheduled", "scheduled.0.board_decision": "17/2027", "scheduled.0.asked_by": "~carol", "scheduled.0.approved_by": "~boris"})
	c.Clock.Forward(time.Hour)
	c.ask(c.as("auditor2", parties.Auditor), "GET", "/v1/policy", nil).is(200).has(body{
		"version": 2.0, "source": "adopted", "board_decision": "17/2027", "approved_by": "~boris", "in_force_since": in["effective_from"].(time.Time).UTC().Format(time.RFC3339),
		"yaml": text, "payments.low_value.each.value": "20.00", "shadow": nil,
	})
	var told []string
	for _, h := range c.Entries() {
		if h.Event == "policy.adopted" {
			told = append(told, fmt.Sprintf("%s by %s of version %d", h.Outcome, h.Caller, h.Policy))
		}
	}
	if len(told) != 1 || told[0] != "adopted by ~carol of version 2" {
		t.Errorf("evidence: %v", told)
	}
}

// What cannot be adopted is told before anybody is asked, every fault with its line;
// what was asked for and has become impossible is refused when it is approved.
func TestClause5_1_APolicyIsCheckedBeforeAnybodyIsAsked(t *testing.T) {
	c := newChamber(t)
	security := c.as("security")
	in := c.adoption(2, 0, "20.00")
	text := in["yaml"].(string)
	in["yaml"] = strings.NewReplacer(`"20000.00"`, "20000", "rules: []", "rules:\n  - {code: x y, text: t, when: amount >}").Replace(text)
	p := c.ask(security, "PUT", "/v1/policy", in).refused(422, "invalid-request")
	lines := map[string]bool{}
	for _, e := range p.Errors {
		if e.Field != "yaml" || !strings.HasPrefix(e.Message, "line ") {
			t.Errorf("%+v", e)
		}
		lines[strings.SplitN(e.Message, ":", 2)[0]] = true
	}
	if len(p.Errors) < 3 || len(lines) < 2 {
		t.Errorf("faults: %+v", p.Errors)
	}
	c.ask(security, "PUT", "/v1/policy", c.adoption(1, 0, "20.00")).refused(409, "conflict")
	c.ask(security, "PUT", "/v1/policy", c.adoption(2, -2*time.Minute, "20.00")).faulty("effective_from")
	other := c.adoption(2, 0, "20.00")
	other["effective_from"] = c.Clock.Now().Add(time.Hour)
	c.ask(security, "PUT", "/v1/policy", other).faulty("effective_from")
	if c.Count("approval.asked", "", "") != 1 { // boris came so
		t.Errorf("%d were asked", c.Count("approval.asked", "", ""))
	}
	first := c.ask(security, "PUT", "/v1/policy", c.adoption(2, 0, "20.00")).is(202).str("approval.id")
	second := c.ask(security, "PUT", "/v1/policy", c.adoption(2, 0, "30.00")).is(202).str("approval.id")
	c.boris.approve(first).is(200)
	c.boris.approve(second).refused(409, "conflict")
	c.boris.ask("GET", "/v1/approvals/"+second, nil).is(200).has(body{"state": "failed"})
	c.ask(c.as("security"), "GET", "/v1/policy", nil).is(200).has(body{"version": 2.0, "payments.low_value.each.value": "20.00"})
}

// Clause 5.6: staged: tried in the shadow, adopted, in force; each version stays to be
// read, by those who may know the thresholds.
func TestClause5_6_APolicyIsStaged(t *testing.T) {
	w := newWorld(t)
	security := w.as("security")
	w.ask(security, "DELETE", "/v1/policy/shadow", nil).refused(404, "not-found")
	w.ask(security, "PUT", "/v1/policy/shadow", body{"yaml": "version: 9"}).faulty("yaml")
	in := w.adoption(2, time.Minute, "20.00")
	w.ask(security, "PUT", "/v1/policy/shadow", body{"yaml": in["yaml"]}).is(200).has(body{"version": 2.0, "yaml": in["yaml"]})
	w.ask(security, "GET", "/v1/policy", nil).is(200).has(body{"version": 1.0, "shadow.version": 2.0})
	a := w.ask(security, "PUT", "/v1/policy", in).is(200)
	a.has(body{"version": 2.0, "board_decision": "17/2027"})
	if _, is := a.at("warnings").([]any); !is {
		t.Errorf("warnings: %v", a.at("warnings"))
	}
	w.ask(security, "DELETE", "/v1/policy/shadow", nil).is(204)
	w.ask(security, "GET", "/v1/policies", nil).is(200).has(body{"items.0.version": 2.0, "items.0.state": "scheduled", "items.1.version": 1.0, "items.1.state": "in_force", "items.1.source": "built in", "items.0.yaml": nil})
	w.Clock.Forward(time.Minute)
	w.ask(security, "GET", "/v1/policies", nil).is(200).has(body{"items.0.state": "in_force", "items.1.state": "past"})
	w.ask(security, "GET", "/v1/policies/2", nil).is(200).has(body{"yaml": in["yaml"], "source": "adopted"})
	w.ask(security, "GET", "/v1/policies/1", nil).is(200).has(body{"yaml": string(policy.Default().Source)})
	for _, none := range []string{"3", "0", "-1", "01", "x", "2.0"} {
		w.ask(security, "GET", "/v1/policies/"+none, nil).refused(404, "not-found")
	}
	w.ask(w.as("helpdesk"), "GET", "/v1/policies/2", nil).refused(403, "forbidden")
	big := body{"yaml": in["yaml"].(string) + strings.Repeat("# more\n", 30_000), "effective_from": in["effective_from"], "board_decision": "1"}
	w.ask(security, "PUT", "/v1/policy", big).refused(409, "conflict") // read, and not the next version
	big["yaml"] = strings.Repeat("# more\n", 300_000)
	w.ask(security, "PUT", "/v1/policy", big).refused(413, "too-large")
}

// Outside development a rate that is far from the one before waits for a second
// person, and is set with his word.
func TestClause5_18_AFarRateTakesTwoPeople(t *testing.T) {
	c := newChamber(t)
	system := c.as("core")
	list := func(usd string) body {
		return body{"date": c.Clock.Now().In(c.Book.Zone).Format(time.DateOnly), "rates": body{"USD": usd}, "source": "CBAR"}
	}
	first := c.ask(system, "PUT", "/v1/rates", list("1.7000")).is(202).str("approval.id")
	if len(c.Book.RatesNow()) != 0 {
		t.Fatal("it did not wait")
	}
	c.boris.approve(first).is(200).has(body{"result.rates.0.value": "1.7000", "result.approved_by": "~boris"})
	c.ask(system, "PUT", "/v1/rates", list("1.8000")).is(200).has(body{"rates.0.currency": "USD", "rates.0.value": "1.8000", "rates.0.usable": true})
	far := c.ask(system, "PUT", "/v1/rates", list("1.9000")).is(202).str("approval.id")
	c.ask(system, "PUT", "/v1/rates", list("1.90000000")).faulty("rates.USD")
	c.ask(c.as("admin"), "PUT", "/v1/rates", list("1.7000")).refused(403, "forbidden")
	c.ask(c.as("helpdesk"), "GET", "/v1/rates", nil).is(200).has(body{"rates.0.value": "1.8000", "source": "CBAR"})
	c.boris.approve(far).is(200)
	c.ask(c.as("auditor"), "GET", "/v1/rates", nil).is(200).has(body{"rates.0.value": "1.9000", "approved_by": "~boris"})
	if c.Count("rates.set", "", "") != 3 {
		t.Errorf("%d in the log", c.Count("rates.set", "", ""))
	}
}
