package banktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"mohur/ident"
)

// HolderKey is the key that a browser or an app keeps for its session (RFC 9449).
type HolderKey struct {
	t      testing.TB
	b      *Bank
	signer jose.Signer
	JKT    string // its thumbprint
}

// NewHolderKey makes one.
func (b *Bank) NewHolderKey() *HolderKey {
	b.T.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b.must(err)
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	b.must(err)
	x, err := key.PublicKey.Bytes() // 4, X, Y
	b.must(err)
	enc := base64.RawURLEncoding
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + enc.EncodeToString(x[1:33]) + `","y":"` + enc.EncodeToString(x[33:]) + `"}`))
	return &HolderKey{t: b.T, b: b, signer: signer, JKT: enc.EncodeToString(sum[:])}
}

// Claims are those of a right proof for a request now, with the nonce of the bank; token
// may be "".
func (k *HolderKey) Claims(method, url, token string) map[string]any {
	k.t.Helper()
	nonce, err := k.b.Authn.Nonce(k.t.Context())
	k.b.must(err)
	c := map[string]any{"jti": ident.New("jt"), "htm": method, "htu": url, "iat": k.b.Clock.Now().Unix(), "nonce": nonce}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		c["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return c
}

// Sign makes a proof of claims.
func (k *HolderKey) Sign(claims map[string]any) string {
	k.t.Helper()
	text, err := json.Marshal(claims)
	k.b.must(err)
	signed, err := k.signer.Sign(text)
	k.b.must(err)
	compact, err := signed.CompactSerialize()
	k.b.must(err)
	return compact
}

// Proof is a right one.
func (k *HolderKey) Proof(method, url, token string) string {
	k.t.Helper()
	return k.Sign(k.Claims(method, url, token))
}
