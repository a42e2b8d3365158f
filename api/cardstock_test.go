package api_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/cardtest"
)

// TestMain: the test's own binary is the application that a browser starts in place of
// the bank's agent.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "chrome-extension://") {
		if err := stockApplication(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// stockApplication signs two hashes, as Web eID's own application does, and looks at
// nothing: not at the certificate, nor at the text. The script's first reply says the
// PIN and, as its choice, the key.
func stockApplication(in io.Reader, out io.Writer) error {
	say := func(v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = out.Write(append(binary.NativeEndian.AppendUint32(nil, uint32(len(text))), text...))
		return err
	}
	if err := say(map[string]string{"version": "2.9.0"}); err != nil {
		return err
	}
	var size uint32
	if err := binary.Read(in, binary.NativeEndian, &size); err != nil {
		return err
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(in, text); err != nil {
		return err
	}
	var asked struct {
		Arguments struct{ Origin, ChallengeNonce string }
	}
	if err := json.Unmarshal(text, &asked); err != nil {
		return err
	}
	script, err := os.ReadFile(os.Getenv(scriptName))
	if err != nil {
		return err
	}
	var replies []reply
	if err := json.Unmarshal(script, &replies); err != nil {
		return err
	}
	answer, err := stockToken(asked.Arguments.Origin, asked.Arguments.ChallengeNonce, fmt.Sprintf("%02d", replies[0].Choice), replies[0].PIN)
	if err != nil {
		return say(map[string]any{"error": map[string]string{"code": "ERR_WEBEID_NATIVE_FATAL", "message": err.Error()}})
	}
	return say(answer)
}

func stockToken(origin, nonce, id, pin string) (map[string]string, error) {
	dir, err := os.MkdirTemp("", "stock")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	result, input := filepath.Join(dir, "out"), filepath.Join(dir, "in")
	tool := func(args ...string) ([]byte, error) {
		args = append([]string{"--module", os.Getenv(stockModule), "--id", id, "--output-file", result}, args...)
		if said, err := exec.Command("pkcs11-tool", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("pkcs11-tool: %w: %s", err, said)
		}
		return os.ReadFile(result)
	}
	der, err := tool("--read-object", "--type", "cert")
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	first, second := sha256.Sum256([]byte(origin)), sha256.Sum256([]byte(nonce))
	digest := sha256.Sum256(append(first[:], second[:]...))
	algorithm, mechanism, signs := "RS256", "RSA-PKCS", append([]byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"), digest[:]...)
	if _, is := c.PublicKey.(*ecdsa.PublicKey); is {
		algorithm, mechanism, signs = "ES256", "ECDSA", digest[:]
	}
	if err := os.WriteFile(input, signs, 0o600); err != nil {
		return nil, err
	}
	signature, err := tool("--login", "--pin", pin, "--sign", "--mechanism", mechanism, "--input-file", input)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"unverifiedCertificate": base64.StdEncoding.EncodeToString(der), "algorithm": algorithm, "signature": base64.StdEncoding.EncodeToString(signature),
		"format": "web-eid:1.0", "appVersion": "https://web-eid.eu/web-eid-app/releases/2.9.0",
	}, nil
}

// hostOf has the extension start another program.
func (d *desk) hostOf(program string) {
	d.t.Helper()
	text, err := json.Marshal(map[string]any{"name": ownHost, "description": "a test", "type": "stdio", "path": program, "allowed_origins": []string{"chrome-extension://" + ownExtension + "/"}})
	d.must(nil, err)
	d.write(".config/chromium/NativeMessagingHosts/"+ownHost+".json", string(text))
}

// Another application than the bank's agent logs in where policy lets it, and proves to
// nobody that anything was seen. The server alone refuses what the agent would not have
// signed with.
func (d *desk) usesAnotherApplication(t *testing.T) {
	program, err := os.Executable()
	d.must(nil, err)
	d.hostOf(program)
	defer d.hostOf(d.agent)

	byLogin, bySigning := reply{PIN: cardPIN, Choice: 1}, reply{PIN: cardPIN, Choice: 2}
	d.plugIn("P-256", cardtest.Settings{})
	d.hand(byLogin)
	if got := d.press("registerCard"); got["state"] != "active" {
		t.Fatalf("%v", got)
	}
	if got := d.press("loginCard"); got["acr"] != "strong" || got["shown"] != "none" {
		t.Errorf("%v", got)
	}
	if paid := d.press("pay"); paid["acr"] != "linked" || paid["shown"] != "none" {
		t.Errorf("%v", paid)
	}
	// It may say that it is the agent; the signature does not.
	d.refused(`const a = await begin(); await send(a, {...await token(a), format: "mohur:1"})`, card.WrongSignature)
	d.hand(bySigning)
	d.refused("await loginCard()", card.SigningOnly)

	for _, c := range []struct {
		cause  card.Reason
		kind   string
		hand   reply
		change pkitest.Change
	}{
		{card.SigningOnly, "P-256", bySigning, pkitest.Kind("P-256")},
		{card.DualUse, "P-256", byLogin, pkitest.Usage(x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment)},
		{card.WeakKey, "RSA-1024", byLogin, pkitest.Kind("RSA-1024")},
		{card.Expired, "P-256", byLogin, pkitest.Dates(pkitest.From, pkitest.From.AddDate(1, 0, 0))},
	} {
		d.plugIn(c.kind, cardtest.Settings{}, c.change)
		d.hand(c.hand)
		d.notEnrolled(c.cause)
	}
}
