package card

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

const fuzzOrigin = "https://login.bank.example"

var (
	fuzzTime  = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	fuzzNonce = base64.StdEncoding.EncodeToString(make([]byte, 32))
	fuzzText  = []byte("a payment")
)

// fuzzBank is an authority and a verifier that takes what it issues, for log-in
// and for signing, and everything for not revoked.
func fuzzBank(f *testing.F) (*pkitest.Pair, *Verifier) {
	f.Helper()
	root := pkitest.Root(f, "Root")
	v, err := New(Settings{Origins: []string{fuzzOrigin}, Status: &revocation.Checker{}, Issuers: []Issuer{{
		Name: "state", Roots: []*x509.Certificate{root.Certificate}, Subject: "serialNumber", LogIn: true, Signing: true,
		Disallowed: []string{"1.2.3.4"}, Revocation: revocation.Rules{CRLs: []string{"http://crl.example"}},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	v.check = good
	return root, v
}

// FuzzToken offers whatever it is given as a token. What is accepted brings the
// one certificate whose key is there, in a known format.
func FuzzToken(f *testing.F) {
	root, v := fuzzBank(f)
	p := root.Card(f, "AZE1")
	f.Add(p.Token(f, fuzzOrigin, fuzzNonce))
	f.Add(p.Token(f, fuzzOrigin, fuzzNonce, func(k *pkitest.Token) { k.Format = "mohur:1" }))
	f.Add(p.Token(f, fuzzOrigin, fuzzNonce, func(k *pkitest.Token) {
		k.Members = map[string]any{"x": []any{1, nil, map[string]any{"y": "z"}}}
	}))
	f.Add(p.Signature(f, fuzzText))
	for _, k := range readVectors(f) {
		f.Add([]byte(k.Token))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := v.VerifyToken(context.Background(), TokenInput{Token: text, Nonce: fuzzNonce, At: fuzzTime})
		certificate, ok := Peek(text)
		if got.Reason == ParserFault || got.OK != (got.Reason == "") {
			t.Fatalf("%+v", got)
		}
		if !got.OK {
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(text, &m); err != nil || len(text) > 10_000 || !ok || !bytes.Equal(certificate, p.Raw) {
			t.Fatalf("accepted %q: %v", text, err)
		}
		var format string
		if err := json.Unmarshal(m["format"], &format); err != nil || !slices.Contains(formats, format) || (got.Shown == ShownAgent) != (format == "mohur:1") {
			t.Fatalf("accepted %q as %s", text, got.Shown)
		}
	})
}

// FuzzResponse offers whatever it is given as an answer to card-sign.
func FuzzResponse(f *testing.F) {
	root, v := fuzzBank(f)
	p := root.SigningCard(f, "AZE1")
	f.Add(p.Signature(f, fuzzText))
	f.Add(p.Signature(f, fuzzText, func(r *pkitest.Response) { r.Padding = "PSS" }))
	f.Add(p.Signature(f, fuzzText, func(r *pkitest.Response) { r.Members = map[string]any{"signatureAlgorithm": nil} }))
	f.Add(p.Token(f, fuzzOrigin, fuzzNonce))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := v.VerifySignature(context.Background(), SignatureInput{Response: text, Text: fuzzText, At: fuzzTime})
		certificate, ok := PeekResponse(text)
		if got.Reason == ParserFault || got.OK != (got.Reason == "") {
			t.Fatalf("%+v", got)
		}
		if got.OK && (!ok || !bytes.Equal(certificate, p.Raw) || got.Algorithm != "ES256" || !bytes.Contains(got.CMS, p.Raw)) {
			t.Fatalf("accepted %q: %+v", text, got)
		}
	})
}

// FuzzCertificate has the authority sign whatever it is given, so that all that
// is checked of a certificate besides its signature stands between it and an
// acceptance.
func FuzzCertificate(f *testing.F) {
	root, v := fuzzBank(f)
	key := pkitest.Key(f, "P-256")
	with := func(c *pkitest.Template) { c.With = key }
	offer := func(t testing.TB, der []byte) Verdict {
		token := (&pkitest.Pair{Certificate: root.Certificate, Key: key}).Token(t, fuzzOrigin, fuzzNonce, func(k *pkitest.Token) { k.Certificate = der })
		return v.VerifyToken(context.Background(), TokenInput{Token: token, Nonce: fuzzNonce, At: fuzzTime})
	}
	if got := offer(f, signCertificate(f, root, root.Card(f, "AZE1", with).RawTBSCertificate)); !got.OK {
		f.Fatal(got)
	}
	for _, changes := range [][]pkitest.Change{
		{}, {pkitest.Usage(x509.KeyUsageContentCommitment)}, {pkitest.Usage(0)}, {pkitest.Extended()}, {pkitest.Policies("1.2.3.4")}, {pkitest.Policies("1.2.3")},
		{pkitest.Subject("2.5.4.5=A", "2.5.4.5=B")}, {pkitest.Dates(pkitest.From, pkitest.From)}, {func(c *pkitest.Template) { c.IsCA = true }},
		{pkitest.Extension("1.2.3.4", true, []byte{5, 0})}, {func(c *pkitest.Template) { c.EmailAddresses = []string{"x@y.example"} }},
	} {
		f.Add(root.Card(f, "AZE1", append(changes, with)...).RawTBSCertificate)
	}
	f.Fuzz(func(t *testing.T, tbs []byte) {
		der := signCertificate(t, root, tbs)
		got := offer(t, der)
		if got.Reason == ParserFault || got.OK != (got.Reason == "") {
			t.Fatalf("%+v", got)
		}
		if !got.OK {
			return
		}
		c, err := x509.ParseCertificate(der)
		if err != nil || !key.Public().(*ecdsa.PublicKey).Equal(c.PublicKey) || c.IsCA || fuzzTime.Before(c.NotBefore) || fuzzTime.After(c.NotAfter) ||
			c.KeyUsage&x509.KeyUsageDigitalSignature == 0 || c.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageContentCommitment) != 0 ||
			c.Subject.SerialNumber != got.Record.Subject || len(c.UnhandledCriticalExtensions) != 0 || !bytes.Equal(got.Record.Certificate, der) {
			t.Fatalf("accepted %x: %+v", der, got)
		}
		for _, p := range c.Policies {
			if p.String() == "1.2.3.4" {
				t.Fatalf("accepted a disallowed policy: %x", der)
			}
		}
	})
}

// signCertificate makes a certificate of the bytes that are to be signed, whatever
// they are.
func signCertificate(t testing.TB, by *pkitest.Pair, tbs []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(tbs)
	signature, err := by.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm struct{ ID asn1.ObjectIdentifier }
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, struct{ ID asn1.ObjectIdentifier }{oidECDSA[32]}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		t.Skip(err)
	}
	return der
}
