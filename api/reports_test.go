package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/settle"
	"mohur/stoplist"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// night is a world whose reports are taken at any hour.
func night(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, func(w *world) { w.deps.Stops, w.deps.StoreCheck = w.Stops, w.Disk.Check })
	// Every client has called within the day.
	for _, name := range []string{"frontend", "helpdesk", "security", "core", "supervisor"} {
		w.ask(w.as(name), "GET", "/v1/policy", nil)
	}
	return w
}

// outages are the hours: how they begin, and how they end.
var outages = map[string]func(w *world) (heal func()){
	"all is well":     func(*world) func() { return func() {} },
	"HSM away":        func(w *world) func() { w.HSM.FailAll(deviceFault); return w.HSM.Heal },
	"HSM hung":        func(w *world) func() { w.HSM.Hang("MAC"); w.HSM.Hang("Seal"); return w.HSM.Heal },
	"store read-only": func(w *world) func() { w.Disk.ReadOnly(true); return func() { w.Disk.ReadOnly(false) } },
	"both parts away": func(w *world) func() {
		w.HSM.FailAll(deviceFault)
		w.Disk.ReadOnly(true)
		return func() { w.HSM.Heal(); w.Disk.ReadOnly(false) }
	},
}

func (w *world) merge() {
	w.T.Helper()
	if err := w.Stops.Merge(w.T.Context(), w.Merger()); err != nil {
		w.T.Fatal(err)
	}
}

func (w *world) state(d *banktest.Device) tokens.State {
	w.T.Helper()
	t, err := w.Enrollment.Token(w.T.Context(), d.ID)
	if err != nil {
		w.T.Fatal(err)
	}
	return t.State
}

func quickly(t *testing.T, what string, began time.Time) {
	t.Helper()
	if took := time.Since(began); took > time.Second {
		t.Errorf("%s took %s", what, took)
	}
}

// Clause 5.30: notices are taken by telephone, mobile and internet around the
// clock, with date, time and what was told.
func TestClause5_30_ReportsByEveryChannelAtAnyHour(t *testing.T) {
	for hour, begin := range outages {
		t.Run(hour, func(t *testing.T) {
			w := night(t)
			for i, channel := range stoplist.Channels() {
				c, d := w.Person(pskc.HOTP)
				heal := begin(w)
				began := time.Now()
				out := w.ask(w.as("helpdesk"), "POST", "/v1/customer-reports", body{
					"customer": c.ID, "kind": "lost", "channel": channel, "token": "serial:" + d.Serial, "details": "left in a taxi",
				}).is(201)
				quickly(t, channel, began)
				at, err := time.Parse(time.RFC3339Nano, out.str("at"))
				if err != nil || at.Before(began.Add(-time.Second)) || at.After(time.Now()) || len(out.str("ack")) < 20 || out.str("suspended.0") == "" {
					t.Errorf("%s: %v", channel, out.m)
				}
				heal()
				w.merge()
				if w.state(d) != tokens.Suspended {
					t.Errorf("%s: the token is %s", channel, w.state(d))
				}
				register := w.ask(w.as("security"), "GET", "/v1/incidents?limit=1", nil).is(200)
				register.has(body{"items.0.kind": "customer.report", "items.0.cause": "lost", "items.0.details.details": "left in a taxi", "items.0.at": out.str("at")})
				if !strings.Contains(register.str("items.0.content"), out.str("ack")) || !strings.Contains(register.str("items.0.content"), channel) {
					t.Errorf("the register: %v", register.m)
				}
				if n := w.Count("report.taken", "suspended", "lost"); n != i+1 {
					t.Errorf("%s: %d entries", channel, n)
				}
			}
		})
	}
}

// Clause 4.4: the four kinds of notice and the two of a loss, and what each does.
func TestClause4_4_EveryKindOfNotice(t *testing.T) {
	w := night(t)
	for _, c := range []struct {
		kind  string
		token bool
		stops int // of the customer's two tokens
	}{
		{"unauthorised", true, 1}, {"unauthorised", false, 2}, {"error", true, 0}, {"error", false, 0}, {"suspected_access", true, 1}, {"suspected_access", false, 2},
		{"technical", true, 0}, {"lost", true, 1}, {"lost", false, 2}, {"stolen", true, 1}, {"stolen", false, 2},
	} {
		customer, first := w.Person(pskc.HOTP)
		second := w.Import(1, pskc.HOTP)[0]
		w.Hand(second, customer.ID)
		in := body{"customer": customer.ID, "kind": c.kind, "channel": "phone", "details": "x", "transaction": "R-17"}
		if c.token {
			in["token"] = first.ID
		}
		before := w.Count("incident.opened", "open", "customer.report")
		notices, err := w.Engine.Notices(t.Context(), 1000)
		w.must(nil, err)
		out := w.ask(w.as("frontend"), "POST", "/v1/customer-reports", in).is(201)
		if n := len(out.at("suspended").([]any)); n != c.stops {
			t.Errorf("%s, token %v: %d suspended", c.kind, c.token, n)
		}
		stopped := 0
		for _, d := range []*banktest.Device{first, second} {
			if w.state(d) == tokens.Suspended {
				stopped++
			}
		}
		if stopped != c.stops {
			t.Errorf("%s, token %v: %d stopped", c.kind, c.token, stopped)
		}
		if n := w.Count("incident.opened", "open", "customer.report"); n != before+1 {
			t.Errorf("%s: %d incidents", c.kind, n-before)
		}
		after, err := w.Engine.Notices(t.Context(), 1000)
		w.must(nil, err)
		if told := len(after) > len(notices); told != (c.stops > 0) {
			t.Errorf("%s: the customer was told: %v", c.kind, told)
		}
	}
	w.ask(w.as("security"), "GET", "/v1/incidents?limit=1", nil).is(200).has(body{"items.0.reference": "R-17", "items.0.service": "n/a"})
	for field, in := range map[string]body{
		"kind":     {"customer": "C", "kind": "other", "channel": "phone", "details": "x"},
		"channel":  {"customer": "C", "kind": "lost", "channel": "pc", "details": "x"},
		"details":  {"customer": "C", "kind": "lost", "channel": "phone"},
		"customer": {"kind": "lost", "channel": "phone", "details": "x"},
	} {
		w.ask(w.as("frontend"), "POST", "/v1/customer-reports", in).faulty(field)
	}
}

// Clause 5.9: what a customer told is in the register for those who work on it,
// sealed, and nowhere in the clear.
func TestClause5_9_WhatWasToldIsSealed(t *testing.T) {
	const told = "a man in a grey coat took it"
	for hour, begin := range outages {
		w := night(t)
		c, _ := w.Person(pskc.HOTP)
		heal := begin(w)
		w.ask(w.as("frontend"), "POST", "/v1/customer-reports", body{"customer": c.ID, "kind": "stolen", "channel": "internet", "details": told}).is(201)
		list, err := os.ReadFile(w.Path + ".stop")
		w.must(nil, err)
		heal()
		w.merge()
		w.ask(w.as("security"), "GET", "/v1/incidents?limit=1", nil).is(200).has(body{"items.0.details.details": told, "items.0.service": "internet"})
		if a := w.ask(w.as("auditor"), "GET", "/v1/incidents?limit=1", nil); bytes.Contains(a.body, []byte(told)) {
			t.Errorf("%s: the auditor is told", hour)
		}
		file, err := os.ReadFile(w.Path)
		w.must(nil, err)
		if bytes.Contains(file, []byte(told)) || bytes.Contains(list, []byte(told)) || strings.Contains(w.log.String(), told) {
			t.Errorf("%s: what was told lies in the clear", hour)
		}
	}
}

// Clause 5.17.3: from the acknowledgement on, what is lost is refused everywhere,
// once the HSM is back and before the merge, and after it.
func TestClause5_17_3_ALostTokenIsRefusedEverywhere(t *testing.T) {
	w := night(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP, pskc.OCRA)
	other, safe := w.Person(pskc.HOTP)
	fresh := w.Import(1, pskc.HOTP)[0]
	begun := w.ask(front, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "pc"}).is(201).str("id")
	login := func(customer string, d *banktest.Device) *answer {
		return w.ask(front, "POST", "/v1/authentications", body{
			"customer": customer, "purpose": "login", "channel": "pc", "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
		})
	}
	s := login(c.ID, d).is(201)
	session, access := s.str("session.id"), s.str("session.access_token")
	for _, m := range []enrollment.MoveCommand{{Move: tokens.Assign, Customer: c.ID}, {Move: tokens.Ship}, {Move: tokens.Deliver}} {
		m.Caller, m.Token = w.Staff(), fresh.ID
		_, err := w.Enrollment.Move(t.Context(), m)
		w.must(nil, err)
	}
	wake := w.ask(w.as("operator"), "POST", "/v1/customers/"+c.ID+"/activation-secrets", body{"purpose": "activate", "token": fresh.ID, "channel": "sms"}).is(201).str("secret")
	secret := w.ask(w.as("operator"), "POST", "/v1/customers/"+c.ID+"/activation-secrets", body{"purpose": "pin", "channel": "sms"}).is(201).str("secret")

	w.HSM.FailAll(deviceFault)
	began := time.Now()
	out := w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+d.ID+"/report", body{"kind": "stolen", "details": "x"}).is(201)
	quickly(t, "the report", began)
	out.has(body{"suspended.0": d.ID})
	w.ask(front, "POST", "/v1/customer-reports", body{"token": "serial:" + fresh.Serial, "kind": "lost", "channel": "phone", "details": "x"}).is(201)
	w.HSM.Heal()

	refusedEverywhere := func(when, cause string) {
		t.Helper()
		w.ask(front, "POST", "/v1/authentications/"+begun+"/responses", body{"method": "pin", "pin": banktest.PIN}).is(200)
		w.ask(front, "POST", "/v1/authentications/"+begun+"/responses", body{"method": "otp", "code": d.HOTP()}).refused(403, "authentication-failed")
		if w.Count("authentication.answered", "refused", cause) == 0 {
			t.Errorf("%s: no entry says %s", when, cause)
		}
		w.ask(front, "POST", "/v1/sessions/introspect", body{"access_token": access}).is(200).has(body{"active": false})
		w.ask(front, "POST", "/v1/sessions/"+session+"/touch", body{"activity": "user"}).refused(404, "not-found")
		for _, value := range []string{"10.00", "300.00"} {
			w.ask(front, "POST", "/v1/transactions", w.payment(session, value)).refused(403, "session-ended")
		}
		w.ask(front, "POST", "/v1/tokens/"+fresh.ID+"/activate", body{"activation_secret": wake, "response": body{"method": "otp", "code": fresh.HOTP()}}).refused(403, "authentication-failed")
		login(other.ID, safe).is(201).str("session.id") // nobody else is stopped
	}
	w.api.SetWaits(0, 0, time.Nanosecond)
	w.ask("", "GET", "/readyz", nil).is(503).has(body{"ready": false, "hsm": true, "stop_list": false})
	refusedEverywhere("before the merge", "stop-list")
	if w.Count("token.activation", "refused", "stop-list") != 1 {
		t.Error("the activation was refused for something else")
	}
	w.ask(front, "PUT", "/v1/customers/"+c.ID+"/pin", body{"pin": "739201", "proof": body{"activation_secret": secret}}).refused(403, "authentication-failed")
	w.ask(w.as("supervisor"), "POST", "/v1/tokens/"+d.ID+"/resume", body{"reason": "found"}).refused(409, "conflict")
	w.merge()
	w.checkpoint()
	w.ask("", "GET", "/readyz", nil).is(200).has(body{"ready": true, "stop_list": true})
	refusedEverywhere("after the merge", "token-suspended")
	if w.state(d) != tokens.Suspended {
		t.Errorf("the token is %s", w.state(d))
	}
	w.proven("token.suspend", out.str("ack"), out.str("at"), c)
}

// proven looks for the entry that carries acknowledgement and original time.
func (w *world) proven(event, ack, at string, c parties.Customer) {
	w.T.Helper()
	entries, err := w.Engine.Entries(w.T.Context(), 0, 10000)
	w.must(nil, err)
	for _, e := range entries {
		h, err := audit.ParseHeader(e.Header)
		w.must(nil, err)
		if h.Event != event {
			continue
		}
		text, err := w.Audit.Open(w.T.Context(), audit.Person{Pseudonym: c.Pseudonym, Key: c.Key}, e)
		w.must(nil, err)
		if strings.Contains(string(text), ack) && strings.Contains(string(text), at) {
			return
		}
	}
	w.T.Errorf("no entry %s carries %s of %s", event, ack, at)
}

func (w *world) payment(session, value string) body {
	party := body{"name": "A", "account": "AZ1", "bank": "B", "country": "AZ"}
	return body{
		"session": session, "reference": fmt.Sprint("R-", time.Now().UnixNano()), "channel": "pc", "service": "transactional",
		"amount": body{"value": value, "currency": "AZN"}, "purpose": "p", "payer": party, "payee": party,
	}
}

// Clause 4.6: the bank's own suspensions hold at any hour too.
func TestClause4_6_SuspensionsAtAnyHour(t *testing.T) {
	for hour, begin := range outages {
		if hour == "all is well" {
			continue
		}
		t.Run(hour, func(t *testing.T) {
			w := night(t)
			c, _ := w.Person(pskc.HOTP)
			_, d := w.Person(pskc.HOTP)
			heal := begin(w)
			whole := w.ask(w.as("security"), "POST", "/v1/customers/"+c.ID+"/suspend", body{"reason": "fraud", "notify": false}).is(201)
			w.ask(w.as("security"), "POST", "/v1/tokens/"+d.ID+"/suspend", body{"reason": "fraud"}).is(201).has(body{"suspended.0": d.ID})
			w.ask(w.as("security"), "POST", "/v1/customers/"+c.ID+"/suspend", body{"reason": ""}).faulty("reason")
			w.ask(w.as("frontend"), "POST", "/v1/customers/"+c.ID+"/suspend", body{"reason": "x"}).refused(403, "forbidden")
			heal()
			if !w.Stops.Customer(c.ID) {
				t.Error("the customer is not refused")
			}
			w.merge()
			now, err := w.Parties.Get(t.Context(), c.ID)
			if err != nil || now.State != parties.CustomerSuspended || w.state(d) != tokens.Suspended {
				t.Errorf("%s, %v; the token is %s", now.State, err, w.state(d))
			}
			w.proven("customer.suspended", whole.str("ack"), whole.str("at"), c)
		})
	}
}

// Clause 5.17.3: a crash before the merge or in its middle loses nothing, and
// nothing is suspended twice.
func TestClause5_17_3_AMergeThatIsBrokenOffHappensOnce(t *testing.T) {
	w := night(t)
	_, first := w.Person(pskc.HOTP)
	_, second := w.Person(pskc.HOTP)
	w.HSM.FailAll(deviceFault)
	for _, d := range []*banktest.Device{first, second} {
		w.ask(w.as("frontend"), "POST", "/v1/customer-reports", body{"token": d.ID, "kind": "stolen", "channel": "mobile", "details": "x"}).is(201)
	}
	w.HSM.Heal()
	restart := func() {
		t.Helper()
		w.must(nil, w.Engine.Close())
		w.Open()
	}
	restart()
	if !w.Stops.Token(first.ID, "") || w.Stops.Pending() != 2 {
		t.Fatal("the report is lost with the process")
	}
	m := w.Merger()
	apply, n := m.Apply, 0
	m.Apply = func(ctx context.Context, r stoplist.Report) error {
		if n++; n == 1 {
			return errors.Join(apply(ctx, r), errors.New("the power goes")) // settled, and the list does not know
		}
		return errors.New("the power is gone")
	}
	if err := w.Stops.Merge(t.Context(), m); err == nil {
		t.Fatal("the power did not go")
	}
	// What was settled is resumed before the next merge, which must not suspend it again.
	restart()
	if w.Stops.Pending() != 2 || w.state(first) != tokens.Suspended || w.state(second) != tokens.Active {
		t.Fatalf("%d reports, %s, %s", w.Stops.Pending(), w.state(first), w.state(second))
	}
	w.merge()
	w.merge()
	for what, n := range map[string]int{"token.suspend": 2, "report.taken": 2} {
		if got := w.Count(what, "", ""); got != n {
			t.Errorf("%d entries %s", got, what)
		}
	}
	if got := w.Count("incident.opened", "open", "customer.report"); got != 2 {
		t.Errorf("%d incidents", got)
	}
	restart()
	if w.Stops.Any() || w.state(second) != tokens.Suspended {
		t.Error("the list was not let go, or the second report is lost")
	}
}

// What nobody can find is for people.
func TestClause5_8_WhatCannotBeFoundIsForPeople(t *testing.T) {
	w := night(t)
	c, d := w.Person(pskc.HOTP)
	_, foreign := w.Person(pskc.HOTP)
	w.HSM.FailAll(deviceFault)
	w.ask(w.as("frontend"), "POST", "/v1/customer-reports", body{"token": "serial:none", "kind": "lost", "channel": "phone", "details": "x"}).is(201)
	w.ask(w.as("frontend"), "POST", "/v1/customer-reports", body{"customer": "nobody", "kind": "lost", "channel": "phone", "details": "x"}).is(201)
	w.ask(w.as("frontend"), "POST", "/v1/customer-reports", body{"customer": c.ID, "token": foreign.ID, "kind": "lost", "channel": "phone", "details": "x"}).is(201)
	w.HSM.Heal()
	w.merge()
	if n := w.Count("incident.opened", "open", "report.unmatched"); n != 3 {
		t.Errorf("%d incidents", n)
	}
	if w.state(foreign) != tokens.Active || w.state(d) != tokens.Suspended {
		t.Errorf("the token named by mistake is %s, the customer's own %s", w.state(foreign), w.state(d))
	}
}

// A record that somebody changed never becomes readable by waiting: the report does
// not wait for it, and what the customer holds besides is stopped.
func TestClause5_27_AChangedRecordHoldsNoReportUp(t *testing.T) {
	w := night(t)
	c, d := w.Person(pskc.HOTP)
	spare := w.Import(1, pskc.HOTP)[0]
	w.Hand(spare, c.ID)
	stolen, err := w.Engine.Token(t.Context(), d.ID)
	w.must(nil, err)
	stolen.Profile, stolen.Version = "oath-pin", stolen.Version+1
	e, err := w.Audit.Draft(t.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	w.must(nil, err)
	_, err = w.Engine.Settle(t.Context(), settle.Command{Effects: []settle.Effect{tokens.SaveToken{Token: stolen}}, Entries: []audit.Draft{e}})
	w.must(nil, err)
	w.ask(w.as("frontend"), "POST", "/v1/customer-reports", body{"customer": c.ID, "token": d.ID, "kind": "stolen", "channel": "phone", "details": "x"}).
		is(201).has(body{"suspended.0": spare.ID})
	if w.Count("incident.opened", "open", "report.unmatched") != 1 || w.state(spare) != tokens.Suspended || w.Stops.Any() {
		t.Error("the report waits, or nobody is told")
	}
}

// While the HSM is away a client is who it was within the day, for reports alone,
// also when the server has forgotten the MAC of its record.
func TestAClientIsRememberedForReportsAlone(t *testing.T) {
	w := night(t)
	_, d := w.Person(pskc.HOTP)
	report := body{"token": d.ID, "kind": "lost", "channel": "phone", "details": "x"}
	stranger := w.as("operator")
	w.ForgetRows()
	w.HSM.FailAll(deviceFault)
	w.ask(w.as("frontend"), "POST", "/v1/customer-reports", report).is(201)
	w.ask(stranger, "POST", "/v1/customer-reports", report).refused(503, "unavailable")
	w.ask(w.as("frontend")+"0", "POST", "/v1/customer-reports", report).refused(401, "unauthorized")
	w.ask("", "POST", "/v1/customer-reports", report).refused(401, "unauthorized")
	w.ask(w.as("core"), "POST", "/v1/customer-reports", report).refused(403, "forbidden")
	w.ask(w.as("helpdesk"), "GET", "/v1/tokens/"+d.ID, nil).refused(503, "unavailable")
	w.Clock.Forward(25 * time.Hour)
	w.ask(w.as("frontend"), "POST", "/v1/customer-reports", report).refused(503, "unavailable")
}

// A report that is sent again gets the first acknowledgement, whatever was away.
func TestAReportIsTakenOnce(t *testing.T) {
	for hour, begin := range outages {
		t.Run(hour, func(t *testing.T) {
			w := night(t)
			_, d := w.Person(pskc.HOTP)
			send := func(key, details string) *answer {
				h := http.Header{}
				h.Set("Authorization", "Bearer "+w.as("frontend"))
				h.Set("Content-Type", "application/json")
				h.Set("Idempotency-Key", key)
				text, err := json.Marshal(body{"token": d.ID, "kind": "lost", "channel": "phone", "details": details})
				w.must(nil, err)
				return w.send(h, "POST", "/v1/customer-reports", bytes.NewReader(text))
			}
			heal := begin(w)
			ack := send("k", "x").is(201).str("ack")
			send("k", "x").is(201).has(body{"ack": ack})
			send("k", "y").refused(409, "idempotency-conflict")
			heal()
			w.merge()
			send("k", "x").is(201).has(body{"ack": ack})
			send("k", "y").refused(409, "idempotency-conflict")
			if n := w.Count("report.taken", "", ""); n != 1 {
				t.Errorf("taken %d times", n)
			}
			if send("k2", "x").is(201).str("ack") == ack {
				t.Error("another report has the same acknowledgement")
			}
		})
	}
}
