package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/api"
	"mohur/audit"
	"mohur/banktest"
	"mohur/custody"
	"mohur/hsm"
	"mohur/parties"
)

const origin = "bank.test/mohur"

// world is a bank with the HTTP side on top, served over a real connection.
type world struct {
	*banktest.Bank
	deps     api.Deps
	api      *api.Server
	url      string
	log      *logbook
	verifier string
	sealer   *audit.Sequencer
	keys     *keyAdmin
	callers  map[string]string // name → API key
	spool    string
}

// logbook is what the server logged, as JSON.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// keyAdmin lists the keys of the HSM and notes what it is asked to change there.
type keyAdmin struct {
	hsm.Module
	mu      sync.Mutex
	changed []string
	made    *rsa.PublicKey
	fault   error
}

func (k *keyAdmin) ImportTransport(_ context.Context, name string, key []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = append(k.changed, "import "+name)
	clear(key)
	return k.fault
}

func (k *keyAdmin) MakeTransport(_ context.Context, name string, bits int) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = append(k.changed, "make "+name)
	if k.fault != nil {
		return nil, k.fault
	}
	made, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	k.made = &made.PublicKey
	return k.made, nil
}

func (k *keyAdmin) Rotate(_ context.Context, key hsm.Key) (hsm.KeyInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = append(k.changed, "rotate "+string(key))
	return hsm.KeyInfo{Key: key, Version: 2, Type: "AES-256", Use: "wraps the seeds of tokens"}, k.fault
}

func (k *keyAdmin) TransportPublic(_ context.Context, name string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.made == nil {
		return nil, &hsm.Fault{Class: hsm.ClassInput, Err: errors.New("no such key")}
	}
	return k.made, k.fault
}

func (k *keyAdmin) DeleteTransport(_ context.Context, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = append(k.changed, "delete "+name)
	return k.fault
}

// newWorld opens a bank in development; change may alter its parts before the
// server is made of them.
func newWorld(t *testing.T, change ...func(*world)) *world {
	t.Helper()
	b := banktest.New(t)
	pub, err := b.HSM.Public(t.Context(), hsm.AuditSigning)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := audit.VerifierString(origin, pub)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Bank: b, log: &logbook{}, verifier: verifier, keys: &keyAdmin{Module: b.HSM}, callers: map[string]string{}, spool: t.TempDir()}
	if err := os.Chmod(w.spool, 0o700); err != nil {
		t.Fatal(err)
	}
	w.start(change...)
	return w
}

// start makes the server over the bank as it is now.
func (w *world) start(change ...func(*world)) {
	w.T.Helper()
	b := w.Bank
	w.sealer = &audit.Sequencer{Store: b.Engine, Signer: b.HSM, Origin: origin, Now: b.Clock.Now}
	w.deps = api.Deps{
		Authn: b.Authn, Payments: b.Payments, Parties: b.Parties, Enrollment: b.Enrollment, Approvals: b.Approvals, Rules: b.Book, Store: b.Store, HSM: b.HSM,
		Keys:       &custody.Service{Store: b.Store, Settler: b.Store, HSM: w.keys, Audit: b.Audit, Development: true, Now: b.Clock.Now},
		StoreCheck: b.Engine.Check, Log: api.Log{Store: b.Engine, Verifier: w.verifier},
		Issuer: banktest.Issuer, Development: true, Version: "test", Spool: w.spool,
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: b.Clock.Now,
	}
	for _, f := range change {
		f(w)
	}
	b.Approvals.Alone = w.deps.Development
	var err error
	if w.api, err = api.New(w.deps); err != nil {
		w.T.Fatal(err)
	}
	w.url = serve(w.T, w.api.Handler(w.api.APIKeys))
	w.T.Cleanup(w.api.Wait)
}

func serve(t testing.TB, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// as returns the API key of a client with these roles, made at its first use.
// Clients of different names are different clients.
func (w *world) as(name string, roles ...parties.Role) string {
	w.T.Helper()
	if key := w.callers[name]; key != "" {
		return key
	}
	if len(roles) == 0 {
		roles = []parties.Role{parties.Role(name)}
	}
	_, key, err := w.Parties.CreateClient(w.T.Context(), parties.CreateClientCommand{Caller: w.Staff(), Name: name, Roles: roles})
	if err != nil {
		w.T.Fatal(err)
	}
	w.callers[name] = key
	return key
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// ask sends a request. A body that is no []byte or string is sent as JSON; nil is
// no body.
func (w *world) ask(key, method, path string, body any) *answer {
	w.T.Helper()
	h := http.Header{}
	if key != "" {
		h.Set("Authorization", "Bearer "+key)
	}
	var text []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		text = b
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			w.T.Fatal(err)
		}
	}
	if text != nil {
		h.Set("Content-Type", "application/json")
	}
	return w.send(h, method, path, bytes.NewReader(text))
}

func (w *world) send(h http.Header, method, path string, body io.Reader) *answer {
	w.T.Helper()
	r, err := http.NewRequestWithContext(w.T.Context(), method, w.url+path, body)
	if err != nil {
		w.T.Fatal(err)
	}
	r.Header = h
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.T.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.T.Fatalf("%s %s: %v", method, path, err)
	}
	return &answer{t: w.T, what: method + " " + path, status: res.StatusCode, header: res.Header, body: text}
}

// is expects a status and returns the members of the body.
func (a *answer) is(status int) object {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d %s, want %d", a.what, a.status, a.body, status)
	}
	if len(a.body) == 0 {
		return object{t: a.t}
	}
	out := object{t: a.t, m: map[string]any{}}
	if err := json.Unmarshal(a.body, &out.m); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	return out
}

// problem is a problem document as the contract has it.
type problemDoc struct {
	Type, Title, Detail, Instance string
	Status                        int
	Errors                        []struct{ Field, Message string }
	ACRValues                     string `json:"acr_values"`
	MaxAge                        *int64 `json:"max_age"`
}

// refused expects a problem document and checks that it is a whole one, with
// nothing in it that the contract does not name.
func (a *answer) refused(status int, code string) problemDoc {
	a.t.Helper()
	var p problemDoc
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		a.t.Fatalf("%s: %d %s: %v", a.what, a.status, a.body, err)
	}
	if a.status != status || p.Type != "urn:mohur:problem:"+code {
		a.t.Fatalf("%s: %d %s, want %d %s", a.what, a.status, a.body, status, code)
	}
	switch {
	case a.header.Get("Content-Type") != "application/problem+json":
		a.t.Errorf("%s: content type %q", a.what, a.header.Get("Content-Type"))
	case p.Status != a.status || p.Title == "" || p.Detail == "":
		a.t.Errorf("%s: an incomplete problem: %s", a.what, a.body)
	case p.Instance == "" || p.Instance != a.header.Get("X-Request-Id"):
		a.t.Errorf("%s: instance %q, request %q", a.what, p.Instance, a.header.Get("X-Request-Id"))
	case (code == "unauthorized") != (a.header.Get("WWW-Authenticate") == "Bearer"):
		a.t.Errorf("%s: WWW-Authenticate %q", a.what, a.header.Get("WWW-Authenticate"))
	}
	for _, e := range p.Errors {
		if e.Field == "" || e.Message == "" {
			a.t.Errorf("%s: an incomplete error: %s", a.what, a.body)
		}
	}
	return p
}

// faulty expects the refusal of one member.
func (a *answer) faulty(field string) {
	a.t.Helper()
	p := a.refused(422, "invalid-request")
	for _, e := range p.Errors {
		if e.Field == field {
			return
		}
	}
	a.t.Errorf("%s: %s, want a fault of %q", a.what, a.body, field)
}

// object is a JSON object.
type object struct {
	t testing.TB
	m map[string]any
}

// at follows a path of names and indexes, such as "methods.0.question".
func (o object) at(path string) any {
	o.t.Helper()
	var v any = o.m
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i := int(name[0] - '0')
			if i >= len(x) {
				o.t.Fatalf("no %s in %v", path, o.m)
			}
			v = x[i]
		default:
			o.t.Fatalf("no %s in %v", path, o.m)
		}
	}
	return v
}

func (o object) str(path string) string {
	o.t.Helper()
	s, is := o.at(path).(string)
	if !is {
		o.t.Fatalf("%s is no text in %v", path, o.m)
	}
	return s
}

func (o object) has(want map[string]any) {
	o.t.Helper()
	for path, v := range want {
		if got := o.at(path); got != v {
			o.t.Errorf("%s is %v, want %v", path, got, v)
		}
	}
}

// checkpoint covers everything written so far.
func (w *world) checkpoint() {
	w.T.Helper()
	if err := w.sealer.Checkpoint(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatal(what)
}

func contextWithDelay(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
