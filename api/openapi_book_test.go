package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// book is the published document as a reader has it: nothing here comes from
// the types it was made of.
type book struct {
	OpenAPI string
	Info    struct{ Title, Version string }
	Tags    []struct{ Name string }
	Paths   map[string]map[string]*opened

	Components struct {
		Schemas         map[string]*shaped
		Responses       map[string]openedAnswer
		Headers         map[string]struct{ Schema *shaped }
		SecuritySchemes map[string]struct{ Type, Scheme string }
	}

	operations []*opened
	byID       map[string]*opened
	raw        map[string]any
	text       []byte
}

// opened is an operation.
type opened struct {
	ID         string `json:"operationId"`
	Summary    string
	Tags       []string
	Security   []map[string][]string
	Parameters []openedParameter
	Body       openedBody `json:"requestBody"`
	Responses  map[string]openedAnswer
	Roles      []string `json:"x-roles"`
	Problems   []string `json:"x-problems"`
	Examples   []struct {
		Name, Caller string
		Status       int
	} `json:"x-examples"`

	method, path string
}

type openedParameter struct {
	Name, In, Description string
	Required              bool
	Schema                *shaped
	Examples              map[string]struct{ Value any }
}

type openedBody struct {
	Required bool
	Content  map[string]openedMedia
}

type openedMedia struct {
	Schema   *shaped
	Examples map[string]struct{ Value json.RawMessage }
}

type openedAnswer struct {
	Ref         string `json:"$ref"`
	Description string
	Content     map[string]openedMedia
}

// shaped is a schema.
type shaped struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Description          string
	Format               string
	Enum                 []string
	Minimum, Maximum     *float64
	Default              any
	MaxLength            int
	ContentEncoding      string
	ContentMediaType     string
	Required             []string
	Properties           map[string]*shaped
	Items                *shaped
	AnyOf                []*shaped
	AdditionalProperties json.RawMessage
}

// openAPI reads the document from the server.
func (w *world) openAPI() *book {
	w.T.Helper()
	a := w.ask("", "GET", "/openapi.json", nil)
	b := &book{byID: map[string]*opened{}, text: a.body, raw: a.is(200).m}
	w.must(nil, json.Unmarshal(a.body, b))
	for _, path := range slices.Sorted(maps.Keys(b.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(b.Paths[path])) {
			op := b.Paths[path][method]
			op.method, op.path = strings.ToUpper(method), path
			b.operations = append(b.operations, op)
			b.byID[op.ID] = op
		}
	}
	return b
}

func (op *opened) example(name string) *struct {
	Name, Caller string
	Status       int
} {
	for i := range op.Examples {
		if op.Examples[i].Name == name {
			return &op.Examples[i]
		}
	}
	return nil
}

func (op *opened) bodyOf(name string) json.RawMessage {
	for _, m := range op.Body.Content {
		if v, is := m.Examples[name]; is {
			return v.Value
		}
	}
	return nil
}

func (p openedParameter) sent(name string) (string, bool) {
	switch v := p.Examples[name].Value.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// examples are all that the document has, wherever they stand.
func (b *book) examples() map[string]bool {
	found := map[string]bool{}
	for _, op := range b.operations {
		add := func(name string) { found[op.ID+": "+name] = true }
		for _, ex := range op.Examples {
			add(ex.Name)
		}
		for _, p := range op.Parameters {
			for name := range p.Examples {
				add(name)
			}
		}
		for _, m := range op.Body.Content {
			for name := range m.Examples {
				add(name)
			}
		}
		for _, a := range op.Responses {
			for _, m := range a.Content {
				for name := range m.Examples {
					add(name)
				}
			}
		}
	}
	return found
}

// answer is what the document says of a status, references followed.
func (b *book) answer(op *opened, status int) openedAnswer {
	a := op.Responses[strconv.Itoa(status)]
	if a.Ref != "" {
		a = b.Components.Responses[strings.TrimPrefix(a.Ref, "#/components/responses/")]
	}
	return a
}

// resolve follows a reference.
func (b *book) resolve(s *shaped) *shaped {
	if s.Ref == "" {
		return s
	}
	return b.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
}

// valid holds a JSON text against a schema, more strictly than JSON Schema
// does: a member that is not described is a fault in an answer as well.
func (b *book) valid(t testing.TB, s *shaped, text []byte, what string) {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, fault := range b.faults(s, v, "") {
		t.Errorf("%s: %s", what, fault)
	}
}

func (b *book) faults(s *shaped, v any, at string) (found []string) {
	s = b.resolve(s)
	if len(s.AnyOf) > 0 {
		var all []string
		for _, one := range s.AnyOf {
			f := b.faults(one, v, at)
			if len(f) == 0 {
				return nil
			}
			all = append(all, f...)
		}
		return append(all, at+": is none of them")
	}
	fault := func(format string, args ...any) { found = append(found, at+": "+fmt.Sprintf(format, args...)) }
	switch x := v.(type) {
	case map[string]any:
		if s.Type != "object" && s.Type != "" {
			fault("is an object, not %s", s.Type)
			return found
		}
		return append(found, b.objectFaults(s, x, at)...)
	case []any:
		if s.Type != "array" {
			fault("is an array, not %s", s.Type)
			return found
		}
		for i, item := range x {
			if s.Items != nil {
				found = append(found, b.faults(s.Items, item, at+"."+strconv.Itoa(i))...)
			}
		}
	case string:
		if s.Type != "string" && s.Type != "" {
			fault("is a string, not %s", s.Type)
		}
		if s.Enum != nil && !slices.Contains(s.Enum, x) {
			fault("%q is none of %v", x, s.Enum)
		}
		if _, err := time.Parse(time.RFC3339, x); s.Format == "date-time" && (err != nil || !strings.HasSuffix(x, "Z")) {
			fault("%q is no time in UTC", x)
		}
		if s.MaxLength > 0 && len([]rune(x)) > s.MaxLength {
			fault("is longer than %d", s.MaxLength)
		}
	case float64:
		if s.Type != "integer" || x != float64(int64(x)) {
			fault("is a number, not %s", s.Type)
		}
		if s.Minimum != nil && x < *s.Minimum || s.Maximum != nil && x > *s.Maximum {
			fault("%v is out of bounds", x)
		}
	case bool:
		if s.Type != "boolean" {
			fault("is true or false, not %s", s.Type)
		}
	case nil:
		fault("is null")
	}
	return found
}

func (b *book) objectFaults(s *shaped, x map[string]any, at string) (found []string) {
	for _, name := range s.Required {
		if _, there := x[name]; !there {
			found = append(found, at+"."+name+": is missing")
		}
	}
	var extra *shaped
	if len(s.AdditionalProperties) > 0 && string(s.AdditionalProperties) != "false" {
		extra = &shaped{}
		if err := json.Unmarshal(s.AdditionalProperties, extra); err != nil {
			return append(found, at+": "+err.Error())
		}
	}
	for name, v := range x {
		switch p := s.Properties[name]; {
		case p != nil:
			found = append(found, b.faults(p, v, at+"."+name)...)
		case extra != nil:
			found = append(found, b.faults(extra, v, at+"."+name)...)
		case s.Properties != nil || s.Type == "object" && string(s.AdditionalProperties) == "false":
			found = append(found, at+"."+name+": is not in the document")
		}
	}
	return found
}

// eachFault calls f with the example spoilt in every way its schema names: a
// member more in each object, a needed member less, a value out of its set.
func (s *teller) eachFault(t *testing.T, sch *shaped, sent json.RawMessage, f func(what string, wrong json.RawMessage)) {
	var top any
	s.must(nil, json.Unmarshal(sent, &top))
	var walk func(sch *shaped, v any, at string)
	try := func(what string) {
		text, err := json.Marshal(top)
		s.must(nil, err)
		f(what, text)
	}
	walk = func(sch *shaped, v any, at string) {
		sch = s.book.resolve(sch)
		switch x := v.(type) {
		case map[string]any:
			if string(sch.AdditionalProperties) != "false" {
				return
			}
			x["more_than_there_is"] = 1
			try("a member more in " + at)
			delete(x, "more_than_there_is")
			for _, name := range slices.Sorted(maps.Keys(x)) {
				was := x[name]
				p := sch.Properties[name]
				if slices.Contains(sch.Required, name) {
					delete(x, name)
					try("without " + at + name)
				}
				if p != nil && p.Type == "string" && p.Enum != nil {
					x[name] = "none-of-them"
					try("another value in " + at + name)
				}
				x[name] = was
				if p != nil {
					walk(p, was, at+name+".")
				}
			}
		case []any:
			if len(x) > 0 && sch.Items != nil {
				walk(sch.Items, x[0], at+"0.")
			}
		}
	}
	walk(sch, top, "")
}
