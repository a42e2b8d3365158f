package api_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"mohur/api"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/rate"
)

// certificates is the listener of a bank, as the server has it.
type certificates struct {
	*world
	server *httptest.Server
}

func newCertificates(t *testing.T, w *world, l api.CertificateListener) *certificates {
	t.Helper()
	s := httptest.NewUnstartedServer(w.api.Certificates(l))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Config.SetKeepAlivesEnabled(false)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	s.StartTLS()
	t.Cleanup(s.Close)
	return &certificates{w, s}
}

// visit is a browser that shows a certificate.
func (l *certificates) visit(p *pkitest.Pair, h http.Header, path string) *answer {
	l.T.Helper()
	client := l.server.Client()
	trust := client.Transport.(*http.Transport).TLSClientConfig.RootCAs
	own := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}
	if p != nil {
		own.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{p.Raw}, PrivateKey: p.Key}}
	}
	defer own.CloseIdleConnections()
	r, err := http.NewRequestWithContext(l.T.Context(), http.MethodGet, l.server.URL+path, nil)
	l.must(nil, err)
	r.Header = h
	res, err := (&http.Client{Transport: own}).Do(r)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	l.must(nil, err)
	return &answer{t: l.T, what: "GET " + path, status: res.StatusCode, header: res.Header, body: text}
}

const page = "https://bank.test"

// A browser shows its card's certificate in TLS 1.2, as ACOS5 needs it, and carries the
// code to the front end.
func TestClause4_3_2_AClientCertificateOverTLS(t *testing.T) {
	w := newWorld(t)
	state := w.AllowCards()
	l := newCertificates(t, w, api.CertificateListener{Origins: []string{page}})
	for _, kind := range []string{"RSA-2048", "P-256"} {
		who, c := state.CardHolder(pkitest.Kind(kind))
		given := l.visit(c.Pair, http.Header{"Origin": {page}}, "/")
		if given.header.Get("Access-Control-Allow-Origin") != page || given.header.Get("Access-Control-Allow-Credentials") != "true" || given.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v", given.header)
		}
		v := w.beginLogin(who.ID)
		at := "/v1/authentications/" + v.str("id") + "/responses"
		sent := body{"method": "card", "tls_code": given.is(200).str("tls_code")}
		w.ask(w.as("frontend"), "POST", at, sent).is(200).has(body{"state": "granted", "acr": "strong"})
		other := w.beginLogin(who.ID)
		w.ask(w.as("frontend"), "POST", "/v1/authentications/"+other.str("id")+"/responses", sent).refused(403, "authentication-failed")
	}
}

// Nobody but the bank's pages reads a code, and what could not log in gets none.
func TestAttack08_WhoGetsACode(t *testing.T) {
	w := newWorld(t)
	state := w.AllowCards()
	l := newCertificates(t, w, api.CertificateListener{Origins: []string{page, "https://shop.example"}})
	_, c := state.CardHolder()
	if l.visit(nil, http.Header{}, "/") != nil {
		t.Error("a connection without a certificate")
	}
	for _, origin := range []string{"https://evil.example", "null", "https://bank.test.evil.example", "http://bank.test"} {
		a := l.visit(c.Pair, http.Header{"Origin": {origin}}, "/")
		a.refused(403, "forbidden")
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s reads the answer", origin)
		}
	}
	l.visit(c.Pair, http.Header{"Origin": {page, page}}, "/").refused(403, "forbidden")
	for name, p := range map[string]*pkitest.Pair{
		"of nobody": pkitest.Root(t, "Nobody").Card(t, "AZ1"), "for documents": state.NewSigner("AZ2").Pair, "its own root": pkitest.Root(t, "AZ3"),
	} {
		if a := l.visit(p, http.Header{"Origin": {page}}, "/"); a.status != 403 || bytes.Contains(a.body, []byte("tls_code")) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	// The page of a popup gives the code to the bank's own pages, whoever opened it.
	popup := l.visit(c.Pair, http.Header{"Accept": {"text/html"}}, "/?lang=az")
	if text := string(popup.body); popup.status != 200 || !strings.Contains(text, `lang="az"`) || !strings.Contains(text, "[&#34;https://bank.test&#34;,&#34;https://shop.example&#34;]") ||
		!strings.HasPrefix(popup.header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", popup.status, popup.body)
	}
	if policy := popup.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Error(policy)
	}
	l.visit(c.Pair, http.Header{}, "/v1/tokens").refused(404, "not-found")
	l.visit(c.Pair, http.Header{}, "/metrics").refused(404, "not-found")
	l.visit(c.Pair, http.Header{}, "/?x=1").faulty("x")
	w.ask("", "GET", "/", nil).refused(404, "not-found") // the API has no such page
}

// A certificate in a header counts from the one proxy that shows the pinned key in TLS,
// and from nobody else.
func TestAttack08_ACertificateInAHeader(t *testing.T) {
	w := newWorld(t)
	state := w.AllowCards()
	who, c := state.CardHolder()
	victim, theirs := state.CardHolder()
	proxy, other := pkitest.Root(t, "Proxy"), pkitest.Root(t, "Another Proxy")
	pin := sha256.Sum256(proxy.RawSubjectPublicKeyInfo)
	l := newCertificates(t, w, api.CertificateListener{Origins: []string{page}, ProxySPKI: pin[:]})
	named := func(p *banktest.Card) http.Header {
		return http.Header{"Client-Cert": {":" + base64.StdEncoding.EncodeToString(p.Raw) + ":"}}
	}
	logIn := func(customer string, a *answer) *answer {
		return w.ask(w.as("frontend"), "POST", "/v1/authentications/"+w.beginLogin(customer).str("id")+"/responses", body{"method": "card", "tls_code": a.is(200).str("tls_code")})
	}
	logIn(who.ID, l.visit(proxy, named(c), "/")).is(200)
	escaped := http.Header{"Client-Cert": {url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))}}
	logIn(who.ID, l.visit(proxy, escaped, "/")).is(200)
	l.visit(other, named(c), "/").refused(403, "authentication-failed")
	// Whoever has a card of his own and names the victim's is himself.
	code := l.visit(c.Pair, named(theirs), "/")
	logIn(victim.ID, code).refused(403, "authentication-failed")
	for _, h := range []http.Header{{}, {"Client-Cert": {"::"}}, {"Client-Cert": {":AAAA:"}}, {"Client-Cert": {"x"}}, {"Client-Cert": append(named(c)["Client-Cert"], named(c)["Client-Cert"]...)}} {
		l.visit(proxy, h, "/").refused(403, "forbidden")
	}
	// Without a pin nobody names anything.
	l = newCertificates(t, w, api.CertificateListener{Origins: []string{page}})
	l.visit(proxy, named(c), "/").refused(403, "authentication-failed")
}

// Behind the proxy everybody has its address: there each certificate has its pace.
func TestAttack05_BehindAProxyACertificateHasAPace(t *testing.T) {
	w := newWorld(t, func(w *world) { w.deps.Strangers = rate.Limit{PerSecond: 1, Burst: 5} })
	state := w.AllowCards()
	proxy := pkitest.Root(t, "Proxy")
	pin := sha256.Sum256(proxy.RawSubjectPublicKeyInfo)
	l := newCertificates(t, w, api.CertificateListener{Origins: []string{page}, ProxySPKI: pin[:]})
	visit := func(p *pkitest.Pair) *answer {
		return l.visit(proxy, http.Header{"Client-Cert": {":" + base64.StdEncoding.EncodeToString(p.Raw) + ":"}}, "/")
	}
	stranger, limited := state.NewSigner("AZ1"), 0
	for range 30 {
		if a := visit(stranger.Pair); a.status == 429 {
			limited++
		} else {
			a.refused(403, "authentication-failed")
		}
	}
	if limited == 0 {
		t.Error("one certificate has no pace")
	}
	_, c := state.CardHolder()
	visit(c.Pair).is(200)
	if n := w.Count("certificate.presented", "refused", "signing-only"); n != 30-limited {
		t.Errorf("%d entries", n)
	}
}

// What a proxy names is one certificate or none.
func FuzzProxied(f *testing.F) {
	root := pkitest.Root(f, "Root")
	f.Add(":" + base64.StdEncoding.EncodeToString(root.Raw) + ":")
	f.Add(url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))))
	f.Add("::")
	f.Fuzz(func(t *testing.T, value string) {
		chain, err := api.Proxied([]string{value})
		if (err == nil) != (len(chain) == 1) {
			t.Fatalf("%d certificates, %v", len(chain), err)
		}
	})
}
