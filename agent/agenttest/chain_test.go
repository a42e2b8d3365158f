package agenttest_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
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
	"mohur/agent/pcsc"
	"mohur/agent/pkcs11"
	"mohur/agent/words"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
	"mohur/cardtest"
)

// TestMain: the test's own binary is the child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == pkcs11.ChildArgument {
		os.Exit(pkcs11.Child(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

const pin = "123456"

// chain is an agent at a real pcscd with OpenSC and a virtual card.
type chain struct {
	stack *cardtest.Stack
	root  *pkitest.Pair
	site  *agenttest.Site
	agent *agent.Agent
	cards *agent.Devices
	shown *dialogtest.Script
	v     *card.Verifier
}

func newChain(t *testing.T) *chain {
	t.Helper()
	c := &chain{stack: cardtest.NewStack(t), root: pkitest.Root(t, "Root"), site: agenttest.NewSite(t, nil)}
	t.Setenv("PCSCLITE_CSOCK_NAME", c.stack.Socket())
	catalog, err := device.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c.cards = &agent.Devices{Catalog: catalog, Modules: []string{cardtest.OpenSC(t)}, Runner: pkcs11.Runner{Deadline: 30 * time.Second}}
	c.agent = &agent.Agent{
		Config: &agent.Config{Bank: "A Bank", Origins: []string{c.site.URL}, Language: "en"}, Cards: c.cards,
		Resolver: &linked.Resolver{Issuers: []string{agenttest.Issuer}}, Version: "1.0.0",
		Dialog: func(words.Language) (dialog.Dialog, error) { return c.shown, nil },
	}
	ocsp := httptest.NewServer(c.root.OCSP())
	t.Cleanup(ocsp.Close)
	c.v, err = card.New(card.Settings{Origins: []string{c.site.URL}, Status: &revocation.Checker{}, Issuers: []card.Issuer{{
		Name: "test", Roots: []*x509.Certificate{c.root.Certificate}, Subject: "serialNumber", LogIn: true, Signing: true,
		Revocation: revocation.Rules{OCSP: true, Responders: []string{ocsp.URL}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue makes a card with a key of the kind for logging in and one for signing.
func (c *chain) issue(t *testing.T, kind string, s cardtest.Settings) (*cardtest.Card, *pkitest.Pair) {
	t.Helper()
	person, signing := c.root.Card(t, "PNOAZ-1", pkitest.Kind(kind)), c.root.SigningCard(t, "PNOAZ-1", pkitest.Kind(kind))
	made := cardtest.New(s)
	made.Put(cardtest.Authentication, person.Key, person.Raw)
	made.Put(cardtest.Signature, signing.Key, signing.Raw)
	return made, signing
}

func (c *chain) do(t *testing.T, command string, args map[string]any, answers ...dialogtest.Answer) ([]byte, error) {
	t.Helper()
	c.shown = dialogtest.New(answers...)
	args["origin"] = c.site.URL
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.agent.Do(t.Context(), agent.Request{Command: command, Arguments: text}, false)
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return out, nil
}

func (c *chain) logIn(t *testing.T, text []byte, answers ...dialogtest.Answer) ([]byte, error) {
	t.Helper()
	return c.do(t, agent.Authenticate, map[string]any{"challengeNonce": agenttest.Nonce(text)}, answers...)
}

// taken expects that the server takes what the agent made, and knows it was shown.
func (c *chain) taken(t *testing.T, text, token []byte, algorithm string) {
	t.Helper()
	verdict := c.v.VerifyToken(t.Context(), card.TokenInput{Token: token, Nonce: agenttest.Nonce(text), At: time.Now()})
	if !verdict.OK || verdict.Shown != card.ShownAgent || verdict.Algorithm != algorithm {
		t.Errorf("the server says %+v", verdict)
	}
}

func refused(t *testing.T, c *chain, err error, code, told string) {
	t.Helper()
	var e *agent.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(c.shown.All(), told) {
		t.Errorf("%v, the customer was shown\n%s", err, c.shown.All())
	}
}

// One process has one pcscd, so all of it is one test.
func TestOverPCSCAndOpenSC(t *testing.T) {
	c := newChain(t)
	right, wrong := dialogtest.Answer{PIN: pin}, dialogtest.Answer{PIN: "999999"}
	login, payment := c.site.Text("login", nil), c.site.Text("payment", nil)

	t.Run("no card", func(t *testing.T) {
		_, err := c.logIn(t, login, dialogtest.Answer{Cancel: true})
		refused(t, c, err, agent.CodeCancelled, "Put the card into the reader")
		readers, err := agent.Readers(t.Context())
		if err != nil || len(readers) == 0 || readers[0].Name != cardtest.Reader || readers[0].Present || readers[0].ATR != nil {
			t.Errorf("%+v, %v", readers, err)
		}
	})

	for kind, algorithm := range map[string]string{"RSA-2048": "RS256", "RSA-3072": "RS256", "P-256": "ES256", "P-384": "ES384"} {
		t.Run(kind, func(t *testing.T) {
			made, signing := c.issue(t, kind, cardtest.Settings{PIN: pin})
			c.stack.Insert(made)
			for _, text := range [][]byte{login, payment} {
				token, err := c.logIn(t, text, right)
				if err != nil {
					t.Fatalf("%v\n%s", err, c.shown.All())
				}
				c.taken(t, text, token, algorithm)
			}
			if !strings.Contains(c.shown.All(), "Amount: 12 500.00 AZN") {
				t.Errorf("the customer saw\n%s", c.shown.All())
			}
			hash, name := agenttest.Nonce(payment), "SHA-256"
			if algorithm == "ES384" {
				sum := sha512.Sum384(payment)
				hash, name = base64.StdEncoding.EncodeToString(sum[:]), "SHA-384"
			}
			// The key for signing asks for the PIN at every use.
			encoded := base64.StdEncoding.EncodeToString(signing.Raw)
			raw, err := c.do(t, agent.Sign, map[string]any{"hash": hash, "hashFunction": name, "certificate": encoded}, right)
			if err != nil {
				t.Fatalf("%v\n%s", err, c.shown.All())
			}
			var response map[string]any
			if err := json.Unmarshal(raw, &response); err != nil {
				t.Fatal(err)
			}
			response["certificate"] = encoded
			raw, _ = json.Marshal(response)
			if verdict := c.v.VerifySignature(t.Context(), card.SignatureInput{Response: raw, Text: payment, At: time.Now()}); !verdict.OK {
				t.Errorf("the server says of the signature %+v", verdict)
			}
		})
	}

	t.Run("all that ACOS5 can do", func(t *testing.T) {
		made, _ := c.issue(t, "RSA-2048", cardtest.Settings{PIN: pin, ATR: cardtest.ACOS5, PKCS1Only: true})
		c.stack.Insert(made)
		inv := c.cards.Scan(t.Context())
		if r := inv.Readers[0]; !r.Known || !strings.HasPrefix(r.Profile.Name, "ACS ACOS5-64") || len(inv.Found) != 2 || inv.Found[0].Reader != cardtest.Reader {
			t.Errorf("%q, %d certificates", r.Profile.Name, len(inv.Found))
		}
		token, err := c.logIn(t, payment, right)
		if err != nil {
			t.Fatalf("%v\n%s", err, c.shown.All())
		}
		c.taken(t, payment, token, "RS256")
	})

	t.Run("wrong PINs", func(t *testing.T) {
		made, _ := c.issue(t, "P-256", cardtest.Settings{PIN: pin})
		c.stack.Insert(made)
		token, err := c.logIn(t, login, wrong, wrong, right)
		if err != nil {
			t.Fatalf("%v\n%s", err, c.shown.All())
		}
		c.taken(t, login, token, "ES256")
		pages := c.shown.Shown()
		if len(pages) != 3 || strings.Contains(pages[0].Text(), "Tries left") || !strings.Contains(pages[1].Text(), "The PIN is wrong.") ||
			!strings.Contains(pages[1].Text(), "Tries left: 2") || !strings.Contains(pages[2].Text(), "this is the last try") {
			t.Errorf("the customer saw\n%s", c.shown.All())
		}
		_, err = c.logIn(t, login, wrong, wrong, dialogtest.Answer{Cancel: true})
		refused(t, c, err, agent.CodeCancelled, "this is the last try")
		if left, _ := made.Tries(); left != 1 {
			t.Errorf("%d tries are left", left)
		}
		_, err = c.logIn(t, login, wrong)
		refused(t, c, err, agent.CodeFatal, "The card is locked")
		_, err = c.logIn(t, login)
		refused(t, c, err, agent.CodeFatal, "The card is locked")
	})

	t.Run("card pulled", func(t *testing.T) {
		made, _ := c.issue(t, "P-256", cardtest.Settings{PIN: pin})
		c.stack.Insert(made)
		before := right
		before.Before = c.stack.Pull
		_, err := c.logIn(t, login, before)
		refused(t, c, err, agent.CodeFatal, "Nothing was signed")
		c.stack.Pulled()
		c.stack.Insert(made)
		made.OnSign(c.stack.Pull)
		_, err = c.logIn(t, login, right)
		refused(t, c, err, agent.CodeFatal, "The card was taken out")
		made.OnSign(nil)
		c.stack.Pulled()
		_, err = c.logIn(t, login, dialogtest.Answer{Yes: true, Before: func() { c.stack.Insert(made) }}, right)
		if err != nil {
			t.Errorf("put in again: %v\n%s", err, c.shown.All())
		}
	})

	t.Run("watch", func(t *testing.T) {
		c.stack.Pulled()
		made, _ := c.issue(t, "P-256", cardtest.Settings{PIN: pin})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		p, err := pcsc.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		known, err := p.Readers()
		if err != nil {
			t.Fatal(err)
		}
		go c.stack.Insert(made)
		for range 10 { // the card is there before it has answered
			if known, err = p.Wait(ctx, known); err != nil || known[0].ATR != nil {
				break
			}
		}
		if err != nil || !bytes.Equal(known[0].ATR, made.ATR()) {
			t.Fatalf("%+v, %v", known, err)
		}
		c.stack.Pull()
		if known, err = p.Wait(ctx, known); err != nil || known[0].Present || known[0].ATR != nil {
			t.Errorf("%+v, %v", known, err)
		}
		over, end := context.WithCancel(ctx)
		end()
		if _, err := p.Wait(over, known); !errors.Is(err, context.Canceled) {
			t.Errorf("a wait that is over: %v", err)
		}
	})

	t.Run("no service", func(t *testing.T) {
		c.stack.Stop()
		_, err := c.logIn(t, login, dialogtest.Answer{Cancel: true})
		refused(t, c, err, agent.CodeCancelled, "The smart card service is not running")
	})
}
