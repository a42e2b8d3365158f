package api

import (
	"iter"
	"maps"
	"reflect"
	"strings"
)

// QueryOf returns the parameters that a route knows.
func QueryOf(method, path string) []string {
	for _, r := range routes {
		if r.method == method && r.path == path {
			return r.query
		}
	}
	return nil
}

// OperationOf returns the id of a route's operation and the handler whose body
// describes its request.
func OperationOf(method, path string) (id, in string) {
	op := operations[method+" "+path]
	return op.id, op.in.handler
}

// Undocumented returns the operations that describe no route.
func Undocumented() []string {
	left := map[string]bool{}
	for name := range operations {
		left[name] = true
	}
	for _, r := range routes {
		delete(left, r.method+" "+r.path)
	}
	var out []string
	for name := range left {
		out = append(out, name)
	}
	return out
}

// ForgetPapers has the document made anew.
func ForgetPapers() { papers.Clear() }

// MissingWords returns the headings that are not there in every language.
func MissingWords() []string {
	var out []string
	for _, lang := range locales {
		for name := range docsWords["en"] {
			if docsWords[lang][name] == "" {
				out = append(out, lang+"."+name)
			}
		}
	}
	return out
}

// StrayWords returns the descriptions, values and lengths that belong to no
// member and no parameter.
func StrayWords() []string {
	g := &schemas{parts: map[string]*schema{}, owners: map[string]reflect.Type{}}
	g.of(reflect.TypeFor[document](), false)
	for _, op := range operations {
		if op.in.body != nil {
			g.of(op.in.body, true)
		}
		for _, res := range op.out {
			for _, t := range res.bodies {
				g.of(t, false)
			}
		}
	}
	there := map[string]bool{"import.file": true}
	for _, name := range uploadFields {
		there["import."+name] = true
	}
	var members func(t reflect.Type, owner string)
	members = func(t reflect.Type, owner string) {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			there[owner+"."+name] = true
			if in := t.Field(i).Type; in.Kind() == reflect.Struct && in.Name() == "" {
				members(in, "")
			}
		}
	}
	for _, t := range g.owners {
		members(t, typeName(t))
	}
	for _, r := range routes {
		for _, name := range append(paramsOf(r.path), r.query...) {
			there[wordsKey(r.path+"?"+name)] = true
			there[r.path+"?"+name] = true
		}
	}
	var out []string
	for _, keys := range []iter.Seq[string]{maps.Keys(memberWords), maps.Keys(enums), maps.Keys(longest)} {
		for key := range keys {
			if !there[key] {
				out = append(out, key)
			}
		}
	}
	return out
}

func paramsOf(path string) []string {
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		if name, is := strings.CutPrefix(part, ":"); is {
			out = append(out, name)
		}
	}
	return out
}
