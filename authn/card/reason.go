package card

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Reason says why a card was refused: a short word for the audit log and for
// metrics, never for the customer.
type Reason string

// What is wrong with the form of what was offered.
const (
	MalformedToken       Reason = "malformed-token"
	MalformedResponse    Reason = "malformed-response"
	MalformedCertificate Reason = "malformed-certificate"
	WrongFormat          Reason = "wrong-format"
	ParserFault          Reason = "parser-fault"
	CallerFault          Reason = "caller-fault"
)

// What is wrong with the certificate itself.
const (
	WrongCertificate  Reason = "wrong-certificate"
	WeakKey           Reason = "weak-key"
	CAAsLeaf          Reason = "ca-as-leaf"
	CriticalExtension Reason = "critical-extension"
	KeyUsage          Reason = "key-usage"
	SigningOnly       Reason = "signing-only"
	DualUse           Reason = "dual-use"
	NotForSigning     Reason = "not-for-signing"
	ExtendedKeyUsage  Reason = "extended-key-usage"
	SubjectMissing    Reason = "subject"
)

// What is wrong with the certificate under the issuer profiles.
const (
	ProfileUse       Reason = "profile-use"
	PolicyDisallowed Reason = "policy-disallowed"
	PolicyMissing    Reason = "policy-missing"
	NotYetValid      Reason = "not-yet-valid"
	Expired          Reason = "expired"
	WeakChain        Reason = "weak-chain"
	NotTrusted       Reason = "not-trusted"
)

// What revocation says.
const (
	Revoked           Reason = "revoked"
	StatusUnknown     Reason = "status-unknown"
	StatusUnavailable Reason = "status-unavailable"
)

// What is wrong with the signature.
const (
	WrongAlgorithm Reason = "wrong-algorithm"
	WrongSignature Reason = "wrong-signature"
)

// texts says each reason in a sentence.
var texts = map[Reason]string{
	MalformedToken:       "the token is not the JSON of a Web eID token of 100 to 10,000 characters, each member once",
	MalformedResponse:    "the answer to card-sign is not its JSON of 100 to 10,000 characters, each member once",
	MalformedCertificate: "the certificate is not exactly one X.509 certificate in DER",
	WrongFormat:          "the token's format is none of those accepted",
	ParserFault:          "a parser failed on the bytes; whoever sent them may have meant it to",
	CallerFault:          "the server asked for a verdict without a time, a nonce or a text",

	WrongCertificate:  "another certificate than the one that was enrolled",
	WeakKey:           "the certificate's key is not RSA of 2048 to 4096 bits or on P-256, P-384 or P-521",
	CAAsLeaf:          "the certificate is an authority's, not a person's",
	CriticalExtension: "the certificate has a critical extension that is not understood",
	KeyUsage:          "the certificate is not for digital signatures",
	SigningOnly:       "the certificate is for signing documents only, it never logs in",
	DualUse:           "the certificate is for signing documents as well, so any page can have its key sign any hash; the issuer profile does not accept that for log-in",
	NotForSigning:     "the certificate is not for signing documents (contentCommitment), or was not enrolled for it",
	ExtendedKeyUsage:  "the certificate lists extended usages and TLS client authentication is not one of them",
	SubjectMissing:    "the attribute that is the person's key is not in the subject exactly once, as printable ASCII of at most 64 characters",

	ProfileUse:       "the issuer profile is not for this use",
	PolicyDisallowed: "the certificate asserts a policy that the issuer profile disallows",
	PolicyMissing:    "the certificate asserts none of the issuer profile's policies, or an authority above it may not issue under that policy",
	NotYetValid:      "the certificate is not valid yet",
	Expired:          "the certificate has expired",
	WeakChain:        "a signature or a key in the chain is below 112 bits of strength",
	NotTrusted:       "the certificate leads to no root of an issuer profile",

	Revoked:           "the issuer revoked the certificate",
	StatusUnknown:     "the issuer does not know the certificate, which counts as revoked",
	StatusUnavailable: "nobody told in time whether the certificate is revoked",

	WrongAlgorithm: "the algorithm is not accepted or does not fit the type and size of the key",
	WrongSignature: "the signature does not verify over this challenge: a wrong key, another origin, another nonce or another text",
}

// Text says the reason in a sentence, for an operator.
func (r Reason) Text() string { return texts[r] }

// Reasons returns every reason, sorted.
func Reasons() []Reason { return slices.Sorted(maps.Keys(texts)) }

// refusal travels as an error inside this package and leaves it as a value.
type refusal struct {
	reason Reason
	detail string
}

func (r *refusal) Error() string { return string(r.reason) + ": " + r.detail }

// refuse makes a refusal.
func refuse(reason Reason, format string, args ...any) error {
	return &refusal{reason, clip(fmt.Sprintf(format, args...))}
}

// reasonOf is the reason of a refusal; "" of anything else.
func reasonOf(err error) Reason {
	var r *refusal
	if errors.As(err, &r) {
		return r.reason
	}
	return ""
}

// clip keeps a detail short and printable: it goes into the audit log.
func clip(s string) string {
	const most = 240
	if len(s) > most {
		s = s[:most] + "…"
	}
	q := strconv.QuoteToGraphic(s)
	return q[1 : len(q)-1]
}

// guarded makes a verdict. A panic of a parser on hostile bytes is a refusal of
// those bytes; whatever fails, the verdict keeps only what the audit log needs.
func guarded(judge func(*Verdict) error) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = v.refused(&refusal{ParserFault, clip(fmt.Sprint(p))})
		}
	}()
	if err := judge(&v); err != nil {
		var r *refusal
		if !errors.As(err, &r) {
			r = &refusal{ParserFault, clip(err.Error())}
		}
		return v.refused(r)
	}
	v.OK = true
	return v
}
