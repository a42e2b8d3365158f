package problem

import (
	"strconv"
	"strings"
	"time"
)

// StepUp is what a use of a session asks of the authentication it came from, where that
// is too old or too weak (RFC 9470 section 3).
type StepUp struct {
	Scheme    string         // how the access token is presented: DPoP or Bearer
	Detail    string         // for a developer; neither a quote nor a backslash in it
	ACRValues []string       // any one of them suffices; none: the level is not asked for
	MaxAge    *time.Duration // whole seconds; nil: the age is not asked for
}

// Code is the error code of RFC 9470 section 3.
func (StepUp) Code() string { return "insufficient_user_authentication" }

// Values are the levels in the form of acr_values: separated by spaces.
func (s StepUp) Values() string { return strings.Join(s.ACRValues, " ") }

// Seconds are those of MaxAge, nil where the age is not asked for.
func (s StepUp) Seconds() *int64 {
	if s.MaxAge == nil {
		return nil
	}
	n := int64(*s.MaxAge / time.Second)
	return &n
}

// Header is the value of WWW-Authenticate that tells it to a client.
func (s StepUp) Header() string {
	out := s.Scheme + ` error="` + s.Code() + `", error_description="` + s.Detail + `"`
	if len(s.ACRValues) > 0 {
		out += `, acr_values="` + s.Values() + `"`
	}
	if n := s.Seconds(); n != nil {
		out += `, max_age="` + strconv.FormatInt(*n, 10) + `"`
	}
	return out
}
