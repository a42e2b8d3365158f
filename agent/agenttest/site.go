package agenttest

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/agent/linked"
	"mohur/canonical"
)

// Issuer is the iss of a Site's texts.
const Issuer = "https://mohur.bank.example"

// Site is a page of the bank that serves challenge texts where the agent looks for
// them. Its URL is an origin on this machine.
type Site struct {
	*httptest.Server
	t     testing.TB
	mu    sync.Mutex
	texts map[string][]byte
	more  http.Handler
}

// NewSite starts one. Other paths are answered by more, if it is not nil.
func NewSite(t testing.TB, more http.Handler) *Site {
	s := &Site{t: t, texts: map[string][]byte{}, more: more}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP serves the texts.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, linked.Path)
	if !ok && s.more != nil {
		s.more.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	text, ok := s.texts[name]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(text)
}

// Text puts a challenge text of the type on the site and returns it: a payment is
// one of 12500.00 AZN to "Nigar MMC". Members of change replace those it has.
func (s *Site) Text(typ string, change map[string]any) []byte {
	s.t.Helper()
	m := map[string]any{"v": 1, "typ": typ, "iss": Issuer, "sub": "C-1", "nonce": "AAECAwQFBgcICQoLDA0ODw", "exp": time.Now().Add(5 * time.Minute).Unix()}
	if typ == linked.Payment {
		m["reference"], m["purpose"], m["amount"] = "INV-7", "rent", map[string]any{"value": "12500.00", "currency": "AZN"}
		m["payer"] = map[string]any{"name": "Aysel", "account": "AZ21", "bank": "A Bank"}
		m["payee"] = map[string]any{"name": "Nigar MMC", "account": "AZ77", "bank": "B Bank", "country": "AZ"}
	}
	for k, v := range change {
		m[k] = v
	}
	text, err := canonical.JSON(m)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Swap(text, text)
	return text
}

// Swap makes the site give another text for the hashes of one.
func (s *Site) Swap(text, other []byte) {
	sum, longer, longest := sha256.Sum256(text), sha512.Sum384(text), sha512.Sum512(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range [][]byte{sum[:], longer[:], longest[:]} {
		s.texts[base64.RawURLEncoding.EncodeToString(h)] = other
	}
}

// Nonce is the Web eID nonce of a text.
func Nonce(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.StdEncoding.EncodeToString(sum[:])
}
