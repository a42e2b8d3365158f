package api

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/problem"
)

// docsPage is the document as the page shows it.
type docsPage struct {
	Lang     string
	Langs    []docsLang
	Words    map[string]string
	Info     openInfo
	Chapters []docsChapter
	Types    []docsType
}

type docsLang struct {
	Tag, Name string
	Here      bool
}

type docsChapter struct {
	ID, Title, About string
	Routes           []docsRoute
}

type docsRoute struct {
	Method, Path string
	*openRoute
	Callers  string // "" is anybody
	Query    []docsMember
	Members  []docsMember
	Results  []docsResult
	Refusals []docsRefusal
	Shown    []docsExample
}

type docsMember struct {
	Name, Type, Link, About, Values string
	Needed                          bool
}

type docsResult struct {
	Status, About, Type, Link string
}

type docsRefusal struct {
	Status      int
	Code, Title string
}

type docsExample struct {
	Name, Caller, Curl, Answer string
	Status                     int
}

type docsType struct {
	Name    string
	Members []docsMember
}

// docsOf arranges the document: the routes in the order of their table, by
// chapter, and the types after them.
func docsOf(doc openDoc, table []route, lang string) docsPage {
	p := docsPage{Lang: lang, Words: docsWords[lang], Info: doc.Info}
	for _, l := range locales {
		p.Langs = append(p.Langs, docsLang{Tag: l, Name: docsWords[l]["language"], Here: l == lang})
	}
	for _, tag := range doc.Tags {
		c := docsChapter{ID: tag.Name, Title: p.Words[tag.Name], About: tag.Description}
		for i := range table {
			path := openPath(table[i].path)
			if op := doc.Paths[path][strings.ToLower(table[i].method)]; op.Tags[0] == tag.Name {
				c.Routes = append(c.Routes, docsRouteOf(doc.Components, table[i].method, path, op))
			}
		}
		p.Chapters = append(p.Chapters, c)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		p.Types = append(p.Types, docsType{Name: name, Members: docsMembers(doc.Components.Schemas[name])})
	}
	return p
}

// Headline is the summary as a sentence.
func (r docsRoute) Headline() string {
	if strings.HasSuffix(r.Summary, "?") {
		return r.Summary
	}
	return r.Summary + "."
}

func docsRouteOf(parts openParts, method, path string, op *openRoute) docsRoute {
	r := docsRoute{Method: method, Path: path, openRoute: op, Callers: strings.Join(op.Roles, ", ")}
	for _, param := range op.Parameters {
		m := docsMember{Name: param.Name, About: param.Description, Needed: param.Required, Values: strings.Join(param.Schema.Enum, " · ")}
		m.Type, m.Link = docsTypeOf(param.Schema)
		r.Query = append(r.Query, m)
	}
	if op.Body != nil {
		for _, media := range op.Body.Content {
			r.Members = docsMembers(parts.resolve(media.Schema))
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Answers)) {
		a := op.Answers[status]
		if a.Content[problemType].Schema == nil && a.Ref == "" {
			r.Results = append(r.Results, docsResultOf(status, a))
		}
	}
	for _, code := range op.Problems {
		l := looks[problem.Code(code)]
		r.Refusals = append(r.Refusals, docsRefusal{Status: l.status, Code: code, Title: l.title})
	}
	for _, ex := range op.Examples {
		r.Shown = append(r.Shown, docsExampleOf(method, path, op, ex))
	}
	return r
}

func docsResultOf(status string, a openAnswer) docsResult {
	out := docsResult{Status: status, About: a.Description}
	for kind, media := range a.Content {
		out.Type, out.Link = docsTypeOf(media.Schema)
		if mediaType("") != kind {
			out.Type = strings.TrimSpace(strings.TrimSuffix(out.Type, "string") + " " + kind)
		}
	}
	return out
}

// resolve follows a reference to a schema.
func (p openParts) resolve(s *schema) *schema {
	if name, is := strings.CutPrefix(s.Ref, "#/components/schemas/"); is {
		return p.Schemas[name]
	}
	return s
}

// docsMembers lists the members of an object as they are declared.
func docsMembers(s *schema) []docsMember {
	var out []docsMember
	for _, name := range s.order {
		p := s.Properties[name]
		m := docsMember{Name: name, About: p.Description, Needed: slices.Contains(s.Required, name)}
		m.Type, m.Link = docsTypeOf(p)
		at := p
		for at.Items != nil {
			at = at.Items
		}
		m.Values = strings.Join(at.Enum, " · ")
		out = append(out, m)
	}
	return out
}

// docsTypeOf writes a type in words, and where on the page it is described.
func docsTypeOf(s *schema) (text, link string) {
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return name, "type-" + name
	case s.Type == "array":
		text, link = docsTypeOf(s.Items)
		return text + "[]", link
	case len(s.AnyOf) > 0:
		var all []string
		for _, one := range s.AnyOf {
			t, l := docsTypeOf(one)
			all, link = append(all, t), cmp.Or(link, l)
		}
		return strings.Join(all, " | "), link
	case s.Format != "":
		return s.Format, ""
	case s.MaxLength > 0:
		return "string ≤ " + strconv.Itoa(s.MaxLength), ""
	}
	return cmp.Or(s.Type, "any"), ""
}

// docsExampleOf writes an example as a line for a shell and its answer.
func docsExampleOf(method, path string, op *openRoute, ex openExample) docsExample {
	query := url.Values{}
	for _, p := range op.Parameters {
		v := p.Examples[ex.Name].Value
		switch {
		case len(v) == 0:
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(plainText(v)), 1)
		default:
			query.Set(p.Name, plainText(v))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	line := "curl "
	if method != "GET" {
		line += "-X " + method + " "
	}
	line += `"$MOHUR` + path + `"`
	if ex.Caller != "" {
		line += " \\\n  -H \"Authorization: Bearer $" + strings.ToUpper(ex.Caller) + "_KEY\""
	}
	if op.Body != nil {
		for kind, media := range op.Body.Content {
			line += curlBody(kind, media.Examples[ex.Name].Value)
		}
	}
	out := docsExample{Name: ex.Name, Caller: ex.Caller, Curl: line, Status: ex.Status}
	for _, media := range op.Answers[strconv.Itoa(ex.Status)].Content {
		out.Answer = pretty(media.Examples[ex.Name].Value)
	}
	return out
}

func curlBody(kind string, body jsontext.Value) string {
	if len(body) == 0 {
		return ""
	}
	if kind == "application/json" {
		return " \\\n  -H 'Content-Type: application/json' \\\n  -d '" + strings.ReplaceAll(pretty(body), "'", `'\''`) + "'"
	}
	var fields map[string]string
	if err := json.Unmarshal(body, &fields); err != nil {
		return ""
	}
	line := ""
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		if name == "file" {
			value = "@seeds.xml"
		}
		line += " \\\n  -F " + name + "=" + value
	}
	return line
}

func plainText(v jsontext.Value) string {
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return string(v) // a number
	}
	return s
}

func pretty(v jsontext.Value) string {
	if len(v) == 0 {
		return ""
	}
	out := v.Clone()
	if err := out.Indent(jsontext.WithIndent("  ")); err != nil {
		return string(v)
	}
	return string(out)
}
