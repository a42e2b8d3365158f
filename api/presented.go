package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"mohur/problem"
)

// CertificateListener says who is answered by the listener on which browsers show a
// client certificate.
type CertificateListener struct {
	// Origins are the pages that may read a code: scheme, host and port.
	Origins []string
	// ProxySPKI is the SHA-256 of the SubjectPublicKeyInfo of the one proxy that may
	// name a browser's certificate in a header; nil: nobody may, and such a header is
	// not looked at.
	ProxySPKI   []byte
	ProxyHeader string // "" means Client-Cert (RFC 9440); a PEM text, percent-encoded, is taken too
}

type codeOut struct {
	Code      string    `json:"tls_code"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Certificates returns the HTTP side of that listener, whose TLS has asked for a
// certificate and verified nothing but its key. GET / answers with a code for this
// browser: as JSON to a page of Origins that asks by CORS, else as a small page that
// hands it to the page that opened it, if that is one of Origins. There is nothing else.
func (s *Server) Certificates(l CertificateListener) http.Handler {
	release()
	e := gin.New()
	e.HandleMethodNotAllowed, e.RedirectTrailingSlash, e.RedirectFixedPath, e.ForwardedByClientIP = true, false, false, false
	e.Use(s.watch)
	e.NoRoute(s.noRoute)
	e.NoMethod(s.noMethod)
	r := &route{method: "GET", path: "/", open: true, query: []string{"lang"}, serve: plain(func(x *exchange, ctx context.Context) (reply, error) { return x.present(ctx, l) })}
	e.Handle(r.method, r.path, s.handle(r, nil))
	return e
}

func (x *exchange) present(ctx context.Context, l CertificateListener) (reply, error) {
	f := x.filter()
	lang := among(f, "lang", locales)
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	origins, asked := x.r.Header["Origin"]
	if asked {
		if len(origins) != 1 || !slices.Contains(l.Origins, origins[0]) {
			return reply{}, problem.New(problem.Forbidden, "pages of this origin do not log in here")
		}
		h := x.w.Header()
		h.Set("Access-Control-Allow-Origin", origins[0])
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Vary", "Origin")
	}
	chain, err := x.certificates(l)
	if err != nil {
		return reply{}, err
	}
	code, err := x.server.Authn.Present(ctx, x.by, chain)
	if err != nil {
		return reply{}, err
	}
	out := codeOut{Code: code.Text, ExpiresAt: code.ExpiresAt.UTC()}
	if asked || !strings.Contains(x.r.Header.Get("Accept"), "text/html") {
		return ok(out)
	}
	if lang == "" {
		lang = preferred(x.r.Header.Get("Accept-Language"))
	}
	return x.codePage(out, l, lang)
}

// certificates is what the browser has shown: in TLS, or to the proxy that shows its
// own there.
func (x *exchange) certificates(l CertificateListener) ([]*x509.Certificate, error) {
	if x.r.TLS == nil || len(x.r.TLS.PeerCertificates) == 0 {
		return nil, problem.New(problem.Forbidden, "this listener takes connections with a client certificate only")
	}
	shown := x.r.TLS.PeerCertificates
	spki := sha256.Sum256(shown[0].RawSubjectPublicKeyInfo)
	if len(l.ProxySPKI) == sha256.Size && subtle.ConstantTimeCompare(spki[:], l.ProxySPKI) == 1 {
		name := l.ProxyHeader
		if name == "" {
			name = "Client-Cert"
		}
		named, err := proxied(x.r.Header.Values(name))
		if err != nil {
			return nil, err
		}
		// The proxy's address is everybody's; what each has of his own is a certificate.
		sum := sha256.Sum256(named[0].Raw)
		return named, x.strange("certificate/" + hex.EncodeToString(sum[:]))
	}
	return shown, x.strange(neighbourhood(x.r))
}

// strange keeps somebody unknown to the strangers' pace.
func (x *exchange) strange(name string) error {
	if wait := x.server.strangers.Take(name, x.server.Now()); wait > 0 {
		return &problem.Error{Code: problem.TooMany, Detail: "too many requests from this address; come back later", RetryAfter: wait, Limit: "strangers"}
	}
	return nil
}

// proxied reads the certificate that a proxy names: RFC 9440 section 2.2, or PEM,
// percent-encoded, as nginx has it.
func proxied(values []string) ([]*x509.Certificate, error) {
	none := problem.New(problem.Forbidden, "the proxy names no certificate")
	if len(values) != 1 || values[0] == "" {
		return nil, none
	}
	der := []byte(nil)
	if text, is := strings.CutPrefix(values[0], ":"); is {
		text, closed := strings.CutSuffix(text, ":")
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if !closed || err != nil {
			return nil, none
		}
		der = b
	} else {
		text, err := url.PathUnescape(values[0])
		if err != nil {
			return nil, none
		}
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
			return nil, none
		}
		der = block.Bytes
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, none
	}
	return []*x509.Certificate{c}, nil
}

// codeScript gives the code to the page that opened this one. A browser delivers it to
// the origins of the bank only, whatever page that is.
const codeScript = `const d = document.body.dataset;
if (window.opener) for (const o of JSON.parse(d.origins)) window.opener.postMessage({tls_code: d.code, expires_at: d.expires}, o);
window.close();`

var codePolicy = "default-src 'none'; script-src " + sourceHash(codeScript) + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var codeTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("code").Funcs(template.FuncMap{
		"script": func() template.HTML { return template.HTML("<script>" + codeScript + "</script>") },
	}).Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><title>Mohur</title></head>
<body data-code="{{.Code}}" data-expires="{{.Expires}}" data-origins="{{.Origins}}"><p>{{.Words}}</p>{{script}}</body></html>
`))
})

var codeWords = map[string]string{
	"az": "Sertifikat qəbul edildi. Bankın səhifəsinə qayıdın.",
	"en": "The certificate was taken. Go back to the bank's page.",
	"ru": "Сертификат принят. Вернитесь на страницу банка.",
}

func (x *exchange) codePage(code codeOut, l CertificateListener, lang string) (reply, error) {
	var list bytes.Buffer
	list.WriteByte('[')
	for i, o := range l.Origins {
		if i > 0 {
			list.WriteByte(',')
		}
		list.Write(quoted(o))
	}
	list.WriteByte(']')
	var out bytes.Buffer
	err := codeTemplate().Execute(&out, map[string]any{
		"Lang": lang, "Words": codeWords[lang], "Code": code.Code, "Expires": code.ExpiresAt.Format(time.RFC3339), "Origins": list.String(),
	})
	if err != nil {
		return reply{}, err
	}
	h := x.w.Header()
	h.Set("Content-Security-Policy", codePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	return reply{status: http.StatusOK, kind: "text/html; charset=utf-8", raw: out.Bytes()}, nil
}
