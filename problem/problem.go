// Package problem names the refusals a caller may be told of, in the words of
// the API contract. The domain returns them; only package api knows how they
// look on the wire. Whatever is not one of these is an internal error, and its
// text never leaves the server.
package problem

import (
	"errors"
	"time"
)

// Code is the last part of urn:mohur:problem:<code> (RFC 9457 section 3.1.1).
type Code string

// The codes of the contract.
const (
	Unauthorized         Code = "unauthorized"                     // 401: speaks of the caller only
	Forbidden            Code = "forbidden"                        // 403: the role may not
	AuthenticationFailed Code = "authentication-failed"            // 403: the one refusal
	ProofRequired        Code = "proof-required"                   // 403
	SessionEnded         Code = "session-ended"                    // 403
	InvalidProof         Code = "invalid-dpop-proof"               // 403: of possession of the session's key (RFC 9449 section 12.2)
	UseNonce             Code = "use-dpop-nonce"                   // 403 with DPoP-Nonce
	StepUpNeeded         Code = "insufficient-user-authentication" // 403 with WWW-Authenticate (RFC 9470 section 3)
	NotFound             Code = "not-found"                        // 404
	MethodNotAllowed     Code = "method-not-allowed"               // 405
	Conflict             Code = "conflict"                         // 409
	IdempotencyConflict  Code = "idempotency-conflict"             // 409: the same key with another body
	Expired              Code = "expired"                          // 410
	TooLarge             Code = "too-large"                        // 413
	UnsupportedMedia     Code = "unsupported-media-type"
	Invalid              Code = "invalid-request"   // 422
	Locked               Code = "locked"            // 423, staff routes only
	TooMany              Code = "too-many-requests" // 429 with Retry-After
	Internal             Code = "internal"          // 500
	Unavailable          Code = "unavailable"       // 503: HSM or store away
)

// Field says what is wrong with one member of a request.
type Field struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is a refusal. Err is the cause for the log; it is never shown.
type Error struct {
	Code       Code
	Detail     string
	Fields     []Field
	RetryAfter time.Duration
	Limit      string  // of TooMany: which limit, for the metrics; never shown
	StepUp     *StepUp // of StepUpNeeded: what is asked for
	Err        error
}

func (e *Error) Error() string {
	s := string(e.Code)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	for _, f := range e.Fields {
		s += "; " + f.Field + ": " + f.Message
	}
	if e.Err != nil {
		s += " (" + e.Err.Error() + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns a refusal with a detail for the caller.
func New(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// Away is the refusal while an outside part does not answer; err says which.
func Away(err error) *Error {
	return &Error{Code: Unavailable, Detail: "a part of the service is away; nothing was changed, try again", Err: err}
}

// Is reports whether err is a refusal with this code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// Check collects faults of a request's members so that all are told at once.
type Check struct{ fields []Field }

// Unless adds a fault when ok is false.
func (c *Check) Unless(ok bool, field, message string) {
	if !ok {
		c.fields = append(c.fields, Field{Field: field, Message: message})
	}
}

// Err returns nil, or the Invalid refusal with all faults.
func (c *Check) Err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Detail: "the request has members that cannot be accepted", Fields: c.fields}
}
