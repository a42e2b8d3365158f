package card

import (
	"crypto/x509"
	"time"

	"mohur/authn/revocation"
)

// Record is what is stored of a card's certificate in the credential, as JSON
// under the credential's MAC.
type Record struct {
	Issuer      string    `json:"issuer"`      // name of the issuer profile
	Subject     string    `json:"subject"`     // value of the profile's attribute: the person's key
	Serial      string    `json:"serial"`      // of the certificate, hexadecimal in lower case
	Certificate []byte    `json:"certificate"` // DER
	KeySHA256   []byte    `json:"key_sha256"`  // SHA-256 of the SubjectPublicKeyInfo
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Signing     bool      `json:"signing,omitempty"` // may confirm payments by card-sign
	Algorithm   string    `json:"algorithm"`         // of the signature at the enrolment; "" for a TLS client certificate
}

// The values of Verdict.Shown.
const (
	ShownNone  = "none"
	ShownAgent = "agent"
)

// Verdict is what a card's answer is worth. The zero value is a refusal.
type Verdict struct {
	OK     bool
	Reason Reason // "" when OK
	Detail string // for the audit log: printable and short
	// Seen names the certificate that was offered, by its own claim: serial and
	// issuer, printable and short. "" if none could be read. For the audit log.
	Seen string
	// Record is what was judged; the zero Record unless OK.
	Record Record
	// Algorithm is the token's or the signature's, as ES256; "" for TLS. Like all
	// below it is the zero value unless OK, but for Status.
	Algorithm  string
	AppVersion string // what the application says of itself; nothing proves it
	Origin     string // the configured origin that was signed; "" but for tokens
	// Shown is ShownAgent where only the bank's agent can have made the signature,
	// after it showed the text; else ShownNone.
	Shown string
	// Status is what revocation found, in a refusal, too; the zero Status if it was
	// not asked.
	Status revocation.Status
	// CMS is, of VerifySignature, the detached SignedData (RFC 5652, DER) over the
	// text, without signed attributes and with the certificate.
	CMS []byte
}

// refused is the verdict without anything that might be taken for evidence.
func (v Verdict) refused(r *refusal) Verdict {
	return Verdict{Reason: r.reason, Detail: r.detail, Seen: v.Seen, Status: v.Status}
}

// TokenInput is a log-in token and what it has to answer.
type TokenInput struct {
	Token []byte // JSON
	// Nonce is the standard base64 (with padding, 44 characters) of the SHA-256 of
	// the challenge text.
	Nonce string
	At    time.Time // of receipt
	// Stored is the enrolled record; nil at an enrolment. With it the certificate
	// must be the stored one, byte for byte, under the stored profile. Everything
	// else is judged anew.
	Stored *Record
}

// SignatureInput is an answer to card-sign and the text it has to sign.
type SignatureInput struct {
	Response []byte    // JSON
	Text     []byte    // the linked text
	At       time.Time // of receipt
	Stored   *Record   // like TokenInput.Stored; it must have Signing
}

// ClientInput is a certificate with which a TLS handshake was finished: the caller
// vouches that TLS has verified the possession of its key.
type ClientInput struct {
	// Chain begins with the client's certificate. The others are not used: the
	// authorities between are those of the issuer profiles.
	Chain  []*x509.Certificate
	At     time.Time // of receipt
	Stored *Record   // like TokenInput.Stored
}
