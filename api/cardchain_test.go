package api_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/cardtest"
)

const (
	ownHost      = "az.mohur.card"
	ownExtension = "hhfjknhakihgfnenioplkcnnbfjnpbcd"
	cardPIN      = "123456"
	scriptName   = "MOHUR_CARD_SCRIPT"
	stockModule  = "MOHUR_STOCK_MODULE"
)

// desk is a customer at a desk with nothing made up but the card and the hand that
// types the PIN: Chromium with the bank's extension, which starts mohur-card, which
// speaks through OpenSC and pcscd to the card in the reader.
type desk struct {
	*surfer
	t         *testing.T
	stack     *cardtest.Stack
	state     *banktest.State
	home      string
	agent     string // the program mohur-card
	script    string // answers of the agent's dialogs
	elsewhere string // a page the agent may serve and the bank's server does not take
	people    int

	listener *certificates // of client certificates
	inStore  *banktest.Card
}

func newDesk(t *testing.T) *desk {
	w := newWorld(t)
	site := httptest.NewUnstartedServer(w.api.Handler(w.api.APIKeys))
	site.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	site.StartTLS()
	t.Cleanup(site.Close)
	d := &desk{surfer: &surfer{world: w, site: site.URL}, t: t, elsewhere: w.url, stack: cardtest.NewStack(t), home: t.TempDir()}
	var profile card.Issuer
	d.state = w.AllowCards(func(p *card.Issuer) { profile = *p })
	v, err := card.New(card.Settings{Origins: []string{d.site}, Issuers: []card.Issuer{profile}, Status: d.state.Status})
	w.must(nil, err)
	w.TakeCards(v)
	w.Cards.Origin, w.CardRules.Origin = d.site, d.site
	w.Enrollment.Cards = w.CardRules

	d.machine(site.Certificate())
	extension, err := filepath.Abs("../cmd/mohur-card/extension")
	w.must(nil, err)
	d.Browser = banktest.NewBrowser(t, "--user-data-dir="+filepath.Join(d.home, ".config/chromium"), "--load-extension="+extension, "--disable-features=DisableLoadExtensionCommandLineSwitch")
	d.visit(d.site)
	// The content script comes with the extension, which is loaded beside the first page.
	for range 60 {
		if err = d.Try(`Promise.race([card("status", {}), new Promise((_, no) => setTimeout(no, 500, new Error("no extension")))])`, nil); err == nil {
			break
		}
		d.visit(d.site)
	}
	w.must(nil, err)
	return d
}

// machine installs on the customer's machine what the bank gives him.
func (d *desk) machine(site *x509.Certificate) {
	d.t.Helper()
	d.agent, d.script = filepath.Join(d.home, "bin", "mohur-card"), filepath.Join(d.home, "script")
	d.must(nil, os.Mkdir(filepath.Dir(d.agent), 0o700))
	d.run("go", "build", "-tags", "cardscript", "-o", d.agent, "mohur/cmd/mohur-card")
	module := cardtest.OpenSC(d.t)
	for name, value := range map[string]string{"HOME": d.home, "XDG_CONFIG_HOME": "", "XDG_RUNTIME_DIR": d.home, "PCSCLITE_CSOCK_NAME": d.stack.Socket(), scriptName: d.script, stockModule: module, "LC_ALL": "C"} {
		d.t.Setenv(name, value)
	}
	d.write("site.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Raw})))
	d.write(".config/mohur-card/config.yaml", fmt.Sprintf("bank: A Bank\norigins: [%q, %q]\nissuers: [%q]\nmodules: [%q]\nca_file: %s\n",
		d.site, d.elsewhere, banktest.Issuer, module, filepath.Join(d.home, "site.pem")))
	d.run(d.agent, "install")
	d.browserCertificate()
}

// part is a subtest in which everything reports to it.
func (d *desk) part(name string, f func(t *testing.T)) {
	outer := d.t
	to := func(t *testing.T) { d.t, d.Bank.T, d.Browser.T = t, t, t }
	outer.Run(name, func(t *testing.T) {
		to(t)
		defer to(outer)
		f(t)
	})
}

func (d *desk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.CommandContext(d.t.Context(), name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.home, name)
	d.must(nil, os.MkdirAll(filepath.Dir(path), 0o700))
	d.must(nil, os.WriteFile(path, []byte(text), 0o600))
}

// reply is what the customer does at one dialog, as package dialogtest reads it.
type reply struct {
	PIN         string
	Yes, Cancel bool
	Choice      int
}

var (
	right, wrong, cancel = reply{PIN: cardPIN}, reply{PIN: "654321"}, reply{Cancel: true}
	// For two commands in a row: the extension starts the agent for each.
	both = reply{PIN: cardPIN, Yes: true}
)

// hand has the customer answer the dialogs from now on.
func (d *desk) hand(replies ...reply) {
	d.t.Helper()
	text, err := json.Marshal(replies)
	d.must(nil, err)
	d.must(nil, os.WriteFile(d.script, text, 0o600))
	if err := os.Remove(d.script + ".shown"); err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
}

// saw expects that the dialogs showed all of these.
func (d *desk) saw(texts ...string) {
	d.t.Helper()
	shown, err := os.ReadFile(d.script + ".shown")
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	for _, want := range texts {
		if !strings.Contains(string(shown), want) {
			d.t.Errorf("no %q in what the customer saw:\n%s", want, shown)
		}
	}
}

// holder is a person with a card: one key to log in and one to sign.
type holder struct {
	card           *cardtest.Card
	login, signing *pkitest.Pair
}

// plugIn makes a card, puts it into the reader and has the page ask for a new customer.
func (d *desk) plugIn(kind string, s cardtest.Settings, changes ...pkitest.Change) holder {
	d.t.Helper()
	return d.plugInOf(d.state.Middle, kind, s, changes...)
}

func (d *desk) plugInOf(issuer *pkitest.Pair, kind string, s cardtest.Settings, changes ...pkitest.Change) holder {
	d.t.Helper()
	d.people++
	person := fmt.Sprintf("PNOAZ-%d", d.people)
	h := holder{card: cardtest.New(s), login: issuer.Card(d.t, person, append(changes, pkitest.Kind(kind))...), signing: issuer.SigningCard(d.t, person, pkitest.Kind(kind))}
	h.card.Put(cardtest.Authentication, h.login.Key, h.login.Raw)
	h.card.Put(cardtest.Signature, h.signing.Key, h.signing.Raw)
	d.stack.Insert(h.card)
	d.Eval(fmt.Sprintf(`at("customer").value = %q`, person), nil)
	return h
}

// enrolled is plugIn with the card enrolled for log-ins.
func (d *desk) enrolled(kind string, s cardtest.Settings, changes ...pkitest.Change) holder {
	d.t.Helper()
	h := d.plugIn(kind, s, changes...)
	d.hand(right)
	if got := d.press("registerCard"); got["state"] != "active" {
		d.t.Fatalf("%v", got)
	}
	return h
}

// fails has the page do what the agent refuses, so that nothing reaches the server: no
// answer is in its log.
func (d *desk) fails(script, code string) {
	d.t.Helper()
	before := len(d.Entries())
	if err := d.Try("(async () => {"+script+"})()", nil); err == nil || !strings.Contains(err.Error(), code) {
		d.t.Errorf("%v, want %s", err, code)
	}
	for _, h := range d.Entries()[before:] {
		if h.Event == "authentication.answered" || h.Event == "token.activation" {
			d.t.Errorf("the server was told: %+v", h)
		}
	}
}

// refused wants the one refusal of what a page does, and its cause in the log.
func (d *desk) refused(script string, cause card.Reason) {
	d.t.Helper()
	d.refusedAt("authentication.answered", "(async () => {"+cardTools+script+"})()", cause)
}

// notEnrolled has the page enrol a card that the server refuses for the cause.
func (d *desk) notEnrolled(cause card.Reason) {
	d.t.Helper()
	d.refusedAt("token.activation", "registerCard()", cause)
}

func (d *desk) refusedAt(event, script string, cause card.Reason) {
	d.t.Helper()
	before := d.Count(event, "refused", string(cause))
	err := d.Try(script, nil)
	if err == nil || !strings.Contains(err.Error(), "403 ") || !strings.Contains(err.Error(), "\nthe response was not accepted") || strings.Contains(err.Error(), string(cause)) {
		d.t.Errorf("%s: %v", cause, err)
	}
	if n := d.Count(event, "refused", string(cause)); n != before+1 {
		d.t.Errorf("%d refusals for %s, were %d", n, cause, before)
	}
}

// What a page's script finds ready, beside what the page itself has.
const cardTools = `
const begin = () => ask("POST", "/v1/authentications", {customer: at("customer").value, purpose: "login", channel: "internet", context: surroundings});
const order = async value => (await ask("POST", "/v1/transactions", {access_token: session, reference: "T-" + crypto.randomUUID(), channel: "internet", service: "transactional",
  amount: {value, currency: "AZN"}, purpose: "rent", payer: {name: "Demo", account: "AZ21NABZ00000000137010001944", bank: "Bank"},
  payee: {name: "Nigar MMC", account: "AZ77VTBA00000000001234567890", bank: "Bank", country: "AZ"}, context: surroundings})).authentications[0];
const token = a => card("authenticate", {challengeNonce: a.methods.find(m => m.method === "card").nonce});
const send = (a, token, method = "card") => ask("POST", "/v1/authentications/" + a.id + "/responses", {method, token});
const sha = async (name, text) => btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest(name, new TextEncoder().encode(text)))));
const signed = async text => {
  const {certificate, supportedSignatureAlgorithms: [{hashFunction}]} = await card("get-signing-certificate", {});
  return {certificate, ...await card("sign", {certificate, hash: await sha(hashFunction, text), hashFunction})};
};
const enrolSigning = async () => {
  const customer = at("customer").value;
  const {secret} = await ask("POST", "/v1/customers/" + customer + "/activation-secrets", {purpose: "enroll", channel: "email"});
  const begun = await ask("POST", "/v1/enrollments", {customer, kind: "card", use: "sign", proof: {activation_secret: secret}});
  return ask("POST", "/v1/enrollments/" + begun.id + "/responses", {card: await signed(begun.card.text)});
};
`

func TestClause4_3_2_AtTheDesk(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		name, kind, algorithm string
		settings              cardtest.Settings
	}{
		{"RSA-2048", "RSA-2048", "RS256", cardtest.Settings{}}, {"RSA-3072", "RSA-3072", "RS256", cardtest.Settings{}},
		{"P-256", "P-256", "ES256", cardtest.Settings{}}, {"P-384", "P-384", "ES384", cardtest.Settings{}},
		{"all that ACOS5 can do", "RSA-2048", "RS256", cardtest.Settings{PKCS1Only: true, ATR: cardtest.ACOS5}},
	} {
		d.part(c.name, func(*testing.T) { d.logsInAndPays(c.kind, c.algorithm, c.settings) })
	}
	d.part("card-sign", d.signs)
	d.part("PIN", d.mistypes)
	d.part("card", d.hasTheWrongCard)
	d.part("page", d.isOnTheWrongPage)
	d.part("challenge", d.answersAnother)
	d.part("another application", d.usesAnotherApplication)
	d.part("client certificate", d.showsACertificate)
	d.part("certificate", d.hasTheWrongCertificate)
}

// Enrolled, logged in with, and a payment confirmed whose amount and payee stood in the
// dialog that asked for the PIN.
func (d *desk) logsInAndPays(kind, algorithm string, s cardtest.Settings) {
	d.enrolled(kind, s)
	d.saw("registration of a new card or key", d.site)
	d.hand(right)
	if got := d.press("loginCard"); got["acr"] != "strong" || got["shown"] != "agent" || fmt.Sprint(got["amr"]) != "[hwk mfa pin sc]" {
		d.t.Fatalf("%v", got)
	}
	d.saw("Log in to the bank", "Bank: A Bank", "Site: "+d.site)
	if text := d.logged("authentication.answered", "granted", ""); !strings.Contains(text, `"algorithm":"`+algorithm+`"`) {
		d.t.Errorf("no %s in %s", algorithm, text)
	}
	d.hand(right)
	if got := d.press("pay"); got["acr"] != "linked" || got["shown"] != "agent" || got["state"] != "granted" {
		d.t.Fatalf("%v", got)
	}
	d.saw("[pin] Confirm a payment", "Amount: 1 500.00 AZN", "Payee's account: AZ77VTBA00000000001234567890")
}

// loggedIn is a page of a customer with an enrolled card and a session.
func (d *desk) loggedIn(kind string, s cardtest.Settings, changes ...pkitest.Change) holder {
	d.t.Helper()
	h := d.enrolled(kind, s, changes...)
	d.hand(right)
	if got := d.press("loginCard"); got["state"] != "granted" {
		d.t.Fatalf("%v", got)
	}
	return h
}

// A payment signed by the key for documents, whose PIN is asked for at every use.
func (d *desk) signs(t *testing.T) {
	for _, kind := range []string{"P-256", "RSA-2048", "P-384"} {
		h := d.loggedIn(kind, cardtest.Settings{})
		d.hand(both)
		d.Eval("(async () => {"+cardTools+"await enrolSigning()})()", nil)
		d.saw("Your name and personal number are in it", "registration of a new card or key")
		d.hand(both)
		var got shown
		d.Eval("(async () => {"+cardTools+`const a = await order("1500.00");
			const granted = await send(a, await signed(a.challenge.text), "card-sign");
			return {acr: granted.acr, shown: granted.shown, state: granted.state, transaction: granted.transaction.id}})()`, &got)
		if got["acr"] != "linked" || got["shown"] != "none" || got["state"] != "granted" {
			t.Errorf("%v", got)
		}
		d.saw("Amount: 1 500.00 AZN", "Payee: Nigar MMC", "enter the signing PIN")
		cms := d.ask(d.as("auditor"), "GET", "/v1/transactions/"+got["transaction"].(string)+"/signature", nil)
		if cms.status != 200 || !strings.Contains(string(cms.body), string(h.signing.Raw)) {
			t.Errorf("%d", cms.status)
		}
		// The signature of one payment is not that of another.
		d.hand(both)
		d.refused(`const a = await order("150.00"), b = await order("9500.00"); await send(b, await signed(a.challenge.text), "card-sign")`, card.WrongSignature)
	}
}

// The wrong PIN, as often as the card takes it.
func (d *desk) mistypes(t *testing.T) {
	h := d.enrolled("P-256", cardtest.Settings{})
	d.hand(wrong, cancel)
	d.fails("await loginCard()", "ERR_WEBEID_USER_CANCELLED")
	d.saw("The PIN is wrong.", "Tries left: 2")
	d.hand(wrong, right)
	if got := d.press("loginCard"); got["state"] != "granted" {
		t.Errorf("%v", got)
	}
	d.saw("this is the last try")
	d.hand(wrong, wrong, wrong)
	d.fails("await loginCard()", "ERR_WEBEID_NATIVE_FATAL")
	d.saw("The card is locked", "Nothing was signed")
	d.hand(right)
	d.fails("await loginCard()", "the card is locked")
	if pin, _ := h.card.Tries(); pin != 0 {
		t.Errorf("%d tries are left", pin)
	}
}

// No card, one that is pulled while it signs, and those the agent does not use.
func (d *desk) hasTheWrongCard(t *testing.T) {
	h := d.enrolled("P-256", cardtest.Settings{})
	h.card.OnSign(d.stack.Pull)
	d.hand(right)
	d.fails("await loginCard()", "ERR_WEBEID_NATIVE_FATAL")
	d.saw("Nothing was signed")
	h.card.OnSign(nil)
	d.stack.Pulled()
	d.hand(cancel)
	d.fails("await loginCard()", "ERR_WEBEID_USER_CANCELLED")
	d.saw("Put the card into the reader")
	d.stack.Insert(h.card)
	d.hand(right)
	if got := d.press("loginCard"); got["state"] != "granted" {
		t.Errorf("%v", got)
	}
	now := d.Clock.Now()
	for _, c := range []struct {
		says   string
		kind   string
		change pkitest.Change
	}{
		{"too weak", "RSA-1024", pkitest.Extended(x509.ExtKeyUsageClientAuth)},
		{"the certificate expired on", "P-256", pkitest.Dates(now.Add(-48*time.Hour), now.Add(-time.Hour))},
		{"There is no certificate for logging in", "P-256", pkitest.Usage(x509.KeyUsageContentCommitment)},
	} {
		d.plugIn(c.kind, cardtest.Settings{}, c.change)
		d.hand(cancel)
		d.fails("await registerCard()", "ERR_WEBEID_USER_CANCELLED")
		d.saw(c.says)
	}
	// Another card of the same person, in the reader of the same desk.
	mine := d.enrolled("P-256", cardtest.Settings{})
	other := cardtest.New(cardtest.Settings{})
	pair := d.state.Middle.Card(t, mine.login.Subject.SerialNumber)
	other.Put(cardtest.Authentication, pair.Key, pair.Raw)
	d.stack.Insert(other)
	d.hand(right)
	d.refused("await loginCard()", card.WrongCertificate)
}

// A page the agent does not know gets nothing, nor one that asks for what the bank does
// not know; what the agent signs for another page, the server does not take.
func (d *desk) isOnTheWrongPage(t *testing.T) {
	d.enrolled("P-256", cardtest.Settings{})
	customer := ""
	d.Eval(`at("customer").value`, &customer)
	d.hand(right)
	d.fails(`await card("authenticate", {challengeNonce: btoa("01234567890123456789012345678901")})`, "does not know this hash")
	d.saw("The bank does not know this request. This may be a fraud.")
	visit := func(site string) {
		d.visit(site)
		d.Eval(fmt.Sprintf(`at("customer").value = %q`, customer), nil)
	}
	visit(serve(t, d.api.Handler(d.api.APIKeys)))
	d.hand(right)
	d.fails("await loginCard()", "is not one of the configured origins")
	d.saw("is not a site of the bank. This may be a fraud.")
	visit(d.elsewhere)
	d.hand(right)
	d.refused("await loginCard()", card.WrongSignature)
	d.saw("Site: " + d.elsewhere)
	visit(d.site)
}

// What was signed once is good once, for what was signed.
func (d *desk) answersAnother(t *testing.T) {
	d.loggedIn("P-256", cardtest.Settings{})
	d.hand(right)
	d.refused(`const a = await begin(), t = await token(a); await send(a, t); await send(a, t)`, "attempt-closed")
	d.hand(right)
	d.refused(`const a = await begin(), t = await token(a); await send(a, t); await send(await begin(), t)`, card.WrongSignature)
	d.hand(right)
	d.refused(`const a = await order("150.00"), b = await order("9500.00"); await send(b, await token(a))`, card.WrongSignature)
	d.saw("Amount: 150.00 AZN")
	d.hand(right)
	d.refused(`const a = await begin(), b = await order("150.00"); await send(b, await token(a))`, card.WrongSignature)
	// A refused answer has spent the nonce: the right one comes too late.
	d.hand(right)
	d.refused(`const a = await begin(), t = await token(a); await send(a, {...t, format: "web-eid:1"}).catch(() => 0); await send(a, t)`, "attempt-closed")
	d.hand(right)
	if got := d.press("pay"); got["state"] != "granted" {
		t.Errorf("%v", got)
	}
}

// What the server alone can find wrong with a certificate.
func (d *desk) hasTheWrongCertificate(t *testing.T) {
	d.plugInOf(pkitest.Root(t, "Nobody"), "P-256", cardtest.Settings{})
	d.hand(right)
	d.notEnrolled(card.NotTrusted)

	revoked := d.enrolled("P-256", cardtest.Settings{})
	d.state.Responder.Revoke(revoked.login)
	incidents := d.Count("incident.opened", "", "credential.revoked")
	d.hand(right)
	d.refused("await loginCard()", card.Revoked)
	if n := d.Count("incident.opened", "", "credential.revoked"); n != incidents+1 {
		t.Errorf("%d incidents, were %d", n, incidents)
	}

	// The server's clock, not the customer's, says when a certificate ends.
	now := d.Clock.Now()
	d.enrolled("P-256", cardtest.Settings{}, pkitest.Dates(now.Add(-time.Hour), now.Add(20*time.Minute)))
	d.Clock.Forward(30 * time.Minute)
	d.hand(right)
	d.refused("await loginCard()", card.Expired)
}
