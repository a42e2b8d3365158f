package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/tokens/pskc"
	"mohur/tokens/pskc/pskctest"
)

// tool runs a program of scripts/setup and returns what it prints.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v (it comes with scripts/setup)\n%s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}

// signed has pskctool write a file: it signs what a manufacturer has made, and
// with that writes every element anew.
func signed(t *testing.T, keys ...pskctest.Key) string {
	t.Helper()
	dir := t.TempDir()
	var plain bytes.Buffer
	w := pskctest.NewWriter(&plain)
	for _, k := range keys {
		w.Add(k)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	in, certFile, keyFile := filepath.Join(dir, "in.xml"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key := signer(t)
	for name, text := range map[string][]byte{in: plain.Bytes(), certFile: cert, keyFile: key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := tool(t, "pskctool", "--sign", "--sign-key="+keyFile, "--sign-crt="+certFile, in)
	if !strings.Contains(out, "SignatureValue") {
		t.Fatalf("pskctool has not signed:\n%s", out)
	}
	path := filepath.Join(dir, "signed.xml")
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// signer makes the manufacturer's key, in the form that pskctool reads.
func signer(t *testing.T) (cert, key []byte) {
	t.Helper()
	secret, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Manufacturer"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// TestClause5_3_3_OathtoolLogsIn: tokens from a file that pskctool wrote are
// imported, and a client that shares nothing with this server, oathtool, brings
// them to life and logs in with them, by counter and by time.
func TestClause5_3_3_OathtoolLogsIn(t *testing.T) {
	in := start(t)
	hotp, totp := make([]byte, 20), make([]byte, 32)
	rand.Read(hotp)
	rand.Read(totp)
	file := signed(t,
		pskctest.Key{Serial: "OATH-1", Algorithm: pskc.HOTP, Digits: 6, Secret: hotp},
		pskctest.Key{Serial: "OATH-2", Algorithm: pskc.TOTP, Digits: 8, Secret: totp, Hash: 2, Step: 30 * time.Second})
	if out := must(t, "token", "import", file, "--config", in.file); !strings.Contains(out, "2 of 2 keys imported") {
		t.Fatal(out)
	}
	counter := 0
	byCounter := func() string {
		counter++
		return tool(t, "oathtool", "--hotp", "--counter", fmt.Sprint(counter-1), hex.EncodeToString(hotp))
	}
	now := time.Now()
	byTime := func() string {
		now = now.Add(30 * time.Second) // the next step: within the window, and not used yet
		return tool(t, "oathtool", "--totp=sha256", "--digits", "8", "--now", now.UTC().Format("2006-01-02 15:04:05 UTC"), hex.EncodeToString(totp))
	}
	now = now.Add(-30 * time.Second)
	for serial, code := range map[string]func() string{"OATH-1": byCounter, "OATH-2": byTime} {
		p := newPerson(t, in, "C-"+serial)
		p.receive(serial, code)
		used := code()
		if state := p.logIn(used); state != "granted" {
			t.Errorf("%s: oathtool's code is %s", serial, state)
		}
		if state := p.logIn(used); state != "authentication-failed" {
			t.Errorf("%s: the same code again is %s", serial, state)
		}
	}
}

// person is a customer of the server with a PIN.
type person struct {
	t  *testing.T
	cl *client
	id string
}

func newPerson(t *testing.T, in *instance, id string) *person {
	t.Helper()
	p := &person{t: t, cl: in.admin(), id: id}
	p.call(http.MethodPut, "/v1/customers/"+id, map[string]any{
		"name": "A B", "locale": "en", "segment": "retail", "contacts": map[string]string{"phone": "+994501234567", "email": "a@b.example"},
		"contract_ref": "K", "contract_version": "1", "kyc_ref": "V",
	}, nil)
	p.call(http.MethodPut, "/v1/customers/"+id+"/pin", map[string]any{
		"pin": "718294", "proof": map[string]string{"activation_secret": p.secret("pin", "")},
	}, nil)
	return p
}

func (p *person) call(method, path string, in, out any) {
	p.t.Helper()
	if err := p.cl.call(context.Background(), method, path, in, out); err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (p *person) secret(purpose, token string) string {
	p.t.Helper()
	in := map[string]string{"purpose": purpose, "channel": "sms"}
	if token != "" {
		in["token"] = token
	}
	var out struct{ Secret string }
	p.call(http.MethodPost, "/v1/customers/"+p.id+"/activation-secrets", in, &out)
	return out.Secret
}

// receive hands a token over and brings it to life.
func (p *person) receive(serial string, code func() string) {
	p.t.Helper()
	ref := "/v1/tokens/serial:" + serial
	var token tokenView
	p.call(http.MethodPost, ref+"/assign", map[string]string{"customer": p.id}, &token)
	p.call(http.MethodPost, ref+"/deliver", map[string]string{"receipt": "by hand"}, nil)
	p.call(http.MethodPost, ref+"/activate", map[string]any{
		"activation_secret": p.secret("activate", token.ID), "response": map[string]string{"method": "otp", "code": code()},
	}, nil)
}

// logIn answers a log-in with a code and the PIN and returns what came of it.
func (p *person) logIn(code string) string {
	p.t.Helper()
	var a attempt
	err := p.cl.call(context.Background(), http.MethodPost, "/v1/authentications", map[string]any{
		"customer": p.id, "purpose": "login", "channel": "pc",
		"responses": []map[string]string{{"method": "otp", "code": code}, {"method": "pin", "pin": "718294"}},
	}, &a)
	if err != nil {
		text := err.Error()
		return strings.TrimSuffix(text[strings.LastIndex(text, " ")+1:], ")")
	}
	return a.State
}
