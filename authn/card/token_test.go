package card_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"mohur/authn/card"
	"mohur/authn/pkitest"
)

func TestTokens(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	p := b.middle.Card(t, person)
	member := func(name string, value any) func(*pkitest.Token) {
		return func(k *pkitest.Token) { k.Members = map[string]any{name: value} }
	}
	format := func(f string) func(*pkitest.Token) { return func(k *pkitest.Token) { k.Format = f } }
	encoded := base64.StdEncoding.EncodeToString
	for _, c := range []struct {
		name   string
		change func(*pkitest.Token)
		want   card.Reason
	}{
		{"web-eid:1", format("web-eid:1"), ""},
		{"web-eid:1.1", format("web-eid:1.1"), ""},
		{"web-eid:1.2", format("web-eid:1.2"), card.WrongFormat},
		{"web-eid:10", format("web-eid:10"), card.WrongFormat},
		{"web-eid:2", format("web-eid:2"), card.WrongFormat},
		{"WEB-EID:1", format("WEB-EID:1"), card.WrongFormat},
		{"web-eid:1.0 with a space", format("web-eid:1.0 "), card.WrongFormat},
		{"mohur:2", format("mohur:2"), card.WrongFormat},
		{"no format", member("format", nil), card.WrongFormat},
		{"members of 1.1", member("unverifiedSigningCertificates", []any{map[string]string{"certificate": "x"}}), ""},
		{"a member in other letters", member("Signature", "AAAA"), ""},
		{"format is a number", member("format", 1), card.MalformedToken},
		{"no appVersion", member("appVersion", nil), card.MalformedToken},
		{"no certificate", member("unverifiedCertificate", nil), card.MalformedToken},
		{"no signature", member("signature", nil), card.MalformedToken},
		{"empty signature", member("signature", ""), card.MalformedToken},
		{"no algorithm", member("algorithm", nil), card.WrongAlgorithm},
		{"base64url", member("unverifiedCertificate", base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{255}, 99))), card.MalformedToken},
		{"no padding", member("unverifiedCertificate", strings.TrimRight(encoded(append(bytes.Clone(p.Raw), make([]byte, 3-len(p.Raw)%3+1)...)), "=")), card.MalformedToken},
		{"bits left over", member("signature", "AB=="), card.MalformedToken},
		{"a line break", member("unverifiedCertificate", encoded(p.Raw)[:64]+"\n"+encoded(p.Raw)[64:]), card.MalformedToken},
		{"a space", member("unverifiedCertificate", " "+encoded(p.Raw)), card.MalformedToken},
		{"too long", member("more", strings.Repeat("x", 10_000)), card.MalformedToken},
		{"deep", member("more", json.RawMessage(strings.Repeat("[", 4000)+strings.Repeat("]", 4000))), ""},
		{"not UTF-8", func(k *pkitest.Token) { k.Members = map[string]any{"appVersion": json.RawMessage("\"\\ud800\"")} }, card.MalformedToken},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, logIn(t, v, p, c.change), c.want) })
	}
}

func TestTokensThatAreNoObject(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	n := nonce("x")
	good := string(b.middle.Card(t, person).Token(t, origin, n))
	for name, text := range map[string]string{
		"nothing": "", "99 characters": `{"a":"` + strings.Repeat("x", 91) + `"}`, "null": "null" + strings.Repeat(" ", 100),
		"a list": "[" + good + "]", "a string": `"` + strings.Repeat("x", 200) + `"`, "two": good + good, "something after": good + "x",
		"a byte order mark": "\uFEFF" + good, "spaces before": "  " + good,
		"a member twice":           strings.Replace(good, `"format"`, `"algorithm":"ES256","format"`, 1),
		"a member twice, escaped":  strings.Replace(good, `"format"`, `"\u0061lgorithm":"ES256","format"`, 1),
		"an extra member twice":    strings.Replace(good, `"format"`, `"x":1,"x":1,"format"`, 1),
		"twice in an extra member": strings.Replace(good, `"format"`, `"x":{"y":1,"y":2},"format"`, 1),
		"not JSON":                 strings.Replace(good, `"format"`, `format`, 1), "a comma": strings.Replace(good, `}`, `,}`, 1),
		"bytes": strings.Replace(good, "web-eid-app", "\xff\xfe", 1),
	} {
		t.Run(name, func(t *testing.T) {
			got := v.VerifyToken(context.Background(), card.TokenInput{Token: []byte(text), Nonce: n, At: today})
			expect(t, got, card.MalformedToken)
			if _, ok := card.Peek([]byte(text)); ok {
				t.Error("peeked")
			}
		})
	}
}

// The caller's own input is broken: refused, whatever the card says.
func TestTheCallersFaults(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	p := b.middle.Card(t, person)
	for name, in := range map[string]card.TokenInput{
		"no time": {Nonce: nonce("x")}, "no nonce": {At: today}, "a short nonce": {At: today, Nonce: "AAAA"},
		"a nonce without padding": {At: today, Nonce: strings.TrimRight(nonce("x"), "=")},
		"33 bytes":                {At: today, Nonce: base64.StdEncoding.EncodeToString(make([]byte, 33))},
	} {
		t.Run(name, func(t *testing.T) {
			in.Token = p.Token(t, origin, in.Nonce)
			expect(t, v.VerifyToken(context.Background(), in), card.CallerFault)
		})
	}
	expect(t, v.VerifySignature(context.Background(), card.SignatureInput{Text: []byte("x")}), card.CallerFault)
	expect(t, v.VerifySignature(context.Background(), card.SignatureInput{At: today}), card.CallerFault)
	expect(t, v.VerifyClient(context.Background(), card.ClientInput{At: today}), card.CallerFault)
	expect(t, v.VerifyClient(context.Background(), card.ClientInput{At: today, Chain: certificates(p)[:0]}), card.CallerFault)
	expect(t, (&card.Verifier{}).VerifyToken(context.Background(), card.TokenInput{Token: p.Token(t, origin, nonce("x")), Nonce: nonce("x"), At: today}), card.NotTrusted)
}

// Each algorithm goes with its own keys, and its own curve.
func TestAlgorithms(t *testing.T) {
	b := fix(t)
	all := []string{"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
	rsa := "PS256 PS384 PS512 RS256 RS384 RS512"
	for kind, fit := range map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "RSA-2048": rsa, "RSA-3072": rsa} {
		p := b.middle.Card(t, person, pkitest.Kind(kind))
		for _, a := range append(all, "none", "", "HS256", "es256", "EdDSA", "RS1") {
			t.Run(kind+" "+a, func(t *testing.T) {
				v := b.verifier(t)
				want := card.WrongAlgorithm
				if a != "" && strings.Contains(fit, a) {
					want = ""
				}
				n := nonce("x")
				made := p.Token(t, origin, n, func(k *pkitest.Token) {
					k.Algorithm = a
					if want != "" {
						k.Signature = bytes.Repeat([]byte{1}, 64)
					}
				})
				got := v.VerifyToken(context.Background(), card.TokenInput{Token: made, Nonce: n, At: today})
				expect(t, got, want)
				if got.OK && (got.Algorithm != a || got.Record.Algorithm != a) {
					t.Errorf("%+v", got)
				}
			})
		}
	}
	p := b.middle.Card(t, person, pkitest.Kind("RSA-2048"))
	v := b.verifier(t, func(i *card.Issuer) { i.Algorithms = []string{"ES256", "PS256"} })
	expect(t, logIn(t, v, p), card.WrongAlgorithm)
	expect(t, logIn(t, v, p, func(k *pkitest.Token) { k.Algorithm = "PS256" }), "")
}

// One scheme's signature is none of another's, even under the same key.
func TestSchemesAreNotMixed(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	p := b.middle.Card(t, person, pkitest.Kind("RSA-2048"))
	n := nonce("x")
	for _, made := range []string{"PS256", "PS384", "RS256", "RS512"} {
		for _, said := range []string{"PS256", "PS384", "RS256", "RS512"} {
			token := p.Token(t, origin, n, func(k *pkitest.Token) { k.Algorithm = made; k.Members = map[string]any{"algorithm": said} })
			want := card.WrongSignature
			if made == said {
				want = ""
			}
			expect(t, v.VerifyToken(context.Background(), card.TokenInput{Token: token, Nonce: n, At: today}), want)
		}
	}
	salted := p.Token(t, origin, n, func(k *pkitest.Token) { k.Algorithm = "PS256"; k.Signature = pssWithSalt(t, p, n, 20) })
	expect(t, v.VerifyToken(context.Background(), card.TokenInput{Token: salted, Nonce: n, At: today}), card.WrongSignature)
	salted = p.Token(t, origin, n, func(k *pkitest.Token) { k.Algorithm = "PS256"; k.Signature = pssWithSalt(t, p, n, 32) })
	expect(t, v.VerifyToken(context.Background(), card.TokenInput{Token: salted, Nonce: n, At: today}), "")
}

// r and s are as long as the order and within it; DER is none of them.
func TestECDSASignatures(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	for _, kind := range []string{"P-256", "P-384", "P-521"} {
		p := b.middle.Card(t, person, pkitest.Kind(kind))
		order := p.PublicKey.(*ecdsa.PublicKey).Curve.Params().N
		size := (order.BitLen() + 7) / 8
		n := nonce("x")
		good := signed(t, p, n)
		r, s := good[:size], good[size:]
		zero, tooBig := make([]byte, size), order.FillBytes(make([]byte, size))
		join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
		over := new(big.Int).Add(new(big.Int).SetBytes(s), order)
		for name, c := range map[string]struct {
			signature []byte
			want      card.Reason
		}{
			"good": {good, ""}, "the other s": {join(r, new(big.Int).Sub(order, new(big.Int).SetBytes(s)).FillBytes(make([]byte, size))), ""},
			"r is 0": {join(zero, s), card.WrongSignature}, "s is 0": {join(r, zero), card.WrongSignature}, "both 0": {join(zero, zero), card.WrongSignature},
			"r is n": {join(tooBig, s), card.WrongSignature}, "s is n": {join(r, tooBig), card.WrongSignature},
			"a byte more": {join(good, zero[:1]), card.WrongSignature}, "a byte less": {good[1:], card.WrongSignature},
			"a zero before each": {join(zero[:1], r, zero[:1], s), card.WrongSignature}, "a zero before s": {join(r, zero[:1], s), card.WrongSignature},
			"s and r":      {join(s, r), card.WrongSignature},
			"DER":          {der(t, struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)}), card.WrongSignature},
			"another card": {signed(t, b.middle.Card(t, person, pkitest.Kind(kind)), n), card.WrongSignature},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				token := p.Token(t, origin, n, func(k *pkitest.Token) { k.Signature = c.signature })
				expect(t, v.VerifyToken(context.Background(), card.TokenInput{Token: token, Nonce: n, At: today}), c.want)
			})
		}
		if over.BitLen() <= 8*size {
			token := p.Token(t, origin, n, func(k *pkitest.Token) { k.Signature = join(r, over.FillBytes(make([]byte, size))) })
			expect(t, v.VerifyToken(context.Background(), card.TokenInput{Token: token, Nonce: n, At: today}), card.WrongSignature)
		}
	}
}

// A token is for one of the bank's origins and for one nonce.
func TestAttack08_ATokenIsForOneOriginAndOneNonce(t *testing.T) {
	b := fix(t)
	s := b.settings()
	s.Origins = []string{origin, "https://pay.bank.example:8443"}
	v := verifier(t, s)
	p := b.middle.Card(t, person)
	signedFor := func(origin, n, asked string) card.Verdict {
		t.Helper()
		return v.VerifyToken(context.Background(), card.TokenInput{Token: p.Token(t, origin, n), Nonce: asked, At: today})
	}
	n := nonce("x")
	for _, o := range s.Origins {
		if got := signedFor(o, n, n); !got.OK || got.Origin != o {
			t.Errorf("%s: %+v", o, got)
		}
	}
	for _, o := range []string{"https://login.bank.example.evil.example", "http://login.bank.example", origin + "/", origin + ":443", "HTTPS://login.bank.example", ""} {
		expect(t, signedFor(o, n, n), card.WrongSignature)
	}
	expect(t, signedFor(origin, nonce("y"), n), card.WrongSignature)
}

// Only the bank's agent makes tokens of mohur:1: its card signs three hashes, a
// stock application's two.
func TestShown(t *testing.T) {
	b := fix(t)
	v := b.verifier(t)
	p := b.middle.Card(t, person)
	agent := func(k *pkitest.Token) { k.Format = "mohur:1" }
	if got := logIn(t, v, p, agent); !got.OK || got.Shown != card.ShownAgent {
		t.Errorf("%+v", got)
	}
	renamed := func(from, to string) func(*pkitest.Token) {
		return func(k *pkitest.Token) { k.Format = from; k.Members = map[string]any{"format": to} }
	}
	expect(t, logIn(t, v, p, renamed("web-eid:1.0", "mohur:1")), card.WrongSignature)
	expect(t, logIn(t, v, p, renamed("mohur:1", "web-eid:1.0")), card.WrongSignature)
	if got := logIn(t, v, p, func(k *pkitest.Token) { k.AppVersion = "mohur-card/1.0" }); !got.OK || got.Shown != card.ShownNone {
		t.Errorf("%+v", got)
	}
	// A key that signs documents, too, signs three hashes for any page.
	dual := b.middle.Card(t, person, pkitest.Usage(p.KeyUsage|b.middle.SigningCard(t, person).KeyUsage))
	taken := b.verifier(t, func(i *card.Issuer) { i.DualUse = true })
	if got := logIn(t, taken, dual, agent); !got.OK || got.Shown != card.ShownNone {
		t.Errorf("%+v", got)
	}
}

func TestPeek(t *testing.T) {
	p := fix(t).middle.Card(t, person)
	if got, ok := card.Peek(p.Token(t, origin, nonce("x"))); !ok || !bytes.Equal(got, p.Raw) {
		t.Errorf("%x, %t", got, ok)
	}
	if got, ok := card.PeekResponse(p.Signature(t, []byte("a text"))); !ok || !bytes.Equal(got, p.Raw) {
		t.Errorf("%x, %t", got, ok)
	}
	if _, ok := card.PeekResponse(p.Token(t, origin, nonce("x"))); ok {
		t.Error("a token is an answer to card-sign")
	}
	if _, ok := card.Peek(p.Signature(t, []byte("a text"))); ok {
		t.Error("an answer to card-sign is a token")
	}
}

// What the application says of itself goes to the audit log printable and short.
func TestWhatAnApplicationSaysIsClipped(t *testing.T) {
	b := fix(t)
	got := logIn(t, b.verifier(t), b.middle.Card(t, person), func(k *pkitest.Token) { k.AppVersion = "\n\u202e" + strings.Repeat("v", 500) })
	if !got.OK || len(got.AppVersion) > 260 || strings.ContainsAny(got.AppVersion, "\n\u202e") {
		t.Errorf("%+v", got)
	}
}

// The machine's clock is not read: a certificate of the past is good in the past.
func TestTheTimeIsTheCallers(t *testing.T) {
	past := time.Date(2003, 5, 5, 5, 5, 5, 0, time.UTC)
	dates := pkitest.Dates(past.AddDate(-1, 0, 0), past.AddDate(1, 0, 0))
	b := &bank{root: pkitest.Root(t, "Then", dates)}
	b.middle = b.root.Authority(t, "Then below", dates)
	b.responder = b.middle.OCSP()
	b.responder.Clock(func() time.Time { return past })
	b.address = serve(t, b.responder)
	p := b.middle.Card(t, person, dates)
	n := nonce("x")
	v := b.verifier(t)
	expect(t, v.VerifyToken(context.Background(), card.TokenInput{Token: p.Token(t, origin, n), Nonce: n, At: past}), "")
	expect(t, v.VerifyToken(context.Background(), card.TokenInput{Token: p.Token(t, origin, n), Nonce: n, At: today}), card.Expired)
}

// signed is the pair's signature of a log-in in the format web-eid:1.0.
func signed(t testing.TB, p *pkitest.Pair, n string) []byte {
	t.Helper()
	var k struct{ Signature []byte }
	if err := json.Unmarshal(p.Token(t, origin, n), &k); err != nil {
		t.Fatal(err)
	}
	return k.Signature
}

func pssWithSalt(t testing.TB, p *pkitest.Pair, n string, salt int) []byte {
	t.Helper()
	hashes := append(digest(origin), digest(n)...)
	signature, err := rsa.SignPSS(rand.Reader, p.Key.(*rsa.PrivateKey), sha, digest(string(hashes)), &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return signature
}
