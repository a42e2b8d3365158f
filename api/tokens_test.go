package api_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// form is a multipart body: fields in pairs, "file" among them.
func form(fields ...string) (string, []byte) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "file" {
			p, _ := m.CreateFormFile("file", "seeds.xml")
			_, _ = p.Write([]byte(fields[i+1]))
			continue
		}
		_ = m.WriteField(fields[i], fields[i+1])
	}
	_ = m.Close()
	return m.FormDataContentType(), b.Bytes()
}

func (w *world) bring(key string, fields ...string) *answer {
	w.T.Helper()
	kind, b := form(fields...)
	return w.send(http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {kind}}, "POST", "/v1/token-imports", bytes.NewReader(b))
}

// ended waits for an import to end and returns its record.
func (w *world) ended(id string) object {
	w.T.Helper()
	var o object
	eventually(w.T, "the import does not end", func() bool {
		o = w.ask(w.as("operator"), "GET", "/v1/token-imports/"+id, nil).is(200)
		return o.at("state") != "running"
	})
	return o
}

func seedFile(n int) (string, []pskc.Key) {
	var f pskctest.File
	for i := range n {
		f.Keys = append(f.Keys, pskc.Key{
			Manufacturer: "Example", Serial: "A" + strconv.Itoa(1000+i), KeyID: "k" + strconv.Itoa(i), Algorithm: pskc.HOTP, Digits: 6, Secret: []byte("12345678901234567890"),
		})
	}
	return string(f.Plain()), f.Keys
}

func TestClause5_20_ATokensWayFromStockToCustomer(t *testing.T) {
	w := newWorld(t)
	op, front, boss := w.as("operator"), w.as("frontend"), w.as("supervisor")
	file, _ := seedFile(3)
	job := w.bring(op, "format", "pskc", "batch", "B-1", "branch", "Baku", "file", file).is(202)
	job.has(body{"state": "running", "imported": 0.0, "batch": "B-1"})
	if len(job.str("sha256")) != 64 {
		t.Errorf("sha256 %q", job.str("sha256"))
	}
	w.ended(job.str("id")).has(body{"state": "completed", "total": 3.0, "imported": 3.0, "rejected": 0.0, "error": nil, "sha256": job.str("sha256")})
	again := w.bring(op, "format", "auto", "file", file).is(202)
	w.ended(again.str("id")).has(body{"state": "completed", "imported": 0.0, "rejected": 3.0})
	rejected := w.ask(op, "GET", "/v1/token-imports/"+again.str("id")+"/rejected?limit=2", nil).is(200)
	rejected.has(body{"items.0.serial": "A1000", "items.1.serial": "A1001", "next_cursor": "2"})
	w.ask(op, "GET", "/v1/token-imports/"+again.str("id")+"/rejected?limit=2&cursor=2", nil).is(200).has(body{"items.0.serial": "A1002", "next_cursor": ""})

	list := w.ask(op, "GET", "/v1/tokens?state=in_stock&batch=B-1&kind=hotp&limit=2", nil).is(200)
	if list.str("next_cursor") == "" || len(list.at("items").([]any)) != 2 {
		t.Errorf("list %v", list.m)
	}
	w.ask(op, "GET", "/v1/tokens?batch=B-1&limit=2&cursor="+list.str("next_cursor"), nil).is(200).has(body{"next_cursor": "", "items.0.batch": "B-1"})
	w.ask(op, "GET", "/v1/tokens?q=a1002", nil).is(200).has(body{"items.0.serial": "A1002"})

	cust := "C+/1:2"
	at := "/v1/customers/C+%2F1:2"
	put := body{"name": "Aygün", "locale": "az", "contacts": body{"phone": "+994501234567", "email": "a@bank.test"}, "segment": "retail", "contract_ref": "K-1", "contract_version": "1", "kyc_ref": "V-1"}
	w.ask(op, "PUT", at, put).is(201).has(body{"id": cust, "state": "active", "contacts.phone": "+994501234567"})
	w.ask(op, "PUT", at, put).is(200)

	tk := "/v1/tokens/serial:A1000"
	w.ask(op, "POST", tk+"/ship", body{"to": "x"}).refused(409, "conflict")
	w.ask(op, "POST", tk+"/reserve", body{}).faulty("customer")
	w.ask(op, "POST", tk+"/reserve", body{"branch": "Gəncə"}).is(200).has(body{"state": "reserved", "branch": "Gəncə"})
	w.ask(op, "POST", tk+"/assign", body{"customer": "C-nobody"}).faulty("customer")
	w.ask(op, "POST", tk+"/assign", body{"customer": cust}).is(200).has(body{"state": "assigned", "customer": cust})
	w.ask(op, "POST", tk+"/ship", body{"carrier": "post"}).faulty("to")
	w.ask(op, "POST", tk+"/ship", body{"to": "home", "carrier": "post", "tracking": "RR1"}).is(200).has(body{"state": "shipped"})
	secret := w.ask(op, "POST", at+"/activation-secrets", body{"purpose": "activate", "token": "serial:A1000", "channel": "sms"}).is(201)
	secret.has(body{"sent_to": "•••67"})
	w.ask(op, "POST", tk+"/deliver", body{}).faulty("receipt")
	mine := w.ask(front, "POST", tk+"/deliver", body{"receipt": "signed"}).is(200)
	mine.has(body{"state": "delivered", "customer": nil, "batch": nil, "credentials.0.state": "inert"})
	if len(mine.at("history").([]any)) != 0 {
		t.Error("a front end sees where a token has been")
	}
	response := body{"method": "otp", "code": "755224"} // RFC 4226 appendix D, count 0
	w.ask(front, "POST", tk+"/activate", body{"activation_secret": secret.str("secret")}).faulty("response")
	w.ask(front, "POST", tk+"/activate", body{"activation_secret": secret.str("secret"), "response": body{"method": "otp"}}).faulty("response.code")
	w.ask(front, "POST", tk+"/activate", body{"activation_secret": "AAAAAAAAAAAA", "response": response}).refused(403, "authentication-failed")
	w.ask(front, "POST", tk+"/activate", body{"activation_secret": secret.str("secret"), "response": response}).is(200).has(body{"state": "active", "credentials.0.state": "live"})

	pin := w.ask(op, "POST", at+"/activation-secrets", body{"purpose": "pin", "channel": "email"}).is(201).str("secret")
	w.ask(front, "PUT", at+"/pin", body{"pin": banktest.PIN}).refused(403, "proof-required")
	w.ask(front, "PUT", at+"/pin", body{"pin": "123456", "proof": body{"activation_secret": pin}}).faulty("pin")
	w.ask(front, "PUT", at+"/pin", body{"pin": banktest.PIN, "proof": body{"approval": "ap_1"}}).faulty("proof.approval")
	w.ask(front, "PUT", at+"/pin", body{"pin": banktest.PIN, "proof": body{"activation_secret": "AAAAAAAAAAAA"}}).refused(403, "authentication-failed")
	w.ask(front, "PUT", at+"/pin", body{"pin": banktest.PIN, "proof": body{"activation_secret": pin}}).is(204)

	w.ask(front, "POST", tk+"/report", body{"kind": "eaten", "details": ""}).faulty("kind")
	w.ask(front, "POST", tk+"/report", body{"kind": "lost", "details": "taxi"}).is(200).has(body{"state": "suspended", "credentials.0.state": "suspended"})
	w.ask(boss, "POST", tk+"/resume", body{}).faulty("reason")
	w.ask(boss, "POST", tk+"/resume", body{"reason": "found"}).is(200).has(body{"state": "active"})
	w.ask(boss, "POST", tk+"/unlock", body{"reason": "asked for"}).is(200).has(body{"credentials.0.locked": false})
	for _, m := range []struct{ move, state string }{{"suspend", "suspended"}, {"revoke", "revoked"}, {"return", "returned"}, {"destroy", "destroyed"}} {
		w.ask(boss, "POST", tk+"/"+m.move, body{"reason": "end of life", "note": "n"}).is(200).has(body{"state": m.state})
	}
	full := w.ask(boss, "GET", tk, nil).is(200)
	full.has(body{"history.0.to": "in_stock", "history.0.by": w.id(op), "history.1.from": "in_stock", "history.1.move": "reserve", "credentials.0.state": "revoked"})
	for _, m := range []struct{ move, state string }{{"revoke", "revoked"}, {"return", "returned"}, {"wipe", "wiped"}} {
		w.ask(boss, "POST", "/v1/tokens/serial:A1001/"+m.move, body{"reason": "recall"}).is(200).has(body{"state": m.state})
	}
	w.ask(boss, "GET", "/v1/tokens/serial:none", nil).refused(404, "not-found")
}

func TestImportsAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	file, _ := seedFile(1)
	for field, fields := range map[string][]string{
		"file":          {"format", "pskc"},
		"format":        {"format", "zip", "file", file},
		"password":      {"format", "pskc", "transport_key", "acme", "password", "hunter2", "file", file},
		"profile":       {"format", "pskc", "profile", "none", "file", file},
		"colour":        {"format", "pskc", "colour", "red", "file", file},
		"batch":         {"batch", strings.Repeat("x", 300), "format", "pskc", "file", file},
		"branch":        {"branch", "a\x00b", "format", "pskc", "file", file},
		"transport_key": {"transport_key", "a", "transport_key", "b", "format", "pskc", "file", file},
	} {
		a := w.bring(op, fields...)
		a.faulty(field)
		if bytes.Contains(a.body, []byte("hunter2")) {
			t.Errorf("the refusal repeats a secret: %s", a.body)
		}
	}
	w.bring(op, "file", file, "format", "pskc", "file", file).faulty("file")
	w.bring(op, "file", file, "format", "pskc", "password", "").faulty("password")
	w.bring(op, "file", file, "format", "pskc", "password", strings.Repeat("x", 257)).faulty("password")
	w.bring(op, "file", "A-1,"+strings.Repeat("31", 20)+",hotp,6", "format", "auto", "transport_key", "acme").faulty("transport_key")
	w.ask(op, "POST", "/v1/token-imports", "{}").refused(415, "unsupported-media-type")
	h := http.Header{"Authorization": {"Bearer " + op}, "Content-Type": {"multipart/form-data; boundary=x"}}
	w.send(h, "POST", "/v1/token-imports", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"format\"\r\n\r\npskc")).refused(422, "invalid-request")
	w.ask(op, "GET", "/v1/token-imports/im_none", nil).refused(404, "not-found")
	w.ask(op, "GET", "/v1/token-imports/im_none/rejected", nil).refused(404, "not-found")
	if w.Count("import.begun", "", "") != 0 {
		t.Error("an import was begun")
	}
}

// A file under a password, and one of another format: the password opens it, is
// told apart from another, and stands in no answer.
func TestClause5_20_AFileUnderAPassword(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	file := string(pskctest.File{Keys: []pskctest.Key{{Serial: "P1000", Secret: []byte("12345678901234567890")}}}.Password("hunter2 and more"))
	send := func(idem, password string) *answer {
		kind, b := form("password", password, "format", "auto", "file", file)
		return w.send(http.Header{"Authorization": {"Bearer " + op}, "Content-Type": {kind}, "Idempotency-Key": {idem}}, "POST", "/v1/token-imports", bytes.NewReader(b))
	}
	wrong := w.ended(send("a", "hunter3 and more").is(202).str("id"))
	wrong.has(body{"state": "failed", "imported": 0.0, "format": "pskc"})
	send("a", "hunter2 and more").refused(409, "idempotency-conflict")
	right := w.ended(send("b", "hunter2 and more").is(202).str("id"))
	right.has(body{"state": "completed", "imported": 1.0, "error": nil, "warnings": nil})
	csv := w.bring(op, "format", "auto", "file", "C1000,"+strings.Repeat("31", 20)+",hotp,6\nC1001,00,hotp,6\n").is(202)
	csv.has(body{"format": "oath-csv"})
	w.ended(csv.str("id")).has(body{"state": "completed", "imported": 1.0, "rejected": 1.0})
	for _, o := range []object{wrong, right} {
		if strings.Contains(fmt.Sprint(o.m), "hunter") {
			t.Errorf("the password is told: %v", o.m)
		}
	}
}

func TestARefusedFileLeavesNothing(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	file, _ := seedFile(2)
	for name, text := range map[string]string{
		"cut off":         file[:len(file)/2],
		"not XML":         "hello",
		"external entity": `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`,
		"nothing":         "",
	} {
		job := w.bring(op, "format", "pskc", "file", text).is(202)
		o := w.ended(job.str("id"))
		o.has(body{"state": "failed", "imported": 0.0})
		if o.str("error") == "" || strings.Contains(o.str("error"), "root:") {
			t.Errorf("%s: %v", name, o.m)
		}
	}
	w.bring(op, "format", "pskc", "transport_key", "none", "file", file).faulty("transport_key")
	if items := w.ask(op, "GET", "/v1/tokens", nil).is(200).at("items").([]any); len(items) != 0 {
		t.Errorf("tokens %v", items)
	}
	left, err := os.ReadDir(w.deps.Spool)
	if err != nil || len(left) != 0 {
		t.Errorf("in the spool: %v, %v", left, err)
	}
}

func TestUploadsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.api.SetUpload(1 << 20)
	op := w.as("operator")
	w.bring(op, "format", "pskc", "file", strings.Repeat("x", 2<<20)).refused(413, "too-large")
	kind, b := form("format", "pskc", "file", strings.Repeat("x", 2<<20))
	h := http.Header{"Authorization": {"Bearer " + op}, "Content-Type": {kind}}
	w.send(h, "POST", "/v1/token-imports", onlyReader{bytes.NewReader(b)}).refused(413, "too-large")
	left, err := os.ReadDir(w.deps.Spool)
	if err != nil || len(left) != 0 {
		t.Errorf("in the spool: %v, %v", left, err)
	}
}

// onlyReader hides how long it is.
type onlyReader struct{ r *bytes.Reader }

func (o onlyReader) Read(b []byte) (int, error) { return o.r.Read(b) }

// A server that is being stopped takes no more files, and waits for those it has.
func TestShutdownWaitsForImports(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	file, _ := seedFile(500)
	job := w.bring(op, "format", "pskc", "file", file).is(202)
	w.api.Wait()
	w.ask(op, "GET", "/v1/token-imports/"+job.str("id"), nil).is(200).has(body{"state": "completed", "imported": 500.0})
	w.bring(op, "format", "pskc", "file", file).refused(503, "unavailable")
}

func TestAnEndedPatienceBreaksImportsOff(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	file, _ := seedFile(20000)
	job := w.bring(op, "format", "pskc", "file", file).is(202)
	ctx, cancel := contextWithDelay(t, 50*time.Millisecond)
	defer cancel()
	w.api.Shutdown(ctx)
	o := w.ask(op, "GET", "/v1/token-imports/"+job.str("id"), nil).is(200)
	o.has(body{"state": "failed"})
}

func TestATokenIsShownAsItIs(t *testing.T) {
	w := newWorld(t)
	front := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	for range 5 {
		w.ask(front, "POST", "/v1/authentications", body{
			"customer": c.ID, "purpose": "login", "channel": "pc", "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": "000000"}},
		}).refused(403, "authentication-failed")
	}
	boss := w.as("supervisor")
	o := w.ask(boss, "GET", "/v1/tokens/"+d.ID, nil).is(200)
	o.has(body{"credentials.0.locked": true, "credentials.0.state": "live"})
	if _, err := time.Parse(time.RFC3339, o.str("credentials.0.locked_until")); err != nil {
		t.Error(err)
	}
	w.ask(boss, "POST", "/v1/tokens/"+d.ID+"/unlock", body{"reason": "customer came in"}).is(200).has(body{"credentials.0.locked": false, "credentials.0.locked_until": nil})
}

func TestCustomersAreShownToThoseWhoServeThem(t *testing.T) {
	w := newWorld(t)
	c := w.Customer()
	at := "/v1/customers/" + c.ID
	w.ask(w.as("helpdesk"), "GET", at, nil).is(200).has(body{"name": "Aygün Məmmədova", "contacts.email": "a@bank.test", "state": "active"})
	auditor := w.ask(w.as("auditor"), "GET", at, nil)
	auditor.is(200).has(body{"id": c.ID, "contract_ref": "K-1", "name": nil, "contacts": nil})
	if strings.Contains(string(auditor.body), "Aygün") || strings.Contains(string(auditor.body), "99450") {
		t.Errorf("an auditor learns who it is: %s", auditor.body)
	}
	w.ask(w.as("helpdesk"), "POST", at+"/suspend", body{"reason": "asked for", "notify": false}).is(200).has(body{"state": "suspended", "reason": "asked for"})
	w.ask(w.as("helpdesk"), "POST", at+"/suspend", body{"reason": "again"}).refused(409, "conflict")
	w.ask(w.as("supervisor"), "POST", at+"/resume", body{"reason": "came in"}).is(200).has(body{"state": "active"})
	w.ask(w.as("helpdesk"), "GET", "/v1/customers/C-nobody", nil).refused(404, "not-found")
}

// A change of contacts needs a proof that the customer gave for exactly it.
func TestContactsChangeWithAProofOnly(t *testing.T) {
	w := newWorld(t)
	branch := w.as("branch", parties.Operator, parties.Frontend)
	c, d := w.Person(pskc.HOTP)
	at := "/v1/customers/" + c.ID
	change := body{
		"name": "Aygün Məmmədova", "locale": "az", "contacts": body{"phone": "+994700000000", "email": "a@bank.test"}, "segment": "retail",
		"contract_ref": "K-1", "contract_version": "1", "kyc_ref": "V-1",
	}
	prove := func(data body) string {
		v := w.ask(branch, "POST", "/v1/authentications", body{
			"customer": c.ID, "purpose": "action", "action": body{"name": "customer.contacts", "data": data}, "channel": "internet",
			"responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": d.HOTP()}},
		}).is(201)
		v.has(body{"state": "granted", "session": nil})
		return v.str("id")
	}
	with := func(proof any) body {
		out := body{"proof": proof}
		for k, v := range change {
			out[k] = v
		}
		return out
	}
	w.ask(branch, "PUT", at, change).refused(403, "proof-required")
	w.ask(branch, "PUT", at, with(body{"activation_secret": "AAAAAAAAAAAA"})).refused(403, "proof-required")
	w.ask(branch, "PUT", at, with(body{})).refused(403, "proof-required")
	w.ask(branch, "PUT", at, with(body{"approval": "ap_1"})).faulty("proof.approval")
	w.ask(branch, "PUT", at, with(body{"authentication": prove(body{"contacts": body{"phone": "+994700000001"}})})).refused(403, "proof-required")
	id := prove(change)
	w.ask(branch, "PUT", at, with(body{"authentication": id})).is(200).has(body{"contacts.phone": "+994700000000"})
	change["contacts"] = body{"phone": "+994500000000", "email": "a@bank.test"}
	w.ask(branch, "PUT", at, with(body{"authentication": id})).refused(403, "proof-required")
}

// Four files come in at once; the fifth is asked to come back.
func TestImportsAreFew(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	var all sync.WaitGroup
	var open []*io.PipeWriter
	for range 4 {
		r, hold := io.Pipe()
		open = append(open, hold)
		all.Go(func() {
			h := http.Header{"Authorization": {"Bearer " + op}, "Content-Type": {"multipart/form-data; boundary=x"}}
			w.send(h, "POST", "/v1/token-imports", r)
		})
		fmt.Fprint(hold, "--x\r\n")
	}
	var a *answer
	eventually(t, "a fifth import is let in", func() bool {
		a = w.bring(op, "format", "pskc")
		return a.status == 429
	})
	a.refused(429, "too-many-requests")
	if a.header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	for _, hold := range open {
		hold.Close()
	}
	all.Wait()
	w.bring(op, "format", "pskc").faulty("file")
}
