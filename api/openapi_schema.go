package api

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"
)

// schemas makes schemas of the Go types that requests are decoded into and
// answers are encoded from, so that the two cannot differ.
type schemas struct {
	parts  map[string]*schema
	owners map[string]reflect.Type // who has a name
	faults []string                // members without a description, names used twice
}

// of returns the schema of a type. What a caller sends is strict: a member that
// is not described is refused.
func (g *schemas) of(t reflect.Type, request bool) *schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[tlog.Hash]():
		return &schema{Type: "string", Encoding: "base64"}
	case reflect.TypeFor[jsontext.Value](), reflect.TypeFor[any]():
		return &schema{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem(), request)
	case reflect.String:
		return &schema{Type: "string", Enum: enumOfType(t)}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return &schema{Type: "integer"}
	case reflect.Slice:
		return &schema{Type: "array", Items: g.of(t.Elem(), request)}
	case reflect.Map:
		return &schema{Type: "object", Extra: g.of(t.Elem(), request)}
	case reflect.Struct:
		if t.Name() == "" {
			return g.object(t, "", request)
		}
		return g.part(t, request)
	}
	g.faults = append(g.faults, "no schema for "+t.String())
	return &schema{}
}

// part is the reference to the schema of a named type.
func (g *schemas) part(t reflect.Type, request bool) *schema {
	name := partName(t, request)
	if owner := g.owners[name]; owner != nil && owner != t {
		g.faults = append(g.faults, fmt.Sprintf("%s and %s are both called %s", owner, t, name))
	}
	if g.owners[name] == nil {
		g.owners[name] = t
		g.parts[name] = g.object(t, typeName(t), request)
	}
	return &schema{Ref: "#/components/schemas/" + name}
}

func (g *schemas) object(t reflect.Type, owner string, request bool) *schema {
	out := &schema{Type: "object", Properties: map[string]*schema{}}
	if request {
		out.Extra = false
		out.Required = needed[owner]
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		name = cmp.Or(name, f.Name)
		m := g.member(f.Type, owner+"."+name, request)
		out.Properties[name] = m
		out.order = append(out.order, name)
		if !request && options == "" {
			out.Required = append(out.Required, name)
		}
	}
	return out
}

// member is the schema of one member, with what it means.
func (g *schemas) member(t reflect.Type, path string, request bool) *schema {
	m := g.of(t, request)
	if choice := choices[path]; choice != nil {
		m = &schema{Type: "array", Items: &schema{}}
		for _, c := range choice {
			m.Items.AnyOf = append(m.Items.AnyOf, g.of(c, request))
		}
	}
	if m.Description = wordsOf(path); m.Description == "" {
		g.faults = append(g.faults, path+" has no description")
	}
	if values := enumOf(path); values != nil {
		at := m
		for at.Items != nil {
			at = at.Items
		}
		at.Enum = values
	}
	if request && m.Type == "string" {
		m.MaxLength = longest[path]
	}
	return m
}

// partName is the public name of a type: tokenOut is Token, tokenIn
// TokenRequest, a page of tokens TokenPage.
func partName(t reflect.Type, request bool) string {
	if t == reflect.TypeFor[document]() {
		return "Problem"
	}
	name := typeName(t)
	if of, isPage := strings.CutPrefix(t.Name(), "page["); isPage {
		of = strings.TrimSuffix(of[strings.LastIndexAny(of, "./")+1:], "]")
		return capital(strings.TrimSuffix(of, "Out")) + "Page"
	}
	name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "Out"), "In"), "Shape")
	if request {
		name += "Request"
	}
	return capital(name)
}

func typeName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

func capital(s string) string {
	r := []rune(s)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}

// texts turns values of the domain into what is written.
func texts[T ~string](values []T) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, string(v))
	}
	return slices.Clip(out)
}
