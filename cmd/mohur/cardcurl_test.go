package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mohur/authn/pkitest"
	"mohur/cardtest"
)

// The whole way of a card that can do no more than an ACOS5: curl and OpenSSL as the
// browser, OpenSC's module, pcscd, a virtual card; then the server's own listener and a
// log-in with the code.
func TestClause4_3_2_CurlWithACardLogsIn(t *testing.T) {
	s := serveCards(t, cardPage)
	stack := cardtest.NewStack(t)
	person := s.middle.Card(t, "AZ100", pkitest.Kind("RSA-2048"))
	virtual := cardtest.New(cardtest.Settings{PKCS1Only: true, ATR: cardtest.ACOS5})
	virtual.Put(cardtest.Authentication, person.Key, person.Raw)
	stack.Insert(virtual)
	s.enrol("C-1", person)

	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	text := "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nSignatureAlgorithms = rsa_pkcs1_sha256:ecdsa_secp256r1_sha256\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	visit := func(pin string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "curl", "-sS", "--cacert", s.config.TLS.Cert, "--engine", "pkcs11", "--cert-type", "ENG", "--key-type", "ENG",
			"--cert", "pkcs11:id=%01;type=cert", "--key", "pkcs11:id=%01;type=private;pin-value="+pin,
			"-H", "Origin: "+cardPage, "https://"+s.listener+"/")
		cmd.Env = append(os.Environ(), append(stack.Env(), "PKCS11_MODULE_PATH="+cardtest.OpenSC(t), "OPENSSL_CONF="+conf)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := visit("123456")
	var code struct {
		TLSCode string `json:"tls_code"`
	}
	if err != nil || json.Unmarshal([]byte(out), &code) != nil || code.TLSCode == "" {
		t.Fatalf("%v\n%s", err, out)
	}
	v := s.call("POST", "/v1/authentications", map[string]any{"customer": "C-1", "purpose": "login", "channel": "internet"})
	got := s.call("POST", "/v1/authentications/"+v["id"].(string)+"/responses", map[string]any{"method": "card", "tls_code": code.TLSCode})
	if got["state"] != "granted" || got["acr"] != "strong" {
		t.Errorf("%v", got)
	}
	if out, err := visit("654321"); err == nil {
		t.Errorf("a wrong PIN is taken:\n%s", out)
	}
}
