package main

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mohur/agent"
	"mohur/agent/agenttest"
	"mohur/agent/device"
	"mohur/agent/dialog"
	"mohur/agent/dialog/dialogtest"
	"mohur/agent/linked"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
	"mohur/authn/pkitest"
)

// cardChild is what the customer's agent starts for each operation of a card.
func cardChild() { os.Exit(pkcs11.Child(os.Stdin, os.Stdout)) }

// customersDesk is a page of the bank, which passes the agent's questions on to the
// server, and the customer's agent with a card.
type customersDesk struct {
	*cardServer
	page  *httptest.Server
	agent *agent.Agent
	shown *dialogtest.Script
}

func newCustomersDesk(t *testing.T) (*customersDesk, *pkitest.Pair) {
	t.Helper()
	d := &customersDesk{}
	d.page = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: d.config.clientTLS()}}).Get("https://" + d.address + r.URL.EscapedPath())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(d.page.Close)
	d.cardServer = serveCards(t, d.page.URL)
	logIn, signing := d.middle.Card(t, "AZ100", pkitest.Kind("RSA-2048")), d.middle.SigningCard(t, "AZ100", pkitest.Kind("P-384"))
	card := agenttest.NewSoftCard(t, "card", agenttest.Key{Certificate: logIn.Certificate, Key: logIn.Key}, agenttest.Key{Certificate: signing.Certificate, Key: signing.Key})
	child, err := exec.LookPath("card-child")
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := device.Load("")
	if err != nil {
		t.Fatal(err)
	}
	issuers := []string{d.config.URL}
	d.agent = &agent.Agent{
		Config:   &agent.Config{Bank: "A Bank", Origins: []string{d.page.URL}, Issuers: issuers, Language: "en"},
		Cards:    &agent.Devices{Catalog: catalog, Modules: []string{card.Module}, Runner: pkcs11.Runner{Executable: child, Env: card.Env(), Deadline: 20 * time.Second}},
		Resolver: &linked.Resolver{Issuers: issuers}, Version: "1.0.0",
		Dialog: func(words.Language) (dialog.Dialog, error) { return d.shown, nil },
	}
	return d, signing
}

// do has the agent do what a page asks of it, while the customer types his PIN.
func (d *customersDesk) do(command string, args map[string]any) json.RawMessage {
	d.t.Helper()
	d.shown = dialogtest.New(dialogtest.Answer{PIN: agenttest.PIN})
	args["origin"] = d.page.URL
	text, err := json.Marshal(args)
	if err != nil {
		d.t.Fatal(err)
	}
	answer, err := d.agent.Do(d.t.Context(), agent.Request{Command: command, Arguments: text}, false)
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", command, err, d.shown.All())
	}
	out, err := json.Marshal(answer)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// signed has the text signed as a document.
func (d *customersDesk) signed(text string, p *pkitest.Pair) map[string]any {
	d.t.Helper()
	h := sha512.Sum384([]byte(text))
	var out map[string]any
	certificate := base64.StdEncoding.EncodeToString(p.Raw)
	raw := d.do(agent.Sign, map[string]any{"hash": base64.StdEncoding.EncodeToString(h[:]), "hashFunction": "SHA-384", "certificate": certificate})
	if err := json.Unmarshal(raw, &out); err != nil {
		d.t.Fatal(err)
	}
	out["certificate"] = certificate
	return out
}

// The customer's agent and the server: enrolment, log-in and payment, each text found
// by its hash through the page and shown before the PIN; then a payment that is signed.
func TestClause4_3_2_TheCustomersAgentAndTheServer(t *testing.T) {
	d, signing := newCustomersDesk(t)
	d.customer("C-1")
	begun := d.begin("C-1", "login", "")
	asked := begun["card"].(map[string]any)
	done := d.call("POST", "/v1/enrollments/"+begun["id"].(string)+"/responses", map[string]any{
		"card": d.do(agent.Authenticate, map[string]any{"challengeNonce": asked["nonce"]}),
	})
	token := done["token"].(map[string]any)["id"].(string)

	v := d.call("POST", "/v1/authentications", map[string]any{"customer": "C-1", "purpose": "login", "channel": "internet"})
	granted := d.call("POST", "/v1/authentications/"+v["id"].(string)+"/responses", map[string]any{
		"method": "card", "token": d.do(agent.Authenticate, map[string]any{"challengeNonce": v["methods"].([]any)[0].(map[string]any)["nonce"]}),
	})
	if granted["state"] != "granted" || granted["shown"] != "agent" || granted["acr"] != "strong" {
		t.Fatalf("%v", granted)
	}
	party := map[string]any{"name": "Nigar MMC", "account": "AZ77VTBA00000000001234567890", "bank": "Bank B", "country": "AZ"}
	pay := func(reference string) (tx, attempt map[string]any) {
		tx = d.call("POST", "/v1/transactions", map[string]any{
			"access_token": granted["session"].(map[string]any)["access_token"], "reference": reference, "channel": "internet", "service": "transactional",
			"amount": map[string]any{"value": "12500.00", "currency": "AZN"}, "purpose": "rent", "payer": party, "payee": party,
			"context": map[string]any{"ip": "192.0.2.1", "user_agent": "x", "device_id": "d", "country": "AZ"},
		})
		return tx, tx["authentications"].([]any)[0].(map[string]any)
	}
	_, attempt := pay("r-1")
	paid := d.call("POST", "/v1/authentications/"+attempt["id"].(string)+"/responses", map[string]any{
		"method": "card", "token": d.do(agent.Authenticate, map[string]any{"challengeNonce": attempt["methods"].([]any)[0].(map[string]any)["nonce"]}),
	})
	if paid["state"] != "granted" || paid["shown"] != "agent" || paid["acr"] != "linked" {
		t.Errorf("%v", paid)
	}
	if shown := d.shown.All(); !strings.Contains(shown, "12 500.00 AZN") || !strings.Contains(shown, "Nigar MMC") {
		t.Errorf("the customer saw\n%s", shown)
	}

	begun = d.begin("C-1", "sign", token)
	d.call("POST", "/v1/enrollments/"+begun["id"].(string)+"/responses", map[string]any{"card": d.signed(begun["card"].(map[string]any)["text"].(string), signing)})
	tx, attempt := pay("r-2")
	paid = d.call("POST", "/v1/authentications/"+attempt["id"].(string)+"/responses", map[string]any{
		"method": "card-sign", "token": d.signed(tx["linked"].(map[string]any)["text"].(string), signing),
	})
	if paid["state"] != "granted" || paid["shown"] != "none" || paid["acr"] != "linked" {
		t.Errorf("%v", paid)
	}
	if shown := d.shown.All(); !strings.Contains(shown, "12 500.00 AZN") {
		t.Errorf("the customer saw\n%s", shown)
	}
	// Of all that no row, name or entry is left without its other half.
	must(t, "store", "check", "--config", d.file)
	if code, out, said := command(t, "audit", "verify", "--config", d.file); code != exitOK {
		t.Errorf("%s%s", out, said)
	}
}
