// Package dpop judges proofs of possession of a key (RFC 9449): who shows one holds
// the private key now, for this request and, if there is one, this access token. It
// guarantees that nothing of a proof is believed before its signature is right, and
// that one made for another request, token, time or server is refused. That a proof
// serves once is the caller's to see to: it has the place where they are remembered.
package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"mohur/canonical"
)

// MaxProof is the longest proof that is read, in bytes; one of a 4096-bit RSA key has
// about 1,800.
const MaxProof = 8 << 10

// maxName bounds jti and nonce, in bytes.
const maxName = 256

// Reason says what is wrong with a proof, in a word for the log. It is no secret: a
// proof is about the caller's own key.
type Reason string

// Error makes a reason an error.
func (r Reason) Error() string { return "dpop: " + string(r) }

// What can be wrong with a proof (RFC 9449 section 4.3).
const (
	Malformed      Reason = "malformed"       // not one compact JWS, or a name stands in it twice
	WrongType      Reason = "wrong-type"      // typ
	WrongAlgorithm Reason = "wrong-algorithm" // alg
	WrongKey       Reason = "wrong-key"       // jwk: missing, private, of another kind or too weak
	WrongSignature Reason = "wrong-signature"
	WrongID        Reason = "wrong-id"     // jti
	WrongMethod    Reason = "wrong-method" // htm
	WrongURL       Reason = "wrong-url"    // htu
	WrongTime      Reason = "wrong-time"   // iat
	WrongToken     Reason = "wrong-token"  // ath
	WrongNonce     Reason = "wrong-nonce"  // nonce: missing, of another server or too old
)

// algorithms are those of asymmetric keys that are accepted (RFC 7518 section 3.1, RFC
// 8037 section 3.1).
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.EdDSA, jose.PS256, jose.RS256}

// Algorithms names the accepted alg values, as a WWW-Authenticate of RFC 9449 section
// 7.1 lists them.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

// Request is what a proof has to be for.
type Request struct {
	Method string // of HTTP, exactly
	URL    string // absolute; its query and fragment are not compared
	Token  string // the access token that goes with it; "" when none does, and then the proof names none
	// Nonces are those that are good now; none: a nonce is not asked for.
	Nonces []string
	Now    time.Time
	Window time.Duration // how far iat may be from Now, either way
}

// Proof is one that is right.
type Proof struct {
	Thumbprint string    // of its key: base64url of the SHA-256 of RFC 7638
	Algorithm  string    // alg
	Until      time.Time // from then on its time is over
	id         string
}

// Key names the proof for as long as it is remembered that it was used. Proofs of
// different keys have different ones: nobody uses up another's.
func (p Proof) Key() string {
	sum := sha256.Sum256([]byte("dpop/v1\x00" + p.Thumbprint + "\x00" + p.id))
	return "dpop/" + hex.EncodeToString(sum[:])
}

// header is what is read of the JOSE header.
type header struct {
	alg string
	key jose.JSONWebKey
}

// Verify judges a proof. What it returns as an error is a Reason.
func Verify(text string, want Request) (Proof, error) {
	parts := strings.Split(text, ".")
	if len(text) > MaxProof || len(parts) != 3 {
		return Proof{}, Malformed
	}
	h, err := readHeader(parts[0])
	if err != nil {
		return Proof{}, err
	}
	if !plain(parts[1]) || !plain(parts[2]) {
		return Proof{}, Malformed
	}
	parsed, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return Proof{}, Malformed
	}
	payload, err := parsed.Verify(h.key.Key)
	if err != nil {
		return Proof{}, WrongSignature
	}
	sum, err := h.key.Thumbprint(crypto.SHA256)
	if err != nil {
		return Proof{}, WrongKey
	}
	p := Proof{Thumbprint: base64.RawURLEncoding.EncodeToString(sum), Algorithm: h.alg}
	return p, p.judge(payload, want)
}

// readHeader reads the header and the key in it.
func readHeader(part string) (header, error) {
	m, ok := object(part)
	if !ok {
		return header{}, Malformed
	}
	if m["crit"] != nil || m["b64"] != nil { // an extension that would have to be understood
		return header{}, Malformed
	}
	if m.text("typ") != "dpop+jwt" {
		return header{}, WrongType
	}
	h := header{alg: m.text("alg")}
	for _, a := range algorithms {
		if h.alg == string(a) {
			return h, h.read(m["jwk"])
		}
	}
	return header{}, WrongAlgorithm
}

// private are the members of a JWK that hold what nobody may see (RFC 7518 section 6,
// RFC 8037 section 2).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// read takes a public key of the kind the algorithm signs with.
func (h *header) read(jwk json.RawMessage) error {
	var m members
	if len(jwk) == 0 || json.Unmarshal(jwk, &m) != nil || m == nil {
		return WrongKey
	}
	for _, name := range private {
		if m[name] != nil {
			return WrongKey
		}
	}
	if err := json.Unmarshal(jwk, &h.key); err != nil || !h.key.Valid() || !h.key.IsPublic() {
		return WrongKey
	}
	ok := false
	switch key := h.key.Key.(type) {
	case *ecdsa.PublicKey:
		size := key.Curve.Params().BitSize
		ok = h.alg == "ES256" && size == 256 || h.alg == "ES384" && size == 384
	case ed25519.PublicKey:
		ok = h.alg == "EdDSA"
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		ok = (h.alg == "PS256" || h.alg == "RS256") && bits >= 2048 && bits <= 4096 && key.E >= 3
	}
	if !ok {
		return WrongKey
	}
	return nil
}

// judge compares the claims with what the proof has to be for.
func (p *Proof) judge(payload []byte, want Request) error {
	m, ok := parse(payload)
	if !ok {
		return Malformed
	}
	p.id = m.text("jti")
	if p.id == "" || len(p.id) > maxName {
		return WrongID
	}
	if htm := m.text("htm"); htm == "" || htm != want.Method {
		return WrongMethod
	}
	asked, good := target(want.URL, false)
	htu, right := target(m.text("htu"), true)
	if !good || !right || htu != asked {
		return WrongURL
	}
	at, ok := m.moment("iat")
	if !ok || at.Before(want.Now.Add(-want.Window)) || at.After(want.Now.Add(want.Window)) {
		return WrongTime
	}
	p.Until = at.Add(want.Window)
	if !tokenFits(m, want.Token) {
		return WrongToken
	}
	if nonce := m.text("nonce"); len(want.Nonces) > 0 && !among(nonce, want.Nonces) {
		return WrongNonce
	}
	return nil
}

// tokenFits reports whether ath is the hash of the token that goes with the request,
// and is not there when none does.
func tokenFits(m members, token string) bool {
	if token == "" {
		return m["ath"] == nil
	}
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare([]byte(m.text("ath")), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) == 1
}

func among(nonce string, good []string) bool {
	if nonce == "" || len(nonce) > maxName {
		return false
	}
	found := 0
	for _, g := range good {
		found |= subtle.ConstantTimeCompare([]byte(nonce), []byte(g))
	}
	return found == 1
}

// members are those of a JSON object by their exact names.
type members map[string]json.RawMessage

// object reads a part of a JWS.
func object(part string) (members, bool) {
	if !plain(part) {
		return nil, false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, false
	}
	return parse(text)
}

// plain reports whether a part has the characters of base64url and no other; the
// decoder would pass over line ends.
func plain(part string) bool {
	for i := range len(part) {
		c := part[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return part != ""
}

// parse reads a JSON object in which no name stands twice, in other letters neither: a
// reader that matches names loosely would take the other one.
func parse(text []byte) (members, bool) {
	if _, err := canonical.Bytes(text); err != nil {
		return nil, false
	}
	var m members
	if err := json.Unmarshal(text, &m); err != nil || m == nil {
		return nil, false
	}
	seen := make(map[string]bool, len(m))
	for name := range m {
		folded := strings.ToLower(strings.ToUpper(name))
		if seen[folded] {
			return nil, false
		}
		seen[folded] = true
	}
	return m, true
}

// text is a member that is a string; "" when it is none.
func (m members) text(name string) string {
	var s string
	if m[name] == nil || json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return s
}

// moment is a member that is a NumericDate (RFC 7519 section 2).
func (m members) moment(name string) (time.Time, bool) {
	var seconds *float64
	if m[name] == nil || json.Unmarshal(m[name], &seconds) != nil || seconds == nil {
		return time.Time{}, false
	}
	if *seconds < 0 || *seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(*seconds), 0).UTC(), true
}
