package api_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mohur/api"
)

func TestTheDocumentIsOpenAPI(t *testing.T) {
	w := newWorld(t)
	b := w.openAPI()
	if !strings.HasPrefix(b.OpenAPI, "3.1.") || b.Info.Title == "" || b.Info.Version != "test" {
		t.Errorf("openapi %s, info %+v", b.OpenAPI, b.Info)
	}
	if s := b.Components.SecuritySchemes["bearer"]; s.Type != "http" || s.Scheme != "bearer" {
		t.Errorf("security %+v", b.Components.SecuritySchemes)
	}
	var tags []string
	for _, tag := range b.Tags {
		tags = append(tags, tag.Name)
	}
	seen := map[string]bool{}
	for _, op := range b.operations {
		if op.ID == "" || seen[op.ID] {
			t.Errorf("%s %s: the operationId %q is missing or twice", op.method, op.path, op.ID)
		}
		seen[op.ID] = true
		if op.Summary == "" || len(op.Tags) != 1 || !slices.Contains(tags, op.Tags[0]) || op.Security == nil {
			t.Errorf("%s: summary %q, tags %v, security %v", op.ID, op.Summary, op.Tags, op.Security)
		}
		b.checkParameters(t, op)
		b.checkAnswers(t, op)
	}
	b.checkReferences(t)
	b.checkSchemas(t)
}

var inPath = regexp.MustCompile(`\{([a-z]+)\}`)

func (b *book) checkParameters(t *testing.T, op *opened) {
	var declared []string
	for _, p := range op.Parameters {
		if p.In == "path" {
			declared = append(declared, "{"+p.Name+"}")
		}
		if p.In == "header" && p.Name == "Idempotency-Key" && op.method != "GET" && op.method != "DELETE" {
			continue
		}
		if p.In != "path" && p.In != "query" || p.Required != (p.In == "path") && p.Name != "index" || p.Description == "" || p.Schema == nil {
			t.Errorf("%s: parameter %+v", op.ID, p)
		}
	}
	if want := inPath.FindAllString(op.path, -1); !slices.Equal(declared, want) {
		t.Errorf("%s: path parameters %v, in the path %v", op.ID, declared, want)
	}
}

func (b *book) checkAnswers(t *testing.T, op *opened) {
	fine := false
	for status := range op.Responses {
		n, err := strconv.Atoi(status)
		fine = fine || err == nil && n >= 200 && n < 300
		a := b.answer(op, n)
		if err != nil || a.Description == "" || len(a.Content) == 0 && n != 204 {
			t.Errorf("%s: answer %s: %+v", op.ID, status, a)
		}
	}
	if !fine {
		t.Errorf("%s never answers", op.ID)
	}
}

// checkReferences follows every $ref in the document, and wants every part used.
func (b *book) checkReferences(t *testing.T) {
	used := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			if ref, is := x["$ref"].(string); is {
				used[ref] = true
			}
			for name, v := range x {
				schema, _ := v.(map[string]any) // of a member that is called examples
				if name != "examples" || schema["items"] != nil {
					walk(v)
				}
			}
		case []any:
			for _, v := range x {
				walk(v)
			}
		}
	}
	walk(b.raw)
	there := map[string]bool{}
	for kind, parts := range b.raw["components"].(map[string]any) {
		for name := range parts.(map[string]any) {
			there["#/components/"+kind+"/"+name] = true
		}
	}
	for ref := range used {
		if !there[ref] {
			t.Errorf("%s leads nowhere", ref)
		}
	}
	for ref := range there {
		if !used[ref] && !strings.Contains(ref, "securitySchemes") && !strings.HasSuffix(ref, "/Problem405") && !strings.HasSuffix(ref, "/Problem423") {
			t.Errorf("%s is used nowhere", ref)
		}
	}
}

// checkSchemas wants a description of every member, and nothing needed that is
// not there.
func (b *book) checkSchemas(t *testing.T) {
	for name, s := range b.Components.Schemas {
		if s.Type != "object" || len(s.Properties) == 0 && name != "NothingRequest" {
			t.Errorf("%s is no object with members", name)
		}
		if strings.HasSuffix(name, "Request") != (string(s.AdditionalProperties) == "false") {
			t.Errorf("%s: what is sent is strict, what is answered is not", name)
		}
		for _, member := range s.Required {
			if s.Properties[member] == nil {
				t.Errorf("%s needs %s and has none", name, member)
			}
		}
		for member, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", name, member)
			}
		}
	}
}

// The document has the routes of the table, no fewer and no more, with their
// parameters and roles.
func TestDocumentAndRouterAgree(t *testing.T) {
	w := newWorld(t)
	b := w.openAPI()
	documented := map[string]*opened{}
	for _, op := range b.operations {
		documented[op.method+" "+op.path] = op
	}
	reachable := map[string]bool{}
	for _, r := range w.api.Reachable() {
		reachable[r[0]+" "+asOpenAPI(r[1])] = true
	}
	if !maps.Equal(reachable, present(documented)) {
		t.Errorf("reachable %v, documented %v", reachable, present(documented))
	}
	for _, r := range api.Routes() {
		op := documented[r.Method+" "+asOpenAPI(r.Path)]
		if op == nil {
			t.Errorf("%s %s is not in the document", r.Method, r.Path)
			continue
		}
		var roles, query []string
		for _, role := range r.Roles {
			roles = append(roles, string(role))
		}
		if !slices.Equal(op.Roles, roles) || (len(op.Security) == 0) != r.Open {
			t.Errorf("%s: roles %v, security %v", op.ID, op.Roles, op.Security)
		}
		for _, p := range op.Parameters {
			if p.In == "query" {
				query = append(query, p.Name)
			}
		}
		if known := api.QueryOf(r.Method, r.Path); !slices.Equal(query, known) {
			t.Errorf("%s: query %v, the route knows %v", op.ID, query, known)
		}
		if slices.Contains(op.Problems, "unauthorized") == r.Open || slices.Contains(op.Problems, "forbidden") == r.Open {
			t.Errorf("%s: problems %v", op.ID, op.Problems)
		}
	}
	for _, name := range api.Undocumented() {
		t.Errorf("described and not in the table: %s", name)
	}
}

func TestEveryWordOfTheDocumentIsOfSomething(t *testing.T) {
	if stray := api.StrayWords(); len(stray) > 0 {
		t.Errorf("described and not there: %v", stray)
	}
}

func asOpenAPI(path string) string {
	return regexp.MustCompile(`:([a-z]+)`).ReplaceAllString(path, "{$1}")
}

func present[V any](m map[string]V) map[string]bool {
	out := map[string]bool{}
	for name := range m {
		out[name] = true
	}
	return out
}

// The operation of each route is named after the handler in its row, and its
// request is described by what that handler takes.
func TestRequestsAreDescribedByWhatTheirHandlersTake(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "routes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	ast.Inspect(file, func(n ast.Node) bool {
		row, is := n.(*ast.CompositeLit)
		if !is || row.Type != nil {
			return true
		}
		member := map[string]ast.Expr{}
		for _, e := range row.Elts {
			if kv, is := e.(*ast.KeyValueExpr); is {
				member[kv.Key.(*ast.Ident).Name] = kv.Value
			}
		}
		method, path := literal(member["method"]), literal(member["path"])
		if method == "" {
			return true
		}
		rows++
		handler, takes := handlerOf(member["serve"])
		id, in := api.OperationOf(method, path)
		if id != handler || takes != (in != "") || in != "" && in != handler {
			t.Errorf("%s %s is served by %s (with a body: %v) and described as %q with the body of %q", method, path, handler, takes, id, in)
		}
		return true
	})
	if rows != len(api.Routes()) {
		t.Errorf("%d rows read of %d", rows, len(api.Routes()))
	}
}

func literal(e ast.Expr) string {
	if l, is := e.(*ast.BasicLit); is {
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	return ""
}

// handlerOf finds the first method of exchange that a row names, and whether it
// is given a decoded body.
func handlerOf(e ast.Expr) (name string, takes bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.SelectorExpr:
			if _, method := x.X.(*ast.ParenExpr); method && name == "" {
				name = x.Sel.Name
			}
		case *ast.CallExpr:
			if f, is := x.Fun.(*ast.Ident); is && (f.Name == "take" || f.Name == "fourEyes" || f.Name == "anyHour") {
				takes = true
			}
		}
		return true
	})
	return name, takes
}

func TestTheDocumentIsTheSameEveryTime(t *testing.T) {
	w := newWorld(t)
	first := w.ask("", "GET", "/openapi.json", nil)
	api.ForgetPapers()
	again := w.ask("", "GET", "/openapi.json", nil)
	if !bytes.Equal(first.body, again.body) || first.header.Get("ETag") != again.header.Get("ETag") {
		t.Error("two documents of one version differ")
	}
	have := first.header.Clone()
	have.Set("If-None-Match", `"x", W/`+first.header.Get("ETag"))
	if a := w.send(have, "GET", "/openapi.json", nil); a.status != 304 || len(a.body) != 0 {
		t.Errorf("%d with %d bytes to a reader who has it", a.status, len(a.body))
	}
	w.ask("", "GET", "/openapi.json?x=1", nil).faulty("x")
}
