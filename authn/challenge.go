package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"mohur/canonical"
)

// Challenge is a text that says what a proof is for, and its hash. Every
// response is bound to the hash, and so to every word of the text.
type Challenge struct {
	Text   []byte
	SHA256 [32]byte
}

// NewChallenge writes the canonical text of RFC 8785 over the fixed members
// and facts, which for a payment are reference, amount, payer, payee, purpose. That
// of a log-in without a name has no sub: the subject is "".
func NewChallenge(typ, issuer, subject string, expires time.Time, facts map[string]any) (Challenge, error) {
	nonce := make([]byte, 16)
	rand.Read(nonce)
	m := map[string]any{
		"v": 1, "typ": typ, "iss": issuer,
		"nonce": base64.RawURLEncoding.EncodeToString(nonce), "exp": expires.Unix(),
	}
	if subject != "" {
		m["sub"] = subject
	}
	for k, v := range facts {
		if _, taken := m[k]; !taken {
			m[k] = v
		}
	}
	text, err := canonical.JSON(m)
	if err != nil {
		return Challenge{}, err
	}
	return Challenge{Text: text, SHA256: sha256.Sum256(text)}, nil
}
