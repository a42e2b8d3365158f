package agent_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"mohur/agent"
	"mohur/agent/agenttest"
	"mohur/agent/dialog"
	"mohur/agent/dialog/dialogtest"
	"mohur/agent/words"
)

func message(text string) []byte {
	return append(binary.NativeEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// messages reads what the agent wrote.
func messages(t testing.TB, out []byte) (all []string) {
	t.Helper()
	for len(out) > 0 {
		if len(out) < 4 || uint32(len(out)-4) < binary.NativeEndian.Uint32(out) {
			t.Fatalf("%q is no message", out)
		}
		n := binary.NativeEndian.Uint32(out)
		all, out = append(all, string(out[4:4+n])), out[4+n:]
	}
	return all
}

// closing is a connection that the browser keeps open after its message.
type closing struct {
	io.Reader
	rest <-chan struct{}
}

func (c closing) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) && n == 0 {
		<-c.rest
	}
	return n, err
}

func TestNativeProtocol(t *testing.T) {
	d := newDesk(t, "P-256")
	open := make(chan struct{})
	run := func(in []byte) []string {
		t.Helper()
		var out bytes.Buffer
		if err := d.agent.Native(t.Context(), closing{bytes.NewReader(in), open}, &out); err != nil {
			t.Fatal(err)
		}
		return messages(t, out.Bytes())
	}
	d.shown = dialogtest.New(rightPIN)
	args, _ := json.Marshal(map[string]any{"command": "authenticate", "arguments": map[string]any{
		"challengeNonce": agenttest.Nonce(d.site.Text("login", nil)), "origin": d.site.URL, "lang": "ru", "libraryVersion": "of the future"}})
	got := run(message(string(args)))
	if len(got) != 2 || got[0] != `{"version":"2.9.0"}` {
		t.Fatalf("%q", got)
	}
	var token map[string]string
	if err := json.Unmarshal([]byte(got[1]), &token); err != nil || len(token) != 5 || token["format"] != "mohur:1" || token["algorithm"] != "ES256" ||
		!strings.HasPrefix(token["appVersion"], "https://") || !strings.HasSuffix(token["appVersion"], "/1.2.3") || token["signature"] == "" || token["unverifiedCertificate"] == "" {
		t.Errorf("the token is %s, %v", got[1], err)
	}
	if got := run(message(`{"command":"quit","arguments":{}}`)); got[1] != "{}" {
		t.Errorf("quit: %q", got)
	}
	for name, in := range map[string][]byte{
		"no JSON": message("x"), "no command": message(`{}`), "unknown": message(`{"command":"format","arguments":{}}`), "member twice": message(`{"command":"quit","command":"quit"}`),
		"no arguments": message(`{"command":"sign"}`), "arguments of another kind": message(`{"command":"sign","arguments":[]}`),
		"too long": binary.NativeEndian.AppendUint32(nil, 8193), "huge": binary.NativeEndian.AppendUint32(nil, 1<<32-1), "empty": message(""),
	} {
		if got := run(in); len(got) != 2 || !strings.Contains(got[1], `"code":"ERR_WEBEID_NATIVE_INVALID_ARGUMENT"`) {
			t.Errorf("%s: %q", name, got)
		}
	}
	close(open)
	for _, in := range [][]byte{nil, {1}, {9, 0, 0, 0, '{'}} {
		if got := run(in); len(in) == 0 && len(got) != 1 || len(in) > 0 && len(got) != 2 {
			t.Errorf("%x: %q", in, got)
		}
	}
}

// A page that is closed takes the dialog with it.
func TestWhenTheBrowserGoesTheDialogGoes(t *testing.T) {
	d := newDesk(t, "P-256")
	gone := make(chan struct{})
	d.shown = dialogtest.New(dialogtest.Answer{Hang: true, Before: func() { close(gone) }})
	args, _ := json.Marshal(map[string]any{"command": "authenticate", "arguments": map[string]any{"challengeNonce": agenttest.Nonce(d.site.Text("login", nil)), "origin": d.site.URL}})
	var out bytes.Buffer
	if err := d.agent.Native(t.Context(), closing{bytes.NewReader(message(string(args))), gone}, &out); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, out.Bytes()); !strings.Contains(got[1], "ERR_WEBEID_USER_TIMEOUT") {
		t.Errorf("%q", got)
	}
}

func TestAnAgentThatIsNotSetUpSaysSo(t *testing.T) {
	var out bytes.Buffer
	if err := agent.NativeRefusal(bytes.NewReader(message("{}")), &out, "not set up"); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, out.Bytes()); len(got) != 2 || got[1] != `{"error":{"code":"ERR_WEBEID_NATIVE_FATAL","message":"not set up"}}` {
		t.Errorf("%q", got)
	}
	d := newDesk(t)
	d.agent.Dialog = func(words.Language) (dialog.Dialog, error) { return nil, dialog.ErrNone }
	_, err := d.logIn(d.site.Text("login", nil))
	if code(err) != agent.CodeFatal || !strings.Contains(err.Error(), "terminal") {
		t.Errorf("without a dialog: %v", err)
	}
}

func TestNativeHostArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"chrome-extension://ncibgoaomkmdpilpocfeponihegamlic/"}, true}, {[]string{"chrome-extension://x/", "--parent-window=0"}, true},
		{[]string{"/etc/eu.webeid.json", "{e68418bc-f2b0-4459-a9ea-3e72b6751b07}"}, true},
		{nil, false}, {[]string{"readers"}, false}, {[]string{"x.json", "y"}, false}, {[]string{"/x.json"}, false},
	} {
		if got := agent.IsNativeHost(c.args); got != c.want {
			t.Errorf("%q: %v", c.args, got)
		}
	}
}

// FuzzNative: whatever comes in, what goes out are the version and one answer, and
// without a customer nothing but an error.
func FuzzNative(f *testing.F) {
	for _, text := range []string{`{"command":"authenticate","arguments":{"challengeNonce":"x","origin":"https://bank.example"}}`,
		`{"command":"sign","arguments":{"hash":"AA==","hashFunction":"SHA-256","certificate":"AA==","origin":"https://bank.example","lang":"az"}}`,
		`{"command":"get-signing-certificate","arguments":{"origin":"https://bank.example"}}`, `{"command":"quit"}`, ``} {
		f.Add(message(text))
	}
	f.Add([]byte{255, 255, 255, 255})
	a := &agent.Agent{
		Config: &agent.Config{Bank: "A", Origins: []string{"https://other.example"}},
		Dialog: func(words.Language) (dialog.Dialog, error) { return dialogtest.New(), nil },
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		if err := a.Native(context.Background(), bytes.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		got := messages(t, out.Bytes())
		if len(got) == 0 || len(got) > 2 || len(got) == 2 && got[1] != "{}" && !strings.HasPrefix(got[1], `{"error":{"code":"ERR_WEBEID_`) {
			t.Fatalf("%q: %q", in, got)
		}
	})
}
