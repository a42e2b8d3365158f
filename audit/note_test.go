package audit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"mohur/audit"
	"mohur/audit/audittest"
)

func TestVerifierReadsNotesOfOthers(t *testing.T) {
	b, err := os.ReadFile("testdata/rekor-note.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(b), "")
	vkey, msg, _ := strings.Cut(text, "\n")
	v, err := audit.ParseVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(msg), note.VerifierList(v)); err != nil {
		t.Error(err)
	}
	bad := strings.Replace(msg, "798034", "798035", 1)
	if _, err := note.Open([]byte(bad), note.VerifierList(v)); err == nil {
		t.Error("a changed note verifies")
	}
}

func TestVerifierString(t *testing.T) {
	s := audittest.NewSigner(t)
	text := s.VKey(t, origin)
	v, err := audit.ParseVerifier(text)
	if err != nil || v.Name() != origin || v.KeyHash() != s.Verifier(t, origin).KeyHash() {
		t.Fatalf("%v, %v", v, err)
	}
	name, rest, _ := strings.Cut(text, "+")
	id, data, _ := strings.Cut(rest, "+")
	for what, bad := range map[string]string{
		"empty": "", "name only": name, "no key": name + "+" + id, "no name": "+" + id + "+" + data,
		"space in the name": "a b+" + id + "+" + data, "control in the name": "a\x01+" + id + "+" + data,
		"other id": name + "+00000000+" + data, "short id": name + "+" + id[1:] + "+" + data,
		"capitals in the id": name + "+" + strings.ToUpper(id) + "+" + data + " ",
		"loose base64":       text + "\n", "Ed25519": name + "+" + id + "+AQ" + data[2:],
		"no key material": name + "+" + id + "+Ag==", "garbage": name + "+" + id + "+AgAAAA",
	} {
		if _, err := audit.ParseVerifier(bad); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestVerifierNeedsP256(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.NewVerifier(origin, &key.PublicKey); err == nil {
		t.Error("P-384 accepted")
	}
	if _, err := audit.NewVerifier(origin, nil); err == nil {
		t.Error("no key accepted")
	}
}
