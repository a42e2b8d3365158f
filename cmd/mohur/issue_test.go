package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mohur/agent/agenttest"
	"mohur/agent/dialog/dialogtest"
	"mohur/authn/pkitest"
	"mohur/cardtest"
)

// branch is a bank with an authority of its own, and the desk at which its E-tokens
// get their keys: mohur-card as a program, with somebody who answers its dialogs.
type branch struct {
	*cardServer
	dir, program string
	page         *httptest.Server // the bank's, at which agents look for texts
	env          []string         // by which mohur-card finds its card
	shown        string           // in the last run
}

func newBranch(t *testing.T, env []string, changes ...string) *branch {
	t.Helper()
	b := &branch{dir: t.TempDir(), env: env}
	var api *url.URL
	b.page = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := httputil.NewSingleHostReverseProxy(api)
		p.Transport = &http.Transport{TLSClientConfig: b.config.clientTLS(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(b.page.Close)
	in := start(t, append([]string{"  # issuers:\n", "  issuers: [{name: bank, own: true}]\n  origins: [\"" + b.page.URL + "\"]\n"}, changes...)...)
	b.cardServer = &cardServer{instance: in}
	api = &url.URL{Scheme: "https", Host: in.address}
	b.program = filepath.Join(b.dir, "mohur-card")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "cardscript", "-buildvcs=false", "-o", b.program, "mohur/cmd/mohur-card").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return b
}

// write puts a file into the desk's directory.
func (b *branch) write(name string, text []byte) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// card runs mohur-card with somebody who answers.
func (b *branch) card(answers []dialogtest.Answer, args ...string) (string, error) {
	b.t.Helper()
	text, err := json.Marshal(answers)
	if err != nil {
		b.t.Fatal(err)
	}
	script := b.write("script", text)
	_ = os.Remove(script + ".shown")
	key, err := os.ReadFile(filepath.Join(b.instance.dir, adminKeyFile))
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.CommandContext(b.t.Context(), b.program, args...)
	cmd.Env = append(append(os.Environ(), b.env...), dialogtest.Variable+"="+script, "MOHUR_KEY="+strings.TrimSpace(string(key)), "LC_ALL=en", "HOME="+b.dir)
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	err = cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, told.String())
	}
	shown, _ := os.ReadFile(script + ".shown")
	b.shown = string(shown)
	return out.String(), err
}

func (b *branch) issue(answers []dialogtest.Answer, args ...string) (map[string]any, error) {
	b.t.Helper()
	out, err := b.card(answers, append([]string{"issue", "--json", "--server", "https://" + strings.Replace(b.address, "127.0.0.1", "localhost", 1), "--ca-file", b.config.TLS.Cert}, args...)...)
	var done map[string]any
	if err == nil {
		err = json.Unmarshal([]byte(out), &done)
	}
	return done, err
}

// stock brings one E-token in and assigns it to a new customer.
func (b *branch) stock(serial, profile, customer string) string {
	b.t.Helper()
	file := b.write("stock.csv", []byte("serial,manufacturer,model\n"+serial+",Maker,Model\n"))
	must(b.t, "token", "import", file, "--format", "serials", "--profile", profile, "--config", b.file)
	b.call("PUT", "/v1/customers/"+customer, map[string]any{
		"name": "A", "locale": "az", "segment": "retail", "contract_ref": "K", "contract_version": "1", "kyc_ref": "V",
		"contacts": map[string]string{"phone": "+994501234567", "email": "a@bank.example"},
	})
	return b.call("POST", "/v1/tokens/serial:"+serial+"/assign", map[string]any{"customer": customer})["id"].(string)
}

// agent answers a nonce as the customer's agent does, before the PIN is asked for.
func (b *branch) agent(nonce, pin, module string) json.RawMessage {
	b.t.Helper()
	config := b.write("agent.yaml", []byte("bank: A Bank\norigins: ["+b.page.URL+"]\nissuers: ["+b.config.URL+"]\nmodules: ["+module+"]\n"))
	out, err := b.card([]dialogtest.Answer{{PIN: pin}}, "authenticate", "--config", config, "--origin", b.page.URL, "--nonce", nonce)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.shown)
	}
	return json.RawMessage(out)
}

// enrolAt has the customer take the token into use at his own machine.
func (b *branch) enrolAt(customer, token, pin, module string) map[string]any {
	b.t.Helper()
	secret := b.call("POST", "/v1/customers/"+customer+"/activation-secrets", map[string]any{"purpose": "enroll", "channel": "email"})
	begun := b.call("POST", "/v1/enrollments", map[string]any{"customer": customer, "kind": "card", "token": token, "proof": map[string]any{"activation_secret": secret["secret"]}})
	answer := b.agent(begun["card"].(map[string]any)["nonce"].(string), pin, module)
	return b.call("POST", "/v1/enrollments/"+begun["id"].(string)+"/responses", map[string]any{"card": answer})
}

func (b *branch) logIn(customer, pin, module string) map[string]any {
	b.t.Helper()
	v := b.call("POST", "/v1/authentications", map[string]any{"customer": customer, "purpose": "login", "channel": "internet"})
	nonce := v["methods"].([]any)[0].(map[string]any)["nonce"].(string)
	return b.call("POST", "/v1/authentications/"+v["id"].(string)+"/responses", map[string]any{"method": "card", "token": b.agent(nonce, pin, module)})
}

// Clause 4.3.2: an E-token from stock to the first log-in, on a token that a PKCS#11
// module makes keys on: the authority made while the server runs, the key made on the
// token, an interruption, the customer's own PIN, the renewal at the branch.
func TestClause4_3_2_AnETokenFromStockToLogIn(t *testing.T) {
	soft := agenttest.NewSoftCard(t, "card")
	b := newBranch(t, soft.Env())
	token := b.stock("0451", "acos5", "C-1")
	yes := []dialogtest.Answer{{Yes: true}, {PIN: agenttest.PIN}}
	args := []string{"--token", "serial:0451", "--module", soft.Module, "--reader", "card"}

	if _, err := b.issue(yes, args...); err == nil || !strings.Contains(err.Error(), "mohur ca create") {
		t.Fatalf("without an authority: %v", err)
	}
	b.call("POST", "/v1/ca", map[string]any{"name": "A Bank E-token CA"})
	if _, err := b.issue([]dialogtest.Answer{{Cancel: true}}, args...); err == nil {
		t.Fatal("it goes on without a yes")
	}
	for _, want := range []string{"Token: " + token, "Customer: C-1", "Maker Model 0451", "! The card says"} {
		if !strings.Contains(b.shown, want) {
			t.Errorf("the operator did not see %q:\n%s", want, b.shown)
		}
	}
	if c := b.call("GET", "/v1/tokens/"+token+"/certificates", nil); len(c["items"].([]any)) != 0 {
		t.Fatalf("certified all the same: %v", c)
	}

	// The token goes before the key can sign its request: the key is there, and nothing else.
	soft.Set(t, "lost", 1)
	if _, err := b.issue(yes, args...); err == nil || !strings.Contains(err.Error(), "taken out") {
		t.Fatalf("a token that goes: %v", err)
	}
	soft.Unset(t, "lost")
	if c := b.call("GET", "/v1/tokens/"+token+"/certificates", nil); len(c["items"].([]any)) != 0 {
		t.Fatalf("certified all the same: %v", c)
	}
	done, err := b.issue([]dialogtest.Answer{{Yes: true}, {PIN: "000000"}, {PIN: agenttest.PIN}}, args...)
	if err != nil || done["key_made"] != false || done["certified"] != "now" || done["token"] != token || len(done["next"].([]any)) != 4 {
		t.Fatalf("%v, %v\n%s", done, err, b.shown)
	}
	if _, err := b.issue(yes, args...); err == nil || !strings.Contains(err.Error(), "--renew") {
		t.Errorf("a second key: %v", err)
	}

	b.call("POST", "/v1/tokens/"+token+"/deliver", map[string]any{"receipt": "R-1"})
	if _, err := b.card([]dialogtest.Answer{{PIN: "13572468"}, {PIN: "13572468"}, {PIN: agenttest.PIN}}, "pin", "--module", soft.Module, "--reader", "card"); err != nil {
		t.Fatalf("%v\n%s", err, b.shown)
	}
	if got := b.enrolAt("C-1", token, "13572468", soft.Module); got["state"] != "completed" && got["state"] != "active" {
		t.Errorf("the enrolment: %v", got)
	}
	if got := b.logIn("C-1", "13572468", soft.Module); got["state"] != "granted" || got["shown"] != "agent" {
		t.Errorf("the log-in: %v", got)
	}

	// Renewed at the branch: the old key is no longer on the token, and the new one logs
	// in once the customer has enrolled it.
	own := []dialogtest.Answer{{Yes: true}, {PIN: "13572468"}}
	if _, err := b.issue(own, args...); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a token in use: %v", err)
	}
	again, err := b.issue(own, append(args, "--renew")...)
	if err != nil || again["key_made"] != true || again["certificate"] == done["certificate"] {
		t.Fatalf("%v, %v", again, err)
	}
	b.enrolAt("C-1", token, "13572468", soft.Module)
	if got := b.logIn("C-1", "13572468", soft.Module); got["state"] != "granted" {
		t.Errorf("after the renewal: %v", got)
	}
	if text := b.metrics(); !strings.Contains(text, `mohur_card_status_total{source="own",state="good"}`) {
		t.Error("no metric of the authority's own answers")
	}
}

// Clause 5.20: a key is certified only where the device proves that it made it, and the
// device is the one of the bank's books: a YubiKey, over PC/SC, with its own commands.
func TestClause5_20_TheDeviceProvesItsKey(t *testing.T) {
	maker := pkitest.Root(t, "Maker")
	device := maker.Authority(t, "Yubico PIV Attestation")
	roots := filepath.Join(t.TempDir(), "maker.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: maker.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	stack := cardtest.NewStack(t)
	b := newBranch(t, stack.Env(), "  # attestation_roots:\n", "  attestation_roots: ["+roots+"]\n", "  attested_only: false\n", "  attested_only: true\n")
	b.call("POST", "/v1/ca", map[string]any{"name": "A Bank E-token CA"})
	made := cardtest.New(cardtest.Settings{ATR: cardtest.YubiKey, Attestation: &cardtest.Attestation{Key: device.Key, Certificate: device.Raw, Serial: 12345}})
	stack.Insert(made)
	token := b.stock("12345", "piv", "C-1")
	other := b.stock("99999", "piv", "C-2")
	management := b.write("management", []byte("01:02:03:04:05:06:07:08:01:02:03:04:05:06:07:08:01:02:03:04:05:06:07:08\n"))
	yes := []dialogtest.Answer{{Yes: true}, {PIN: "123456"}}

	wrong := b.write("wrong", []byte(strings.Repeat("00", 24)))
	if _, err := b.issue(yes, "--token", token, "--key-type", "p256", "--management-key-file", wrong); err == nil || !strings.Contains(err.Error(), "management key") || made.Public(cardtest.Authentication) != nil {
		t.Fatalf("with another management key: %v", err)
	}
	args := []string{"--key-type", "p256", "--management-key-file", management}
	if _, err := b.issue(yes, append(args, "--token", token)...); err == nil || !strings.Contains(err.Error(), "attestation") {
		t.Fatalf("without an attestation: %v", err)
	}
	key := made.Public(cardtest.Authentication)
	if _, err := b.issue(yes, append(args, "--attestation", "--token", other)...); err == nil || !strings.Contains(err.Error(), "12345") {
		t.Fatalf("for another device: %v", err)
	}
	done, err := b.issue(yes, append(args, "--attestation", "--token", token)...)
	if err != nil || done["attested"] != "12345" || done["key_made"] != false {
		t.Fatalf("%v, %v\n%s", done, err, b.shown)
	}
	if k, ok := key.(interface{ Equal(any) bool }); ok && !k.Equal(made.Public(cardtest.Authentication)) {
		t.Error("the key of the interrupted run was thrown away")
	}
	b.call("POST", "/v1/tokens/"+token+"/deliver", map[string]any{"receipt": "R-1"})
	if _, err := b.card([]dialogtest.Answer{{PIN: "1234"}, {PIN: "654321"}, {PIN: "654321"}, {PIN: "999999"}, {PIN: "123456"}}, "pin"); err != nil {
		t.Fatalf("%v\n%s", err, b.shown)
	}
	if !strings.Contains(b.shown, "Tries left: 3") || !strings.Contains(b.shown, "The PIN has 6 to 8 characters.") {
		t.Errorf("the customer saw\n%s", b.shown)
	}
	if left, _ := made.Tries(); left != 3 {
		t.Errorf("%d tries are left", left)
	}
	b.enrolAt("C-1", token, "654321", cardtest.OpenSC(t))
	if got := b.logIn("C-1", "654321", cardtest.OpenSC(t)); got["state"] != "granted" || got["shown"] != "agent" {
		t.Errorf("%v", got)
	}
	for kind, algorithm := range map[string]string{"rsa2048": "RS256", "p384": "ES384"} {
		again, err := b.issue([]dialogtest.Answer{{Yes: true}, {PIN: "654321"}}, "--token", token, "--key-type", kind, "--management-key-file", management, "--attestation", "--renew")
		if err != nil || again["key_made"] != true {
			t.Fatalf("%s: %v, %v", kind, again, err)
		}
		b.enrolAt("C-1", token, "654321", cardtest.OpenSC(t))
		if got := b.logIn("C-1", "654321", cardtest.OpenSC(t)); got["state"] != "granted" {
			t.Errorf("%s: %v", algorithm, got)
		}
	}

	// An authority outside: its certificate goes on the card that has the key.
	file := filepath.Join(b.dir, "req.pem")
	unlock := []dialogtest.Answer{{Yes: true}, {PIN: "654321"}}
	if _, err := b.card(unlock, "request", "--key-type", "p256", "--renew", "--name", "Aysel", "--out", file, "--management-key-file", management); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.Subject.CommonName != "Aysel" {
		t.Fatalf("%+v, %v", request, err)
	}
	outside := pkitest.Root(t, "Outside")
	for _, c := range []struct {
		key  crypto.PublicKey
		want string
	}{{pkitest.Key(t, "P-256").Public(), "not on this token"}, {request.PublicKey, ""}} {
		p := outside.Card(t, "AZ1", func(x *pkitest.Template) { x.With = publicOnly{c.key} })
		cert := b.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Raw}))
		_, err := b.card(unlock[1:], "import-certificate", cert, "--management-key-file", management)
		if c.want == "" && (err != nil || !bytes.Equal(made.Certificate(cardtest.Authentication), p.Raw)) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v", c.want, err)
		}
	}
}

// publicOnly is a key of which only the card has the private half.
type publicOnly struct{ crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.PublicKey }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the private key is on the card")
}
