package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"mohur/agent/agenttest"
	"mohur/agent/dialog/dialogtest"
	"mohur/authn/pkitest"
)

func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = (&program{in: strings.NewReader(""), out: &stdout, err: &stderr}).main(t.Context(), args)
	return code, stdout.String(), stderr.String()
}

func TestCommandLinesThatCannotBeMeant(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "needs a command"}, {[]string{"reader"}, 2, "is it readers?"}, {[]string{"readers", "x"}, 2, `does not know what to do with "x"`},
		{[]string{"readers", "--nope"}, 2, "unknown flag"}, {[]string{"authenticate"}, 2, "needs --origin"}, {[]string{"sign", "--origin", "https://a.example"}, 2, "needs --certificate"},
		{[]string{"serve", "--config", "/nowhere"}, 1, "cannot be read"},
	} {
		if code, _, errs := run(t, c.args...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%q: %d, %s", c.args, code, errs)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		if cmd.Short == "" || !strings.Contains(cmd.Example, "mohur-card") {
			t.Errorf("%s: short %q, example %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk((&program{}).root())
}

// build makes the program as a test needs it: with dialogs that answer by themselves.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mohur-card")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "cardscript", "-buildvcs=false", "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// outside is the program as somebody outside of it sees it: built, configured,
// with a card and a site of the bank.
type outside struct {
	site         *agenttest.Site
	logIn, sign  *pkitest.Pair
	binary, home string
	script       string
	env          []string
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	root := pkitest.Root(t, "Root")
	o := &outside{site: agenttest.NewSite(t, nil), logIn: root.Card(t, "AZE1234567"), sign: root.SigningCard(t, "AZE1234567"), binary: build(t), home: t.TempDir()}
	soft := agenttest.NewSoftCard(t, "card", agenttest.Key{Certificate: o.logIn.Certificate, Key: o.logIn.Key}, agenttest.Key{Certificate: o.sign.Certificate, Key: o.sign.Key})
	o.script = filepath.Join(o.home, "script")
	o.env = append(soft.Env(), "XDG_CONFIG_HOME="+o.home, "XDG_RUNTIME_DIR="+o.home, dialogtest.Variable+"="+o.script)
	if err := os.Mkdir(filepath.Join(o.home, "mohur-card"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := "bank: A Bank\norigins: [" + o.site.URL + "]\nissuers: [" + agenttest.Issuer + "]\nmodules: [" + soft.Module + "]\n"
	o.write(t, filepath.Join(o.home, "mohur-card", "config.yaml"), config)
	o.write(t, o.script, `[{"PIN":"`+agenttest.PIN+`"}]`)
	return o
}

func (o *outside) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The commands for a helpdesk do what a page would have done.
func TestCommandsOfTheProtocol(t *testing.T) {
	o := newOutside(t)
	run := func(args ...string) (out string, err error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), o.binary, append(args, "--origin", o.site.URL)...)
		cmd.Env = o.env
		b, err := cmd.CombinedOutput()
		return string(b), err
	}
	payment := agenttest.Nonce(o.site.Text("payment", nil))
	if out, err := run("authenticate", "--nonce", payment); err != nil || !strings.Contains(out, `"format": "mohur:1"`) {
		t.Errorf("authenticate: %s, %v", out, err)
	}
	pemFile := filepath.Join(o.home, "card.pem")
	o.write(t, pemFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.sign.Raw})))
	if out, err := run("sign", "--hash", payment, "--certificate", pemFile); err != nil || !strings.Contains(out, `"hashFunction": "SHA-256"`) {
		t.Errorf("sign: %s, %v", out, err)
	}
	o.write(t, o.script, `[{"Yes":true}]`)
	if out, err := run("certificate"); err != nil || !strings.Contains(out, base64.StdEncoding.EncodeToString(o.sign.Raw)) {
		t.Errorf("certificate: %s, %v", out, err)
	}
	o.write(t, o.script, `[{"Cancel":true}]`)
	if out, err := run("authenticate", "--nonce", payment); err == nil || !strings.Contains(out, "ERR_WEBEID_USER_CANCELLED") {
		t.Errorf("cancelled: %s, %v", out, err)
	}
}

// The site is believed by the bank's own authorities, where it names them.
func TestAuthoritiesOfTheSite(t *testing.T) {
	site := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(site.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	reached := func(cert []byte, named string) bool {
		t.Helper()
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
			t.Fatal(err)
		}
		tr, err := transport(named)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&http.Client{Transport: tr}).Get(site.URL)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	}
	if !reached(site.Certificate().Raw, file) || reached(site.Certificate().Raw, "") || reached(pkitest.Root(t, "Other").Raw, file) {
		t.Error("the site is believed by others than those named")
	}
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := transport(file); err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
		t.Errorf("a file without a certificate: %v", err)
	}
}

// The program as a browser starts it: its own binary is the child that uses the card.
func TestNativeHostFromTheOutside(t *testing.T) {
	o := newOutside(t)
	start := func(configHome string, request any) []string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, o.binary, "chrome-extension://ncibgoaomkmdpilpocfeponihegamlic/")
		cmd.Env = append(o.env, "XDG_CONFIG_HOME="+configHome)
		text, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(append(binary.NativeEndian.AppendUint32(nil, uint32(len(text))), text...)); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it ends by itself, with the pipe still open
		var all []string
		for b := out.Bytes(); len(b) > 4; {
			n := binary.NativeEndian.Uint32(b)
			all, b = append(all, string(b[4:4+n])), b[4+n:]
		}
		if len(all) != 2 || all[0] != `{"version":"2.9.0"}` {
			t.Fatalf("%q\n%s", out.String(), errs.String())
		}
		return all
	}
	request := map[string]any{"command": "authenticate", "arguments": map[string]any{"challengeNonce": agenttest.Nonce(o.site.Text("payment", nil)), "origin": o.site.URL}}
	if got := start(o.home, request)[1]; !strings.Contains(got, `"format":"mohur:1"`) {
		t.Error(got)
	}
	shown, err := os.ReadFile(o.script + ".shown")
	if err != nil || !strings.Contains(string(shown), "12 500.00 AZN") {
		t.Errorf("it showed %s, %v", shown, err)
	}
	turn, err := os.OpenFile(filepath.Join(o.home, "mohur-card", "turn"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(turn.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if got := start(o.home, request)[1]; !strings.Contains(got, "another request is before the customer") {
		t.Errorf("beside another process: %s", got)
	}
	_ = turn.Close()
	if got := start(t.TempDir(), request)[1]; !strings.Contains(got, "ERR_WEBEID_NATIVE_FATAL") || !strings.Contains(got, "doctor") {
		t.Errorf("without a configuration: %s", got)
	}
}

// What is handed out has no dialog in it that answers by itself.
func TestNoScriptIsHandedOut(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasSuffix(name, "test") && strings.HasPrefix(name, "mohur/") {
			t.Errorf("the program has %s in it", name)
		}
	}
}
