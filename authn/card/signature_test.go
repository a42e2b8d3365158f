package card_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mohur/authn/card"
	"mohur/authn/pkitest"
)

var text = []byte(`{"amount":"120.50","currency":"AZN","payee":"Leyla"}`)

func signing(i *card.Issuer) { i.LogIn, i.Signing = false, true }

func judge(v *card.Verifier, response, text []byte, stored *card.Record) card.Verdict {
	return v.VerifySignature(context.Background(), card.SignatureInput{Response: response, Text: text, At: today, Stored: stored})
}

func TestSignatures(t *testing.T) {
	b := fix(t)
	v := b.verifier(t, signing)
	p := b.middle.SigningCard(t, person)
	big := b.middle.SigningCard(t, person, pkitest.Kind("P-384"))
	rsa := b.middle.SigningCard(t, person, pkitest.Kind("RSA-2048"))
	member := func(name string, value any) func(*pkitest.Response) {
		return func(r *pkitest.Response) { r.Members = map[string]any{name: value} }
	}
	said := func(crypto, hash, padding string) func(*pkitest.Response) {
		return func(r *pkitest.Response) { r.Crypto, r.Hash, r.Padding = crypto, hash, padding }
	}
	none := func(*pkitest.Response) {}
	for _, c := range []struct {
		name   string
		card   *pkitest.Pair
		change func(*pkitest.Response)
		want   card.Reason
	}{
		{"P-256", p, none, ""},
		{"P-384", big, none, ""},
		{"RS256", rsa, none, ""},
		{"PS512", rsa, func(r *pkitest.Response) { r.Algorithm = "PS512" }, ""},
		{"with clientAuth and digitalSignature", b.middle.SigningCard(t, person, pkitest.Usage(x509.KeyUsageContentCommitment|x509.KeyUsageDigitalSignature), pkitest.Extended(x509.ExtKeyUsageClientAuth)), none, ""},
		{"an extended usage of its own", b.middle.SigningCard(t, person, pkitest.Extended(x509.ExtKeyUsageEmailProtection)), none, ""},

		{"a log-in certificate", b.middle.Card(t, person), none, card.NotForSigning},
		{"no key usage", b.middle.SigningCard(t, person, pkitest.Usage(0)), none, card.NotForSigning},
		{"expired", b.middle.SigningCard(t, person, pkitest.Dates(pkitest.From, pkitest.From)), none, card.Expired},
		{"a stranger's", pkitest.Root(t, "Other").SigningCard(t, person), none, card.NotTrusted},
		{"weak", b.middle.SigningCard(t, person, pkitest.Kind("RSA-1024")), none, card.WeakKey},

		{"another text", p, func(r *pkitest.Response) { r.Text = append([]byte("1"), text...) }, card.WrongSignature},
		{"another hash", big, said("ECC", "SHA-256", "NONE"), card.WrongAlgorithm},
		{"SHA-224", p, said("ECC", "SHA-224", "NONE"), card.WrongAlgorithm},
		{"SHA3-256", p, said("ECC", "SHA3-256", "NONE"), card.WrongAlgorithm},
		{"sha-256", p, said("ECC", "sha-256", "NONE"), card.WrongAlgorithm},
		{"padding for ECC", p, said("ECC", "SHA-256", "PSS"), card.WrongAlgorithm},
		{"no padding for RSA", rsa, said("RSA", "SHA-256", "NONE"), card.WrongAlgorithm},
		{"RSA for ECC", p, said("RSA", "SHA-256", "PSS"), card.WrongAlgorithm},
		{"the other padding", rsa, said("RSA", "SHA-256", "PSS"), card.WrongSignature},

		{"no algorithm", p, member("signatureAlgorithm", nil), card.WrongAlgorithm},
		{"algorithm is a string", p, member("signatureAlgorithm", "ES256"), card.MalformedResponse},
		{"no certificate", p, member("certificate", nil), card.MalformedResponse},
		{"no signature", p, member("signature", nil), card.MalformedResponse},
		{"too long", p, member("more", strings.Repeat("x", 10_000)), card.MalformedResponse},
		{"another certificate", p, func(r *pkitest.Response) { r.Certificate = b.middle.SigningCard(t, person).Raw }, card.WrongSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(v, c.card.Signature(t, text, c.change), text, nil)
			expect(t, got, c.want)
			if got.OK && (!got.Record.Signing || got.Record.Algorithm != got.Algorithm || got.Algorithm == "" || got.Shown != card.ShownNone || len(got.CMS) == 0) {
				t.Errorf("%+v", got)
			}
		})
	}
	twice := bytes.Replace(p.Signature(t, text), []byte(`"signature":`), []byte(`"signature":"AAAA","signature":`), 1)
	expect(t, judge(v, twice, text, nil), card.MalformedResponse)
	expect(t, judge(b.verifier(t), p.Signature(t, text), text, nil), card.ProfileUse)
}

// What confirms a payment is no log-in, and the other way round, under one profile
// for both.
func TestClause5_18_ALogInsAnswerIsNoPaymentsAndBack(t *testing.T) {
	b := fix(t)
	v := b.verifier(t, func(i *card.Issuer) { i.Signing, i.DualUse = true, true })
	dual := b.middle.Card(t, person, pkitest.Usage(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment))
	n := nonce("x")
	token, response := dual.Token(t, origin, n), dual.Signature(t, text)
	expect(t, judge(v, response, text, nil), "")
	expect(t, judge(v, token, text, nil), card.MalformedResponse)
	got := v.VerifyToken(context.Background(), card.TokenInput{Token: response, Nonce: n, At: today})
	expect(t, got, card.WrongFormat)
	expect(t, judge(v, dual.Signature(t, text, func(r *pkitest.Response) { r.Signature = signed(t, dual, n) }), text, nil), card.WrongSignature)
}

func TestStoredSigningCards(t *testing.T) {
	b := fix(t)
	v := b.verifier(t, signing)
	p := b.middle.SigningCard(t, person)
	stored := judge(v, p.Signature(t, text), text, nil).Record
	expect(t, judge(v, p.Signature(t, text), text, &stored), "")
	expect(t, judge(v, b.middle.SigningCard(t, person).Signature(t, text), text, &stored), card.WrongCertificate)
	stored.Signing = false
	expect(t, judge(v, p.Signature(t, text), text, &stored), card.NotForSigning)
}

// An independent implementation takes the CMS for what it is: the text's detached
// signature by that certificate.
func TestOpenSSLVerifiesTheCMS(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is missing: run scripts/setup")
	}
	b := fix(t)
	v := b.verifier(t, signing)
	for _, c := range []struct{ kind, algorithm string }{
		{"P-256", "ES256"}, {"P-384", "ES384"}, {"P-521", "ES512"}, {"RSA-2048", "RS256"}, {"RSA-2048", "RS512"}, {"RSA-2048", "PS256"}, {"RSA-3072", "PS384"},
	} {
		t.Run(c.kind+" "+c.algorithm, func(t *testing.T) {
			p := b.middle.SigningCard(t, person, pkitest.Kind(c.kind))
			got := judge(v, p.Signature(t, text, func(r *pkitest.Response) { r.Algorithm = c.algorithm }), text, nil)
			expect(t, got, "")
			dir := t.TempDir()
			write := func(name string, content []byte) string {
				t.Helper()
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			root := write("root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.root.Raw}))
			cms := write("cms.der", got.CMS)
			signer := filepath.Join(dir, "signer.pem")
			verify := func(content string) ([]byte, error) {
				return exec.Command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", cms, "-content", content,
					"-CAfile", root, "-purpose", "any", "-signer", signer, "-out", filepath.Join(dir, "out")).CombinedOutput()
			}
			if said, err := verify(write("text", text)); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			found, err := os.ReadFile(signer)
			if err != nil {
				t.Fatal(err)
			}
			if block, _ := pem.Decode(found); block == nil || !bytes.Equal(block.Bytes, p.Raw) {
				t.Errorf("the signer is %s", found)
			}
			if said, err := verify(write("other", append([]byte("1"), text...))); err == nil {
				t.Errorf("another text verifies: %s", said)
			}
			said, err := exec.Command(openssl, "cms", "-cmsout", "-print", "-inform", "DER", "-in", cms).CombinedOutput()
			if err != nil || !strings.Contains(string(said), "<ABSENT>") || strings.Contains(string(said), "signingTime") {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}
