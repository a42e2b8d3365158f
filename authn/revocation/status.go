package revocation

import (
	"fmt"
	"strconv"
	"time"
)

// State is what is known of a certificate.
type State string

// The states. Only Good is good; the zero State is like Unavailable.
const (
	Good        State = "good"
	Revoked     State = "revoked"
	Unknown     State = "unknown"     // the responder does not know the certificate; in effect revoked
	Unavailable State = "unavailable" // nobody gave an answer that counts
)

// Source is where a status came from.
type Source string

// The sources.
const (
	SourceOCSP Source = "ocsp"
	SourceCRL  Source = "crl"
	SourceOwn  Source = "own" // the bank's own authority, in its own records
)

// Reason says in a short word why a status is not good, for the audit log and for
// metrics.
type Reason string

// Why a status is not good.
const (
	ReasonRevoked     Reason = "revoked"
	ReasonUnknown     Reason = "unknown"
	NoSource          Reason = "no-source"          // the rules name none, or none that fits the certificate
	Away              Reason = "away"               // no connection, an error of HTTP, or a redirect
	Slow              Reason = "slow"               // no answer in time
	Oversized         Reason = "oversized"          // more bytes than any answer has
	Malformed         Reason = "malformed"          // not the form of RFC 6960 or RFC 5280
	ResponderError    Reason = "responder-error"    // tryLater, internalError, unauthorized and the like
	WrongCertificate  Reason = "wrong-certificate"  // for another one, or for several
	WrongNonce        Reason = "wrong-nonce"        // another than was sent, or none
	WrongResponder    Reason = "wrong-responder"    // neither the issuer nor one it authorised
	WrongSignature    Reason = "wrong-signature"    // does not verify, or by an algorithm that is not accepted
	CriticalExtension Reason = "critical-extension" // one that is not understood, or a list that is not complete
	Stale             Reason = "stale"              // thisUpdate too old or nextUpdate past
	Future            Reason = "future"             // thisUpdate yet to come
	RolledBack        Reason = "rolled-back"        // a list older than one seen before
	OlderThanRevoked  Reason = "older-than-revoked" // good, but said before it was revoked
	Overloaded        Reason = "overloaded"         // too many checks at once
)

// Status is the result of a check. The zero value refuses.
type Status struct {
	State      State
	Source     Source // "" if none gave an answer
	Address    string // of the responder, or the address or file of the list
	ThisUpdate time.Time
	NextUpdate time.Time // zero if the answer has none
	CheckedAt  time.Time // when the source was asked or the list was read; for Unavailable the time of the check
	RevokedAt  time.Time // of Revoked
	// RevocationReason is the CRLReason (RFC 5280 section 5.3.1) of Revoked by its
	// name there; "" if none is stated.
	RevocationReason string
	Reason           Reason // why it is not good; "" if it is
	Detail           string // the same for a person, printable and short
	FromCache        bool   // no source was asked now
	InGrace          bool   // good by Rules.Grace alone
}

// Good reports whether the certificate may be used.
func (s Status) Good() bool { return s.State == Good }

// String is the status in one line, for a log.
func (s Status) String() string {
	if s.Good() {
		return fmt.Sprintf("good by %s of %s (cache %t, grace %t)", s.Source, s.ThisUpdate.UTC().Format(time.RFC3339), s.FromCache, s.InGrace)
	}
	return fmt.Sprintf("%s: %s: %s", s.State, s.Reason, s.Detail)
}

// fault is a source that gave no answer that counts.
type fault struct {
	reason Reason
	detail string
}

func (f *fault) Error() string { return string(f.reason) + ": " + f.detail }

// faulty makes a fault. Its detail may hold bytes from outside: it is clipped and
// made printable.
func faulty(reason Reason, format string, args ...any) *fault {
	const most = 240
	s := fmt.Sprintf(format, args...)
	if len(s) > most {
		s = s[:most] + "…"
	}
	q := strconv.QuoteToGraphic(s)
	return &fault{reason, q[1 : len(q)-1]}
}

// guard makes a panic of a parser on bytes from outside a fault.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = faulty(Malformed, "a parser failed on the bytes: %v", p)
	}
}

// Superseded is the reason of a certificate in whose place another one came, by its
// name in RFC 5280 section 5.3.1: nothing bad is known of its key.
const Superseded = "superseded"

// ReasonName returns the name of a CRLReason (RFC 5280 section 5.3.1), "" where it
// says nothing.
func ReasonName(code int) string { return reasonNames[code] }

// reasonNames are the CRLReasons of RFC 5280 section 5.3.1.
var reasonNames = map[int]string{
	1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
	5: "cessationOfOperation", 6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
}
