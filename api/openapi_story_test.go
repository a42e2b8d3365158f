package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
)

var record = flag.Bool("record-examples", false, "write the answers of the bank into openapi/examples.json")

// tale is a step of the story as the file has it; the test takes what is sent
// and expected from the published document, and only the order from here.
type tale struct {
	Operation string            `json:"operation"`
	Name      string            `json:"name"`
	As        string            `json:"as,omitempty"`
	Path      map[string]string `json:"path,omitempty"`
	Query     map[string]string `json:"query,omitempty"`
	Body      json.RawMessage   `json:"body,omitempty"`
	Status    int               `json:"status"`
	Keep      map[string]string `json:"keep,omitempty"`
	Answer    json.RawMessage   `json:"answer,omitempty"`
}

// teller plays the story against a bank.
type teller struct {
	*world
	book  *book
	real  map[string]string // what stands in the document → what it is in this bank
	key   *banktest.Key
	asked json.RawMessage // of a FIDO2 key, last
	card  *banktest.Card
	signs *banktest.Card // the same person's certificate for documents
	nonce string         // asked of a card, last
	text  string         // and what it stands for
	held  *banktest.HolderKey
	press uint64 // how often the token has answered an OCRA question
}

// appURI is what stands in the examples for the URI of an app.
const appURI = "otpauth://totp/bank.example:C-1001%20%28K7TQ%29?algorithm=SHA1&digits=6&issuer=bank.example&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

// ocraSeed is the seed in the seed file of the examples.
const ocraSeed = "12345678901234567890123456789012"

func TestEveryExampleOfTheDocumentIsTrue(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.RelatedOrigins = []byte(`{"origins":["https://shop.example"]}`) })
	w.Enrollment.Apps = true
	w.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}, Resident: fido.Preferred})
	s := &teller{world: w, book: w.openAPI(), real: map[string]string{}, key: w.NewKey(), held: w.NewHolderKey()}
	state := w.AllowCards()
	s.card, s.signs = state.NewCard("PNOAZ-5AB12CD"), state.NewSigner("PNOAZ-5AB12CD")
	text, err := os.ReadFile("openapi/examples.json")
	w.must(nil, err)
	var all []tale
	w.must(nil, json.Unmarshal(text, &all))

	told := map[string]bool{}
	for i := range all {
		st := &all[i]
		if told[st.Operation+": "+st.Name] {
			t.Errorf("%s: %s is told twice", st.Operation, st.Name)
		}
		told[st.Operation+": "+st.Name] = true
		if !t.Run(st.Operation+"/"+st.Name, func(t *testing.T) { s.play(t, st) }) {
			if !*record {
				t.Fatal("the story does not go on")
			}
		}
	}
	for name := range s.book.examples() {
		if !told[name] {
			t.Errorf("the example %q is in the document and not in the story", name)
		}
	}
	for _, op := range s.book.operations {
		if len(op.Examples) == 0 && op.ID != "getOpenAPI" && op.ID != "getDocs" && op.ID != "getDemo" && op.ID != "getAuthorityFile" && op.ID != "getCRL" {
			t.Errorf("%s has no example", op.ID)
		}
	}
	if *record {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		w.must(nil, e.Encode(all))
		w.must(nil, os.WriteFile("openapi/examples.json", out.Bytes(), 0o644))
	}
}

// play sends one example as the document has it.
func (s *teller) play(t *testing.T, st *tale) {
	op := s.book.byID[st.Operation]
	if op == nil {
		t.Fatal("the document has no such operation")
	}
	ex := op.example(st.Name)
	if ex == nil {
		t.Fatal("the document does not have this example")
	}
	s.before(st)
	path := op.path
	query := url.Values{}
	for _, p := range op.Parameters {
		v, sent := p.sent(st.Name)
		switch {
		case !sent && p.In == "path":
			t.Fatalf("no value for %s", p.Name)
		case !sent:
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(s.really(v)), 1)
		default:
			query.Set(p.Name, s.really(v))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	key := ""
	if ex.Caller != "" {
		key = s.as(ex.Caller)
		if !slices.Contains(op.Roles, ex.Caller) {
			t.Fatalf("asked by %s, who may not", ex.Caller)
		}
	}
	sent := op.bodyOf(st.Name)
	if st.Body != nil && sent == nil {
		t.Fatal("the document does not have the body")
	}
	if _, multipart := op.Body.Content["multipart/form-data"]; !multipart && sent != nil {
		s.book.valid(t, op.Body.Content["application/json"].Schema, sent, "the request")
		s.strict(t, op, key, path, sent, st)
	}
	a := s.sendExample(op, key, path, sent)
	if a.status != ex.Status || a.status != st.Status {
		t.Fatalf("%s: %d %s, want %d", a.what, a.status, a.body, ex.Status)
	}
	s.compare(t, op, st, a)
}

// before brings about what time brings about outside.
func (s *teller) before(st *tale) {
	// It changes only where no import runs, which reads it.
	if inside := !strings.HasSuffix(st.Name, "outside development"); s.Enrollment.Development != inside {
		s.Enrollment.Development = inside
	}
	switch st.Operation {
	case "getImport", "listRejected":
		s.ended(s.really(st.Path["id"]))
	case "listEntries":
		s.checkpoint()
	case "listApprovals": // from here on the supervisor is the development key
		s.callers["supervisor"] = s.client(parties.CreateClientCommand{Caller: s.Staff(), Name: "development", Roles: parties.Roles()})
	}
}

func (s *teller) sendExample(op *opened, key, path string, sent json.RawMessage) *answer {
	if sent == nil {
		return s.ask(key, op.method, path, nil)
	}
	if _, multipart := op.Body.Content["multipart/form-data"]; multipart {
		var fields map[string]string
		s.must(nil, json.Unmarshal(sent, &fields))
		var pairs []string
		for name, v := range fields {
			pairs = append(pairs, name, v)
		}
		return s.bring(key, pairs...)
	}
	return s.ask(key, op.method, path, s.body(sent))
}

// body is the example with the values of this bank.
func (s *teller) body(sent json.RawMessage) map[string]any {
	var m map[string]any
	s.must(nil, json.Unmarshal(sent, &m))
	if m["method"] == "ocra" { // the customer types the question into his token
		m["code"] = banktest.OCRA([]byte(ocraSeed), s.press, s.real["08153427"])
		s.press++
	}
	if first, is := m["otp"].(map[string]any); is && first["code"] != nil { // the customer's app has scanned the picture
		first["code"] = scan(s.T.(*testing.T), s.world, s.real[appURI]).code()
	}
	if htu, is := m["htu"].(string); is { // the customer's app signs with the key of its session
		m["dpop"] = s.held.Proof("POST", htu, "")
	}
	if m["fido"] != nil && m["kind"] == nil { // the browser asks the customer for his key
		m["fido"] = json.RawMessage(s.key.Create(s.asked))
	}
	if m["method"] == "fido" {
		m["credential"] = json.RawMessage(s.key.Get(s.asked))
	}
	switch given, is := m["card"].(map[string]any); {
	case m["method"] == "card":
		m["token"] = json.RawMessage(s.card.Answer(s.nonce))
	case m["method"] == "card-sign":
		m["token"] = json.RawMessage(s.signs.Confirm([]byte(s.text)))
	case is && given["signatureAlgorithm"] != nil:
		m["card"] = json.RawMessage(s.signs.Confirm([]byte(s.text)))
	case is:
		m["card"] = json.RawMessage(s.card.Answer(s.nonce))
	}
	return s.within(m).(map[string]any)
}

// within replaces what stands in the document by what it is here.
func (s *teller) within(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for name := range x {
			x[name] = s.within(x[name])
		}
	case []any:
		for i := range x {
			x[i] = s.within(x[i])
		}
	case string:
		return s.really(x)
	}
	return v
}

func (s *teller) really(v string) string {
	if here, is := s.real[v]; is {
		return here
	}
	return v
}

// strict sends the example with a member more, and without each member that the
// document says is needed: both are refused.
func (s *teller) strict(t *testing.T, op *opened, key, path string, sent json.RawMessage, st *tale) {
	s.eachFault(t, op.Body.Content["application/json"].Schema, sent, func(what string, wrong json.RawMessage) {
		press := s.press
		a := s.ask(key, op.method, path, s.body(wrong))
		s.press = press
		switch {
		case a.status == 422:
			return
		case strings.Contains(string(a.body), "urn:mohur:problem:proof-required"): // the proof was for another request
			return
		case a.status == 409 && what == "without jti": // any other jti is refused like that as well
			return
		}
		t.Errorf("%s of %q: %d %s, want 422", what, st.Name, a.status, a.body)
	})
}

// compare holds the answer against its schema, against the answer in the
// document, and keeps what later steps use.
func (s *teller) compare(t *testing.T, op *opened, st *tale, a *answer) {
	res := s.book.answer(op, a.status)
	if len(a.body) == 0 {
		if len(res.Content) > 0 {
			t.Error("nothing was answered")
		}
		return
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	media, known := res.Content[kind]
	if !known {
		t.Fatalf("answered with %q, not in the document", kind)
	}
	if !json.Valid(a.body) {
		if media.Schema.Type != "string" {
			t.Errorf("%s: not JSON", a.what)
		}
		return
	}
	s.book.valid(t, media.Schema, a.body, "the answer")
	o := a.is(a.status)
	for path, stands := range st.Keep {
		s.real[stands] = o.str(path)
	}
	s.note(a.body)
	if *record {
		st.Answer = s.written(a.body)
		return
	}
	written, is := media.Examples[st.Name]
	if !is {
		t.Fatal("the document does not have the answer")
	}
	s.book.valid(t, media.Schema, written.Value, "the answer in the document")
	if got, want := shape(a.body), shape(written.Value); got != want {
		t.Errorf("answered\n%s\n in the form\n%s\n and in the document it has the form\n%s", a.body, got, want)
	}
}

// note keeps what the answer asks of a FIDO2 key or a card.
func (s *teller) note(body []byte) {
	type proof struct {
		Challenge struct{ Text string }
		Methods   []struct{ Nonce string }
	}
	var cards struct {
		proof
		Card            struct{ Nonce, Text string }
		Authentications []proof
	}
	if json.Unmarshal(body, &cards) == nil {
		for _, p := range append(cards.Authentications, cards.proof) {
			for _, m := range p.Methods {
				if m.Nonce != "" {
					s.nonce, s.text = m.Nonce, p.Challenge.Text
				}
			}
		}
		if cards.Card.Nonce != "" {
			s.nonce, s.text = cards.Card.Nonce, cards.Card.Text
		}
	}
	var asks struct {
		FIDO struct {
			PublicKey json.RawMessage `json:"publicKey"`
		} `json:"fido"`
		Methods []struct {
			Options json.RawMessage `json:"options"`
		} `json:"methods"`
	}
	if json.Unmarshal(body, &asks) != nil {
		return // a list
	}
	for _, m := range asks.Methods {
		if m.Options != nil {
			s.asked = m.Options
		}
	}
	if asks.FIDO.PublicKey != nil {
		s.asked = asks.FIDO.PublicKey
	}
}

// written is an answer as the document shows it.
func (s *teller) written(body []byte) json.RawMessage {
	text := string(body)
	for stands, here := range s.real {
		if len(here) < 20 { // it could stand in another text by chance
			here, stands = strconv.Quote(here), strconv.Quote(stands)
		}
		text = strings.ReplaceAll(text, here, stands)
	}
	for name, key := range s.callers {
		text = strings.ReplaceAll(text, s.id(key), "cl_"+name)
	}
	return json.RawMessage(text)
}

// shape is a JSON text without its values: which members are there, of which
// types. A list is told by its first item; a map of counts and a text of ours
// that is JSON are left alone.
func shape(text []byte) string {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return "no JSON"
	}
	var tell func(any) string
	tell = func(v any) string {
		switch x := v.(type) {
		case map[string]any:
			var names []string
			for name := range x {
				names = append(names, name+":"+tell(x[name]))
			}
			slices.Sort(names)
			return "{" + strings.Join(names, " ") + "}"
		case []any:
			if len(x) == 0 {
				return "[]"
			}
			return "[" + tell(x[0]) + "]"
		}
		return fmt.Sprintf("%T", v)
	}
	return tell(v)
}
