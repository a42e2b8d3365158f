package banktest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Browser is a headless Chromium with virtual authenticators (Web Authentication
// Level 3 section 11), driven over a pipe by the DevTools protocol.
type Browser struct {
	T testing.TB

	to      *os.File
	answers chan message
	next    int
	session string
}

type message struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// browserWait is how long the browser may take for one command.
const browserWait = 60 * time.Second

// NewBrowser starts a browser with one empty page; it ends with the test, which
// fails where there is none: scripts/setup installs it. The flags are further ones of
// Chromium's command line; of one given twice the last counts.
func NewBrowser(t testing.TB, flags ...string) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("there is no chromium; run scripts/setup")
	}
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe", "--user-data-dir=" + t.TempDir()}, flags...)
	cmd := exec.Command(path, append(args, "about:blank")...)
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{in, out} // 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &Browser{T: t, to: to, answers: make(chan message, 64)}
	go b.read(from)
	t.Cleanup(func() {
		// It ends by itself when it is told so, and writes its profile before.
		fmt.Fprintf(to, `{"id":0,"method":"Browser.close"}%c`, 0)
		gone := make(chan error, 1)
		go func() { gone <- cmd.Wait() }()
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-gone
		}
		to.Close()
		from.Close()
	})
	var target struct {
		ID string `json:"targetId"`
	}
	b.Do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		ID string `json:"sessionId"`
	}
	b.Do("Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	b.session = attached.ID
	b.Do("Page.enable", nil, nil)
	b.Do("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil)
	b.Do("WebAuthn.enable", map[string]any{"enableUI": false}, nil)
	return b
}

// read takes in what the browser says: JSON texts that end with a NUL. Events are
// nobody's answer.
func (b *Browser) read(from *os.File) {
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			close(b.answers)
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m) == nil && m.ID != 0 {
			b.answers <- m
		}
	}
}

// Do sends a command to the page and decodes its result.
func (b *Browser) Do(method string, params any, result any) {
	b.T.Helper()
	b.next++
	if params == nil {
		params = map[string]any{}
	}
	command := map[string]any{"id": b.next, "method": method, "params": params}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	if err != nil {
		b.T.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.T.Fatalf("%s: %v", method, err)
	}
	late := time.After(browserWait)
	for {
		select {
		case m, open := <-b.answers:
			switch {
			case !open:
				b.T.Fatalf("%s: the browser is gone", method)
			case m.ID != b.next:
				continue
			case m.Error != nil:
				b.T.Fatalf("%s: %s", method, m.Error.Message)
			case result != nil:
				if err := json.Unmarshal(m.Result, result); err != nil {
					b.T.Fatalf("%s: %v", method, err)
				}
			}
			return
		case <-late:
			b.T.Fatalf("%s: no answer", method)
		}
	}
}

// Open loads an address and waits for it.
func (b *Browser) Open(url string) {
	b.T.Helper()
	b.Do("Page.navigate", map[string]any{"url": url}, nil)
	for range 400 {
		var state string
		b.Eval("document.readyState + ' ' + location.href", &state)
		if state == "complete "+url {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.T.Fatalf("%s does not load", url)
}

// Try evaluates an expression in the page, waits for a promise, and returns what
// was thrown.
func (b *Browser) Try(expression string, result any) error {
	b.T.Helper()
	var out struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Thrown *struct {
			Text   string `json:"text"`
			Thrown struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	b.Do("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &out)
	if out.Thrown != nil {
		return fmt.Errorf("%s %s", out.Thrown.Text, out.Thrown.Thrown.Description)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(out.Result.Value, result)
}

// Eval is Try where nothing may be thrown.
func (b *Browser) Eval(expression string, result any) {
	b.T.Helper()
	if err := b.Try(expression, result); err != nil {
		b.T.Fatal(err)
	}
}

// Authenticator plugs in a security key by CTAP 2.1 and returns its name. With
// verifies it has a PIN, which its user knows.
func (b *Browser) Authenticator(verifies bool) string {
	b.T.Helper()
	var out struct {
		ID string `json:"authenticatorId"`
	}
	b.Do("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "usb", "hasResidentKey": true, "hasUserVerification": verifies, "isUserVerified": verifies,
		"automaticPresenceSimulation": true,
	}}, &out)
	return out.ID
}

// Held is a key as it lies in an authenticator.
type Held map[string]any

// Keys takes the keys out of an authenticator, as no real one would let it happen.
func (b *Browser) Keys(authenticator string) []Held {
	b.T.Helper()
	var out struct {
		Credentials []Held `json:"credentials"`
	}
	b.Do("WebAuthn.getCredentials", map[string]any{"authenticatorId": authenticator}, &out)
	return out.Credentials
}

// Hold puts a key into an authenticator in place of its namesake.
func (b *Browser) Hold(authenticator string, key Held) {
	b.T.Helper()
	for _, k := range b.Keys(authenticator) {
		if k["credentialId"] == key["credentialId"] {
			b.Do("WebAuthn.removeCredential", map[string]any{"authenticatorId": authenticator, "credentialId": key["credentialId"]}, nil)
		}
	}
	b.Do("WebAuthn.addCredential", map[string]any{"authenticatorId": authenticator, "credential": key}, nil)
}

// Screenshot returns the page as a PNG.
func (b *Browser) Screenshot() []byte {
	b.T.Helper()
	var out struct {
		Data string `json:"data"`
	}
	b.Do("Page.captureScreenshot", map[string]any{"format": "png"}, &out)
	png, err := base64.StdEncoding.DecodeString(out.Data)
	if err != nil {
		b.T.Fatal(err)
	}
	return png
}
