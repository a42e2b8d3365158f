package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/banktest"
	"mohur/risk/policy"
	"mohur/tokens/pskc"
)

// exported reads the whole log over the API and verifies it with the public key.
func (w *world) exported() audit.Report {
	w.T.Helper()
	v, err := audit.ParseVerifier(w.verifier)
	w.must(nil, err)
	a := w.ask(w.as("auditor"), "GET", "/v1/audit/export", nil)
	if a.status != 200 || a.header.Get("Content-Type") != "application/x-ndjson" {
		w.T.Fatalf("%d %s", a.status, a.header)
	}
	r, err := audit.Verify(strings.NewReader(string(a.body)), audit.VerifyOptions{Verifier: v})
	w.must(nil, err)
	return r
}

func TestClause5_11_TheLogIsReadAndVerifiedFromOutside(t *testing.T) {
	w := newWorld(t)
	auditor := w.as("auditor")
	w.ask(auditor, "GET", "/v1/audit/checkpoint", nil).refused(404, "not-found")
	w.ask(auditor, "GET", "/v1/audit/proof?index=0", nil).refused(404, "not-found")
	c, d := w.Person(pskc.HOTP)
	w.login(w.as("frontend"), c.ID, d)
	w.checkpoint()
	r := w.exported()
	if n := uint64(len(w.Entries())); !r.OK() || r.Entries != n || r.Covered != n || r.Origin != origin {
		t.Fatalf("%+v", r)
	}
	point := w.ask(auditor, "GET", "/v1/audit/checkpoint", nil).is(200)
	point.has(body{"size": float64(r.Covered), "origin": origin, "verifier": w.verifier})
	v, err := audit.ParseVerifier(point.str("verifier"))
	w.must(nil, err)
	head, err := audit.OpenCheckpoint([]byte(point.str("checkpoint")), v)
	if err != nil || head.Root.String() != point.str("root") {
		t.Errorf("checkpoint %v: %v", point.m, err)
	}

	// One entry, and the proof that it is in the log.
	var seen int
	for from := "0"; from != ""; {
		page := w.ask(auditor, "GET", "/v1/audit/entries?limit=5&from="+from, nil).is(200)
		for _, item := range page.at("items").([]any) {
			e := object{t, item.(map[string]any)}
			e.has(body{"seq": float64(seen), "header.seq": float64(seen), "erased": false})
			w.proves(e, v)
			seen++
		}
		from = page.str("next_cursor")
	}
	if seen != int(r.Entries) {
		t.Errorf("%d of %d entries", seen, r.Entries)
	}
	w.ask(auditor, "GET", "/v1/audit/entries?from=100000", nil).is(200).has(body{"next_cursor": ""})
	w.ask(auditor, "GET", "/v1/audit/export?from=100000", nil).refused(404, "not-found")
	tail := w.ask(auditor, "GET", "/v1/audit/export?from=3", nil)
	if part, err := audit.Verify(strings.NewReader(string(tail.body)), audit.VerifyOptions{Verifier: v, Partial: true}); err != nil || !part.OK() || part.From != 3 {
		t.Errorf("%+v, %v", part, err)
	}
}

func (w *world) proves(e object, v interface {
	Name() string
	KeyHash() uint32
	Verify(msg, sig []byte) bool
}) {
	w.T.Helper()
	a := w.ask(w.as("auditor"), "GET", "/v1/audit/proof?index="+strconv.Itoa(int(e.at("seq").(float64))), nil)
	a.is(200)
	var p audit.Inclusion
	w.must(nil, json.Unmarshal(a.body, &p))
	if _, err := p.Check([]byte(e.str("header_text")), v); err != nil {
		w.T.Errorf("entry %v: %v", e.at("seq"), err)
	}
}

// breaking is a log whose entries cannot be read after the first ones.
type breaking struct {
	audit.Store
	after uint64
}

func (b breaking) Entries(ctx context.Context, from uint64, limit int) ([]audit.Entry, error) {
	if from >= b.after {
		return nil, errors.New("the disk hums")
	}
	return b.Store.Entries(ctx, from, min(limit, int(b.after-from)))
}

// A part of the log never passes as the whole of it.
func TestABrokenExportIsNoExport(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Log.Store = breaking{w.Engine, 150} })
	w.Import(250, pskc.HOTP)
	for range 200 {
		w.Customer()
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/v1/audit/export", nil)
	w.must(nil, err)
	r.Header.Set("Authorization", "Bearer "+w.as("auditor"))
	res, err := http.DefaultClient.Do(r)
	w.must(nil, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if res.StatusCode != 200 || len(text) == 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d, %d bytes, %v", res.StatusCode, len(text), err)
	}
	if strings.Contains(string(text), "hums") || !strings.Contains(w.log.String(), "the disk hums") {
		t.Error("the cause is in the answer, or not in the log")
	}
}

// Before the first byte has left, a failure is a problem document.
func TestAnExportThatCannotBeginSaysSo(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Log.Store = breaking{w.Engine, 0} })
	w.Customer()
	w.ask(w.as("auditor"), "GET", "/v1/audit/export", nil).refused(503, "unavailable")
	w.ask(w.as("auditor"), "GET", "/v1/audit/entries", nil).refused(503, "unavailable")
}

func TestClause5_9_TheRegisterOfIncidents(t *testing.T) {
	w := newWorld(t)
	key := w.as("security")
	if items := w.ask(key, "GET", "/v1/incidents", nil).is(200).at("items").([]any); len(items) != 0 {
		t.Errorf("incidents %v", items)
	}
	c, d := w.Person(pskc.HOTP)
	w.tamper(d)
	w.ask(w.as("frontend"), "POST", "/v1/authentications", body{
		"customer": c.ID, "purpose": "login", "channel": "pc", "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
	}).refused(403, "authentication-failed")
	w.ask(key, "GET", "/v1/incidents", nil).is(200).has(body{"items.0.kind": "credential.quarantined", "items.0.state": "open", "next_cursor": ""})
	w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).has(body{"credentials.0.state": "quarantined"})
}

func TestClause5_23_ThePolicyShowsItsLimits(t *testing.T) {
	w := newWorld(t)
	w.ask(w.as("auditor"), "GET", "/v1/policy", nil).is(200).has(body{
		"version": 1.0, "login.acr": "strong", "payments.acr": "linked", "payments.low_value.each.value": "50.00", "payments.low_value.in_a_row": 5.0,
		"payments.low_value.in_sum.value": "150.00", "payments.proof_up_to.value": "20000.00", "payments.above": "held", "payments.daily_per_customer.currency": "AZN",
		"otp.0.profile": "oath", "otp.0.windows.look_ahead": 10.0, "otp.0.windows.steps_either": 1.0, "otp_ceiling.look_ahead": 20.0, "otp_ceiling.life_seconds": 120.0, "otp.0.valid_seconds_by_step.30": 90.0, "otp.0.valid_seconds_by_step.60": 120.0,
		"attempts.life_seconds": 300.0, "attempts.answers": 30.0, "sessions.idle_seconds": 300.0, "sessions.absolute_seconds": 43200.0,
		"guessing.failures": 5.0, "guessing.locks_seconds.0": 60.0, "guessing.locks_seconds.2": 1800.0,
		"source": "built in", "yaml": string(policy.Default().Source), "sha256": fmt.Sprintf("%x", sha256.Sum256(policy.Default().Source)), "effective_from": "2015-12-20T20:00:00Z",
	})
}

func TestClientsAreMadeAndShownWithoutTheirKeys(t *testing.T) {
	w := newWorld(t)
	admin := w.as("admin")
	made := w.ask(admin, "POST", "/v1/clients", body{"name": "branch", "roles": []string{"operator", "helpdesk"}, "days": 30}).is(201)
	key := made.str("key")
	until, err := time.Parse(time.RFC3339, made.str("expires_at"))
	if left := time.Until(until); err != nil || left < 29*24*time.Hour || left > 31*24*time.Hour {
		t.Errorf("expires_at %v", made.at("expires_at"))
	}
	w.ask(key, "GET", "/v1/tokens", nil).is(200)
	list := w.ask(w.as("auditor"), "GET", "/v1/clients", nil)
	list.is(200)
	if strings.Contains(string(list.body), "hash") || strings.Contains(string(list.body), key) || !strings.Contains(string(list.body), made.str("id")) {
		t.Errorf("clients: %s", list.body)
	}
	for field, b := range map[string]body{
		"name": {"name": "a b", "roles": []string{"core"}}, "roles": {"name": "x", "roles": []string{}}, "channels": {"name": "x", "roles": []string{"core"}, "channels": []string{"fax"}},
		"days": {"name": "x", "roles": []string{"core"}, "days": 4000}, "role": {"name": "x", "role": "core"},
	} {
		w.ask(admin, "POST", "/v1/clients", b).faulty(field)
	}
	for _, pair := range [][]string{{"operator", "supervisor"}, {"custodian", "security"}, {"auditor", "helpdesk"}, {"god"}} {
		w.ask(admin, "POST", "/v1/clients", body{"name": "x", "roles": pair}).faulty("roles")
	}
	if strings.Contains(w.log.String(), key) {
		t.Error("a key is in the log")
	}
}

func TestClause5_11_WhatIsDoneToTheHSMsKeysIsOnRecord(t *testing.T) {
	w := newWorld(t)
	key := w.as("custodian")
	const secret = "00112233445566778899aabbccddeeff"
	list := w.ask(key, "GET", "/v1/keys", nil).is(200)
	if len(list.at("items").([]any)) < 8 {
		t.Errorf("keys %v", list.m)
	}
	for field, b := range map[string]body{
		"name": {"name": "No Name", "hex": secret}, "hex": {"name": "maker", "hex": secret[:30]}, "key": {"name": "maker", "key": secret},
	} {
		a := w.ask(key, "POST", "/v1/keys/transport", b)
		a.faulty(field)
		if strings.Contains(string(a.body), secret[:30]) {
			t.Errorf("the refusal repeats a key: %s", a.body)
		}
	}
	w.ask(key, "POST", "/v1/keys/transport", body{"name": "maker", "hex": secret}).is(201).has(body{"key": "transport-maker"})
	w.ask(key, "DELETE", "/v1/keys/transport/maker", nil).is(204)
	w.ask(key, "DELETE", "/v1/keys/transport/Row-MAC", nil).refused(404, "not-found")
	w.keys.fault = inputFault
	w.ask(key, "POST", "/v1/keys/transport", body{"name": "maker", "hex": secret}).refused(409, "conflict")
	w.keys.fault = deviceFault
	w.ask(key, "DELETE", "/v1/keys/transport/maker", nil).refused(503, "unavailable")
	for event, n := range map[[2]string]int{
		{"key.import", "begun"}: 2, {"key.import", "done"}: 1, {"key.import", "failed"}: 1, {"key.delete", "begun"}: 2, {"key.delete", "done"}: 1, {"key.delete", "failed"}: 1,
	} {
		if got := w.Count(event[0], event[1], ""); got != n {
			t.Errorf("%v is on record %d times, want %d", event, got, n)
		}
	}
	if strings.Contains(w.log.String(), secret) {
		t.Error("a transport key is in the log")
	}
}

func TestTransportKeysComeInByTwoPeopleOutsideDevelopment(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Development = false })
	w.ask(w.as("custodian"), "POST", "/v1/keys/transport", body{"name": "maker", "hex": "00112233445566778899aabbccddeeff"}).refused(403, "forbidden")
	if len(w.keys.changed) != 0 {
		t.Errorf("the HSM was asked: %v", w.keys.changed)
	}
}

// Outside development nobody but the customer learns his activation secret,
// whatever the domain says.
func TestSecretsAreToldInDevelopmentOnly(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Development = false })
	c := w.Customer()
	w.ask(w.as("operator"), "POST", "/v1/customers/"+c.ID+"/activation-secrets", body{"purpose": "pin", "channel": "sms"}).is(201).has(body{"secret": nil})
	w.ask("", "GET", "/readyz", nil).is(200).has(body{"development": false})
}
