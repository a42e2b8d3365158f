package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mohur/agent"
	"mohur/agent/agenttest"
	"mohur/agent/dialog"
	"mohur/agent/dialog/dialogtest"
	"mohur/agent/words"
)

const port = 35853

// request is one as a browser sends it from the desk's page.
func (d *desk) request(method, body string, change func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.Host = fmt.Sprintf("127.0.0.1:%d", port)
	r.Header.Set("Origin", d.site.URL)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func command(command string, args map[string]any) string {
	text, _ := json.Marshal(map[string]any{"command": command, "arguments": args})
	return string(text)
}

func TestLoopback(t *testing.T) {
	d := newDesk(t, "P-256")
	h := agent.NewLoopback(d.agent, port)
	logIn := command(agent.Authenticate, map[string]any{"challengeNonce": agenttest.Nonce(d.site.Text("login", nil))})
	d.shown = dialogtest.New(dialogtest.Answer{Yes: true}, rightPIN)
	w := serve(h, d.request("POST", logIn, func(r *http.Request) { r.Host = fmt.Sprintf("localhost:%d", port) }))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"format":"mohur:1"`) || w.Header().Get("Access-Control-Allow-Origin") != d.site.URL || w.Header().Get("Vary") != "Origin" {
		t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if shown := d.shown.Shown(); shown[0].Kind != "confirm" || !strings.Contains(shown[0].Text(), "This page wants to use your card") {
		t.Errorf("the customer was first shown %s", shown[0].Text())
	}
	d.shown = dialogtest.New(dialogtest.Answer{Cancel: true})
	if w := serve(h, d.request("POST", logIn, nil)); w.Code != 200 || !strings.Contains(w.Body.String(), agent.CodeCancelled) {
		t.Errorf("a customer who does not want: %d %s", w.Code, w.Body)
	}
	if w := serve(h, d.request("GET", "", nil)); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"version":"2.9.0"}` {
		t.Errorf("the version: %d %s", w.Code, w.Body)
	}
	w = serve(h, d.request("OPTIONS", "", func(r *http.Request) {
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type")
		r.Header.Set("Access-Control-Request-Private-Network", "true")
	}))
	if hd := w.Header(); w.Code != 204 || hd.Get("Access-Control-Allow-Private-Network") != "true" || hd.Get("Access-Control-Allow-Headers") != "content-type" ||
		!strings.Contains(hd.Get("Access-Control-Allow-Methods"), "POST") || hd.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("the preflight: %d %v", w.Code, hd)
	}
}

func TestAttack10_PagesThatAreNotTheBanksReachNoCard(t *testing.T) {
	d := newDesk(t)
	h := agent.NewLoopback(d.agent, port)
	d.shown = dialogtest.New()
	logIn := command(agent.Authenticate, map[string]any{"challengeNonce": agenttest.Nonce(d.site.Text("login", nil))})
	for name, c := range map[string]struct {
		code   int
		change func(*http.Request)
	}{
		"another page":        {403, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
		"no page":             {403, func(r *http.Request) { r.Header.Del("Origin") }},
		"a page without name": {403, func(r *http.Request) { r.Header.Set("Origin", "null") }},
		"two pages":           {403, func(r *http.Request) { r.Header.Add("Origin", "https://evil.example") }},
		"rebound name":        {403, func(r *http.Request) { r.Host = fmt.Sprintf("evil.example:%d", port) }},
		"name behind a name":  {403, func(r *http.Request) { r.Host = fmt.Sprintf("127.0.0.1.evil.example:%d", port) }},
		"no port":             {403, func(r *http.Request) { r.Host = "127.0.0.1" }},
		"another port":        {403, func(r *http.Request) { r.Host = "127.0.0.1:80" }},
		"another path":        {403, func(r *http.Request) { r.URL.Path = "/x" }},
		"a form":              {415, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
		"no type":             {415, func(r *http.Request) { r.Header.Del("Content-Type") }},
		"two types":           {415, func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }},
		"a type and more":     {415, func(r *http.Request) { r.Header.Set("Content-Type", "application/json, text/plain") }},
		"put":                 {405, func(r *http.Request) { r.Method = "PUT" }},
		"another origin": {400, func(r *http.Request) {
			r.Body = body(command(agent.Authenticate, map[string]any{"challengeNonce": "x", "origin": "https://login.bank.example"}))
		}},
		"too long":   {413, func(r *http.Request) { r.Body = body(strings.Repeat(" ", 9000)) }},
		"no JSON":    {400, func(r *http.Request) { r.Body = body("x") }},
		"no command": {400, func(r *http.Request) { r.Body = body("{}") }},
	} {
		w := serve(h, d.request("POST", logIn, c.change))
		if w.Code != c.code {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if c.code == 403 && len(w.Header().Values("Access-Control-Allow-Origin")) > 0 {
			t.Errorf("%s may read the answer", name)
		}
	}
	if shown := d.shown.All(); shown != "" {
		t.Errorf("the customer was shown %s", shown)
	}
}

func body(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

func TestOneRequestAtATime(t *testing.T) {
	d := newDesk(t)
	h := agent.NewLoopback(d.agent, port)
	asked, ctx := make(chan struct{}), t.Context()
	ctx, cancel := context.WithCancel(ctx)
	d.shown = dialogtest.New(dialogtest.Answer{Hang: true, Before: func() { close(asked) }})
	logIn := command(agent.Authenticate, map[string]any{"challengeNonce": agenttest.Nonce(d.site.Text("login", nil))})
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- serve(h, d.request("POST", logIn, nil).WithContext(ctx)) }()
	<-asked
	if w := serve(h, d.request("POST", logIn, nil)); w.Code != 409 {
		t.Errorf("a second request: %d %s", w.Code, w.Body)
	}
	cancel()
	if w := <-done; !strings.Contains(w.Body.String(), agent.CodeTimeout) {
		t.Errorf("the first one: %d %s", w.Code, w.Body)
	}
}

func TestServeListensHereOnly(t *testing.T) {
	d := newDesk(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.agent.Config.Port = l.Addr().(*net.TCPAddr).Port
	if err := d.agent.Serve(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "running already") {
		t.Errorf("a port that is taken: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- d.agent.Serve(ctx, func(addr string) { ready <- addr }) }()
	addr := <-ready
	r, err := http.NewRequest("GET", "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", d.site.URL)
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.StatusCode != 200 || !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("%s: %v, %v", addr, answer, err)
	}
	if err == nil {
		_ = answer.Body.Close()
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("its end: %v", err)
	}
}

// FuzzLoopback: whatever a page of the bank sends, the answer is JSON, and without
// a customer nothing but an error or the end.
func FuzzLoopback(f *testing.F) {
	f.Add([]byte(command(agent.Authenticate, map[string]any{"challengeNonce": "x", "origin": "https://bank.example"})))
	f.Add([]byte(command(agent.GetSigningCertificate, map[string]any{})))
	f.Add([]byte(`{"command":"quit","arguments":{"origin":null}}`))
	f.Add([]byte(`{"command":"sign","arguments":null}`))
	a := &agent.Agent{
		Config: &agent.Config{Bank: "A", Origins: []string{"https://bank.example"}},
		Dialog: func(words.Language) (dialog.Dialog, error) { return nil, dialog.ErrNone },
	}
	h := agent.NewLoopback(a, port)
	f.Fuzz(func(t *testing.T, text []byte) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(text)))
		r.Host = fmt.Sprintf("127.0.0.1:%d", port)
		r.Header.Set("Origin", "https://bank.example")
		r.Header.Set("Content-Type", "application/json")
		w := serve(h, r)
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer) > 1 || len(answer) == 1 && answer["error"] == nil {
			t.Fatalf("%q: %d %s", text, w.Code, w.Body)
		}
	})
}
