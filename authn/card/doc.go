// Package card verifies smart cards: log-in tokens by Web eID and by the bank's
// own agent, signatures of payments, and client certificates of TLS.
//
// It is a leaf. What a card signed goes in, evidence comes out: no store, no HSM
// and nothing is consumed. A verdict's zero value is a refusal, and a refusal is a
// value with a reason for the audit log. The only thing that reaches out is
// package revocation, asked for a certificate whose chain is trusted.
//
// A certificate counts by its chain to the roots of a configured issuer profile,
// never by the names it claims, and never by the system's roots. crypto/x509 builds
// the chain; what it leaves open is closed here: weak keys and signatures, other
// curves, a CA as a leaf, usages, policies, the person's attribute, revocation. All
// times are the caller's: the machine's clock is not read. A panic of a parser on
// hostile bytes is a refusal, too.
package card
