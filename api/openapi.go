package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// documented is the table of routes as its own description reads it. A handler
// in the table that named the table would be a circle, which the compiler
// refuses, so it is handed over once the table is there.
var documented []route

func init() { documented = routes }

// paper is the description of the API by one version of the program, made once.
type paper struct {
	doc  openDoc
	text []byte
	tag  string // of HTTP: a hash of the text
}

// papers holds a paper for each version; a process has one.
var papers sync.Map

// paperOf returns the description. The same version gives the same bytes.
func paperOf(version string) (*paper, error) {
	if p, made := papers.Load(version); made {
		return p.(*paper), nil
	}
	doc, err := describeAPI(documented, version)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(doc, json.Deterministic(true), jsontext.Multiline(true), jsontext.WithIndent(" "))
	if err != nil {
		return nil, err
	}
	p, _ := papers.LoadOrStore(version, &paper{doc: doc, text: append(text, '\n'), tag: hashTag(text)})
	return p.(*paper), nil
}

func hashTag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
}

// getOpenAPI publishes the contract in the form of OpenAPI 3.1.
func (x *exchange) getOpenAPI(context.Context) (reply, error) {
	p, err := paperOf(x.server.Version)
	if err != nil {
		return reply{}, err
	}
	return reply{handler: public{kind: "application/json", tag: p.tag, text: p.text}}, nil
}

// public is a text that anybody may have and keep, as long as he asks whether it
// is still the same.
type public struct {
	kind, tag string
	text      []byte
	more      http.Header
}

// ServeHTTP writes the text, or says that the reader has it (RFC 9110 section 13).
func (p public) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, values := range p.more {
		h[name] = values
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", p.tag)
	for have := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(have), "W/") == p.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", p.kind)
	// A reader that has gone does not read it.
	_, _ = w.Write(p.text)
}
