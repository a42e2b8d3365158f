package api_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mohur/api"
	"mohur/banktest"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/store"
	"mohur/store/bolttest"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

var (
	deviceFault = &hsm.Fault{Class: hsm.ClassDevice, Err: errors.New("CKR_DEVICE_REMOVED")}
	inputFault  = &hsm.Fault{Class: hsm.ClassInput, Err: errors.New("the token has a transport key of that name")}
)

// over serves the world to whoever identify says.
func (w *world) over(t *testing.T, identify api.Identify) {
	t.Helper()
	w.url = serve(t, w.api.Handler(identify))
}

func TestAPanicSaysNothing(t *testing.T) {
	w := newWorld(t)
	w.over(t, func(context.Context, *http.Request) (parties.Caller, error) { panic("the PIN of C-1 is 271828") })
	a := w.ask("", "GET", "/v1/tokens", nil)
	p := a.refused(500, "internal")
	if strings.Contains(string(a.body), "C-1") || strings.Contains(p.Detail, "goroutine") {
		t.Errorf("the answer: %s", a.body)
	}
	if log := w.log.String(); !strings.Contains(log, "goroutine") || !strings.Contains(log, p.Instance) {
		t.Error("the stack is not in the log")
	}
	w.ask("", "GET", "/healthz", nil).is(200)
}

// What the domain returns, and what a caller is told of it.
func TestErrorsBecomeProblems(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		err    error
		status int
		code   string
		detail string // "" when it must not be looked at
	}{
		{errors.New("pq: password authentication failed"), 500, "internal", ""},
		{&problem.Error{Code: "made-up", Detail: "oops"}, 500, "internal", ""},
		{problem.Away(errors.New("dial tcp 10.0.0.1")), 503, "unavailable", "a part of the service is away; nothing was changed, try again"},
		{problem.Away(fmt.Errorf("x: %w", store.ErrOutcomeUnknown)), 503, "unavailable", "it is not known whether this was done; look before you try again"},
		{context.DeadlineExceeded, 503, "unavailable", ""},
		{fmt.Errorf("wrapped: %w", problem.New(problem.Locked, "locked")), 423, "locked", "locked"},
		{problem.New(problem.Expired, "late"), 410, "expired", "late"},
		{&problem.Error{Code: problem.AuthenticationFailed, Detail: "wrong PIN", Fields: []problem.Field{{Field: "pin", Message: "wrong"}}}, 403, "authentication-failed", "the response was not accepted"},
		{&problem.Error{Code: problem.TooMany, Detail: "slow", RetryAfter: 1500 * time.Millisecond}, 429, "too-many-requests", "slow"},
		{problem.New(problem.SessionEnded, ""), 403, "session-ended", "The session has ended"},
	} {
		w.over(t, func(context.Context, *http.Request) (parties.Caller, error) { return parties.Caller{}, c.err })
		a := w.ask("", "GET", "/v1/tokens", nil)
		p := a.refused(c.status, c.code)
		if c.detail != "" && p.Detail != c.detail {
			t.Errorf("%v: detail %q", c.err, p.Detail)
		}
		if strings.Contains(string(a.body), "password") || strings.Contains(string(a.body), "10.0.0.1") || strings.Contains(string(a.body), "oops") || strings.Contains(string(a.body), "pin") {
			t.Errorf("%v: %s", c.err, a.body)
		}
		if (c.status == 429) != (a.header.Get("Retry-After") == "2") {
			t.Errorf("%v: Retry-After %q", c.err, a.header.Get("Retry-After"))
		}
	}
}

// A caller without an id, or with no role, is nobody, whatever identify says.
func TestIdentifyIsNotBelievedBlindly(t *testing.T) {
	w := newWorld(t)
	w.over(t, func(context.Context, *http.Request) (parties.Caller, error) { return parties.Caller{}, nil })
	w.ask("", "GET", "/v1/tokens", nil).refused(401, "unauthorized")
	w.over(t, func(context.Context, *http.Request) (parties.Caller, error) { return parties.Caller{ID: "host:0"}, nil })
	w.ask("", "GET", "/v1/tokens", nil).refused(403, "forbidden")
}

func TestWithoutTheHSMNothingIsGranted(t *testing.T) {
	w := newWorld(t)
	w.api.SetWaits(0, 0, time.Millisecond)
	key := w.as("frontend")
	c, d := w.Person(pskc.HOTP)
	at := w.ask(key, "POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "pc"}).is(201).str("id")
	w.HSM.FailAll(deviceFault)
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/v1/authentications", body{"customer": c.ID, "purpose": "login", "channel": "pc"}},
		{"POST", "/v1/authentications/" + at + "/responses", body{"method": "pin", "pin": banktest.PIN}},
		{"GET", "/.well-known/jwks.json", nil},
	} {
		a := w.ask(key, r.method, r.path, r.body)
		a.refused(503, "unavailable")
		if strings.Contains(string(a.body), "CKR") {
			t.Errorf("%s: %s", r.path, a.body)
		}
	}
	if w.ask("", "GET", "/healthz", nil).is(200).at("status") != "alive" {
		t.Error("not alive")
	}
	w.ask("", "GET", "/readyz", nil).is(503).has(body{"ready": false, "hsm": false, "store": true, "audit": true, "development": true, "version": "test"})
	if m := string(w.ask("", "GET", "/metrics", nil).body); !strings.Contains(m, `mohur_unavailable_total{part="hsm"} `) {
		t.Errorf("metrics: %s", m)
	}
	w.HSM.Heal()
	eventually(t, "never ready again", func() bool { return w.ask("", "GET", "/readyz", nil).status == 200 })
	w.ask(key, "POST", "/v1/authentications/"+at+"/responses", body{"method": "pin", "pin": banktest.PIN}).is(200)
	w.ask(key, "POST", "/v1/authentications/"+at+"/responses", body{"method": "otp", "code": d.HOTP()}).is(200).has(body{"state": "granted"})
}

func TestAnHSMThatHangsIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	// The time for the body is over before that for the answer, and does not end it.
	w.api.SetWaits(50*time.Millisecond, 400*time.Millisecond, 0)
	w.HSM.Hang("MAC")
	began := time.Now()
	w.ask(key, "POST", "/v1/authentications", body{"customer": "C-1", "purpose": "login", "channel": "pc"}).refused(503, "unavailable")
	if took := time.Since(began); took < 400*time.Millisecond || took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	w.HSM.Heal()
}

func TestReadinessLooksAtEveryPart(t *testing.T) {
	gone := errors.New("gone")
	var mu sync.Mutex
	var storeFault, logFault error
	w := newWorld(t, func(w *world) {
		w.deps.StoreCheck = func(context.Context) error { mu.Lock(); defer mu.Unlock(); return storeFault }
		w.deps.Log.Health = func() (time.Time, error) { mu.Lock(); defer mu.Unlock(); return time.Unix(1e9, 0), logFault }
	})
	w.api.SetWaits(0, 0, time.Millisecond)
	set := func(s, l error) { mu.Lock(); defer mu.Unlock(); storeFault, logFault = s, l }
	becomes := func(part string, status int) {
		t.Helper()
		eventually(t, part, func() bool {
			a := w.ask("", "GET", "/readyz", nil)
			return a.status == status && (part == "" || a.is(status).at(part) == false)
		})
	}
	w.ask("", "GET", "/readyz", nil).is(200).has(body{"ready": true, "hsm": true, "store": true, "audit": true, "checkpoint_at": "2001-09-09T01:46:40Z"})
	set(gone, nil)
	becomes("store", 503)
	set(nil, gone)
	becomes("audit", 503)
	set(nil, nil)
	becomes("", 200)
	// Entries that nobody has signed for more than a minute.
	w.Customer()
	w.Clock.Forward(2 * time.Minute)
	becomes("audit", 503)
	w.checkpoint()
	becomes("", 200)
	if strings.Contains(string(w.ask("", "GET", "/readyz", nil).body), "gone") {
		t.Error("readyz tells causes")
	}
}

func TestClause5_28_AnswersOverTLSAskForIt(t *testing.T) {
	w := newWorld(t)
	s := httptest.NewTLSServer(w.api.Handler(w.api.APIKeys))
	t.Cleanup(s.Close)
	res, err := s.Client().Get(s.URL + "/healthz")
	w.must(nil, err)
	res.Body.Close()
	if res.TLS == nil || res.TLS.Version < tls.VersionTLS12 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: %v", res.Header)
	}
	plain := w.ask("", "GET", "/nowhere", nil)
	plain.refused(404, "not-found")
	if plain.header.Get("Strict-Transport-Security") != "" {
		t.Error("a promise of TLS without TLS")
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if res.Header.Get(name) != want || plain.header.Get(name) != want {
			t.Errorf("%s: %q and %q", name, res.Header.Get(name), plain.header.Get(name))
		}
	}
}

func TestTheKeySetVerifiesWhatIsIssued(t *testing.T) {
	w := newWorld(t)
	a := w.ask("", "GET", "/.well-known/jwks.json", nil)
	set := a.is(200)
	set.has(body{"keys.0.kty": "EC", "keys.0.alg": "ES256", "keys.0.use": "sig", "keys.1.crv": "P-256"})
	for i := range 2 {
		k := set.at("keys").([]any)[i].(map[string]any)
		if k["kid"] == "" || k["d"] != nil {
			t.Errorf("key %v", k)
		}
	}
	if a.header.Get("Content-Type") != "application/jwk-set+json" {
		t.Error(a.header.Get("Content-Type"))
	}
}

func TestAttack08_TheLogAndTheMetricsHoldNoSecrets(t *testing.T) {
	w := newWorld(t)
	key, op := w.as("frontend"), w.as("operator")
	c, d := w.Person(pskc.HOTP)
	code := d.HOTP()
	s := w.ask(key, "POST", "/v1/authentications", body{
		"customer": c.ID, "purpose": "login", "channel": "pc", "binding": "cookie-value", "responses": []body{{"method": "pin", "pin": banktest.PIN}, {"method": "otp", "code": code}},
	}).is(201)
	secret := w.ask(op, "POST", "/v1/customers/"+c.ID+"/activation-secrets", body{"purpose": "pin", "channel": "sms"}).is(201).str("secret")
	w.ask(key, "PUT", "/v1/customers/"+c.ID+"/pin", body{"pin": "739201", "proof": body{"activation_secret": secret}}).is(204)
	w.ask(key, "PUT", "/v1/customers/"+c.ID+"/pin", `{"pin":"739202","proof":{"activation_secret":"`+secret+`",}}`).refused(422, "invalid-request")
	w.ask(op, "GET", "/v1/tokens?q="+c.ID, nil).is(200)
	log, metrics := w.log.String(), string(w.ask("", "GET", "/metrics", nil).body)
	for what, text := range map[string]string{
		"PIN": banktest.PIN, "new PIN": "739201", "PIN in a bad body": "739202", "activation secret": secret, "access token": s.str("session.access_token"),
		"API key": key, "binding": "cookie-value", "customer": c.ID, "authentication": s.str("id"), "code": `"` + code + `"`,
	} {
		if strings.Contains(log, text) {
			t.Errorf("the log has the %s", what)
		}
		if strings.Contains(metrics, strings.Trim(text, `"`)) && what != "code" {
			t.Errorf("the metrics have the %s", what)
		}
	}
	for _, want := range []string{`"route":"/v1/customers/:id/pin"`, `"status":204`, `"caller":"` + w.id(key) + `"`, `"code":"invalid-request"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	for _, want := range []string{
		`mohur_http_requests_total{method="PUT",route="/v1/customers/:id/pin",status="204"} 1`, `mohur_http_refusals_total{code="invalid-request"} 1`,
		`mohur_http_request_seconds_count{method="PUT",route="/v1/customers/:id/pin"} 2`, `mohur_imports_running 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// Methods and paths from outside never become labels.
func TestMetricsDoNotGrowWithWhatIsAsked(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.ask("", fmt.Sprintf("M%d", i), fmt.Sprintf("/x%d", i), nil).refused(404, "not-found")
	}
	m := string(w.ask("", "GET", "/metrics", nil).body)
	if !strings.Contains(m, `mohur_http_requests_total{method="ANY",route="unmatched",status="404"} 20`) || strings.Contains(m, "x7") || strings.Contains(m, "M7") {
		t.Errorf("metrics: %s", m)
	}
}

func TestAServerNeedsItsParts(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(*api.Deps){
		"Deps.Authn": func(d *api.Deps) { d.Authn = nil }, "Deps.Store is": func(d *api.Deps) { d.Store = nil }, "Deps.HSM": func(d *api.Deps) { d.HSM = nil },
		"Deps.Keys": func(d *api.Deps) { d.Keys = nil }, "Deps.Issuer": func(d *api.Deps) { d.Issuer = "" }, "Verifier": func(d *api.Deps) { d.Log.Verifier = "x" },
		"StoreCheck": func(d *api.Deps) { d.StoreCheck = nil },
		"mode 0700":  func(d *api.Deps) { d.Spool = t.TempDir(); w.must(nil, os.Chmod(d.Spool, 0o755)) },
		"no such":    func(d *api.Deps) { d.Spool = filepath.Join(t.TempDir(), "none") },
	} {
		d := w.deps
		d.Registry = prometheus.NewRegistry()
		spoil(&d)
		if _, err := api.New(d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := w.deps
	d.Registry = prometheus.NewRegistry()
	left := filepath.Join(d.Spool, "mohur-import-1")
	w.must(nil, os.WriteFile(left, []byte("seeds"), 0o600))
	if _, err := api.New(d); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Error("a seed file that a crash left is still there")
	}
}

// tamper edits the hot row of a device's credential, as somebody does who can
// write to the store's file.
func (w *world) tamper(d *banktest.Device) {
	w.T.Helper()
	id := w.ask(w.as("supervisor"), "GET", "/v1/tokens/"+d.ID, nil).is(200).str("credentials.0.id")
	w.Edit(func(f bolttest.File) {
		row := f.Get("hot", id)
		row[7] ^= 1 // the counter's last bit
		f.Put("hot", id, row)
	})
	w.start()
}

// blind is a store whose credentials cannot be read.
type blind struct{ api.Store }

func (blind) Credential(context.Context, string) (tokens.Credential, error) {
	return tokens.Credential{}, store.ErrDamaged
}

// What was done is not told as "nothing was changed", even when the answer about
// it cannot be made.
func TestWhatWasDoneIsToldAsDone(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Store = blind{w.Store} })
	_, d := w.Person(pskc.HOTP)
	p := w.ask(w.as("security"), "POST", "/v1/tokens/"+d.ID+"/suspend", body{"reason": "fraud"}).refused(503, "unavailable")
	if !strings.Contains(p.Detail, "this was done") {
		t.Errorf("detail %q", p.Detail)
	}
	if w.Count("token.suspend", "suspended", "") != 1 {
		t.Error("it was not done")
	}
	p = w.ask(w.as("security"), "GET", "/v1/tokens/"+d.ID, nil).refused(503, "unavailable")
	if strings.Contains(p.Detail, "done;") || strings.Contains(p.Detail, "this was done") {
		t.Errorf("detail %q", p.Detail)
	}
	if m := string(w.ask("", "GET", "/metrics", nil).body); !strings.Contains(m, `mohur_unavailable_total{part="store"} 2`) {
		t.Error("the metrics do not count it")
	}
}
