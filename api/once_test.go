package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens/pskc"
)

// again sends a request with an Idempotency-Key.
func (w *world) again(key, idem, method, path string, in any) *answer {
	w.T.Helper()
	h := http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}, "Idempotency-Key": {idem}}
	return w.send(h, method, path, bytes.NewReader(jsonOf(w.T, in)))
}

// jsonOf is a body as it is sent: a text as it is, anything else as JSON.
func jsonOf(t testing.TB, in any) []byte {
	t.Helper()
	if text, is := in.(string); is {
		return []byte(text)
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *world) pending(key, customer string) string {
	w.T.Helper()
	at := w.ask(key, "POST", "/v1/authentications", body{"customer": customer, "purpose": "login", "channel": "internet"}).is(201).str("id")
	w.ask(key, "POST", "/v1/authentications/"+at+"/responses", body{"method": "pin", "pin": banktest.PIN}).is(200)
	return "/v1/authentications/" + at + "/responses"
}

func (a *answer) replayed() bool { return a.header.Get("Idempotency-Replayed") == "true" }

// cut sends a request and closes the connection as soon as it has left.
func (w *world) cut(key, idem, path string, in any) {
	w.T.Helper()
	w.leave(key, idem, path, in).Close()
}

// leave sends a request and returns the connection, on which nobody waits.
func (w *world) leave(key, idem, path string, in any) net.Conn {
	w.T.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.must(nil, err)
	text := jsonOf(w.T, in)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, key, idem, len(text), text)
	return conn
}

// Clause 5.22: a repeat after a cut connection is told the same verdict, and the
// failure, or the code, is counted once.
func TestClause5_22_ARepeatAfterACutConnectionCountsOnce(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	at := w.pending(key, c.ID)
	wrong := body{"method": "otp", "code": "000000"}
	for i := range 4 { // five failures would lock
		idem := fmt.Sprint("wrong-", i)
		w.cut(key, idem, at, wrong)
		for range 5 {
			w.again(key, idem, "POST", at, wrong).refused(403, "authentication-failed")
		}
		if n := w.Count("authentication.answered", "refused", "wrong-code"); n != i+1 {
			t.Fatalf("%d refusals recorded after %d wrong codes", n, i+1)
		}
		w.ask(key, "POST", at, body{"method": "pin", "pin": banktest.PIN}).is(200)
	}
	right := body{"method": "otp", "code": d.HOTP()}
	w.cut(key, "right", at, right)
	first := w.again(key, "right", "POST", at, right).is(200)
	first.has(body{"state": "granted"})
	second := w.again(key, "right", "POST", at, right).is(200)
	if first.str("session.id") != second.str("session.id") || first.str("session.access_token") == second.str("session.access_token") {
		t.Errorf("%v, then %v", first.m, second.m)
	}
	if n := w.Count("session.opened", "", ""); n != 1 {
		t.Errorf("%d sessions", n)
	}
	for _, token := range []string{first.str("session.access_token"), second.str("session.access_token")} {
		w.ask(key, "POST", "/v1/sessions/introspect", body{"access_token": token}).is(200).has(body{"active": true})
	}
	w.Clock.Forward(61 * time.Second)
	late := w.again(key, "right", "POST", at, right).is(200)
	late.has(body{"state": "granted", "session.access_token": nil, "session.already_issued": true, "session.id": first.str("session.id")})
}

// A hundred at once with one key are one request.
func TestParallelRepeatsAreEvaluatedOnce(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, _ := w.Person(pskc.HOTP)
	at := w.pending(key, c.ID)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			w.again(key, "k", "POST", at, body{"method": "otp", "code": "000000"}).refused(403, "authentication-failed")
		})
	}
	wg.Wait()
	if n := w.Count("authentication.answered", "refused", ""); n != 1 {
		t.Errorf("%d evaluations", n)
	}
	if m := string(w.ask("", "GET", "/metrics", nil).body); !strings.Contains(m, "mohur_idempotent_replays_total 99") {
		t.Error("the metrics do not count the repeats")
	}
}

func TestAKeyIsOfOneCallerOneRouteAndOneBody(t *testing.T) {
	w := newWorld(t)
	one, two := w.as("one", parties.Frontend), w.as("two", parties.Frontend)
	begin := body{"customer": "C-1", "purpose": "login", "channel": "pc"}
	a := w.again(one, "k", "POST", "/v1/authentications", begin).is(201).str("id")
	if b := w.again(two, "k", "POST", "/v1/authentications", begin).is(201).str("id"); a == b {
		t.Error("another caller got the first one's attempt")
	}
	same := w.again(one, "k", "POST", "/v1/authentications", `{ "channel":"pc",  "purpose":"login","customer":"C-1"}`)
	if !same.replayed() || same.is(201).str("id") != a {
		t.Error("the same body in another order is another request")
	}
	w.again(one, "k", "POST", "/v1/authentications", body{"customer": "C-2", "purpose": "login", "channel": "pc"}).refused(409, "idempotency-conflict")
	w.again(one, "k", "POST", "/v1/authentications/"+a+"/responses", body{"method": "pin", "pin": "271828"}).is(200)
	if b := w.again(one, "k2", "POST", "/v1/authentications", begin).is(201).str("id"); a == b {
		t.Error("another key, the same attempt")
	}
	// The same whatever the moment: a day later the key is new.
	w.Clock.Forward(24*time.Hour + time.Second)
	if b := w.again(one, "k", "POST", "/v1/authentications", begin).is(201).str("id"); a == b {
		t.Error("it is remembered after a day")
	}
	for name, bad := range map[string][]string{"empty": {""}, "long": {strings.Repeat("k", 256)}, "blank": {"a b"}, "two": {"a", "b"}, "not ASCII": {"açar"}} {
		h := http.Header{"Authorization": {"Bearer " + one}, "Content-Type": {"application/json"}, "Idempotency-Key": bad}
		a := w.send(h, "POST", "/v1/authentications", bytes.NewReader(jsonOf(t, begin)))
		if p := a.refused(422, "invalid-request"); p.Errors[0].Field != "Idempotency-Key" {
			t.Errorf("%s: %v", name, p)
		}
	}
	h := http.Header{"Authorization": {"Bearer " + w.as("auditor")}, "Idempotency-Key": {""}}
	w.send(h, "GET", "/v1/tokens", nil).is(200) // of no meaning there
	w.again(one, strings.Repeat("~", 255), "POST", "/v1/authentications", begin).is(201)
}

// What was refused before anything was settled is judged anew.
func TestRefusalsBeforeASettlementAreNotRemembered(t *testing.T) {
	w := newWorld(t)
	key, op := w.as("frontend"), w.as("operator")
	bad := body{"customer": "C-1", "purpose": "nothing", "channel": "pc"}
	w.again(key, "k", "POST", "/v1/authentications", bad).refused(422, "invalid-request")
	good := body{"customer": "C-1", "purpose": "login", "channel": "pc"}
	w.again(op, "k", "POST", "/v1/authentications", good).refused(403, "forbidden")
	w.again("mk_nobody", "k", "POST", "/v1/authentications", good).refused(401, "unauthorized")
	w.HSM.FailAll(deviceFault)
	w.again(key, "k", "POST", "/v1/authentications", good).refused(503, "unavailable")
	w.HSM.Heal()
	if w.again(key, "k", "POST", "/v1/authentications", good).is(201); w.Count("authentication.opened", "", "") != 1 {
		t.Error("more than one attempt")
	}
	w.again(w.as("supervisor"), "k", "POST", "/v1/tokens/nothing/unlock", body{"reason": "r"}).refused(404, "not-found")
	d := w.Import(1, pskc.HOTP)[0]
	admin := w.as("admin")
	for i := range 2 { // what changes nothing, and so needs no entry, is remembered too
		if a := w.again(admin, "csr", "POST", "/v1/ca/requests", body{"name": "x"}); a.status != 200 || a.replayed() != (i == 1) {
			t.Errorf("time %d: %d, replayed %v", i+1, a.status, a.replayed())
		}
	}
	w.again(admin, "csr", "POST", "/v1/ca/requests", body{"name": "y"}).refused(409, "idempotency-conflict")
	w.again(op, "k", "POST", "/v1/tokens/"+d.ID+"/reserve", body{"branch": "b"}).is(200)
	w.again(op, "k", "POST", "/v1/tokens/serial:"+d.Serial+"/reserve", body{"branch": "b"}) // another path, another request
}

// A session that has ended since is not told as live because somebody asks with the
// same key, nor is a touch that it refuses told as done.
func TestHowASessionStandsIsNeverReplayed(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	g := w.ask(key, "POST", w.pending(key, c.ID), body{"method": "otp", "code": d.HOTP()}).is(200)
	id, in := g.str("session.id"), body{"access_token": g.str("session.access_token")}
	w.again(key, "k", "POST", "/v1/sessions/introspect", in).is(200).has(body{"active": true})
	w.again(key, "t", "POST", "/v1/sessions/"+id+"/touch", body{"activity": "user"}).is(200)
	w.ask(key, "DELETE", "/v1/sessions/"+id, nil).is(204)
	w.again(key, "k", "POST", "/v1/sessions/introspect", in).is(200).has(body{"active": false})
	if a := w.again(key, "t", "POST", "/v1/sessions/"+id+"/touch", body{"activity": "user"}); a.status == 200 {
		t.Errorf("a touch of an ended session: %d %s", a.status, a.body)
	}
	w.again(key, "two words", "POST", "/v1/sessions/introspect", in).refused(422, "invalid-request")
}

// What is shown once is not shown twice, nor kept: not in the store, not in a
// copy of it.
func TestClause5_3_1_SecretsAreShownOnce(t *testing.T) {
	w := newWorld(t)
	key, op, admin := w.as("frontend"), w.as("operator"), w.as("admin")
	c, d := w.Person(pskc.HOTP)
	secretAt := "/v1/customers/" + c.ID + "/activation-secrets"
	send := body{"purpose": "pin", "channel": "sms"}
	sent := w.again(op, "idem-secret", "POST", secretAt, send).is(201)
	w.again(op, "idem-secret", "POST", secretAt, send).is(201).has(body{"secret": nil, "already_issued": true, "id": sent.str("id"), "sent_to": sent.str("sent_to")})
	put := body{"pin": "739201", "proof": body{"activation_secret": sent.str("secret")}}
	w.again(key, "idem-pin", "PUT", "/v1/customers/"+c.ID+"/pin", put).is(204)
	if a := w.again(key, "idem-pin", "PUT", "/v1/customers/"+c.ID+"/pin", put); a.status != 204 || !a.replayed() || len(a.body) > 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	made := w.again(admin, "idem-client", "POST", "/v1/clients", body{"name": "n", "roles": []string{"core"}}).is(201)
	w.again(admin, "idem-client", "POST", "/v1/clients", body{"name": "n", "roles": []string{"core"}}).is(201).has(body{"key": nil, "already_issued": true, "id": made.str("id")})
	login := body{"customer": c.ID, "purpose": "login", "channel": "internet", "responses": []body{{"method": "pin", "pin": "739201"}, {"method": "otp", "code": d.HOTP()}}}
	granted := w.again(key, "idem-login", "POST", "/v1/authentications", login).is(201)
	repeat := w.again(key, "idem-login", "POST", "/v1/authentications", login).is(201)
	for _, path := range []string{"id", "challenge.text", "state", "expires_at", "methods.0.credentials.0.id", "risk.score", "session.id"} {
		if !reflect.DeepEqual(granted.at(path), repeat.at(path)) {
			t.Errorf("%s: %v, then %v", path, granted.at(path), repeat.at(path))
		}
	}
	w.must(nil, w.Engine.Close())
	file, err := os.ReadFile(w.Path)
	w.must(nil, err)
	for name, text := range map[string]string{
		"activation secret": sent.str("secret"), "PIN": "739201", "client's key": made.str("key"), "access token": granted.str("session.access_token"),
		"second access token": repeat.str("session.access_token"), "masked phone of the answer": sent.str("sent_to"), "key of the request": "idem-login",
	} {
		if bytes.Contains(file, []byte(text)) {
			t.Errorf("the store holds the %s", name)
		}
	}
}

// A crash between the verdict and its record: what was settled is not evaluated
// again, and who asks is sent to look.
func TestAfterACrashNothingIsEvaluatedAgain(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	at := w.pending(key, c.ID)
	right := body{"method": "otp", "code": d.HOTP()}
	w.api.LoseAnswers()
	w.again(key, "k", "POST", at, right).is(200).has(body{"state": "granted"})
	w.reopen()
	p := w.again(key, "k", "POST", at, right).refused(409, "conflict")
	if !strings.Contains(p.Detail, "GET") {
		t.Errorf("detail %q", p.Detail)
	}
	w.again(key, "k", "POST", at, body{"method": "otp", "code": "111111"}).refused(409, "idempotency-conflict")
	w.ask(key, "GET", strings.TrimSuffix(at, "/responses"), nil).is(200).has(body{"state": "granted"})
	if n, m := w.Count("session.opened", "", ""), w.Count("authentication.answered", "", ""); n != 1 || m != 2 {
		t.Errorf("%d sessions, %d answers", n, m)
	}
	// And one that was recorded is told after a restart as before.
	at = w.pending(key, c.ID)
	wrong := body{"method": "otp", "code": "000000"}
	w.again(key, "k", "POST", at, wrong).refused(403, "authentication-failed")
	w.reopen()
	if a := w.again(key, "k", "POST", at, wrong); !a.replayed() {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := w.Count("authentication.answered", "refused", ""); n != 1 {
		t.Errorf("%d refusals", n)
	}
}

// reopen is a restart.
func (w *world) reopen() {
	w.T.Helper()
	w.must(nil, w.Engine.Close())
	w.Open()
	w.start()
}

func TestAnImportSentTwiceIsOneImport(t *testing.T) {
	w := newWorld(t)
	op := w.as("operator")
	send := func(idem, batch, file string) *answer {
		var text bytes.Buffer
		m := multipart.NewWriter(&text)
		m.WriteField("format", "pskc")
		m.WriteField("batch", batch)
		part, _ := m.CreateFormFile("file", "seeds.xml")
		part.Write([]byte(file))
		m.Close()
		return w.send(http.Header{"Authorization": {"Bearer " + op}, "Content-Type": {m.FormDataContentType()}, "Idempotency-Key": {idem}}, "POST", "/v1/token-imports", &text)
	}
	id := send("k", "b", "<a/>").is(202).str("id") // another boundary each time
	if a := send("k", "b", "<a/>"); a.is(202).str("id") != id || !a.replayed() {
		t.Error("another import")
	}
	send("k", "b", "<b/>").refused(409, "idempotency-conflict")
	send("k", "c", "<a/>").refused(409, "idempotency-conflict")
	w.ended(id)
	if send("k2", "b", "<a/>").is(202).str("id") == id {
		t.Error("another key, the same import")
	}
	w.api.Wait()
	if n := w.Count("import.begun", "", ""); n != 2 {
		t.Errorf("%d imports", n)
	}
}

// One transaction, whatever is asked how often.
func TestAPaymentSentTwiceIsOnePayment(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.OCRA, pskc.HOTP)
	s := w.login(key, c.ID, d)
	pay := payment("R-1", "20.00", s.str("access_token"))
	a := w.again(key, "k", "POST", "/v1/transactions", pay).is(201)
	b := w.again(key, "k", "POST", "/v1/transactions", pay)
	if a.str("id") != b.is(201).str("id") || !b.replayed() {
		t.Error("another transaction")
	}
	cancelAt := "/v1/transactions/" + a.str("id") + "/cancel"
	first := w.again(key, "k", "POST", cancelAt, body{})
	if again := w.again(key, "k", "POST", cancelAt, ""); again.status != first.status { // no body is {}
		t.Errorf("%d, then %d", first.status, again.status)
	}
}

// A repeat waits for the first while that is being answered, which goes on when
// its client leaves.
func TestTheFirstGoesOnWhenItsClientLeaves(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	w.Authn.Settings.FloorPIN = 2 * time.Second
	at := w.pending(key, c.ID)
	right := body{"method": "otp", "code": d.HOTP()}
	conn := w.leave(key, "k", at, right)
	eventually(t, "nothing was settled", func() bool { return w.Count("session.opened", "", "") == 1 })
	conn.Close()
	a := w.again(key, "k", "POST", at, right)
	a.is(200).has(body{"state": "granted"})
	if n := w.Count("authentication.answered", "granted", ""); n != 1 || !a.replayed() {
		t.Errorf("%d verdicts", n)
	}
}
