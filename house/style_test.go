package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// maxLines is where a file is better split by noun.
const maxLines = 500

// TestStyle holds every file of the tree against the rules below.
func TestStyle(t *testing.T) {
	sources := readTree(t)
	for _, s := range sources {
		for _, fault := range styleFaults(mohur, s) {
			t.Error(fault)
		}
	}
	for _, fault := range packageComments(sources) {
		t.Error(fault)
	}
}

// styleFaults returns a sentence for every rule the file breaks.
func styleFaults(pl plan, s source) []string {
	if s.file == nil {
		return []string{s.name + ": does not parse"}
	}
	if ast.IsGenerated(s.file) {
		return nil
	}
	found := slices.Concat(length(s), promises(s), language(s))
	if !s.isTest() {
		found = append(found, undocumented(s)...)
		found = append(found, clock(pl, s)...)
	}
	return found
}

// packageComments: every package tells what it guarantees.
func packageComments(sources []source) (found []string) {
	has := map[string]bool{}
	for _, s := range sources {
		if s.file != nil && !s.isTest() {
			has[s.pkg()] = has[s.pkg()] || s.file.Doc.Text() != ""
		}
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if !has[name] {
			found = append(found, name+": no package comment")
		}
	}
	return found
}

// length: no file is longer than maxLines.
func length(s source) []string {
	if n := bytes.Count(s.text, []byte("\n")); n > maxLines {
		return []string{fmt.Sprintf("%s: %d lines, split it by noun (at most %d)", s.name, n, maxLines)}
	}
	return nil
}

var promise = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

// promises: what is to be done stands in an issue, not in a comment.
func promises(s source) (found []string) {
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if word := promise.FindString(c.Text); word != "" {
				found = append(found, fmt.Sprintf("%s:%d: a comment promises (%s)", s.name, s.line(c.Pos()), word))
			}
		}
	}
	return found
}

var quoted = regexp.MustCompile(`«[^»]*»`)

// language: comments are English. Letters of other scripts give the rest away;
// a quotation «…» may have them.
func language(s source) (found []string) {
	foreign := func(r rune) bool {
		return unicode.IsLetter(r) && !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Common)
	}
	for _, group := range s.file.Comments {
		text := quoted.ReplaceAllString(group.Text(), "")
		if strings.ContainsFunc(text, foreign) {
			found = append(found, fmt.Sprintf("%s:%d: a comment that is not English, outside «…»",
				s.name, s.line(group.Pos())))
		}
	}
	return found
}

// selfEvident are the methods whose interface has said everything already.
var selfEvident = list("Error", "Is", "String", "Unwrap")

// undocumented: every exported name has a comment of its own or, in a group of
// constants or variables, one over the group. Commands and internal packages
// export nothing.
func undocumented(s source) (found []string) {
	if s.file.Name.Name == "main" || slices.Contains(strings.Split(s.pkg(), "/"), "internal") {
		return nil
	}
	report := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		documented := slices.ContainsFunc(docs, func(doc *ast.CommentGroup) bool { return doc.Text() != "" })
		if name.IsExported() && !documented {
			found = append(found, fmt.Sprintf("%s:%d: %s has no comment", s.name, s.line(name.Pos()), name.Name))
		}
	}
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			method := d.Recv != nil
			if method && (slices.Contains(selfEvident, d.Name.Name) || !receiver(d.Recv.List[0].Type).IsExported()) {
				continue
			}
			report(d.Name, d.Doc)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch sp := spec.(type) {
				case *ast.TypeSpec:
					report(sp.Name, d.Doc, sp.Doc, sp.Comment)
				case *ast.ValueSpec:
					for _, name := range sp.Names {
						report(name, d.Doc, sp.Doc, sp.Comment)
					}
				}
			}
		}
	}
	return found
}

// receiver returns the name of a method's type: of *T[K], T.
func receiver(expr ast.Expr) *ast.Ident {
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e
		default:
			return ast.NewIdent("_")
		}
	}
}

// clock: the domain asks its Now for the time, so that a test can be any time.
// A function that looks at such a Now may fall back on the clock where it was
// left empty; a pure package is told the time and may not even name the clock.
func clock(pl plan, s source) (found []string) {
	if !pl.isDomain(s.pkg()) {
		return nil
	}
	pure := slices.Contains(pl.pure, s.pkg())
	for _, decl := range s.file.Decls {
		var read []*ast.SelectorExpr
		called := map[ast.Expr]bool{}
		defaults := false
		ast.Inspect(decl, func(n ast.Node) bool {
			switch e := n.(type) {
			case *ast.CallExpr:
				called[e.Fun] = true
			case *ast.SelectorExpr:
				if isClock(s.file, e) {
					read = append(read, e)
				} else if e.Sel.Name == "Now" {
					defaults = true
				}
			}
			return true
		})
		for _, e := range read {
			if pure || called[e] && !defaults {
				found = append(found, fmt.Sprintf("%s:%d: time.%s in the domain: ask a Now func() time.Time field",
					s.name, s.line(e.Pos()), e.Sel.Name))
			}
		}
	}
	return found
}

// isClock tells time.Now, time.Since and time.Until from everything else.
func isClock(file *ast.File, e *ast.SelectorExpr) bool {
	x, ok := e.X.(*ast.Ident)
	if !ok || !slices.Contains(list("Now", "Since", "Until"), e.Sel.Name) {
		return false
	}
	for _, imp := range file.Imports {
		if imp.Path.Value == `"time"` {
			return x.Name == "time" && imp.Name == nil || imp.Name != nil && x.Name == imp.Name.Name
		}
	}
	return false
}

// TestStyleRules breaks each rule in a made-up file and expects to be told.
func TestStyleRules(t *testing.T) {
	made := plan{
		floors: []floor{{packages: list("api")}, {domain: true, packages: list("login", "score")}},
		pure:   list("score"),
	}
	const now = "package p\n\nimport \"time\"\n\n"
	for _, c := range []struct {
		name, file, text string
		want             string // part of the only fault; "" for none
	}{
		{"fine", "login/a.go", now + "// T is.\ntype T struct{ Now func() time.Time }\n\n// New is.\nfunc New() T { return T{Now: time.Now} }\n", ""},
		{"broken", "login/a.go", "package", "does not parse"},
		{"generated", "login/a.go", "// Code generated by x. DO NOT EDIT.\n\npackage p\n\ntype T int\n", ""},

		{"long", "login/a_test.go", "package p\n" + strings.Repeat("\n", maxLines), "501 lines"},
		{"promise", "login/a_test.go", "package p\n\n// " + "TO" + "DO: x\n", "a_test.go:3: a comment promises"},
		{"promise in a string", "login/a.go", "package p\n\nvar x = \"XXX\" // XXXX\n", ""},
		{"Russian", "login/a.go", "package p\n\n// потом\n", "not English"},
		{"quotation", "login/a.go", "package p\n\n// «Ə потом» → § 5, Σ\n", ""},

		{"type", "login/a.go", "package p\n\ntype T int\n", "a.go:3: T has no comment"},
		{"function", "login/a.go", "package p\n\nfunc F() {}\n", "F has no comment"},
		{"directive only", "login/a.go", "package p\n\n//go:noinline\nfunc F() {}\n", "F has no comment"},
		{"method", "login/a.go", "package p\n\n// T is.\ntype T[K any] int\n\nfunc (*T[K]) M() {}\n", "M has no comment"},
		{"method that needs none", "login/a.go", "package p\n\n// T is.\ntype T int\n\nfunc (T) Error() string { return \"\" }\n", ""},
		{"function named like one", "login/a.go", "package p\n\nfunc Error() {}\n", "Error has no comment"},
		{"method of a hidden type", "login/a.go", "package p\n\ntype t int\n\nfunc (t) M() {}\n", ""},
		{"constant", "login/a.go", "package p\n\nconst (\n\tA = 1 // is\n\tB = 2\n)\n", "B has no comment"},
		{"constants", "login/a.go", "package p\n\n// The numbers.\nconst (\n\tA = 1\n\tB = 2\n)\n", ""},
		{"command", "cmd/x/a.go", "package main\n\nfunc F() {}\n", ""},
		{"internal", "login/internal/a.go", "package p\n\nfunc F() {}\n", ""},
		{"test", "login/a_test.go", now + "func F() { time.Now() }\n", ""},

		{"clock", "login/a.go", now + "var t = time.Now()\n", "a.go:5: time.Now in the domain"},
		{"clock as default", "login/a.go", now + "func (t t) now() time.Time {\n\tif t.Now != nil {\n\t\treturn t.Now()\n\t}\n\treturn time.Now()\n}\n", ""},
		{"clock renamed", "login/a.go", "package p\n\nimport clk \"time\"\n\nvar d = clk.Since(clk.Time{})\n", "time.Since in the domain"},
		{"clock at an edge", "api/a.go", now + "var t = time.Now()\n", ""},
		{"clock of a suite", "login/logintest/a.go", now + "var t = time.Now()\n", ""},
		{"clock of another", "login/a.go", "package p\n\nvar x = time.Now()\n", ""},
		{"clock named in a pure package", "score/a.go", now + "var n = time.Now\n", "time.Now in the domain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expectOne(t, styleFaults(made, newSource(c.file, []byte(c.text))), c.want)
		})
	}
	t.Run("package comment", func(t *testing.T) {
		found := packageComments([]source{
			newSource("a/one.go", []byte("package a\n")),
			newSource("a/two.go", []byte("// Package a is.\npackage a\n")),
			newSource("b/one.go", []byte("package b\n")),
			newSource("c/one_test.go", []byte("package c\n")),
		})
		expectOne(t, found, "b: no package comment")
	})
}

// expectOne fails unless found is the one fault wanted, or none if want is "".
func expectOne(t *testing.T, found []string, want string) {
	t.Helper()
	if want == "" && len(found) == 0 {
		return
	}
	if want == "" || len(found) != 1 || !strings.Contains(found[0], want) {
		t.Errorf("found %q, want %q", found, want)
	}
}
