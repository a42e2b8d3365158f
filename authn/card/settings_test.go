package card_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"strings"
	"testing"

	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

// directoryNames is the DER of name constraints that permit one country's names.
func directoryNames(t testing.TB) []byte {
	t.Helper()
	name := der(t, pkix.RDNSequence{{{Type: pkitest.OID("2.5.4.6"), Value: "AZ"}}})
	context := func(tag int, content []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: content}
	}
	subtree := der(t, []asn1.RawValue{context(4, name)})
	return der(t, []asn1.RawValue{context(0, subtree)})
}

// Whatever would make the profile take less or more than it says is found when it
// is read.
func TestSettings(t *testing.T) {
	b := fix(t)
	roots := func(p ...*pkitest.Pair) func(*card.Issuer) {
		return func(i *card.Issuer) { i.Roots = certificates(p...) }
	}
	between := func(p ...*pkitest.Pair) func(*card.Issuer) {
		return func(i *card.Issuer) { i.Intermediates = certificates(p...) }
	}
	for _, c := range []struct {
		name   string
		change func(*card.Issuer)
		want   string // part of the error; "" for none
	}{
		{"good", func(*card.Issuer) {}, ""},
		{"no name", func(i *card.Issuer) { i.Name = "" }, "name: needs 1 to 64"},
		{"a name with a space", func(i *card.Issuer) { i.Name = "a b" }, "name: needs 1 to 64"},
		{"no roots", roots(), "roots: name at least one"},
		{"an empty root", func(i *card.Issuer) { i.Roots = []*x509.Certificate{nil} }, "roots[0]: no certificate"},
		{"a card as root", roots(b.middle.Card(t, person)), "roots[0]: \"SERIALNUMBER=" + person},
		{"a root of RSA-1024", roots(pkitest.Root(t, "Weak", pkitest.Kind("RSA-1024"))), "a key of RSA, 1024 bits"},
		{"a root of P-224", roots(pkitest.Root(t, "Weak", pkitest.Kind("P-224"))), "a key of P-224"},
		{"a root that is signed with SHA-1", roots(pkitest.Root(t, "Old", func(c *pkitest.Template) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })), ""},
		{"a root for lists only", roots(pkitest.Root(t, "Lists", pkitest.Usage(x509.KeyUsageCRLSign))), "keyCertSign"},
		{"a root without key usage", roots(pkitest.Root(t, "Plain", pkitest.Usage(0))), ""},
		{"a root with an unknown critical extension", roots(pkitest.Root(t, "Odd", pkitest.Extension("1.2.3", true, []byte{5, 0}))), "critical extension 1.2.3"},
		{"a weak authority", between(b.root.Authority(t, "Weak", pkitest.Kind("RSA-1024"))), "intermediates[0]"},
		{"an authority that is signed with SHA-1", between(b.root.Authority(t, "Old", func(c *pkitest.Template) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })), "signed with ECDSA-SHA1"},
		{"constraints of directory names", between(b.root.Authority(t, "Names", pkitest.Extension("2.5.29.30", true, directoryNames(t)))), "critical extension 2.5.29.30"},
		{"the same, not critical", between(b.root.Authority(t, "Names", pkitest.Extension("2.5.29.30", false, directoryNames(t)))), "constraints that are not critical"},
		{"policies by name", func(i *card.Issuer) { i.Policies = []string{"card"} }, "policies[0]"},
		{"policies with a leading zero", func(i *card.Issuer) { i.Policies = []string{"1.02.3"} }, "policies[0]"},
		{"anyPolicy", func(i *card.Issuer) { i.Policies = []string{"2.5.29.32.0"} }, "anyPolicy"},
		{"allowed and not", func(i *card.Issuer) { i.Policies, i.Disallowed = []string{"1.2.3"}, []string{"1.2.3"} }, "is in policies, too"},
		{"no subject", func(i *card.Issuer) { i.Subject = "" }, "subject: \"\""},
		{"the common name", func(i *card.Issuer) { i.Subject = "2.5.4.3" }, "common name"},
		{"the common name by name", func(i *card.Issuer) { i.Subject = "CN" }, "subject: \"CN\""},
		{"a subject beyond all numbers", func(i *card.Issuer) { i.Subject = "1.2." + strings.Repeat("9", 40) }, "number that is too large"},
		{"an unknown algorithm", func(i *card.Issuer) { i.Algorithms = []string{"ES256", "HS256"} }, "algorithms[1]"},
		{"for nothing", func(i *card.Issuer) { i.LogIn = false }, "both off"},
		{"dual use without log-in", func(i *card.Issuer) { i.LogIn, i.Signing, i.DualUse = false, true, true }, "dual_use"},
		{"no revocation", func(i *card.Issuer) { i.Revocation = revocation.Rules{} }, "revocation: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := card.New(b.settings(c.change))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}

func TestOriginsOfSettings(t *testing.T) {
	b := fix(t)
	for o, want := range map[string]bool{
		origin: true, "https://bank.example:8443": true, "http://localhost:8080": true, "http://127.0.0.1": true, "http://[::1]:80": false,
		"https://[2001:db8::1]": true, "https://bank.example/": false, "https://Bank.example": false, "https://bank.example:443": false,
		"http://bank.example": false, "bank.example": false, "https://bank.example/path": false, "https://user@bank.example": false,
		"https://bank.example?x": false, "": false, "ftp://bank.example": false, "https://bänk.example": false, "https://": false,
		"https://bank.example#x": false, "null": false, "https://xn--bnk-qla.example": true,
	} {
		s := b.settings()
		s.Origins = []string{o}
		if _, err := card.New(s); (err == nil) != want {
			t.Errorf("%q: %v", o, err)
		}
	}
}

// All faults are told at once, each with its place.
func TestAllFaultsAreTold(t *testing.T) {
	b := fix(t)
	s := card.Settings{Issuers: []card.Issuer{{Name: "x"}, b.profile(), b.profile()}}
	_, err := card.New(s)
	for _, want := range []string{"status: ", "origins: ", "issuers[0] (x): ", "roots: ", "subject: ", "both off", "issuers[2]: a second profile"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := card.New(card.Settings{}); err == nil || !strings.Contains(err.Error(), "issuers: ") {
		t.Error(err)
	}
	many := b.settings()
	many.Origins = make([]string, 17)
	if _, err := card.New(many); err == nil {
		t.Error("17 origins")
	}
}

// A verifier does not change with the settings it was made of.
func TestSettingsAreCopied(t *testing.T) {
	b := fix(t)
	s := b.settings()
	v := verifier(t, s)
	p := b.middle.Card(t, person)
	s.Origins[0], s.Issuers[0].LogIn, s.Issuers[0].Roots[0] = "https://evil.example", false, pkitest.Root(t, "Evil").Certificate
	expect(t, logIn(t, v, p), "")
}

// docs/cards.md says of every reason what it means.
func TestReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/cards.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range card.Reasons() {
		if !strings.Contains(string(text), "`"+string(r)+"`") {
			t.Errorf("docs/cards.md does not tell what %s means", r)
		}
	}
}
