package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"mohur/api"
	"mohur/problem"
)

// TestRequestsAreReadStrictly sends what a lenient server would take for
// something: each is refused, and says which member is wrong.
func TestRequestsAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	const login = `"customer":"C-1","purpose":"login","channel":"internet"`
	w.ask(key, "POST", "/v1/authentications", "{"+login+"}").is(201)
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, c := range []struct{ name, body, field string }{
		{"unknown member", `{` + login + `,"colour":"red"}`, "colour"},
		{"unknown member inside", `{` + login + `,"context":{"ip":"1.2.3.4","os":"x"}}`, "context.os"},
		{"unknown member in a list", `{` + login + `,"responses":[{"method":"pin","pin":"271828"},{"metod":"otp"}]}`, "responses.1.metod"},
		{"another case", `{` + login + `,"Binding":"b"}`, "Binding"},
		{"member twice", `{` + login + `,"channel":"pc"}`, "channel"},
		{"member twice inside", `{` + login + `,"context":{"ip":"1.2.3.4","ip":"1.2.3.5"}}`, "context.ip"},
		{"member twice, escaped", `{` + login + `,"chann\u0065l":"pc"}`, "channel"},
		{"member twice in what is opaque", `{` + login + `,"responses":[{"method":"fido","credential":{"id":"a","id":"b"}}]}`, "responses.0.credential.id"},
		{"number for text", `{"customer":7,"purpose":"login","channel":"internet"}`, "customer"},
		{"text for a list", `{` + login + `,"responses":"271828"}`, "responses"},
		{"list for an object", `{` + login + `,"context":[]}`, "context"},
		{"null for text", `{` + login + `,"acr":null}`, "acr"},
		{"null in a list", `{` + login + `,"responses":[null]}`, "responses.0"},
		{"null for everything", `null`, "body"},
		{"a list for everything", `[{` + login + `}]`, "body"},
		{"text for everything", `"login"`, "body"},
		{"nothing", ``, "body"},
		{"blank", `  `, "body"},
		{"cut off", `{` + login, "body"},
		{"something behind", `{` + login + `} {}`, "body"},
		{"a letter behind", `{` + login + `}x`, "body"},
		{"a comma too many", `{` + login + `,}`, "body"},
		{"a comment", `{` + login + `/* x */}`, "body"},
		{"single quotes", `{'customer':'C-1'}`, "body"},
		{"not UTF-8", "{" + login + ",\"binding\":\"\xff\"}", "binding"},
		{"half a surrogate", `{` + login + `,"binding":"\ud800"}`, "binding"},
		{"a byte order mark", "\ufeff{" + login + "}", "body"},
		{"a control character", "{" + login + ",\"binding\":\"\x01\"}", "binding"},
		{"nesting", `{` + login + `,"action":{"name":"customer.pin","data":` + deep + `}}`, "body"},
		{"nesting in what is unknown", `{"x":` + deep + `}`, "body"},
		{"neither customer nor subject", `{"purpose":"login","channel":"internet"}`, "customer"},
		{"customer and subject", `{` + login + `,"subject":{"kind":"customer","id":"C-1"}}`, "customer"},
		{"a subject of no kind", `{"subject":{"kind":"robot","id":"S-1"},"purpose":"login","channel":"internet"}`, "subject.kind"},
		{"a payment", `{"customer":"C-1","purpose":"payment","channel":"internet"}`, "purpose"},
		{"no channel", `{"customer":"C-1","purpose":"login"}`, "channel"},
		{"linked", `{` + login + `,"acr":"linked"}`, "acr"},
		{"an action of no name", `{"customer":"C-1","purpose":"action","channel":"pc","action":{"name":"everything","data":{}}}`, "action.name"},
		{"an action on no object", `{"customer":"C-1","purpose":"action","channel":"pc","action":{"name":"customer.pin","data":5}}`, "action.data"},
		{"a response of no method", `{` + login + `,"responses":[{"method":"smoke"}]}`, "responses.0.method"},
		{"a response without its member", `{` + login + `,"responses":[{"method":"otp","pin":"271828"}]}`, "responses.0.code"},
		{"a response with another's member", `{` + login + `,"responses":[{"method":"pin","pin":"271828","code":"123456"}]}`, "responses.0.code"},
		{"a long code", `{` + login + `,"responses":[{"method":"otp","code":"` + strings.Repeat("1", 65) + `"}]}`, "responses.0.code"},
		{"many responses", `{` + login + `,"responses":[` + strings.Repeat(`{"method":"otp","code":"123456"},`, 4) + `{"method":"otp","code":"123456"}]}`, "responses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.ask(key, "POST", "/v1/authentications", c.body)
			a.t = t
			a.faulty(c.field)
			for _, secret := range []string{"271828", "123456", "1.2.3.4"} {
				if bytes.Contains(a.body, []byte(secret)) {
					t.Errorf("the refusal repeats a value: %s", a.body)
				}
			}
		})
	}
	if got := w.Count("authentication.opened", "", ""); got != 1 {
		t.Errorf("%d authentications were opened, want the first only", got)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t)
	key := w.as("frontend")
	big := `{"customer":"` + strings.Repeat("x", 2<<20) + `"}`
	w.ask(key, "POST", "/v1/authentications", big).refused(413, "too-large")
	h := func(more ...string) http.Header {
		out := http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
		for i := 0; i < len(more); i += 2 {
			out.Set(more[i], more[i+1])
		}
		return out
	}
	// Without an announced length it is read, and only as far as allowed.
	w.send(h(), "POST", "/v1/authentications", io.MultiReader(strings.NewReader(big))).refused(413, "too-large")
	for _, kind := range []string{"", "text/plain", "application/jsonp", "application/json; charset=latin-1", "multipart/form-data; boundary=x", "application/json, text/plain"} {
		w.send(h("Content-Type", kind), "POST", "/v1/authentications", strings.NewReader("{}")).refused(415, "unsupported-media-type")
	}
	w.send(h("Content-Encoding", "gzip"), "POST", "/v1/authentications", strings.NewReader("{}")).refused(415, "unsupported-media-type")
	for _, kind := range []string{"application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"} {
		w.send(h("Content-Type", kind), "POST", "/v1/authentications", strings.NewReader("{}")).faulty("customer")
	}
}

func TestQueriesAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	key := w.as("auditor")
	for query, field := range map[string]string{
		"stat=active": "stat", "state=alive": "state", "state=active&state=active": "state", "limit=0": "limit", "limit=201": "limit",
		"limit=x": "limit", "cursor=abc": "cursor", "%zz": "query", "a;b": "query", "\x7f=1": "query", "kind=cards": "kind",
		"q=" + strings.Repeat("x", 300): "q",
	} {
		w.ask(key, "GET", "/v1/tokens?"+strings.ReplaceAll(query, "\x7f", "%7f"), nil).faulty(field)
	}
	for query, field := range map[string]string{"from=yesterday": "from", "state=done": "state", "decision=maybe": "decision", "cursor=abc": "cursor"} {
		w.ask(key, "GET", "/v1/transactions?"+query, nil).faulty(field)
	}
	for query, field := range map[string]string{"": "index", "index=-1": "index", "index=1.5": "index", "index=99999999999999999999": "index"} {
		w.ask(key, "GET", "/v1/audit/proof?"+query, nil).faulty(field)
	}
	w.ask(key, "GET", "/v1/incidents?cursor=abc", nil).faulty("cursor")
	w.ask("", "GET", "/readyz?x=1", nil).faulty("x")
	for _, path := range []string{"/v1/tokens/%ff", "/v1/tokens/a%00b", "/v1/tokens/" + strings.Repeat("x", 300), "/v1/customers/%0a"} {
		w.ask(w.as("helpdesk"), "GET", path, nil).refused(404, "not-found")
	}
}

func TestASlowBodyIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.api.SetWaits(100*time.Millisecond, 0, 0)
	r, hold := io.Pipe()
	defer hold.Close()
	go fmt.Fprint(hold, `{"customer":"C-1",`)
	began := time.Now()
	a := w.send(http.Header{"Authorization": {"Bearer " + w.as("frontend")}, "Content-Type": {"application/json"}}, "POST", "/v1/authentications", r)
	a.refused(422, "invalid-request")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was waited for %s", took)
	}
}

// FuzzDecode feeds the strict decoder. What it takes, every reader of JSON takes
// for the same; what it refuses, it refuses without repeating a value.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"customer":"C-1","purpose":"login","channel":"internet","context":{"ip":"1.2.3.4"}}`,
		`{"responses":[{"method":"pin","pin":"271828"},{"method":"otp","code":"123456"}]}`,
		`{"action":{"name":"payees.add","data":{"a":[1,2,{"b":null}]}}}`, `{"customer":"a","customer":"b"}`, `{"binding":"\ud800"}`, `null`, `[]`, ``,
		strings.Repeat(`{"action":`, 40), `{"customer":{"x":1}}`, "{\"binding\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := api.DecodeBegin(body)
		if err != nil {
			checkRefusal(t, err)
			return
		}
		var members map[string]any
		if err := json.Unmarshal(body, &members); err != nil {
			t.Errorf("taken, but not by others: %v", err)
		}
		again, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		if err := api.DecodeBegin(again); err != nil {
			t.Errorf("taken once and not again: %v", err)
		}
	})
}

// words are all that a refusal of a body says; everything else would come from
// the body. The path it names is of names, not of values.
var words = regexp.MustCompile(`^((the request has members that cannot be accepted|the body )?(is not JSON in UTF-8 \(RFC 8259\), seen at byte \d+)?` +
	`|is not a member of this request|is there twice|must not be null; leave it out instead|nests deeper than 32 levels` +
	`|needs to be (a string|true or false|a whole number|an array|an object))$`)

func checkRefusal(t *testing.T, err error) {
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Invalid || len(p.Fields) != 1 || !words.MatchString(p.Detail) || !words.MatchString(p.Fields[0].Message) {
		t.Fatalf("refused with %v", err)
	}
	path := p.Fields[0].Field
	if path == "" || len(path) > 110 || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the path %q", path)
	}
}

// FuzzKey feeds the reader of the Authorization header.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"Bearer mk_0123456789abcdefghjkmnpqrs_AAAA", "bearer x", "Bearer  x", "Basic x", "Bearer", "Bearer ", "Bearer x y", "Bearer \xff"} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, line string, n int) {
		h := http.Header{}
		for range n % 4 {
			h.Add("Authorization", line)
		}
		key, ok := api.Bearer(h)
		if !ok {
			if key != "" {
				t.Errorf("no key, and %q", key)
			}
			return
		}
		if len(h["Authorization"]) != 1 || !strings.HasSuffix(line, " "+key) || len(line) != len("Bearer ")+len(key) || strings.ContainsAny(key, " \t\r\n\x00") || len(key) > 256 {
			t.Errorf("%q read as %q", line, key)
		}
	})
}
