package dpop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"mohur/authn/dpop"
)

var b64 = base64.RawURLEncoding

const (
	proofURL = "https://bank.example/payments"
	token    = "a.b.c"
)

var now = time.Unix(1_700_000_000, 0)

func request() dpop.Request {
	return dpop.Request{Method: "POST", URL: proofURL, Token: token, Nonces: []string{"n1", "n2"}, Now: now, Window: time.Minute}
}

type fields map[string]any

func claims() fields {
	sum := sha256.Sum256([]byte(token))
	return fields{"jti": "j-1", "htm": "POST", "htu": proofURL, "iat": now.Unix(), "ath": b64.EncodeToString(sum[:]), "nonce": "n1"}
}

// signer makes proofs with a key of its own.
type signer struct {
	alg jose.SignatureAlgorithm
	key crypto.Signer
	jwk fields
}

func newSigner(t testing.TB, alg jose.SignatureAlgorithm, key crypto.Signer) *signer {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{alg: alg, key: key}
	if err := json.Unmarshal(text, &s.jwk); err != nil {
		t.Fatal(err)
	}
	return s
}

func es256(t testing.TB) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSigner(t, jose.ES256, key)
}

// sign signs exactly these bytes, header and payload.
func (s *signer) sign(t testing.TB, header, payload []byte) string {
	t.Helper()
	input := b64.EncodeToString(header) + "." + b64.EncodeToString(payload)
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch key := s.key.(type) {
	case *ecdsa.PrivateKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		digest := sum[:]
		if size == 48 {
			h := crypto.SHA384.New()
			h.Write([]byte(input))
			digest = h.Sum(nil)
		}
		r, v, signErr := ecdsa.Sign(rand.Reader, key, digest)
		err = signErr
		sig = append(r.FillBytes(make([]byte, size)), v.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, []byte(input))
	case *rsa.PrivateKey:
		if s.alg == jose.PS256 {
			sig, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: 32})
		} else {
			sig, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64.EncodeToString(sig)
}

func (s *signer) header() fields {
	return fields{"typ": "dpop+jwt", "alg": string(s.alg), "jwk": maps.Clone(s.jwk)}
}

func (s *signer) proof(t testing.TB, header, payload fields) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	p, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return s.sign(t, h, p)
}

func TestTheExamplesOfTheRFC(t *testing.T) {
	text, err := os.ReadFile("testdata/rfc9449.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Thumbprint string
		Proofs     []struct {
			Name, Method, URL, Token, Proof string
			IAT                             int64
		}
	}
	if err := json.Unmarshal(text, &v); err != nil || len(v.Proofs) != 2 {
		t.Fatal(len(v.Proofs), err)
	}
	for _, e := range v.Proofs {
		want := dpop.Request{Method: e.Method, URL: e.URL, Token: e.Token, Now: time.Unix(e.IAT+10, 0), Window: time.Minute}
		p, err := dpop.Verify(e.Proof, want)
		if err != nil || p.Thumbprint != v.Thumbprint || !p.Until.Equal(time.Unix(e.IAT+60, 0)) {
			t.Errorf("%s: %+v, %v", e.Name, p, err)
		}
		want.Nonces = []string{"n"}
		if _, err := dpop.Verify(e.Proof, want); err != dpop.WrongNonce {
			t.Errorf("%s, where a nonce is asked for: %v", e.Name, err)
		}
	}
}

func TestEveryAlgorithm(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all := []*signer{es256(t), newSigner(t, jose.ES384, p384), newSigner(t, jose.EdDSA, ed), newSigner(t, jose.PS256, rsaKey), newSigner(t, jose.RS256, rsaKey)}
	if len(all) != len(dpop.Algorithms()) {
		t.Fatalf("accepted: %v", dpop.Algorithms())
	}
	for i, s := range all {
		if dpop.Algorithms()[i] != string(s.alg) {
			t.Errorf("%s is not %s", dpop.Algorithms()[i], s.alg)
		}
		p, err := dpop.Verify(s.proof(t, s.header(), claims()), request())
		if err != nil || p.Algorithm != string(s.alg) {
			t.Errorf("%s: %+v, %v", s.alg, p, err)
		}
		for j, other := range all { // one key's proof under another's algorithm
			h := s.header()
			h["alg"] = string(other.alg)
			same := i >= 3 && j >= 3 // the RSA key fits both, and then the signature does not
			_, err := dpop.Verify(s.proof(t, h, claims()), request())
			switch {
			case i == j:
			case same && err != dpop.WrongSignature, !same && err != dpop.WrongKey:
				t.Errorf("%s under %s: %v", s.alg, other.alg, err)
			}
		}
	}
}

// One thing is wrong at a time, everything else is right.
func TestAttack06_OneAlteredMemberOfAProof(t *testing.T) {
	s, thief := es256(t), es256(t)
	if _, err := dpop.Verify(s.proof(t, s.header(), claims()), request()); err != nil {
		t.Fatalf("as it should be: %v", err)
	}
	sum := sha256.Sum256([]byte("another token"))
	long := strings.Repeat("x", 257)
	for _, c := range []struct {
		name   string
		member string
		value  any // nil: left out
		want   error
	}{
		{"typ of an access token", "typ", "at+jwt", dpop.WrongType},
		{"no typ", "typ", nil, dpop.WrongType},
		{"typ in capitals", "typ", "DPOP+JWT", dpop.WrongType},
		{"alg none", "alg", "none", dpop.WrongAlgorithm},
		{"alg of a shared key", "alg", "HS256", dpop.WrongAlgorithm},
		{"no alg", "alg", nil, dpop.WrongAlgorithm},
		{"alg of another key", "alg", "ES384", dpop.WrongKey},
		{"no jwk", "jwk", nil, dpop.WrongKey},
		{"jwk null", "jwk", json.RawMessage("null"), dpop.WrongKey},
		{"jwk of another", "jwk", thief.jwk, dpop.WrongSignature},
		{"a shared key", "jwk", fields{"kty": "oct", "k": "AAAA"}, dpop.WrongKey},
		{"crit", "crit", []string{"x"}, dpop.Malformed},
		{"b64", "b64", false, dpop.Malformed},
		{"no jti", "jti", nil, dpop.WrongID},
		{"jti empty", "jti", "", dpop.WrongID},
		{"jti a number", "jti", 7, dpop.WrongID},
		{"jti too long", "jti", long, dpop.WrongID},
		{"no htm", "htm", nil, dpop.WrongMethod},
		{"htm of another method", "htm", "GET", dpop.WrongMethod},
		{"htm in small letters", "htm", "post", dpop.WrongMethod},
		{"no htu", "htu", nil, dpop.WrongURL},
		{"htu of another host", "htu", "https://bank.example.evil/payments", dpop.WrongURL},
		{"htu of another path", "htu", "https://bank.example/payments/1", dpop.WrongURL},
		{"htu of another scheme", "htu", "http://bank.example/payments", dpop.WrongURL},
		{"htu of another port", "htu", "https://bank.example:8443/payments", dpop.WrongURL},
		{"htu with a query", "htu", proofURL + "?a=1", dpop.WrongURL},
		{"htu with a fragment", "htu", proofURL + "#a", dpop.WrongURL},
		{"htu with a user", "htu", "https://u@bank.example/payments", dpop.WrongURL},
		{"htu without a host", "htu", "/payments", dpop.WrongURL},
		{"no iat", "iat", nil, dpop.WrongTime},
		{"iat null", "iat", json.RawMessage("null"), dpop.WrongTime},
		{"iat a text", "iat", "1700000000", dpop.WrongTime},
		{"iat too old", "iat", now.Unix() - 61, dpop.WrongTime},
		{"iat too new", "iat", now.Unix() + 61, dpop.WrongTime},
		{"iat without end", "iat", 1e300, dpop.WrongTime},
		{"no ath", "ath", nil, dpop.WrongToken},
		{"ath of another token", "ath", b64.EncodeToString(sum[:]), dpop.WrongToken},
		{"ath empty", "ath", "", dpop.WrongToken},
		{"no nonce", "nonce", nil, dpop.WrongNonce},
		{"nonce empty", "nonce", "", dpop.WrongNonce},
		{"nonce of another", "nonce", "n3", dpop.WrongNonce},
		{"nonce too long", "nonce", long, dpop.WrongNonce},
	} {
		h, p := s.header(), claims()
		m := p
		if _, in := h[c.member]; in || c.member == "crit" || c.member == "b64" {
			m = h
		}
		m[c.member] = c.value
		if c.value == nil {
			delete(m, c.member)
		}
		if _, err := dpop.Verify(s.proof(t, h, p), request()); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestAttack06_AProofWithoutATokenNamesNone(t *testing.T) {
	s, want := es256(t), request()
	want.Token = ""
	if _, err := dpop.Verify(s.proof(t, s.header(), claims()), want); err != dpop.WrongToken {
		t.Errorf("a proof that was made for a token: %v", err)
	}
	c := claims()
	delete(c, "ath")
	if _, err := dpop.Verify(s.proof(t, s.header(), c), want); err != nil {
		t.Error(err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	s := es256(t)
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		h := s.header()
		h["jwk"].(fields)[name] = "AAAA"
		if _, err := dpop.Verify(s.proof(t, h, claims()), request()); err != dpop.WrongKey {
			t.Errorf("a jwk with %s: %v", name, err)
		}
	}
	off := s.header()
	off["jwk"].(fields)["y"] = s.jwk["x"]
	if _, err := dpop.Verify(s.proof(t, off, claims()), request()); err != dpop.WrongKey {
		t.Errorf("a point that is not on the curve: %v", err)
	}
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	unlisted := newSigner(t, jose.ES512, p521)
	if _, err := dpop.Verify(unlisted.proof(t, unlisted.header(), claims()), request()); err != dpop.WrongAlgorithm {
		t.Errorf("an algorithm that is not listed: %v", err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	short := newSigner(t, jose.PS256, weak)
	if _, err := dpop.Verify(short.proof(t, short.header(), claims()), request()); err != dpop.WrongKey {
		t.Errorf("RSA of 1024 bits: %v", err)
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	s := es256(t)
	good := s.proof(t, s.header(), claims())
	h, err := json.Marshal(s.header())
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	mac := hmac.New(sha256.New, []byte(`x`))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	for name, text := range map[string]string{
		"nothing":                 "",
		"two parts":               parts[0] + "." + parts[1],
		"four parts":              good + ".",
		"no signature":            parts[0] + "." + parts[1] + ".",
		"a line end":              parts[0] + "." + parts[1] + "\n." + parts[2],
		"padding":                 good + "=",
		"too long":                good + strings.Repeat("A", dpop.MaxProof),
		"a MAC for a signature":   parts[0] + "." + parts[1] + "." + b64.EncodeToString(mac.Sum(nil)),
		"another payload":         parts[0] + "." + b64.EncodeToString([]byte(`{}`)) + "." + parts[2],
		"a list":                  s.sign(t, h, []byte(`[]`)),
		"null":                    s.sign(t, h, []byte(`null`)),
		"header null":             s.sign(t, []byte(`null`), c),
		"a name twice":            s.sign(t, h, []byte(strings.Replace(string(c), `{`, `{"htm":"POST",`, 1))),
		"a name twice, in header": s.sign(t, []byte(strings.Replace(string(h), `{`, `{"typ":"dpop+jwt",`, 1)), c),
		"names in other letters":  s.sign(t, h, []byte(strings.Replace(string(c), `"jti"`, `"JTI"`, 1))),
		"a name twice, loosely":   s.sign(t, h, []byte(strings.Replace(string(c), `{`, `{"HTM":"POST",`, 1))),
		"something behind":        s.sign(t, h, append(c, '{', '}')),
	} {
		if _, err := dpop.Verify(text, request()); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestTheSameResourceWrittenInAnotherWay(t *testing.T) {
	s := es256(t)
	for told, made := range map[string]string{
		"https://bank.example/payments?a=1#b":   proofURL,
		"https://BANK.example:443/payments":     proofURL,
		"HTTPS://bank.example/%70ayments":       proofURL,
		"https://bank.example/a%2fb":            "https://bank.example/a%2Fb",
		"https://bank.example":                  "https://bank.example/",
		"http://localhost:80/x":                 "http://localhost/x",
		"https://[::1]:8443/x":                  "https://[::1]:8443/x",
		"https://bank.example/Ödəniş?x":         "https://bank.example/%C3%96d%C9%99ni%C5%9F",
		"https://bank.example:8443/v1/payments": "https://bank.example:8443/v1/payments",
	} {
		want, c := request(), claims()
		want.URL, c["htu"] = told, made
		if _, err := dpop.Verify(s.proof(t, s.header(), c), want); err != nil {
			t.Errorf("%s and %s: %v", told, made, err)
		}
	}
	for told, made := range map[string]string{
		"https://bank.example/a%2fb": "https://bank.example/a/b", "https://bank.example/a/../b": "https://bank.example/b", "": proofURL, "https://bank.example/x/": "https://bank.example/x",
		"ftp://bank.example/": "ftp://bank.example/", "https:bank.example": "https:bank.example", "https://bank.example/X": "https://bank.example/x",
	} {
		want, c := request(), claims()
		want.URL, c["htu"] = told, made
		if _, err := dpop.Verify(s.proof(t, s.header(), c), want); err != dpop.WrongURL {
			t.Errorf("%q and %q: %v", told, made, err)
		}
	}
}

func TestAProofHasAKeyOfItsOwn(t *testing.T) {
	a, b := es256(t), es256(t)
	key := func(s *signer, jti string) string {
		t.Helper()
		c := claims()
		c["jti"] = jti
		p, err := dpop.Verify(s.proof(t, s.header(), c), request())
		if err != nil {
			t.Fatal(err)
		}
		return p.Key()
	}
	once, again := key(a, "1"), key(a, "1")
	if once != again || once == key(a, "2") || once == key(b, "1") {
		t.Error("keys do not tell proofs apart")
	}
}
