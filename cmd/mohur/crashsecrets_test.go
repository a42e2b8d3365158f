package main

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// spellings are the ways in which a secret may lie in a file: as it is, in
// hexadecimal, base32 and base64, wherever in a longer text it begins. An encoded
// text is cut to the characters that depend on nothing but the secret.
func spellings(secret string) map[string][]byte {
	all := map[string][]byte{
		"raw": []byte(secret), "hex": []byte(hex.EncodeToString([]byte(secret))),
		"HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(secret)))),
	}
	aligned := func(name string, bits, period int, encode func([]byte) string) {
		for at := range period {
			text := encode(append(make([]byte, at), secret...))
			from, to := (8*at+bits-1)/bits, 8*(at+len(secret))/bits
			all[name+" at "+string(rune('0'+at))] = []byte(text[from:to])
		}
	}
	aligned("base64", 6, 3, base64.RawStdEncoding.EncodeToString)
	aligned("base64url", 6, 3, base64.RawURLEncoding.EncodeToString)
	aligned("base32", 5, 5, base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString)
	aligned("base32 lower", 5, 5, func(b []byte) string {
		return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
	})
	return all
}

// TestClause5_3_1_TheStoreAndItsBackupHoldNoSecret: whoever steals the store, or
// its backup, reads no seed, PIN, secret, key, name, contact or account number in
// it, whatever has been done with them.
func TestClause5_3_1_TheStoreAndItsBackupHoldNoSecret(t *testing.T) {
	dir := crashDir(t)
	p := launch(t, dir)
	s := customers(t, p, 1)[0]
	ctx := t.Context()
	// Long enough not to be met by chance among the digits of a time.
	pin := "904817263554"
	secret, _, err := s.secret(ctx, "pin", "sms", "")
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]any{"pin": pin, "proof": map[string]string{"activation_secret": secret}}
	if err := s.ask(ctx, frontend, http.MethodPut, "/v1/customers/"+s.customer+"/pin", in, http.StatusNoContent, nil); err != nil {
		t.Fatal(err)
	}
	s.pin = pin
	if _, err := s.logsIn(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pays(ctx, "secrets"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pinThen(ctx, pin); err != nil { // a PIN that waits in its attempt
		t.Fatal(err)
	}
	waiting, _, err := s.secret(ctx, "pin", "email", "") // a secret nobody has used yet
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "backup.db")
	if code, out := runs(t, dir, "store", "backup", copied); code != exitOK {
		t.Fatal(out)
	}
	p.kill()
	secrets := map[string]string{
		"PIN": pin, "used activation secret": secret, "open activation secret": waiting, "access token": s.access,
		"transport key": string(s.transportKey), "name": "Leyla Əliyeva", "surname": "Əliyeva", "phone": "+994501234567", "phone number": "501234567",
		"e-mail": "leyla@example.az", "payer's account": "AZ21NABZ00000000137010001944", "payee's account": "AZ77VTBA00000000001234500001",
		"payee": "Qaz Idarəsi", "purpose": "invoice secrets", "amount": `"70.00"`,
	}
	for who, key := range s.keys {
		secrets["API key of "+who] = key
		secrets["secret part of the API key of "+who] = key[len(key)-20:]
	}
	for i, token := range s.tokens {
		secrets["HOTP seed "+token.serial] = string(s.tokens[i].hotpSeed)
		secrets["OCRA seed "+token.serial] = string(s.tokens[i].ocraSeed)
	}
	for what, path := range map[string]string{"store": p.config.Store.Path, "backup": copied} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte(s.customer)) || !bytes.Contains(content, []byte(s.tokens[0].serial)) {
			t.Errorf("the %s does not even name the customer and his token: the wrong file was read", what)
		}
		searched(t, what, content, secrets)
	}
	searched(t, "log of the server", []byte(p.stderr.String()), secrets)
	// The search itself finds what is there.
	for _, text := range []string{hex.EncodeToString(s.tokens[0].hotpSeed), base64.StdEncoding.EncodeToString(append([]byte("xy"), s.tokens[0].hotpSeed...))} {
		if !holds([]byte("before "+text+" after"), string(s.tokens[0].hotpSeed)) {
			t.Errorf("a seed in %q is overlooked", text)
		}
	}
}

func searched(t *testing.T, what string, content []byte, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets {
		for how, text := range spellings(secret) {
			if bytes.Contains(content, text) {
				t.Errorf("the %s holds the %s, %s", what, name, how)
			}
		}
	}
}

func holds(content []byte, secret string) bool {
	for _, text := range spellings(secret) {
		if bytes.Contains(content, text) {
			return true
		}
	}
	return false
}
