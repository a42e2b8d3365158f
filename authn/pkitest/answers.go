package pkitest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
)

// Token is a log-in token to be made: what a change may change.
type Token struct {
	Format     string // web-eid:1.0; mohur:1 is signed as the bank's agent does
	Algorithm  string // the one for the key with its hash, RS256 for RSA
	Origin     string
	Nonce      string
	AppVersion string
	// Certificate is DER. Signature is made if it is nil.
	Certificate, Signature []byte
	// Members are put into the JSON, or taken out of it where the value is nil.
	Members map[string]any
}

// Token makes the answer of the pair's card to a log-in.
func (p *Pair) Token(t testing.TB, origin, nonce string, changes ...func(*Token)) []byte {
	t.Helper()
	k := Token{
		Format: "web-eid:1.0", Algorithm: Algorithm(p.Key), Origin: origin, Nonce: nonce,
		AppVersion: "https://web-eid.eu/web-eid-app/releases/v2.6.0", Certificate: p.Raw,
	}
	for _, change := range changes {
		change(&k)
	}
	if k.Signature == nil {
		h := hashOf(k.Algorithm)
		var both []byte
		if k.Format == "mohur:1" {
			both = sum(h, []byte("mohur-agent:1"))
		}
		both = append(both, sum(h, []byte(k.Origin))...)
		both = append(both, sum(h, []byte(k.Nonce))...)
		k.Signature = Sign(t, p.Key, k.Algorithm, both)
	}
	return object(t, map[string]any{
		"unverifiedCertificate": base64.StdEncoding.EncodeToString(k.Certificate), "algorithm": k.Algorithm,
		"signature": base64.StdEncoding.EncodeToString(k.Signature), "format": k.Format, "appVersion": k.AppVersion,
	}, k.Members)
}

// Response is an answer to card-sign to be made: what a change may change.
type Response struct {
	Algorithm              string // as Token's
	Text                   []byte
	Certificate, Signature []byte
	Crypto, Hash, Padding  string // of signatureAlgorithm; those of Algorithm
	Members                map[string]any
}

// Signature makes the answer of the pair's card to card-sign.
func (p *Pair) Signature(t testing.TB, text []byte, changes ...func(*Response)) []byte {
	t.Helper()
	r := Response{Algorithm: Algorithm(p.Key), Text: text, Certificate: p.Raw}
	for _, change := range changes {
		change(&r)
	}
	if r.Signature == nil {
		r.Signature = Sign(t, p.Key, r.Algorithm, r.Text)
	}
	parts := map[byte][2]string{'E': {"ECC", "NONE"}, 'R': {"RSA", "PKCS1.5"}, 'P': {"RSA", "PSS"}}[r.Algorithm[0]]
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	return object(t, map[string]any{
		"certificate": base64.StdEncoding.EncodeToString(r.Certificate), "signature": base64.StdEncoding.EncodeToString(r.Signature),
		"signatureAlgorithm": map[string]string{
			"cryptoAlgorithm": or(r.Crypto, parts[0]), "hashFunction": or(r.Hash, "SHA-"+r.Algorithm[2:]), "paddingScheme": or(r.Padding, parts[1]),
		},
	}, r.Members)
}

// Algorithm is the one a key signs with unless a test says otherwise.
func Algorithm(key crypto.Signer) string {
	k, ok := key.Public().(*ecdsa.PublicKey)
	switch {
	case !ok:
		return "RS256"
	case k.Curve.Params().BitSize > 384:
		return "ES512"
	case k.Curve.Params().BitSize > 256:
		return "ES384"
	}
	return "ES256"
}

// Sign signs the text by ES256 to RS512: ES as the two numbers, not as DER.
func Sign(t testing.TB, key crypto.Signer, algorithm string, text []byte) []byte {
	t.Helper()
	h := hashOf(algorithm)
	digest, options := sum(h, text), crypto.SignerOpts(h)
	switch _, edwards := key.Public().(ed25519.PublicKey); {
	case edwards:
		digest, options = text, crypto.Hash(0)
	case algorithm[0] == 'P':
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	}
	signature, err := key.Sign(rand.Reader, digest, options)
	if err != nil {
		t.Fatal(err)
	}
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return signature
	}
	var n struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &n); err != nil {
		t.Fatal(err)
	}
	size := (public.Curve.Params().BitSize + 7) / 8
	return append(n.R.FillBytes(make([]byte, size)), n.S.FillBytes(make([]byte, size))...)
}

func hashOf(algorithm string) crypto.Hash {
	switch algorithm[len(algorithm)-3:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

func sum(h crypto.Hash, text []byte) []byte {
	s := h.New()
	s.Write(text)
	return s.Sum(nil)
}

func object(t testing.TB, members, changed map[string]any) []byte {
	t.Helper()
	for name, value := range changed {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
