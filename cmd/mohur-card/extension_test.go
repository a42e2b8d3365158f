package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mohur/agent/browser"
	"mohur/banktest"
)

// The extension's key and ids are those that install writes into the manifests.
func TestExtensionIsTheOneThatIsRegistered(t *testing.T) {
	text, err := os.ReadFile("extension/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Key      string `json:"key"`
		Settings struct {
			Gecko struct {
				ID string `json:"id"`
			} `json:"gecko"`
		} `json:"browser_specific_settings"`
		Permissions []string `json:"permissions"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(m.Key)
	if err != nil {
		t.Fatal(err)
	}
	// An id is the beginning of the key's SHA-256 in letters from a to p.
	sum := sha256.Sum256(der)
	id := strings.Map(func(r rune) rune {
		if r >= 'a' {
			return r - 'a' + 'k'
		}
		return r - '0' + 'a'
	}, hex.EncodeToString(sum[:16]))
	if id != browser.OwnExtension || m.Settings.Gecko.ID != browser.OwnFirefox {
		t.Errorf("the extension is %s and %s, and %s and %s are registered", id, m.Settings.Gecko.ID, browser.OwnExtension, browser.OwnFirefox)
	}
	if fmt.Sprint(m.Permissions) != "[nativeMessaging]" {
		t.Errorf("it asks for %s", m.Permissions)
	}
	worker, err := os.ReadFile("extension/worker.js")
	if err != nil || !strings.Contains(string(worker), fmt.Sprintf("%q", browser.Own)) {
		t.Errorf("it does not start %s: %v", browser.Own, err)
	}
}

// recorder is a native host that writes down the message it gets and answers a
// made-up token, or an error if there is a file named error.
const recorder = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
say() { printf "\\$(printf %03o "${#1}")\\000\\000\\000%s" "$1"; }
say '{"version":"2.9.0"}'
n=$(head -c 4 | od -An -tu4 | tr -d ' ')
[ -n "$n" ] || { echo asked >> status; exit 0; }
head -c "$n" >> messages
echo >> messages
if [ -e error ]; then
  say '{"error":{"code":"ERR_WEBEID_USER_CANCELLED","message":"User cancelled"}}'
elif [ -e hang ]; then
  cat > /dev/null
  echo ended >> ended
else
  say '{"unverifiedCertificate":"Yw==","algorithm":"ES256","signature":"cw==","format":"mohur:1","appVersion":"x"}'
fi
`

// page asks as web-eid.js does, and gives what a page likes to add.
const page = `<!doctype html><title>bank</title><script>
function ask(action, more) {
  return new Promise((resolve) => {
    const heard = [];
    addEventListener("message", (e) => {
      if (!e.data?.action?.startsWith(action + "-")) return;
      heard.push(e.data.action);
      if (!e.data.action.endsWith("-ack")) resolve({ heard, ...e.data });
    });
    postMessage({ action, libraryVersion: "2.0.0", ...more }, "*");
    setTimeout(() => resolve({ heard, action: "silence" }), 8000);
  });
}
function inside(src, sandbox) {
  return new Promise((resolve) => {
    const frame = document.createElement("iframe");
    if (sandbox) frame.sandbox = sandbox;
    frame.src = src + "?inside";
    addEventListener("message", (e) => { if (e.source === frame.contentWindow) resolve(e.data); });
    document.body.append(frame);
    setTimeout(() => resolve({ action: "silence" }), 10000);
  });
}
if (location.search === "?inside") ask("web-eid:authenticate", { challengeNonce: "bm9uY2U=", origin: "https://bank.example" }).then((a) => parent.postMessage(a, "*"));
</script><body>`

type answer struct {
	Heard     []string `json:"heard"`
	Action    string   `json:"action"`
	Format    string   `json:"format"`
	NativeApp string   `json:"nativeApp"`
	Error     struct {
		Code string `json:"code"`
	} `json:"error"`
}

// A page cannot say where it is: the origin is what the browser says of the frame.
func TestAttack09_PageCannotChooseItsOriginInTheExtension(t *testing.T) {
	dir := t.TempDir()
	host, profile := filepath.Join(dir, "host"), filepath.Join(dir, "profile")
	write(t, filepath.Join(host, "host.sh"), recorder, 0o700)
	manifest := fmt.Sprintf(`{"name":%q,"description":"a test","path":%q,"type":"stdio","allowed_origins":["chrome-extension://%s/"]}`,
		browser.Own, filepath.Join(host, "host.sh"), browser.OwnExtension)
	write(t, filepath.Join(profile, "NativeMessagingHosts", browser.Own+".json"), manifest, 0o600)
	extension, err := filepath.Abs("extension")
	if err != nil {
		t.Fatal(err)
	}
	b := banktest.NewBrowser(t, "--user-data-dir="+profile, "--load-extension="+extension, "--disable-features=DisableLoadExtensionCommandLineSwitch")
	serve := func() string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(page))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	bank, thief := strings.Replace(serve(), "127.0.0.1", "localhost", 1), serve()

	// messages returns what arrived since the last call, one line each.
	seen := 0
	messages := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(host, "messages"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		now := string(text[seen:])
		seen = len(text)
		return now
	}
	ask := func(expression string) (a answer) {
		t.Helper()
		b.Eval(expression, &a)
		return a
	}

	b.Open(bank + "/")
	// The content script comes with the extension, which Chromium loads beside the first page.
	for range 20 {
		if a := ask(`ask("web-eid:status")`); a.Action == "web-eid:status-success" {
			if a.NativeApp != "2.9.0" || fmt.Sprint(a.Heard) != "[web-eid:status-ack web-eid:status-success]" {
				t.Errorf("status: %+v", a)
			}
			break
		} else if a.Error.Code != "" {
			t.Fatalf("status: %+v", a)
		}
		b.Open(bank + "/")
	}

	a := ask(`ask("web-eid:authenticate", {challengeNonce: "bm9uY2U=", options: {lang: "az"}, origin: "https://other.example", arguments: {origin: "https://other.example"}})`)
	if want := `{"command":"authenticate","arguments":{"challengeNonce":"bm9uY2U=","lang":"az","origin":"` + bank + `"}}` + "\n"; a.Format != "mohur:1" || messages() != want {
		t.Errorf("a log-in: %+v", a)
	}
	ask(`ask("web-eid:sign", {certificate: "Yw==", hash: "aA==", hashFunction: "SHA-256", challengeNonce: "x", command: "quit", toString: {origin: "x"}})`)
	if got, want := messages(), `{"command":"sign","arguments":{"certificate":"Yw==","hash":"aA==","hashFunction":"SHA-256","origin":"`+bank+`"}}`+"\n"; got != want {
		t.Errorf("a signature: %s", got)
	}
	ask(`ask("web-eid:get-signing-certificate", {options: {lang: {origin: "x"}}})`)
	if got, want := messages(), `{"command":"get-signing-certificate","arguments":{"origin":"`+bank+`"}}`+"\n"; got != want {
		t.Errorf("the certificate: %s", got)
	}

	// A frame of another site in the bank's page is the other site, and the other way round.
	for outer, inner := range map[string]string{bank: thief, thief: bank} {
		b.Open(outer + "/")
		ask(fmt.Sprintf(`inside(%q)`, inner+"/"))
		if got := messages(); !strings.Contains(got, `"origin":"`+inner+`"`) || strings.Contains(got, outer) {
			t.Errorf("%s in %s: %s", inner, outer, got)
		}
	}
	// A frame without an origin of its own asks for nobody.
	if a := ask(fmt.Sprintf(`inside(%q, "allow-scripts")`, bank+"/")); a.Action == "web-eid:authenticate-success" || messages() != "" {
		t.Errorf("a sandboxed frame: %+v", a)
	}
	// A message from another window is not the page's.
	if a := ask(`(async () => {
		const other = document.createElement("iframe"); document.body.append(other);
		other.contentWindow.eval('parent.postMessage({action: "web-eid:authenticate", challengeNonce: "bm9uY2U="}, "*")');
		return await new Promise((r) => { addEventListener("message", (e) => e.source === window && r(e.data)); setTimeout(() => r({action: "silence"}), 1000); });
	})()`); a.Action != "silence" || messages() != "" {
		t.Errorf("a message of another window: %+v", a)
	}

	write(t, filepath.Join(host, "error"), "", 0o600)
	if a := ask(`ask("web-eid:authenticate", {challengeNonce: "bm9uY2U="})`); a.Action != "web-eid:authenticate-failure" || a.Error.Code != "ERR_WEBEID_USER_CANCELLED" {
		t.Errorf("a customer who cancels: %+v", a)
	}
	if err := os.Rename(filepath.Join(host, "error"), filepath.Join(host, "hang")); err != nil {
		t.Fatal(err)
	}
	if a := ask(`ask("web-eid:authenticate", {challengeNonce: "bm9uY2U=", options: {userInteractionTimeout: 200}})`); a.Error.Code != "ERR_WEBEID_USER_TIMEOUT" {
		t.Errorf("a customer who does not answer: %+v", a)
	}
	// The program notices, and its dialog goes.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(host, "ended")); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal("the program goes on when nobody waits for it")
		}
	}
	if err := os.Remove(filepath.Join(host, "host.sh")); err != nil {
		t.Fatal(err)
	}
	if a := ask(`ask("web-eid:authenticate", {challengeNonce: "bm9uY2U="})`); a.Error.Code != "ERR_WEBEID_NATIVE_UNAVAILABLE" {
		t.Errorf("without the program: %+v", a)
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
