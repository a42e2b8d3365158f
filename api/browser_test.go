package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
)

// shown is what a page shows.
type shown map[string]any

// surfer is a person at a browser, on the page of the developers.
type surfer struct {
	*world
	*banktest.Browser
	site string
	key  string // the browser's authenticator
}

// newSurfer opens the page of a bank that takes the keys of this browser, and pages
// below localhost.
func newSurfer(t *testing.T) *surfer {
	w := newWorld(t)
	s := &surfer{world: w, Browser: banktest.NewBrowser(t), site: strings.Replace(w.url, "127.0.0.1", "localhost", 1)}
	rp, err := fido.New(fido.Settings{RPID: "localhost", RPName: "A Bank", Origins: []string{s.site, strings.Replace(s.site, "localhost", "a.localhost", 1)}})
	w.must(nil, err)
	w.AllowKeys(enrollment.FIDO{RP: rp, Policy: fido.Policy{AllowUntrusted: true, Attestation: fido.ConveyDirect}, Unverified: true})
	s.key = s.Authenticator(true)
	s.visit(s.site)
	return s
}

func (s *surfer) visit(site string) {
	s.Browser.T.Helper()
	s.Open(site + "/demo?lang=en")
	s.Eval(fmt.Sprintf(`at("key").value = %q`, s.as("all", parties.Roles()...)), nil)
}

// press presses a button and returns what the page shows then.
func (s *surfer) press(id string) shown {
	t := s.Browser.T
	t.Helper()
	s.Eval(fmt.Sprintf(`at(%q).click()`, id), nil)
	var text string
	for range 600 {
		if s.Eval(`at("result").textContent`, &text); text != "…" {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	var out shown
	if json.Unmarshal([]byte(text), &out) != nil {
		t.Fatalf("%s: %s", id, text)
	}
	return out
}

// refuses runs what a page may do and wants the one refusal, for that cause.
func (s *surfer) refuses(script string, cause fido.Reason) {
	t := s.Browser.T
	t.Helper()
	before := s.Count("authentication.answered", "refused", string(cause))
	if err := s.Try("(async () => {"+script+"})()", nil); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("%s: %v", cause, err)
	}
	if n := s.Count("authentication.answered", "refused", string(cause)); n != before+1 {
		t.Errorf("%d refusals for %s, were %d", n, cause, before)
	}
}

// What a page's script finds ready.
const tools = `
const begin = () => ask("POST", "/v1/authentications", {customer: at("customer").value, purpose: "login", channel: "internet", context: surroundings});
const order = async value => (await ask("POST", "/v1/transactions", {access_token: session, reference: "T-" + crypto.randomUUID(), channel: "internet", service: "transactional",
  amount: {value, currency: "AZN"}, purpose: "test", payer: {name: "Demo", account: "AZ21NABZ00000000137010001944", bank: "Bank"},
  payee: {name: "Demo", account: "AZ77VTBA00000000001234567890", bank: "Bank", country: "AZ"}, context: surroundings})).authentications[0];
const options = a => PublicKeyCredential.parseRequestOptionsFromJSON(a.methods.find(m => m.method === "fido").options);
const sign = async a => (await navigator.credentials.get({publicKey: options(a)})).toJSON();
const send = (a, credential) => ask("POST", "/v1/authentications/" + a.id + "/responses", {method: "fido", credential});
`

func TestClause5_27_ABrowserRegistersLogsInAndConfirms(t *testing.T) {
	s := newSurfer(t)
	if got := s.press("register"); got["state"] != "active" {
		t.Fatalf("%v", got)
	}
	record := s.record(s.press("login"))
	if record.Attestation.Format != fido.FormatPacked || !record.UVInitialized {
		t.Errorf("%+v", record)
	}
	paid := s.press("pay")
	if paid["acr"] != "linked" || paid["shown"] != "none" || paid["state"] != "granted" {
		t.Errorf("%v", paid)
	}
	if path := os.Getenv("MOHUR_SCREENSHOT"); path != "" {
		s.must(nil, os.WriteFile(filepath.Clean(path), s.Screenshot(), 0o600))
	}
}

// record checks a log-in and returns the one key of the customer.
func (s *surfer) record(login shown) (r fido.Record) {
	t := s.Browser.T
	t.Helper()
	if login["acr"] != "strong" || fmt.Sprint(login["amr"]) != "[mfa pop user]" {
		t.Fatalf("%v", login)
	}
	held, err := s.Store.TokensOf(t.Context(), "DEMO-1")
	s.must(nil, err)
	cred, err := s.Store.Credential(t.Context(), held[0].Credentials[0])
	s.must(nil, err)
	s.must(nil, json.Unmarshal(cred.FIDO, &r))
	return r
}

// A browser without a means to verify its user gives one factor, and the PIN is the
// other.
func TestClause5_18_ABrowserWithoutVerification(t *testing.T) {
	s := newSurfer(t)
	s.Do("WebAuthn.removeVirtualAuthenticator", map[string]any{"authenticatorId": s.key}, nil)
	s.key = s.Authenticator(false)
	s.press("register")
	s.SetPIN("DEMO-1", banktest.PIN)
	var got shown
	s.Eval("(async () => {"+tools+`const a = await begin(); const first = await send(a, await sign(a));
		const second = await ask("POST", "/v1/authentications/" + a.id + "/responses", {method: "pin", pin: "`+banktest.PIN+`"});
		return {first: first.state, second: second.state, acr: second.acr, amr: second.amr.join(" ")}})()`, &got)
	if got["first"] != "pending" || got["second"] != "granted" || got["acr"] != "strong" || got["amr"] != "mfa pin pop" {
		t.Errorf("%v", got)
	}
}

// A browser whose key keeps the account says who its user is.
func TestClause5_18_ABrowserLogsInWithoutAName(t *testing.T) {
	s := newSurfer(t)
	keys := s.FIDO
	keys.Resident = fido.Preferred
	s.AllowKeys(keys)
	s.press("register")
	if held := s.Keys(s.key); len(held) != 1 || held[0]["isResidentCredential"] != true {
		t.Fatalf("the key does not keep the account: %v", held)
	}
	s.Eval(`at("customer").value = "SOMEBODY-ELSE"`, nil)
	if got := s.press("nameless"); got["customer"] != "DEMO-1" || got["acr"] != "strong" || fmt.Sprint(got["amr"]) != "[mfa pop user]" {
		t.Fatalf("%v", got)
	}
	if paid := s.press("pay"); paid["acr"] != "linked" {
		t.Errorf("%v", paid)
	}
	const begin = `const begin = () => ask("POST", "/v1/authentications", {purpose: "login", channel: "internet", context: surroundings});`
	nameless := strings.ReplaceAll(tools, "const begin =", "const named =") + begin
	s.refuses(nameless+`const a = await begin(), c = await sign(a); await send(a, c); await send(await begin(), c)`, fido.WrongChallenge)
	s.refuses(nameless+`const a = await begin(), b = await order("150.00"); await send(b, await sign(a))`, fido.WrongChallenge)
	s.refuses(nameless+`const a = await begin(), c = await sign(a); c.response.userHandle = "AAAA"; await send(a, c)`, fido.WrongUserHandle)
	s.Do("WebAuthn.setUserVerified", map[string]any{"authenticatorId": s.key, "isUserVerified": false}, nil)
	if err := s.Try("nameless()", nil); err == nil {
		t.Error("nobody was verified")
	}
}

// Phishing, replay and forgery (attacks 9 and 10; clauses 5.3.6, 5.27), with a
// browser's own words.
func TestAttack09_WhatABrowserCannotDo(t *testing.T) {
	s := newSurfer(t)
	s.press("register")
	s.press("login")
	s.refuses(tools+`const one = await order("150.00"), other = await order("9500.00"); await send(other, await sign(one))`, fido.WrongChallenge)
	s.refuses(tools+`const a = await begin(), b = await order("150.00"); await send(b, await sign(a))`, fido.WrongChallenge)
	s.refuses(tools+`const a = await begin(), c = await sign(a), b = atob(c.response.signature.replace(/-/g, "+").replace(/_/g, "/"));
		c.response.signature = btoa(b.slice(0, -1) + String.fromCharCode(b.charCodeAt(b.length - 1) ^ 1)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, ""); await send(a, c)`, fido.WrongSignature)
	s.refuses(tools+`const a = await begin(), c = await sign(a); await send(a, c); await send(a, c)`, "attempt-closed")
	s.refuses(tools+`const a = await begin(), c = await sign(a); await send(a, c); await send(await begin(), c)`, fido.WrongChallenge)

	elsewhere := strings.Replace(serve(t, s.api.Handler(s.api.APIKeys)), "127.0.0.1", "localhost", 1)
	s.visit(elsewhere)
	s.refuses("await login()", fido.WrongOrigin)

	copied := s.Keys(s.key)[0]
	copied["rpId"], copied["signCount"] = "a.localhost", 1000
	s.visit(strings.Replace(s.site, "localhost", "a.localhost", 1))
	// Two at once, and whichever is touched first would answer.
	s.Do("WebAuthn.removeVirtualAuthenticator", map[string]any{"authenticatorId": s.key}, nil)
	s.Hold(s.Authenticator(true), copied)
	s.refuses(tools+`const a = await begin(), o = options(a); o.rpId = "a.localhost"; await send(a, (await navigator.credentials.get({publicKey: o})).toJSON())`, fido.WrongRPID)
}

func TestAttack10_ABrowsersKeyIsCopied(t *testing.T) {
	s := newSurfer(t)
	s.press("register")
	copied := s.Keys(s.key)[0]
	s.press("login")
	s.Hold(s.key, copied)
	s.refuses("await login()", fido.CounterWentBack)
	s.refuses("await login()", "token-suspended")
	if n := s.Count("incident.opened", "", "credential.cloned"); n != 1 {
		t.Errorf("%d incidents", n)
	}
}
