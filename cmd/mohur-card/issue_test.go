package main

import (
	"bytes"
	"strings"
	"testing"
)

// What cannot be meant is said before a card is touched.
func TestIssueIsCalledWrongly(t *testing.T) {
	server := []string{"--server", "https://auth.bank.example"}
	for want, args := range map[string][]string{
		"needs --server":                  {"issue", "--token", "serial:1"},
		"needs --server with the address": {"issue", "--token", "serial:1", "--server", "http://auth.bank.example"},
		"needs --token":                   append([]string{"issue"}, server...),
		"API key in $MOHUR_KEY":           append([]string{"issue", "--token", "serial:1"}, server...),
		"rsa2048, p256 or p384":           append([]string{"issue", "--token", "serial:1", "--key-type", "rsa1024"}, server...),
		"needs --out":                     {"request"},
		"needs one FILE":                  {"import-certificate"},
		"does not know what to do":        {"pin", "1234"},
	} {
		t.Setenv(keyVariable, "key")
		if strings.Contains(want, "MOHUR_KEY") {
			t.Setenv(keyVariable, "")
		}
		var out, told bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, err: &told}
		if code := p.main(t.Context(), args); code != exitUsage || !strings.Contains(told.String(), want) {
			t.Errorf("%q: %d\n%s", args, code, told.String())
		}
	}
}
