package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed openapi/docs.html
var docsHTML string

//go:embed openapi/docs.css
var docsCSS string

// docsPolicy lets the page have its one style sheet and nothing else: no script,
// no form, nothing from elsewhere.
var docsPolicy = func() string {
	sum := sha256.Sum256([]byte(docsCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// The CSS is ours and is put in unchanged: its hash stands in the policy. What is
// in the document is text, and escaped.
var docsTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("docs").Funcs(template.FuncMap{
		"list":  func(parts ...any) []any { return parts },
		"style": func() template.HTML { return template.HTML("<style>" + docsCSS + "</style>") },
	}).Parse(docsHTML))
})

// pages holds the page of each version in each language.
var pages sync.Map

type pageKey struct{ version, lang string }

// getDocs shows the contract to people.
func (x *exchange) getDocs(context.Context) (reply, error) {
	f := x.filter()
	lang := among(f, "lang", locales)
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	if lang == "" {
		lang = preferred(x.r.Header.Get("Accept-Language"))
	}
	p, err := pageOfDocs(pageKey{x.server.Version, lang})
	if err != nil {
		return reply{}, err
	}
	return reply{handler: p}, nil
}

func pageOfDocs(key pageKey) (public, error) {
	if p, made := pages.Load(key); made {
		return p.(public), nil
	}
	from, err := paperOf(key.version)
	if err != nil {
		return public{}, err
	}
	var out bytes.Buffer
	if err := docsTemplate().Execute(&out, docsOf(from.doc, documented, key.lang)); err != nil {
		return public{}, err
	}
	p := public{kind: "text/html; charset=utf-8", tag: hashTag(out.Bytes()), text: out.Bytes(), more: http.Header{
		"Content-Security-Policy": {docsPolicy}, "Content-Language": {key.lang}, "Vary": {"Accept-Language"},
		"Referrer-Policy": {"no-referrer"},
	}}
	pages.Store(key, p)
	return p, nil
}

// preferred reads Accept-Language (RFC 9110 section 12.5.4): the language that is
// wanted most of those there are.
func preferred(header string) string {
	best, most := "en", 0.0
	for part := range strings.SplitSeq(header, ",") {
		tag, weight, weighted := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if weighted {
			var err error
			if q, err = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64); err != nil {
				continue
			}
		}
		if q > most && slices.Contains(locales, base) {
			best, most = base, q
		}
	}
	return best
}
