package card

import "context"

// VerifyToken judges a log-in token (Web eID's token format 1, and mohur:1 of the
// bank's agent). A nonce is spent by a good and by a bad answer alike; that is the
// caller's.
func (v *Verifier) VerifyToken(ctx context.Context, in TokenInput) Verdict {
	return guarded(func(*Verdict) error { return refuse(CallerFault, "not built yet") })
}

// VerifySignature judges an answer to card-sign: the text was signed by a key whose
// certificate is for signing documents.
func (v *Verifier) VerifySignature(ctx context.Context, in SignatureInput) Verdict {
	return guarded(func(*Verdict) error { return refuse(CallerFault, "not built yet") })
}

// VerifyClient judges the certificate of a TLS client, for log-in only.
func (v *Verifier) VerifyClient(ctx context.Context, in ClientInput) Verdict {
	return guarded(func(*Verdict) error { return refuse(CallerFault, "not built yet") })
}

// Peek returns the certificate a token brings, DER and unverified: only to find
// which credential answers.
func Peek(token []byte) (certificate []byte, ok bool) { return nil, false }
