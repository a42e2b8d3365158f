package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"mohur/api"
)

func (w *world) docs(query, accept string) *answer {
	w.T.Helper()
	h := http.Header{}
	if accept != "" {
		h.Set("Accept-Language", accept)
	}
	return w.send(h, "GET", "/docs"+query, nil)
}

func TestThePageShowsEveryRouteAndExample(t *testing.T) {
	w := newWorld(t)
	a := w.docs("", "")
	if a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	text := html.UnescapeString(string(a.body))
	b := w.openAPI()
	if len(b.operations) != len(api.Routes()) {
		t.Fatalf("%d operations", len(b.operations))
	}
	for _, op := range b.operations {
		_, part, found := strings.Cut(text, `<article id="`+op.ID+`">`)
		part, _, _ = strings.Cut(part, "</article>")
		wanted := []string{">" + op.method + "<", ">" + op.path + "<", op.Summary, strings.Join(op.Roles, ", ")}
		wanted = append(wanted, op.Problems...)
		for _, p := range op.Parameters {
			wanted = append(wanted, "<code>"+p.Name+"</code>", p.Description)
		}
		for _, m := range op.Body.Content {
			for name, p := range b.resolve(m.Schema).Properties {
				wanted = append(wanted, "<code>"+name+"</code>", p.Description)
			}
		}
		for _, ex := range op.Examples {
			wanted = append(wanted, ex.Name, "curl ")
		}
		for _, what := range wanted {
			if !strings.Contains(part, what) {
				t.Errorf("%s (%v): %q is not on the page", op.ID, found, what)
			}
		}
	}
}

// The page runs nothing and fetches nothing, and its policy says so.
func TestClause5_10_ThePageNeedsNothingFromElsewhere(t *testing.T) {
	a := newWorld(t).docs("", "")
	text := string(a.body)
	_, style, _ := strings.Cut(text, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := a.header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q, want %q", got, want)
	}
	markup := regexp.MustCompile(`<[^>]*>`).FindAllString(text, -1)
	for _, tag := range markup {
		for _, bad := range []string{"<script", "<link", "<img", "<iframe", "<form", " style=", " on", " src=", "http:", "https:", "//"} {
			if strings.Contains(tag, bad) {
				t.Errorf("on the page: %s", tag)
			}
		}
	}
	if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
		t.Error("the style sheet fetches something")
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if ids[m[1]] {
			t.Errorf("two places are called %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if !ids[m[1]] {
			t.Errorf("#%s leads nowhere", m[1])
		}
	}
}

func TestThePageSpeaksTheReadersLanguage(t *testing.T) {
	w := newWorld(t)
	heads := map[string]string{"en": "Contents", "az": "Mündəricat", "ru": "Содержание"}
	for _, c := range []struct{ query, accept, want string }{
		{"", "", "en"}, {"", "az", "az"}, {"", "ru-RU,ru;q=0.9,en;q=0.8", "ru"}, {"", "de, az;q=0.3, en;q=0.5", "en"}, {"", "de", "en"},
		{"", "az;q=0, ru;q=x, ;;,", "en"}, {"?lang=az", "ru", "az"}, {"?lang=ru", "", "ru"}, {"?lang=en", "az", "en"},
	} {
		a := w.docs(c.query, c.accept)
		if got := a.header.Get("Content-Language"); got != c.want || !strings.Contains(string(a.body), heads[c.want]) {
			t.Errorf("%q with %q: %d in %q, want %q", c.query, c.accept, a.status, got, c.want)
		}
	}
	w.docs("?lang=de", "").faulty("lang")
	if missing := api.MissingWords(); len(missing) > 0 {
		t.Errorf("without a translation: %v", missing)
	}
	again := w.send(http.Header{"If-None-Match": {w.docs("", "").header.Get("ETag")}}, "GET", "/docs", nil)
	if again.status != 304 {
		t.Errorf("%d to a reader who has it", again.status)
	}
}
