package api

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/problem"
)

const aboutAPI = `The strong-authentication server of a bank. Requests are JSON and strict: an unknown or repeated member, or null, is an error. ` +
	`Times are RFC 3339 in UTC, money is decimal text with a currency of ISO 4217, identifiers are opaque. Lists take limit and cursor and end with an empty next_cursor; ` +
	`a filter that little passes may give a page that is short or empty and has a next_cursor to go on from. ` +
	`A reader of answers ignores members and enumeration values it does not know: there may be more of them in a later version. ` +
	`Every refusal is a problem document (RFC 9457) whose type ends in one of the codes listed with the route as x-problems; x-roles are the roles of which the caller needs one. ` +
	`The examples are one story, told by a test against a real server.`

// describeAPI makes the document of a table of routes.
func describeAPI(table []route, version string) (openDoc, error) {
	b := builder{schemas: &schemas{parts: map[string]*schema{}, owners: map[string]reflect.Type{}}}
	doc := openDoc{
		OpenAPI: "3.1.1",
		Info: openInfo{
			Title: "Mohur", Version: version, Summary: "Strong authentication for e-banking", Description: aboutAPI,
			License: map[string]string{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		},
		Servers:  []openServer{{URL: "/", Description: "the server this document comes from"}},
		Tags:     openTags,
		Security: []map[string][]string{{"bearer": {}}},
		Paths:    map[string]map[string]*openRoute{},
	}
	steps, err := loadExamples()
	if err != nil {
		return doc, err
	}
	for i := range table {
		r := &table[i]
		path := openPath(r.path)
		if doc.Paths[path] == nil {
			doc.Paths[path] = map[string]*openRoute{}
		}
		out := b.route(r, operations[r.method+" "+r.path])
		for _, s := range steps {
			if s.Operation == out.ID {
				b.example(out, s)
			}
		}
		doc.Paths[path][strings.ToLower(r.method)] = out
	}
	doc.Components = b.components()
	return doc, b.err()
}

// openPath writes a path as OpenAPI does: /v1/tokens/{ref}.
func openPath(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, is := strings.CutPrefix(part, ":"); is {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

type builder struct{ *schemas }

func (b builder) err() error {
	if len(b.faults) > 0 {
		return fmt.Errorf("api: the description is not whole: %s", strings.Join(b.faults, "; "))
	}
	return nil
}

func (b builder) route(r *route, op operation) *openRoute {
	out := &openRoute{
		ID: op.id, Tags: []string{op.tag}, Summary: op.summary, Description: op.about, Security: []map[string][]string{{"bearer": {}}},
		Answers: map[string]openAnswer{}, Roles: texts(r.roles), Problems: []string{},
	}
	if r.open {
		out.Security = []map[string][]string{}
	}
	b.parameters(r, out)
	b.body(op, out)
	for _, code := range codesOf(r, op) {
		out.Problems = append(out.Problems, string(code))
		status := strconv.Itoa(looks[code].status)
		out.Answers[status] = openAnswer{Ref: "#/components/responses/Problem" + status}
	}
	for _, res := range op.out {
		out.Answers[strconv.Itoa(res.status)] = b.result(res)
	}
	return out
}

// codesOf lists the codes a route refuses with: those of its kind and its own.
func codesOf(r *route, op operation) []problem.Code {
	codes := []problem.Code{problem.Invalid, problem.Internal, problem.Unavailable}
	if !r.open {
		codes = append(codes, problem.Unauthorized, problem.Forbidden, problem.TooMany)
	}
	if strings.Contains(r.path, ":") {
		codes = append(codes, problem.NotFound)
	}
	if op.in.body != nil || op.form {
		codes = append(codes, problem.TooLarge, problem.UnsupportedMedia)
	}
	if repeatable(r) {
		codes = append(codes, problem.IdempotencyConflict)
	}
	codes = append(codes, op.refuses...)
	slices.SortFunc(codes, func(a, b problem.Code) int {
		if d := looks[a].status - looks[b].status; d != 0 {
			return d
		}
		return strings.Compare(string(a), string(b))
	})
	return slices.Compact(codes)
}

func (b builder) parameters(r *route, out *openRoute) {
	for part := range strings.SplitSeq(r.path, "/") {
		if name, is := strings.CutPrefix(part, ":"); is {
			out.Parameters = append(out.Parameters, b.parameter(r.path, name, "path"))
		}
	}
	for _, name := range r.query {
		out.Parameters = append(out.Parameters, b.parameter(r.path, name, "query"))
	}
	if repeatable(r) {
		out.Parameters = append(out.Parameters, openParameter{Name: keyHeader, In: "header", Description: aboutKey, Schema: &schema{Type: "string", MinLength: 1, MaxLength: maxKey}})
	}
}

const aboutKey = "makes the request safe to send again for 24 hours: the same key with the same request is answered with what came of it, counted once. " +
	"What is shown once comes back as null, with already_issued: true"

// repeatable routes take an Idempotency-Key.
func repeatable(r *route) bool {
	return r.method == http.MethodPost || r.method == http.MethodPut || r.method == http.MethodPatch
}

func (b builder) parameter(path, name, in string) openParameter {
	key := path + "?" + name
	p := openParameter{Name: name, In: in, Required: in == "path" || slices.Contains(needed["?"], key), Schema: &schema{Type: "string", MaxLength: maxID, Enum: enumOf(key)}}
	switch name {
	case "limit":
		least, most, usual := 1, maxPage, defaultPage
		p.Schema = &schema{Type: "integer", Minimum: &least, Maximum: &most, Default: &usual}
	case "from", "to":
		p.Schema = &schema{Type: "string", Format: "date-time"}
		if strings.HasPrefix(path, "/v1/audit/") {
			p.Schema = wholeNumber()
		}
	case "index", "size":
		p.Schema = wholeNumber()
	}
	if p.Description = wordsOf(key); p.Description == "" {
		b.faults = append(b.faults, key+" has no description")
	}
	return p
}

func wholeNumber() *schema {
	least := 0
	return &schema{Type: "integer", Minimum: &least}
}

func (b builder) body(op operation, out *openRoute) {
	switch {
	case op.form:
		out.Body = &openBody{Required: true, Content: map[string]openMedia{"multipart/form-data": {Schema: b.formSchema()}}}
	case op.in.body != nil:
		_, none := reflect.Zero(op.in.body).Interface().(nothing)
		out.Body = &openBody{Required: !none, Content: map[string]openMedia{"application/json": {Schema: b.of(op.in.body, true)}}}
	}
}

// formSchema describes the parts of an import.
func (b builder) formSchema() *schema {
	out := &schema{Type: "object", Extra: false, Required: []string{"file"}, Properties: map[string]*schema{
		"file": {Type: "string", Media: "application/octet-stream", Description: wordsOf("import.file")},
	}, order: append([]string{"file"}, uploadFields...)}
	for _, name := range uploadFields {
		out.Properties[name] = &schema{Type: "string", MaxLength: fieldLimit, Description: wordsOf("import." + name), Enum: enumOf("import." + name)}
	}
	return out
}

func (b builder) result(res result) openAnswer {
	out := openAnswer{Description: res.about, Headers: map[string]openRef{"X-Request-Id": {"#/components/headers/RequestID"}}}
	switch kind := mediaType(res.kind); {
	case len(res.bodies) == 1:
		out.Content = map[string]openMedia{kind: {Schema: b.of(res.bodies[0], false)}}
	case len(res.bodies) > 1:
		s := &schema{}
		for _, t := range res.bodies {
			s.AnyOf = append(s.AnyOf, b.of(t, false))
		}
		out.Content = map[string]openMedia{kind: {Schema: s}}
	case res.kind != "":
		out.Content = map[string]openMedia{kind: {Schema: &schema{Type: "string"}}}
	}
	return out
}

// example puts one step of the story where OpenAPI wants its parts.
func (b builder) example(out *openRoute, s step) {
	out.Examples = append(out.Examples, openExample{Name: s.Name, Caller: string(s.As), Status: s.Status})
	for i := range out.Parameters {
		p := &out.Parameters[i]
		if v := s.value(p); v != nil {
			put(&p.Examples, s.Name, v)
		}
	}
	if out.Body != nil && len(s.Body) > 0 {
		for kind, m := range out.Body.Content {
			put(&m.Examples, s.Name, s.Body)
			out.Body.Content[kind] = m
		}
	}
	if len(s.Answer) == 0 {
		return
	}
	status := strconv.Itoa(s.Status)
	a := out.Answers[status]
	if a.Ref != "" { // a refusal: the example is this route's own, the rest is the common one's
		shared := problemAnswer(s.Status)
		shared.Content = maps.Clone(shared.Content)
		a = shared
	}
	for kind, m := range a.Content {
		put(&m.Examples, s.Name, s.Answer)
		a.Content[kind] = m
	}
	out.Answers[status] = a
}

func put(to *map[string]openValue, name string, v jsontext.Value) {
	if *to == nil {
		*to = map[string]openValue{}
	}
	(*to)[name] = openValue{v}
}

// components are the parts that routes refer to.
func (b builder) components() openParts {
	b.of(reflect.TypeFor[document](), false)
	out := openParts{
		Schemas:   b.parts,
		Responses: map[string]openAnswer{},
		Headers: map[string]openHeader{
			"RequestID":  {"the id of the request in the server's log", &schema{Type: "string"}},
			"RetryAfter": {"seconds to wait before the next try", &schema{Type: "integer"}},
			"DPoPNonce":  {"what the nonce of the next proof of possession is (RFC 9449 section 8.2); only where one came", &schema{Type: "string"}},
			"Challenge":  {"Bearer (RFC 6750)", &schema{Type: "string"}},
		},
		SecuritySchemes: map[string]openSecurity{"bearer": {"http", "bearer", "The API key of a client, mk_…, as POST /v1/clients shows it once, or the access token of a member of staff."}},
	}
	for _, l := range looks {
		out.Responses["Problem"+strconv.Itoa(l.status)] = problemAnswer(l.status)
	}
	return out
}

// problemAnswer is the refusal of a status, and the codes it can have.
func problemAnswer(status int) openAnswer {
	var titles []string
	for code, l := range looks {
		if l.status == status {
			titles = append(titles, string(code)+": "+l.title+".")
		}
	}
	slices.Sort(titles)
	out := openAnswer{
		Description: strings.Join(titles, " "), Headers: map[string]openRef{"X-Request-Id": {"#/components/headers/RequestID"}},
		Content: map[string]openMedia{problemType: {Schema: &schema{Ref: "#/components/schemas/Problem"}}},
	}
	switch status {
	case 401:
		out.Headers["WWW-Authenticate"] = openRef{"#/components/headers/Challenge"}
	case 403:
		out.Headers[nonceHeader] = openRef{"#/components/headers/DPoPNonce"}
	case 429:
		out.Headers["Retry-After"] = openRef{"#/components/headers/RetryAfter"}
	}
	return out
}

// quoted is a text as JSON.
func quoted(s string) jsontext.Value {
	v, err := json.Marshal(s)
	if err != nil {
		return jsontext.Value(`""`) // not UTF-8: no text of ours
	}
	return v
}
