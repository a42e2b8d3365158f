package agent_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
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
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
	"mohur/canonical"
)

// TestMain: the test's own binary is the child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == pkcs11.ChildArgument {
		os.Exit(pkcs11.Child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

const issuer = "https://mohur.bank.example"

// desk is a customer's desk: a site of the bank, a card, the agent.
type desk struct {
	t     *testing.T
	card  *agenttest.SoftCard
	root  *pkitest.Pair
	pairs []*pkitest.Pair
	site  *httptest.Server
	texts map[string][]byte
	agent *agent.Agent
	shown *dialogtest.Script
}

// newDesk makes one whose card has keys of the kinds; "sign:" before a kind makes
// it one for signing.
func newDesk(t *testing.T, kinds ...string) *desk {
	t.Helper()
	d := &desk{t: t, root: pkitest.Root(t, "Root"), texts: map[string][]byte{}}
	var keys []agenttest.Key
	for _, kind := range kinds {
		make := d.root.Card
		if k, ok := strings.CutPrefix(kind, "sign:"); ok {
			kind, make = k, d.root.SigningCard
		}
		p := make(t, "AZE1234567", pkitest.Kind(kind))
		d.pairs = append(d.pairs, p)
		keys = append(keys, agenttest.Key{Certificate: p.Certificate, Key: p.Key})
	}
	d.card = agenttest.NewSoftCard(t, "card", keys...)
	d.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := d.texts[strings.TrimPrefix(r.URL.Path, linked.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(text)
	}))
	t.Cleanup(d.site.Close)
	catalog, err := device.Load("")
	if err != nil {
		t.Fatal(err)
	}
	d.agent = &agent.Agent{
		Config:   &agent.Config{Bank: "A Bank", Origins: []string{d.site.URL}, Issuers: []string{issuer}, Language: "en"},
		Cards:    &agent.Devices{Catalog: catalog, Modules: []string{d.card.Module}, Runner: pkcs11.Runner{Env: d.card.Env(), Deadline: 20 * time.Second}},
		Resolver: &linked.Resolver{Issuers: []string{issuer}}, Version: "1.2.3",
		Dialog: func(words.Language) (dialog.Dialog, error) { return d.shown, nil },
	}
	return d
}

// text puts a challenge text of the type on the site and returns it.
func (d *desk) text(typ string, more map[string]any) []byte {
	d.t.Helper()
	m := map[string]any{"v": 1, "typ": typ, "iss": issuer, "sub": "C-1", "nonce": "AAECAwQFBgcICQoLDA0ODw", "exp": time.Now().Add(5 * time.Minute).Unix()}
	if typ == "payment" {
		m["reference"], m["purpose"], m["amount"] = "INV-7", "rent", map[string]any{"value": "12500.00", "currency": "AZN"}
		m["payer"] = map[string]any{"name": "Aysel", "account": "AZ21", "bank": "A Bank"}
		m["payee"] = map[string]any{"name": "Nigar MMC", "account": "AZ77", "bank": "B Bank", "country": "AZ"}
	}
	for k, v := range more {
		m[k] = v
	}
	text, err := canonical.JSON(m)
	if err != nil {
		d.t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	d.texts[base64.RawURLEncoding.EncodeToString(sum[:])] = text
	return text
}

func sum64(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// do has the agent do a command while the customer answers.
func (d *desk) do(command string, args map[string]any, answers ...dialogtest.Answer) (json.RawMessage, error) {
	d.t.Helper()
	d.shown = dialogtest.New(answers...)
	if _, ok := args["origin"]; !ok {
		args["origin"] = d.site.URL
	}
	text, err := json.Marshal(args)
	if err != nil {
		d.t.Fatal(err)
	}
	answer, err := d.agent.Do(d.t.Context(), agent.Request{Command: command, Arguments: text}, false)
	if err != nil {
		return nil, err
	}
	if left := d.shown.Left(); left > 0 {
		d.t.Errorf("%d dialogs were not shown; these were:\n%s", left, d.shown.All())
	}
	out, err := json.Marshal(answer)
	if err != nil {
		d.t.Fatal(err)
	}
	return out, nil
}

func (d *desk) logIn(text []byte, answers ...dialogtest.Answer) (json.RawMessage, error) {
	d.t.Helper()
	return d.do(agent.Authenticate, map[string]any{"challengeNonce": sum64(text)}, answers...)
}

var rightPIN = dialogtest.Answer{PIN: agenttest.PIN}

func code(err error) string {
	var e *agent.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// refused expects a refusal with the code, told to the customer in these words.
func (d *desk) refused(name string, err error, want string, told ...string) {
	d.t.Helper()
	if code(err) != want {
		d.t.Errorf("%s: %v, want %s", name, err, want)
	}
	for _, words := range told {
		if !strings.Contains(d.shown.All(), words) {
			d.t.Errorf("%s: the customer is not told %q:\n%s", name, words, d.shown.All())
		}
	}
}

// verifier is the server's, for the desk's site.
func (d *desk) verifier() *card.Verifier {
	d.t.Helper()
	ocsp := httptest.NewServer(d.root.OCSP())
	d.t.Cleanup(ocsp.Close)
	v, err := card.New(card.Settings{Origins: []string{d.site.URL}, Status: &revocation.Checker{}, Issuers: []card.Issuer{{
		Name: "test", Roots: []*x509.Certificate{d.root.Certificate}, Subject: "serialNumber", LogIn: true, Signing: true,
		Revocation: revocation.Rules{OCSP: true, Responders: []string{ocsp.URL}},
	}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}
