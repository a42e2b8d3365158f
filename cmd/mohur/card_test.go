package main

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mohur/authn/pkitest"
	"mohur/authn/revocation"
	"mohur/enrollment"
)

const withCards = least + `card:
  origins: ["https://login.bank.example"]
  tls_listen: 127.0.0.1:8444
  proxy_spki: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
  issuers:
    - name: e-imza
      roots: [ca/root.pem, /etc/other.pem]
      intermediates: [ca/cards.pem]
      policies: ["1.3.6.1.4.1.99999.1.1"]
      subject: serialNumber
      subject_is: kyc_ref
      algorithms: [RS256, ES256]
      log_in: true
      ocsp: ["http://ocsp.example/"]
      ocsp_keep: 30s
      grace: 1h
    - {name: documents, roots: [ca/root.pem], subject: "2.5.4.5", signing: true, crls: ["http://crl.example/list.crl"], crl_files: [ca/list.crl]}
`

// What is written of cards arrives; left out, there are none.
func TestConfigOfCards(t *testing.T) {
	c := mustParse(t, withCards)
	for range 2 { // as it is written, and as it is written down
		i, d := c.Card.Issuers[0], c.Card.Issuers[1]
		if i.Roots[0] != "/etc/mohur/ca/root.pem" || i.Roots[1] != "/etc/other.pem" || i.Intermediates[0] != "/etc/mohur/ca/cards.pem" || d.CRLFiles[0] != "/etc/mohur/ca/list.crl" {
			t.Errorf("%+v %+v", i, d)
		}
		if r := i.rules(); !r.OCSP || r.Responders[0] != "http://ocsp.example/" || r.Keep != 30*time.Second || r.Grace != time.Hour || i.SubjectIs != "kyc_ref" || !i.LogIn || i.Signing {
			t.Errorf("%+v", r)
		}
		if r := d.rules(); r.OCSP || len(r.CRLs) != 1 || r.Grace != 0 || !d.Signing || d.LogIn {
			t.Errorf("%+v", r)
		}
		c = mustParse(t, string(c.document("x")))
	}
	if v, err := mustParse(t, least).cards(new(revocation.Checker), enrollment.OwnCards{}); err != nil || v != nil {
		t.Errorf("%+v, %v", v, err)
	}
}

// Each fault says where it is and what to write.
func TestConfigOfCardsFaults(t *testing.T) {
	for edit, want := range map[[2]string]string{
		{"  origins: [\"https://login.bank.example\"]\n", ""}:      "card.origins: is needed",
		{"issuers:\n    - name: e-imza", "issuers:\n    - x: y"}:   "profile 1, line 9: x there is no such setting",
		{"      subject: serialNumber\n", ""}:                      `profile 1 "e-imza": subject is needed`,
		{"      log_in: true\n", ""}:                               `profile 1 "e-imza": needs log_in or signing`,
		{"      roots: [ca/root.pem, /etc/other.pem]\n", ""}:       `profile 1 "e-imza": roots is needed`,
		{"name: documents", "name: e-imza"}:                        `profile 2 "e-imza": name stands there twice`,
		{"subject_is: kyc_ref", "subject_is: name"}:                "subject_is needs to be kyc_ref or token",
		{`ocsp: ["http://ocsp.example/"]`, "skew: 1m"}:             "neither ocsp nor a CRL",
		{"http://ocsp.example/", "ldap://ocsp.example/"}:           "ldap://ocsp.example/",
		{"grace: 1h", "grace: 300h"}:                               "line 19: grace needs to be from 0s to 168h",
		{"log_in: true", "log_in: yes please"}:                     "log_in needs to be true or false",
		{"tls_listen: 127.0.0.1:8444", "tls_listen: everywhere"}:   "card.tls_listen",
		{"  tls_listen: 127.0.0.1:8444\n", ""}:                     "card.tls_listen: is needed",
		{"000102030405", "000102"}:                                 "card.proxy_spki: needs to be 64 hexadecimal digits",
		{"  tls_listen:", "  tls_cert: x.pem\n  tls_listen:"}:      "card.tls_cert",
		{"  issuers:\n    - name: e-imza", "  issuers: e-imza\nx"}: "",
	} {
		text := strings.Replace(withCards, edit[0], edit[1], 1)
		if text == withCards {
			t.Fatalf("nothing to replace: %q", edit[0])
		}
		if _, err := parseConfig("/etc/mohur/mohur.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", edit[1], err)
		}
	}
	c := mustParse(t, withCards)
	if _, err := c.cards(new(revocation.Checker), enrollment.OwnCards{}); err == nil || !strings.Contains(err.Error(), "card.issuers: e-imza: roots:") {
		t.Errorf("files that are not there: %v", err)
	}
}

// cardPage is the page that asks cards.
const cardPage = "https://login.bank.example"

// cardServer is a server that takes the cards of a state.
type cardServer struct {
	*instance
	middle    *pkitest.Pair
	responder *pkitest.Responder
	listener  string
}

func serveCards(t *testing.T, page string) *cardServer {
	t.Helper()
	root := pkitest.Root(t, "State Root")
	s := &cardServer{middle: root.Authority(t, "State Cards")}
	s.responder = s.middle.OCSP()
	ocsp := httptest.NewServer(s.responder)
	t.Cleanup(ocsp.Close)
	dir := t.TempDir()
	write := func(name string, c *pkitest.Pair) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	issuers := fmt.Sprintf(`[{name: state, roots: [%s], intermediates: [%s], subject: serialNumber, log_in: true, signing: true, ocsp: ["%s"]}]`, write("root.pem", root), write("cards.pem", s.middle), ocsp.URL)
	s.instance = start(t, "  # issuers:\n", "  issuers: "+issuers+"\n  origins: [\""+page+"\"]\n  tls_listen: 127.0.0.1:0\n")
	found := regexp.MustCompile(`client certificates are taken","address":"([^"]+)"`).FindStringSubmatch(s.log.String())
	if found == nil {
		t.Fatalf("no listener:\n%s", s.log.String())
	}
	s.listener = found[1]
	return s
}

// call is a request with the development key.
func (s *cardServer) call(method, path string, in any) map[string]any {
	s.t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.admin().send(s.t.Context(), method, path, "application/json", strings.NewReader(string(text)))
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %v %v", method, path, resp.StatusCode, out, err)
	}
	return out
}

// customer makes a customer.
func (s *cardServer) customer(id string) {
	s.t.Helper()
	s.call("PUT", "/v1/customers/"+id, map[string]any{
		"name": "A", "locale": "az", "segment": "retail", "contract_ref": "K", "contract_version": "1", "kyc_ref": "V",
		"contacts": map[string]string{"phone": "+994501234567", "email": "a@bank.example"},
	})
}

// begin begins the enrolment of a certificate, on a token if one is named.
func (s *cardServer) begin(customer, use, token string) map[string]any {
	s.t.Helper()
	secret := s.call("POST", "/v1/customers/"+customer+"/activation-secrets", map[string]any{"purpose": "enroll", "channel": "email"})
	asked := map[string]any{"customer": customer, "kind": "card", "use": use, "proof": map[string]any{"activation_secret": secret["secret"]}}
	if token != "" {
		asked["token"] = token
	}
	return s.call("POST", "/v1/enrollments", asked)
}

// enrol binds a card to a new customer.
func (s *cardServer) enrol(customer string, c *pkitest.Pair) {
	s.t.Helper()
	s.customer(customer)
	begun := s.begin(customer, "login", "")
	asked := begun["card"].(map[string]any)
	s.call("POST", "/v1/enrollments/"+begun["id"].(string)+"/responses", map[string]any{
		"card": json.RawMessage(c.Token(s.t, cardPage, asked["nonce"].(string))),
	})
}

// A server takes a card in the browser's way and over its own TLS listener, which
// speaks TLS 1.2 only, asks everybody for a certificate, and serves nothing else.
func TestClause4_3_2_AServerThatTakesCards(t *testing.T) {
	s := serveCards(t, cardPage)
	c := s.middle.Card(t, "AZ100", pkitest.Kind("RSA-2048"))
	s.enrol("C-1", c)
	v := s.call("POST", "/v1/authentications", map[string]any{"customer": "C-1", "purpose": "login", "channel": "internet"})
	nonce := v["methods"].([]any)[0].(map[string]any)["nonce"].(string)
	got := s.call("POST", "/v1/authentications/"+v["id"].(string)+"/responses", map[string]any{
		"method": "card", "token": json.RawMessage(c.Token(t, cardPage, nonce)),
	})
	if got["state"] != "granted" || got["acr"] != "strong" {
		t.Errorf("%v", got)
	}

	settings := s.config.clientTLS()
	settings.ServerName = "localhost"
	settings.Certificates = []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: c.Key}}
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: settings}}
	resp, err := browser.Get("https://" + s.listener + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var code struct {
		TLSCode string `json:"tls_code"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&code); err != nil || resp.TLS.Version != tls.VersionTLS12 || !resp.Close {
		t.Fatalf("TLS %x, %v", resp.TLS.Version, err)
	}
	v = s.call("POST", "/v1/authentications", map[string]any{"customer": "C-1", "purpose": "login", "channel": "internet"})
	got = s.call("POST", "/v1/authentications/"+v["id"].(string)+"/responses", map[string]any{"method": "card", "tls_code": code.TLSCode})
	if got["state"] != "granted" {
		t.Errorf("%v", got)
	}

	only13 := settings.Clone()
	only13.MinVersion = tls.VersionTLS13
	if conn, err := tls.Dial("tcp", s.listener, only13); err == nil {
		conn.Close()
		t.Error("it speaks TLS 1.3")
	}
	none := s.config.clientTLS()
	none.ServerName = "localhost"
	if resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: none}}).Get("https://" + s.listener + "/"); err == nil {
		resp.Body.Close()
		t.Error("a browser without a certificate is answered")
	}
	if text := s.metrics(); !strings.Contains(text, `mohur_card_status_total{source="ocsp",state="good"}`) {
		t.Errorf("no metric of the status: %s", text)
	}
}

func (s *cardServer) metrics() string {
	s.t.Helper()
	resp, err := s.admin().send(s.t.Context(), "GET", "/metrics", "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// `mohur config check` and the doctor read the certificates that a profile names.
func TestTheCertificatesOfIssuersAreChecked(t *testing.T) {
	root := pkitest.Root(t, "Root")
	for name, c := range map[string]struct {
		text  []byte
		fault string
	}{
		"good":    {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), ""},
		"empty":   {[]byte("no certificate"), "holds no certificate in PEM"},
		"a leaf":  {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Card(t, "AZ1").Raw}), "roots"},
		"damaged": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw[:100]}), "x509"},
		"missing": {nil, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), configName)
			text := least + "card:\n  origins: [\"https://bank.example\"]\n  issuers: [{name: e-imza, roots: [root.pem], subject: serialNumber, log_in: true, ocsp: [\"http://ocsp.example/\"]}]\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.text != nil {
				if err := os.WriteFile(filepath.Join(filepath.Dir(file), "root.pem"), c.text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, _, said := command(t, "config", "check", "--config", file)
			if (code == exitOK) != (c.fault == "") || !strings.Contains(said, c.fault) {
				t.Errorf("%d %s", code, said)
			}
			in, err := loadConfig(file)
			if err != nil {
				t.Fatal(err)
			}
			x := &examination{config: in}
			want := fine
			if c.fault != "" {
				want = failing
			}
			if x.cards(); len(x.found) != 1 || x.found[0].What != "card.issuers" || x.found[0].Verdict != want {
				t.Errorf("the doctor says %+v", x.found)
			}
		})
	}
}
