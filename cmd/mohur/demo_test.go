package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo: the whole story passes, over and over, and shows no secret.
func TestDemo(t *testing.T) {
	in := start(t)
	first := must(t, "demo", "--config", in.file)
	if !strings.Contains(first, "All 18 steps went as told") {
		t.Errorf("the end is missing:\n%s", first)
	}
	if strings.Contains(first, "\x1b") {
		t.Error("colours where nobody looks")
	}
	var again struct {
		OK    bool
		Steps []played
	}
	text := must(t, "demo", "--config", in.file, "--json")
	if err := json.Unmarshal([]byte(text), &again); err != nil {
		t.Fatal(err)
	}
	if !again.OK || len(again.Steps) != len(chapters()) {
		t.Errorf("ok %v, %d steps", again.OK, len(again.Steps))
	}
	refused := 0
	for _, s := range again.Steps {
		for _, x := range s.Exchanges {
			if x.Status == http.StatusForbidden {
				refused++
			}
		}
	}
	if refused < 8 {
		t.Errorf("only %d refusals on the way", refused)
	}
	key, err := os.ReadFile(filepath.Join(in.dir, adminKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(first+text+in.log.String(), strings.TrimSpace(string(key))) {
		t.Error("the admin key is shown")
	}
}

// TestAttack08_Sniffing: who listens on the line between a front end and the
// server reads none of what passes: no key, no PIN, no code, no name.
func TestAttack08_Sniffing(t *testing.T) {
	in := start(t)
	var heard buffer
	line := tap(t, in.address, &heard)
	c, err := loadConfig(in.file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStory(t.Context(), c, "https://"+line)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.tell(t.Context(), chapters(), func(int, string, []exchange, []string, error) {}); err != nil {
		t.Fatalf("step %d: %v", len(all), err)
	}
	in.stop()
	wire := heard.String()
	if len(wire) < 10000 {
		t.Fatalf("only %d bytes were heard", len(wire))
	}
	secrets := []string{s.pin, s.lastCode, s.own.answer, s.own.authorization, s.access, s.customer, "Bearer", "HTTP/1.1", "authentications", "1500.00"}
	for _, key := range s.keys {
		secrets = append(secrets, key)
	}
	for _, secret := range secrets {
		if secret == "" {
			t.Error("a secret of the story is empty")
		} else if strings.Contains(wire, secret) {
			t.Errorf("%.8s… can be heard", secret)
		}
	}
}

// tap passes connections on to the address and writes down what is said.
func tap(t *testing.T, to string, heard io.Writer) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				return
			}
			pass := func(a, b net.Conn) {
				_, _ = io.Copy(io.MultiWriter(a, heard), b)
				a.Close()
				b.Close()
			}
			go pass(near, far)
			go pass(far, near)
		}
	}()
	return l.Addr().String()
}

// TestDemoEnds: the demonstration ends at the first step that goes otherwise
// than told, and says how.
func TestDemoEnds(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			_, _ = io.WriteString(w, `{"development":true}`)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	s := &story{http: server.Client(), base: server.URL, c: defaults(), run: "X", keys: map[string]string{}}
	told := 0
	all, err := s.tell(t.Context(), chapters(), func(int, string, []exchange, []string, error) { told++ })
	var wrong *unexpected
	if !errors.As(err, &wrong) || wrong.got != http.StatusTeapot || len(all) != 2 || told != 2 || all[1].Error == "" {
		t.Errorf("%v after %d steps", err, len(all))
	}
}

// TestDemoChaptersCheck: each chapter fails when the server lies, so none of
// them can pass by accident: one that answers everything with success is found
// out in each.
func TestDemoChaptersCheck(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{}`)
	}))
	defer server.Close()
	for _, ch := range chapters() {
		c := defaults()
		c.Dir = t.TempDir()
		s := &story{http: server.Client(), base: server.URL, c: c, run: "X", keys: map[string]string{}, pin: "718294", own: &demoPayment{question: "12345678"}}
		s.tokens = []*demoToken{newDemoToken("X")}
		if err := ch.play(context.Background(), s); err == nil {
			t.Errorf("%q believes everything", ch.title)
		}
	}
}

// TestShortened: what is shown holds no secret and not everything.
func TestShortened(t *testing.T) {
	got := string(shortened([]byte(`{"z":1,"pin":"718294","id":"a","access_token":"eyJhbGciOiJFUzI1NiJ9","responses":[{"pin":"718294"}],
		"proof":{"activation_secret":"ABCDEFGHJKLM"},"list":[1,2,3,4,5],"type":"urn:mohur:problem:conflict","title":"t","name":"Ələkbər & Co"}`)))
	want := `{"id":"a","type":"conflict","access_token":"eyJhbG…","list":[1,2,3,"… 2 more"],"name":"Ələkbər & Co","pin":"••••••",` +
		`"proof":{"activation_secret":"ABCDEF…"},"responses":[{"pin":"••••••"}],"z":1}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(shortened([]byte("not JSON"))); got != `"not JSON"` {
		t.Error(got)
	}
}
