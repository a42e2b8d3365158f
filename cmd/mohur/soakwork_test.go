package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/ident"
)

// soakDir is a bank that tells nobody to come back later.
func soakDir(t *testing.T) string {
	t.Helper()
	dir := crashDir(t)
	file := filepath.Join(dir, configName)
	text := regexp.MustCompile(`_failures: \d+`).ReplaceAll(read(t, file), []byte("_failures: 1000000"))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// crew is everybody who calls a server, each again and again at a pace of his own:
// so the load is the same from the first minute to the last.
type crew struct {
	t        *testing.T
	p        *process
	people   []*story
	ctx      context.Context
	cancel   context.CancelFunc
	all      sync.WaitGroup
	requests atomic.Int64

	mu    sync.Mutex
	count map[string]int
}

// counted counts the requests of everybody.
type counted struct {
	http.RoundTripper
	n *atomic.Int64
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

func newCrew(t *testing.T, p *process) *crew {
	t.Helper()
	w := &crew{t: t, p: p, count: map[string]int{}}
	w.people = customers(t, p, len(chores)+1) // the last one only asks the metrics
	for _, s := range w.people {
		s.http.Transport.(*remembering).RoundTripper = counted{s.http.Transport.(*remembering).RoundTripper, &w.requests}
	}
	return w
}

func (w *crew) start() {
	w.ctx, w.cancel = context.WithCancel(w.t.Context())
	for i, e := range chores {
		w.all.Go(func() {
			for next := time.Now(); w.ctx.Err() == nil; next = next.Add(e.every) {
				w.people[i].told, w.people[i].says = nil, nil
				err := e.run(w.ctx, w.people[i])
				var answered *unexpected
				switch {
				case w.ctx.Err() != nil:
					return
				case err == nil:
					w.note(e.name)
				case errors.As(err, &answered) && answered.got == http.StatusServiceUnavailable:
					w.note("answer that a part is away") // on a machine that has too much to do
				default:
					w.t.Errorf("%s: %v", e.name, err)
					return
				}
				time.Sleep(time.Until(next.Add(e.every)))
				next = later(next, time.Now().Add(-e.every)) // what was missed is not made up for
			}
		})
	}
}

func (w *crew) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[what]++
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *crew) stop() {
	w.cancel()
	w.all.Wait()
	for _, c := range chores {
		if w.count[c.name] == 0 {
			w.t.Errorf("%s: not once", c.name)
		}
	}
}

// done is how often everything was done.
func (w *crew) done() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("%d requests", w.requests.Load())
	for _, name := range slices.Sorted(maps.Keys(w.count)) {
		text += fmt.Sprintf(", %d × %s", w.count[name], name)
	}
	return text
}

// hsmCalls asks the metrics.
func (w *crew) hsmCalls() (n int64) {
	watcher := w.people[len(chores)]
	resp, err := watcher.http.Get(watcher.base + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^mohur_hsm_call_seconds_count\{.*\} (\d+)$`).FindAllSubmatch(text, -1) {
		calls, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
		n += calls
	}
	return n
}

// chore is something that is done again and again by one person.
type chore struct {
	name  string
	every time.Duration
	run   func(ctx context.Context, s *story) error
}

var chores = []chore{
	{"log-in and log-out", 500 * time.Millisecond, logInAndOut},
	{"log-in and log-out", 500 * time.Millisecond, logInAndOut},
	{"wrong code", time.Second, errs},
	{"payment", 1500 * time.Millisecond, paysOnce},
	{"session touched and introspected", 100 * time.Millisecond, staysThere},
	{"stranger", 200 * time.Millisecond, tries},
	{"customer report", time.Second, complains},
	{"import of ten keys", 5 * time.Second, imports},
	{"idempotent repeat", 300 * time.Millisecond, repeats},
	{"page of a list", 100 * time.Millisecond, lists},
	{"new connection", time.Second, connects},
}

func logInAndOut(ctx context.Context, s *story) error {
	if _, err := s.logsIn(ctx); err != nil {
		return err
	}
	return s.ask(ctx, frontend, http.MethodDelete, "/v1/sessions/"+s.session, nil, http.StatusNoContent, nil)
}

// errs types a wrong code, and then the right one: who only erred would be locked.
func errs(ctx context.Context, s *story) error {
	id, err := s.pinThen(ctx, s.pin)
	if err != nil {
		return err
	}
	if err := s.refuse(ctx, id, "otp", wrongCode(s.tokens[0])); err != nil {
		return err
	}
	return logInAndOut(ctx, s)
}

func paysOnce(ctx context.Context, s *story) error {
	if _, err := s.logsIn(ctx); err != nil {
		return err
	}
	if _, err := s.pays(ctx, ident.Text(4)); err != nil {
		return err
	}
	return s.ask(ctx, frontend, http.MethodDelete, "/v1/sessions/"+s.session, nil, http.StatusNoContent, nil)
}

// staysThere is somebody at work. His access token is renewed by his activity.
func staysThere(ctx context.Context, s *story) error {
	if s.access == "" {
		if _, err := s.logsIn(ctx); err != nil {
			return err
		}
	}
	var g struct {
		AccessToken string `json:"access_token"`
	}
	if err := s.ask(ctx, frontend, http.MethodPost, "/v1/sessions/"+s.session+"/touch", map[string]string{"activity": "user"}, http.StatusOK, &g); err != nil {
		return err
	}
	if g.AccessToken != "" {
		s.access = g.AccessToken
	}
	return s.active(ctx, true)
}

// tries is somebody of whom nobody knows, every time another.
func tries(ctx context.Context, s *story) error {
	was := s.customer
	defer func() { s.customer = was }()
	s.customer = ident.New("C")
	a, err := s.begin(ctx)
	if err != nil {
		return err
	}
	for _, m := range a.Methods {
		if m.Method != "otp" { // he seems to have a token of another kind
			continue
		}
		if _, err := s.answer(ctx, a.ID, "pin", "482913", "pending"); err != nil {
			return err
		}
		return s.refuse(ctx, a.ID, "otp", "000000")
	}
	return s.refuse(ctx, a.ID, "pin", "482913")
}

func complains(ctx context.Context, s *story) error {
	return s.ask(ctx, helpdesk, http.MethodPost, "/v1/customer-reports", map[string]string{
		"customer": s.customer, "kind": "technical", "channel": "phone", "details": "the page does not load",
	}, http.StatusCreated, nil)
}

// imports brings a transport key and a file under it, and lets the key go.
func imports(ctx context.Context, s *story) error {
	was, run := s.tokens, s.run
	defer func() { s.tokens, s.run = was, run }()
	s.tokens, s.run = nil, strings.ToUpper(ident.Text(8)[:6])
	if err := bringTransportKey(ctx, s); err != nil {
		return err
	}
	return importBatch(ctx, s)
}

// repeats sends the same request twice, as somebody whose connection broke.
func repeats(ctx context.Context, s *story) error {
	key, body := ident.New("key"), `{"customer":"`+s.customer+`","kind":"error","channel":"mobile","details":"a typing error"}`
	var first []byte
	for range 2 {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/v1/customer-reports", strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+s.keys[helpdesk])
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		resp, err := s.http.Do(r)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusCreated || first != nil && !bytes.Equal(first, answer) {
			return &unexpected{what: "a repeat of what was answered with " + string(first), want: http.StatusCreated, got: resp.StatusCode, body: answer}
		}
		first = answer
	}
	return nil
}

var pagesListed = []struct{ who, path string }{
	{operator, "/v1/tokens?limit=200"}, {helpdesk, "/v1/tokens?state=in_stock"}, {auditor, "/v1/audit/entries?limit=200"},
	{auditor, "/v1/incidents?limit=50"}, {core, "/v1/transactions?limit=50"}, {admin, "/v1/clients"}, {auditor, "/v1/audit/checkpoint"},
	{nobody, "/openapi.json"}, {nobody, "/docs"}, {nobody, "/.well-known/jwks.json"},
}

func lists(ctx context.Context, s *story) error {
	var b [1]byte
	rand.Read(b[:])
	page := pagesListed[int(b[0])%len(pagesListed)]
	_, err := s.send(ctx, page.who, http.MethodGet, page.path, "", nil, nil, http.StatusOK)
	return err
}

// connects opens a connection for one request, as scripts do.
func connects(ctx context.Context, s *story) error {
	s.http.Transport.(*remembering).RoundTripper.(counted).RoundTripper.(*http.Transport).CloseIdleConnections()
	return s.ask(ctx, nobody, http.MethodGet, "/healthz", nil, http.StatusOK, nil)
}
