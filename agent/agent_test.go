package agent_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
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
)

// TestMain: the test's own binary is the child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == pkcs11.ChildArgument {
		os.Exit(pkcs11.Child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// desk is a customer's desk: a site of the bank, a card, the agent.
type desk struct {
	t     *testing.T
	card  *agenttest.SoftCard
	root  *pkitest.Pair
	pairs []*pkitest.Pair
	site  *agenttest.Site
	agent *agent.Agent
	shown *dialogtest.Script
}

// newDesk makes one whose card has keys of the kinds; "sign:" before a kind makes
// it one for signing.
func newDesk(t *testing.T, kinds ...string) *desk {
	t.Helper()
	d := &desk{t: t, root: pkitest.Root(t, "Root")}
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
	d.site = agenttest.NewSite(t, nil)
	catalog, err := device.Load("")
	if err != nil {
		t.Fatal(err)
	}
	d.agent = &agent.Agent{
		Config:   &agent.Config{Bank: "A Bank", Origins: []string{d.site.URL}, Issuers: []string{agenttest.Issuer}, Language: "en"},
		Cards:    &agent.Devices{Catalog: catalog, Modules: []string{d.card.Module}, Runner: pkcs11.Runner{Env: d.card.Env(), Deadline: 20 * time.Second}},
		Resolver: &linked.Resolver{Issuers: []string{agenttest.Issuer}}, Version: "1.2.3",
		Dialog: func(words.Language) (dialog.Dialog, error) { return d.shown, nil },
	}
	return d
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
	return d.do(agent.Authenticate, map[string]any{"challengeNonce": agenttest.Nonce(text)}, answers...)
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
