package etoken_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/agent"
	"mohur/agent/agenttest"
	"mohur/agent/device"
	"mohur/agent/dialog/dialogtest"
	"mohur/agent/etoken"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
	"mohur/authn/pkitest"
)

// TestMain: the test's own binary is the child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == pkcs11.ChildArgument {
		os.Exit(pkcs11.Child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

const tokenID = "tk_1"

// bank is a server that certifies, or fails as it is told to.
type bank struct {
	t      *testing.T
	root   *pkitest.Pair
	issued []map[string]any
	state  string
	lose   bool                                                       // the answer to a request for a certificate
	made   func(public crypto.PublicKey, serial string) *pkitest.Pair // instead
	calls  int
	server *etoken.Server
	mu     sync.Mutex // held by what it answers
}

// lost waits for an answer that never came.
func (b *bank) lost() {
	b.mu.Lock()
	b.lose = false
	b.mu.Unlock()
}

func newBank(t *testing.T) *bank {
	b := &bank{t: t, root: pkitest.Root(t, "A Bank E-token CA"), state: "assigned"}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	b.server = &etoken.Server{URL: s.URL, Key: "key", HTTP: s.Client()}
	return b
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer key" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/ca":
		answer(map[string]any{"certificate": asPEM(b.root.Raw)})
	case "GET /v1/tokens/" + tokenID:
		answer(map[string]any{"id": tokenID, "serial": "7", "model": "X", "state": b.state, "customer": "C-1"})
	case "GET /v1/tokens/" + tokenID + "/certificates":
		answer(map[string]any{"items": b.issued})
	case "POST /v1/tokens/" + tokenID + "/certificates":
		b.calls++
		answer(b.certify(r.Body))
	default:
		w.WriteHeader(http.StatusNotFound)
		answer(map[string]any{"detail": "there is no such token"})
	}
}

func (b *bank) certify(body io.Reader) map[string]any {
	var in struct {
		Request string `json:"request"`
	}
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		b.t.Error(err)
	}
	block, _ := pem.Decode([]byte(in.Request))
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || r.CheckSignature() != nil {
		b.t.Errorf("the request: %v", err)
	}
	make := b.made
	if make == nil {
		make = func(public crypto.PublicKey, serial string) *pkitest.Pair {
			return b.root.Card(b.t, serial, func(c *pkitest.Template) { c.With = publicOnly{public} })
		}
	}
	p := make(r.PublicKey, tokenID)
	c := map[string]any{"serial": p.SerialNumber.Text(16), "token": tokenID, "certificate": asPEM(p.Raw), "not_after": p.NotAfter}
	b.issued = append(b.issued, c)
	if b.lose {
		panic(http.ErrAbortHandler)
	}
	return c
}

func asPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// publicOnly is a key of which only the token has the private half.
type publicOnly struct{ crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.PublicKey }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the private key is on the token")
}

// desk is one with a token of SoftHSM.
type desk struct {
	*etoken.Desk
	soft  *agenttest.SoftCard
	shown *dialogtest.Script
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	catalog, err := device.Load("")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{soft: agenttest.NewSoftCard(t, "card")}
	runner := pkcs11.Runner{Env: d.soft.Env(), Deadline: 30 * time.Second}
	cards := &agent.Devices{Catalog: catalog, Modules: []string{d.soft.Module}, Runner: runner}
	d.Desk = &etoken.Desk{Runner: runner, Language: words.EN, Scan: func(ctx context.Context) agent.Inventory {
		var inv agent.Inventory // without the readers of this machine
		tokens, err := cards.Runner.List(ctx, d.soft.Module)
		inv.Modules = []agent.Loaded{{Path: d.soft.Module, Tokens: tokens, Err: err}}
		return inv
	}}
	return d
}

func (d *desk) answers(all ...dialogtest.Answer) {
	d.shown = dialogtest.New(all...)
	d.Dialog = d.shown
}

var (
	yes = dialogtest.Answer{Yes: true}
	pin = dialogtest.Answer{PIN: agenttest.PIN}
)

func (d *desk) issue(b *bank, o etoken.Order) (etoken.Issued, error) {
	d.answers(yes, pin)
	o.Token = tokenID
	if o.Type == "" {
		o.Type = pkcs11.P256
	}
	return d.Issue(b.t.Context(), b.server, o)
}

// on returns the certificates on the token.
func (d *desk) on(t *testing.T) (all []pkcs11.Certificate) {
	t.Helper()
	tokens, err := d.Runner.List(t.Context(), d.soft.Module)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range tokens {
		all = append(all, k.Certificates...)
	}
	return all
}

// Every kind of key is made, certified and stored; renewed, nothing of the old one stays.
func TestKeysOfEveryKind(t *testing.T) {
	b, d := newBank(t), newDesk(t)
	for n, kind := range []string{pkcs11.RSA2048, pkcs11.P256, pkcs11.P384} {
		done, err := d.issue(b, etoken.Order{Type: kind, Renew: n > 0})
		if err != nil || !done.KeyMade || done.CertifiedBy != etoken.Now || len(done.Next) != 4 {
			t.Fatalf("%s: %+v, %v", kind, done, err)
		}
		on := d.on(t)
		if len(on) != 1 || asPEM(on[0].DER) != b.issued[n]["certificate"] || on[0].Label != "mohur "+tokenID {
			t.Errorf("%s: on the token are %+v", kind, on)
		}
	}
}

// Whatever is interrupted goes on with the same key and the same certificate.
func TestInterruptedGoesOn(t *testing.T) {
	b, d := newBank(t), newDesk(t)
	b.lose = true
	_, err := d.issue(b, etoken.Order{})
	b.lost()
	if err == nil || len(d.on(t)) != 0 || len(b.issued) != 1 {
		t.Fatalf("the answer is lost: %v", err)
	}
	done, err := d.issue(b, etoken.Order{})
	if err != nil || done.KeyMade || done.CertifiedBy != etoken.Before || b.calls != 1 {
		t.Fatalf("%+v, %v, %d calls", done, err, b.calls)
	}
	if on := d.on(t); len(on) != 1 || asPEM(on[0].DER) != b.issued[0]["certificate"] {
		t.Errorf("on the token are %+v", on)
	}
	if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), "--renew") {
		t.Errorf("once more: %v", err)
	}

	// A key whose certificate was revoked meanwhile is not certified again.
	b.lose = true
	if _, err := d.issue(b, etoken.Order{Renew: true}); err == nil {
		t.Fatal("lost again")
	}
	b.lost()
	b.issued[1]["revoked_at"] = time.Now()
	if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked one: %v", err)
	}
	if done, err := d.issue(b, etoken.Order{Renew: true}); err != nil || !done.KeyMade || len(d.on(t)) != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}

// What is not this key's, this token's and this authority's does not go on the token.
func TestClause5_20_WhatTheServerSendsIsChecked(t *testing.T) {
	b, d := newBank(t), newDesk(t)
	other := pkitest.Root(t, "A Bank E-token CA")
	for want, made := range map[string]func(crypto.PublicKey, string) *pkitest.Pair{
		"another key":   func(_ crypto.PublicKey, serial string) *pkitest.Pair { return b.root.Card(t, serial) },
		"another token": func(k crypto.PublicKey, _ string) *pkitest.Pair { return b.root.Card(t, "tk_2", with(k)) },
		"not signed by": func(k crypto.PublicKey, serial string) *pkitest.Pair { return other.Card(t, serial, with(k)) },
	} {
		b.made, b.issued = made, nil
		if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), want) || len(d.on(t)) != 0 {
			t.Errorf("%s: %v", want, err)
		}
	}
	b.made = nil
	for state, want := range map[string]string{"in_stock": "assign it", "revoked": "assign it", "active": "--renew"} {
		b.state = state
		if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), want) || len(d.shown.Shown()) != 0 {
			t.Errorf("%s: %v", state, err)
		}
	}
	b.server.Key = "other"
	if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("another API key: %v", err)
	}
}

func with(k crypto.PublicKey) pkitest.Change {
	return func(c *pkitest.Template) { c.With = publicOnly{k} }
}

// The last try is not used up unasked, and a locked token is not tried.
func TestTriesAtTheDesk(t *testing.T) {
	b, d := newBank(t), newDesk(t)
	d.soft.Set(t, "tries", 2)
	o := etoken.Order{Token: tokenID, Type: pkcs11.P256}
	d.answers(yes, dialogtest.Answer{PIN: "999999"}, dialogtest.Answer{Cancel: true})
	if _, err := d.Issue(t.Context(), b.server, o); err == nil || d.soft.Get(t, "tries") != 1 || !strings.Contains(d.shown.All(), "this is the last try") {
		t.Errorf("%v\n%s", err, d.shown.All())
	}
	d.soft.Set(t, "tries", 0)
	if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("locked: %v", err)
	}
	d.soft.Set(t, "tries", 3)
	d.answers(dialogtest.Answer{PIN: "135790"}, dialogtest.Answer{PIN: "135799"}, dialogtest.Answer{PIN: "135790"}, dialogtest.Answer{PIN: "135790"}, pin)
	if err := d.ChangePIN(t.Context(), etoken.Choice{}); err != nil || !strings.Contains(d.shown.All(), "not the same") {
		t.Fatalf("%v\n%s", err, d.shown.All())
	}
	if strings.Contains(d.shown.All(), "135790") {
		t.Error("the PIN is shown")
	}
	if _, err := d.issue(b, etoken.Order{}); err == nil {
		t.Error("the old PIN opens the token")
	}
	d.answers(yes, dialogtest.Answer{PIN: "135790"})
	if _, err := d.Issue(t.Context(), b.server, o); err != nil {
		t.Errorf("the new PIN: %v", err)
	}
}

// A key that was put on the token by somebody else is not certified.
func TestClause5_20_OnlyKeysMadeOnTheToken(t *testing.T) {
	b, d := newBank(t), newDesk(t)
	der, err := x509.MarshalPKCS8PrivateKey(pkitest.Key(t, "RSA-2048"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", d.soft.Module, "--token-label", "card", "--login", "--pin", agenttest.PIN,
		"--write-object", file, "--type", "privkey", "--id", "09", "--label", "mohur "+tokenID)
	cmd.Env = d.soft.Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), "not made on the token") || b.calls != 0 {
		t.Errorf("%v, %d calls", err, b.calls)
	}
	done, err := d.issue(b, etoken.Order{Renew: true})
	if err != nil || !done.KeyMade {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := d.issue(b, etoken.Order{}); err == nil || !strings.Contains(err.Error(), "--renew") {
		t.Errorf("the strange key is there still: %v", err)
	}
}

// An authority outside: its certificate goes to the token that has the key.
func TestOutsideAuthority(t *testing.T) {
	d, root := newDesk(t), pkitest.Root(t, "Outside")
	d.answers(yes, pin)
	text, err := d.Request(t.Context(), etoken.RequestOrder{Label: "mohur", Type: pkcs11.RSA2048, Name: "Aysel"})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.CheckSignature() != nil || request.Subject.CommonName != "Aysel" {
		t.Fatalf("%+v, %v", request, err)
	}
	bring := func(p *pkitest.Pair, label string) error {
		d.answers(pin)
		return d.Import(t.Context(), etoken.ImportOrder{Label: label, Certificate: p.Raw})
	}
	if err := bring(root.Card(t, "AZ1", pkitest.Kind("RSA-2048")), "mohur"); err == nil || !strings.Contains(err.Error(), "not on this token") || len(d.on(t)) != 0 {
		t.Errorf("another key's: %v", err)
	}
	if err := bring(root.Card(t, "AZ1", with(request.PublicKey)), "other"); err == nil || !strings.Contains(err.Error(), "mohur-card request") {
		t.Errorf("another name: %v", err)
	}
	for range 2 { // twice does no harm
		if err := bring(root.Card(t, "AZ1", with(request.PublicKey)), "mohur"); err != nil || len(d.on(t)) != 1 {
			t.Errorf("%v, %d on the token", err, len(d.on(t)))
		}
	}
}

func TestManagementKey(t *testing.T) {
	if key, err := etoken.ManagementKey([]byte("01:02 03040506070801020304050607080102030405060708\n")); err != nil || len(key) != 24 || key[1] != 2 {
		t.Errorf("%x, %v", key, err)
	}
	for _, bad := range []string{"", "0102", "0", strings.Repeat("0g", 16), strings.Repeat("00", 16) + "0", strings.Repeat("00", 33)} {
		if _, err := etoken.ManagementKey([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
