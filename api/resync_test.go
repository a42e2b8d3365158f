package api_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/parties"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

func (w *world) resync(role string, d *banktest.Device, codes ...string) *answer {
	w.T.Helper()
	in := body{"codes": codes}
	if role == "frontend" { // it says whose token it is
		in["customer"], in["context"] = "C-nobody", body{"ip": "192.0.2.7"}
		if t, err := w.Enrollment.Token(w.T.Context(), d.ID); err == nil && t.Customer != "" {
			in["customer"] = t.Customer
		}
	}
	return w.ask(w.as(role), "POST", "/v1/tokens/"+d.ID+"/resync", in)
}

// pressed makes codes nobody sees.
func pressed(d *banktest.Device, n int) {
	for range n {
		d.HOTP()
	}
}

// A token whose button was pressed too often comes back by two codes in a row.
// Both are dead then, as is everything before them; the next one logs in.
func TestClause5_23_ATokenIsResynchronised(t *testing.T) {
	for _, role := range []string{"frontend", "helpdesk", "operator", "supervisor"} {
		t.Run(role, func(t *testing.T) {
			w := newWorld(t)
			c, d := w.Person(pskc.HOTP)
			skipped := d.HOTP()
			pressed(d, 60)
			w.tryLogin(c.ID, d.HOTP(), banktest.PIN).refused(403, "authentication-failed")
			a, b := d.HOTP(), d.HOTP()
			o := w.resync(role, d, a, b).is(200)
			o.has(body{"id": d.ID, "state": "active"})
			if o.m["session"] != nil || o.m["access_token"] != nil {
				t.Error("a resynchronisation grants")
			}
			for _, dead := range []string{skipped, a, b} {
				w.tryLogin(c.ID, dead, banktest.PIN).refused(403, "authentication-failed")
			}
			w.tryLogin(c.ID, d.HOTP(), banktest.PIN).is(201).has(body{"state": "granted"})
			text := w.bodies(c.ID)
			if !strings.Contains(text, `"counter":{"new":65,"old":1}`) || strings.Contains(text, a) || strings.Contains(text, b) {
				t.Error("the log does not tell of the counters, or tells of the codes")
			}
			if w.Count("token.resync", "resynced", "") != 1 || !w.told(c.ID, "credential-resynced") {
				t.Error("no entry, or the customer is not told")
			}
		})
	}
}

// Only two live codes in a row do it, within the window.
func TestClause5_23_WhatDoesNotResynchronise(t *testing.T) {
	for name, codes := range map[string]func(d *banktest.Device) (a, b string){
		"the same code twice":  func(d *banktest.Device) (string, string) { a := d.HOTP(); return a, a },
		"in the wrong order":   func(d *banktest.Device) (string, string) { a, b := d.HOTP(), d.HOTP(); return b, a },
		"one in between":       func(d *banktest.Device) (string, string) { a := d.HOTP(); d.HOTP(); return a, d.HOTP() },
		"beyond the window":    func(d *banktest.Device) (string, string) { pressed(d, 200); return d.HOTP(), d.HOTP() },
		"no digits":            func(d *banktest.Device) (string, string) { return d.HOTP(), "12345a" },
		"full-width digits":    func(d *banktest.Device) (string, string) { return "１２３４５６", d.HOTP() },
		"with a blank":         func(d *banktest.Device) (string, string) { return d.HOTP() + " ", d.HOTP() },
		"the second is no one": func(d *banktest.Device) (string, string) { a := d.HOTP(); return a, other(d.HOTP()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c, d := w.Person(pskc.HOTP)
			a, b := codes(d)
			w.resync("frontend", d, a, b).refused(403, "authentication-failed")
			if w.Count("token.resync", "refused", "") != 1 || w.Count("token.resync", "resynced", "") != 0 {
				t.Error("the log does not tell of a refusal")
			}
			_ = c
		})
	}
}

// other is a code that differs in one digit.
func other(code string) string { return string('0'+(code[0]-'0'+1)%10) + code[1:] }

// Codes that are used up bring nothing back, not even their own counter.
func TestAttack08_DeadCodesBringNoCounterBack(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	a, b := d.HOTP(), d.HOTP()
	w.tryLogin(c.ID, a, banktest.PIN).is(201)
	w.tryLogin(c.ID, b, banktest.PIN).is(201)
	w.resync("frontend", d, a, b).refused(403, "authentication-failed")
	next := d.HOTP()
	w.resync("frontend", d, b, next).refused(403, "authentication-failed") // half dead
	if n := w.Count("token.resync", "refused", ""); n != 2 {
		t.Errorf("the log tells of %d refusals", n)
	}
	w.tryLogin(c.ID, next, banktest.PIN).is(201).has(body{"state": "granted"})
}

// A clock that runs ahead is found by two codes of it, and learnt.
func TestClause5_23_AClockIsResynchronised(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.TOTP)
	w.Clock.Forward(time.Hour)
	at := func(ahead time.Duration) string {
		w.Clock.Forward(ahead)
		defer w.Clock.Forward(-ahead)
		return d.TOTP()
	}
	w.tryLogin(c.ID, at(150*time.Second), banktest.PIN).refused(403, "authentication-failed")
	a, b := at(150*time.Second), at(180*time.Second)
	w.resync("frontend", d, a, b).is(200)
	w.tryLogin(c.ID, b, banktest.PIN).refused(403, "authentication-failed")
	w.tryLogin(c.ID, at(210*time.Second), banktest.PIN).is(201).has(body{"state": "granted"})
}

// A wrong pair is a failure like a wrong code: five lock, the lock is told to
// nobody outside, and no pair ends it. Beside that, tries have a pace.
func TestClause5_22_ResynchronisingIsThrottled(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	slow := 0
	wrong := func() {
		t.Helper()
		for {
			a := w.resync("frontend", d, "000000", "000001")
			if a.status != 429 {
				a.refused(403, "authentication-failed")
				return
			}
			slow++
			w.Clock.Forward(9 * time.Second)
		}
	}
	for range 5 {
		wrong()
	}
	if slow == 0 {
		t.Error("five tries at once are not slowed down")
	}
	if w.Count("credential.locked", "locked", "failures") != 1 || !w.told(c.ID, "credential-locked") {
		t.Error("five wrong pairs do not lock")
	}
	w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).has(body{"credentials.0.locked": true})
	right := func(role string) *answer {
		w.Clock.Forward(10 * time.Second)
		return w.resync(role, d, d.HOTP(), d.HOTP())
	}
	right("frontend").refused(403, "authentication-failed")
	right("helpdesk").refused(423, "locked")
	w.tryLogin(c.ID, d.HOTP(), banktest.PIN).refused(403, "authentication-failed")
	w.Clock.Forward(time.Minute)
	right("frontend").is(200)
	w.tryLogin(c.ID, d.HOTP(), banktest.PIN).is(201).has(body{"state": "granted"})
}

// It forgives nothing: what was guessed before it goes on counting.
func TestAttack05_ResynchronisingForgivesNoFailure(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	for range 4 {
		w.tryLogin(c.ID, "000000", banktest.PIN).refused(403, "authentication-failed")
	}
	w.resync("frontend", d, d.HOTP(), d.HOTP()).is(200)
	w.tryLogin(c.ID, "000000", banktest.PIN).refused(403, "authentication-failed")
	w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).has(body{"credentials.0.locked": true})
}

// A front end learns of no token but one whose codes it has; the bank's own people
// are told what is in the way.
func TestAttack05_ResynchronisingTellsNothing(t *testing.T) {
	w := newWorld(t)
	c, lost := w.Person(pskc.HOTP)
	w.must(w.Enrollment.Report(t.Context(), w.Staff(), lost.ID, "lost", ""))
	suspended, own := w.Person(pskc.HOTP)
	w.must(w.Parties.SetState(t.Context(), w.Staff(), suspended.ID, parties.CustomerSuspended, "4.6", true))
	_, good := w.Person(pskc.HOTP)
	stock := w.Import(1, pskc.HOTP)[0]
	question := w.Import(1, pskc.OCRA)[0]
	w.Hand(question, w.Customer().ID)
	none := &banktest.Device{ID: "tk_00000000000000000000000000"}
	var first string
	for name, d := range map[string]*banktest.Device{
		"lost": lost, "suspended customer's": own, "in stock": stock, "without a counter of its own": question, "unknown": none, "good, with wrong codes": good,
	} {
		a, b := "000000", "000001"
		if d == lost || d == own || d == stock {
			a, b = d.HOTP(), d.HOTP()
		}
		x := w.resync("frontend", d, a, b)
		text := strings.ReplaceAll(string(x.body), x.refused(403, "authentication-failed").Instance, "")
		if first == "" {
			first = text
		}
		if text != first {
			t.Errorf("%s: %s, another: %s", name, text, first)
		}
	}
	other := w.ask(w.as("frontend"), "POST", "/v1/tokens/"+good.ID+"/resync", body{"codes": []string{good.HOTP(), good.HOTP()}, "customer": c.ID})
	if text := strings.ReplaceAll(string(other.body), other.refused(403, "authentication-failed").Instance, ""); text != first {
		t.Errorf("another customer's: %s, another: %s", text, first)
	}
	w.ask(w.as("frontend"), "POST", "/v1/tokens/"+good.ID+"/resync", body{"codes": []string{"000000", "000001"}}).faulty("customer")
	w.ask(w.as("helpdesk"), "POST", "/v1/tokens/"+good.ID+"/resync", body{"codes": []string{"000000", "000001"}, "customer": c.ID}).refused(409, "conflict")
	w.resync("helpdesk", none, "000000", "000001").refused(404, "not-found")
	w.resync("helpdesk", lost, lost.HOTP(), lost.HOTP()).refused(409, "conflict")
	w.resync("helpdesk", question, "000000", "000001").refused(409, "conflict")
	w.resync("frontend", good, "000000").faulty("codes")
	w.resync("frontend", good, "000000", "").faulty("codes")
	w.resync("frontend", good, "000000", strings.Repeat("1", 100)).faulty("codes")
	_ = c
}

// A token with a counter and a clock needs to be told which is meant.
func TestResynchronisingOneOfTwo(t *testing.T) {
	w := newWorld(t)
	c := w.Customer()
	w.SetPIN(c.ID, banktest.PIN)
	d := w.Import(1, pskc.HOTP, pskc.TOTP)[0]
	w.Hand(d, c.ID)
	pressed(d, 30)
	w.resync("helpdesk", d, d.HOTP(), d.HOTP()).refused(409, "conflict")
	tk := w.ask(w.as("helpdesk"), "GET", "/v1/tokens/"+d.ID, nil).is(200)
	for _, i := range []string{"0", "1"} {
		if tk.str("credentials."+i+".kind") == "hotp" {
			at := "/v1/tokens/" + d.ID + "/resync"
			w.ask(w.as("helpdesk"), "POST", at, body{"codes": []string{d.HOTP(), d.HOTP()}, "credential_id": tk.str("credentials." + i + ".id")}).is(200)
			w.ask(w.as("helpdesk"), "POST", at, body{"codes": []string{d.HOTP(), d.HOTP()}, "credential_id": "cr_other"}).refused(409, "conflict")
		}
	}
}

// One pair, many at once: the counter moves once, and no second success is told.
func TestAttack08_OnePairCountsOnce(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	pressed(d, 40)
	a, b := d.HOTP(), d.HOTP()
	w.as("operator")
	var work sync.WaitGroup
	status := make([]int, 16)
	for i := range status {
		work.Go(func() { status[i] = w.resync("operator", d, a, b).status })
	}
	work.Wait()
	good := 0
	for _, s := range status {
		if s == 200 {
			good++
		}
	}
	if good != 1 || w.Count("token.resync", "resynced", "") != 1 {
		t.Errorf("%d successes, %d in the log: %v", good, w.Count("token.resync", "resynced", ""), status)
	}
	_ = c
}

// A row that was edited is not resynchronised: it goes into quarantine.
func TestClause5_27_ATamperedCounterIsNotResynchronised(t *testing.T) {
	w := newWorld(t)
	_, d := w.Person(pskc.HOTP)
	id := w.credential(d)
	w.Edit(func(f bolttest.File) {
		row := f.Get("hot", id)
		row[7] ^= byte(1 + rand.IntN(255))
		f.Put("hot", id, row)
	})
	w.start()
	w.resync("helpdesk", d, d.HOTP(), d.HOTP()).refused(403, "authentication-failed")
	w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).has(body{"credentials.0.state": "quarantined"})
	if w.Count("credential.moved", "quarantined", "") != 1 {
		t.Error("no entry of the quarantine")
	}
}

// While the HSM is away nothing is judged and nothing counted.
func TestClause5_3_2_ResynchronisingDuringAnOutage(t *testing.T) {
	w := newWorld(t)
	c, d := w.Person(pskc.HOTP)
	key := w.as("operator")
	a, b := d.HOTP(), d.HOTP()
	w.HSM.FailAll(deviceFault)
	w.ask(key, "POST", "/v1/tokens/"+d.ID+"/resync", body{"codes": []string{a, b}}).refused(503, "unavailable")
	w.HSM.Heal()
	w.resync("operator", d, a, b).is(200)
	w.tryLogin(c.ID, d.HOTP(), banktest.PIN).is(201)
}
