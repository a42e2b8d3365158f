// Package otp verifies one-time passwords: HOTP (RFC 4226), TOTP (RFC 6238) and
// OCRA (RFC 6287). Every HMAC is computed inside the HSM under a seed that is
// unwrapped there and nowhere else; what comes out is truncated here. The
// package is a leaf: a code goes in, evidence comes out, nothing is consumed.
package otp

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"mohur/hsm"
	"mohur/settle"
	"mohur/tokens"
)

// HSM is the part of a module that computes codes.
type HSM interface {
	HMACUnless(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, enough func(first []byte) bool, messages ...[]byte) ([][]byte, error)
}

// Response is what is to be judged.
type Response struct {
	Credential tokens.Credential
	Profile    tokens.Profile // its Windows narrowed by the policy, if there is one
	Hot        settle.Hot
	Code       string
	Question   string    // OCRA only
	At         time.Time // of receipt

	// AskedAt is when the challenge was made. Zero: it has none, or the caller
	// bounds its age himself.
	AskedAt time.Time
	// PIN is as it was typed, for a suite that takes one; it is hashed here.
	PIN string
	// Session is the session's data, for a suite that takes it.
	Session []byte
	// ClientQuestion is what the client asked first, in mutual mode; see ServerResponse.
	ClientQuestion string
	// Ahead has Resync take nothing whose time is over; see there.
	Ahead bool
}

// Evidence is what a response proves. Next and Drift are what the hot row shall
// hold once the response is consumed: everything up to the matched counter or
// step is dead then.
type Evidence struct {
	Match  bool
	Replay bool // it matched a counter or step that is already dead
	Next   uint64
	Drift  int8
	Reason Reason // why there is no match, for the audit log and nobody else; "" beside a match
}

// Reason is why a response is refused.
type Reason string

// The reasons. An outsider is told none of them.
const (
	WrongCode        Reason = "wrong-code"
	MalformedCode    Reason = "malformed-code"    // not ASCII digits of the exact length
	Replayed         Reason = "replay"            // of a counter or step that is used, or older than one that is
	TooEarly         Reason = "too-early"         // right for a counter or step just beyond the window
	TooLate          Reason = "too-late"          // right for a step that has just left the window
	ChallengeExpired Reason = "challenge-expired" // right or wrong, it came too late for its challenge
	PINMissing       Reason = "pin-missing"       // the suite takes one
	Exhausted        Reason = "exhausted"         // the counter is at its end: the token needs to be replaced
)

// ErrCredential says that a record describes no computable credential.
var ErrCredential = errors.New("otp: the credential's parameters are not usable")

// ErrClock says that the time of a response is none that a server's clock can
// show: before 1970 or after 9999.
var ErrClock = errors.New("otp: the clock is wrong")

// lastSecond is the end of the year 9999 in Unix seconds, the bound of every time
// and of T0 in both directions, so that no difference overflows.
const lastSecond = 253402300799

// clock is the time in Unix seconds, within bounds.
func clock(at time.Time) (int64, error) {
	if s := at.Unix(); s >= 0 && s <= lastSecond {
		return s, nil
	}
	return 0, ErrClock
}

// Verify judges a response with one call to the HSM. A code that is the next one
// due needs no other candidate; for every other answer all of them are computed,
// so that the time of a refusal tells nothing.
func Verify(ctx context.Context, m HSM, r Response) (Evidence, error) {
	s, err := r.search()
	if err != nil {
		return Evidence{}, err
	}
	due := func(sum []byte) bool {
		return len(sum) >= shortestHMAC && s.candidates[0].not == "" && s.refused(r, wellFormed(r.Code, r.Credential.Digits)) == "" &&
			equal(Truncate(sum, r.Credential.Digits), r.Code)
	}
	codes, err := s.codes(ctx, m, r, due)
	if err != nil {
		return Evidence{}, err
	}
	return s.judge(r, codes), nil
}

// codes computes the code of every candidate in one call, or of the first alone
// when that is enough.
func (s search) codes(ctx context.Context, m HSM, r Response, enough func(first []byte) bool) ([]string, error) {
	messages := make([][]byte, len(s.candidates))
	for i, c := range s.candidates {
		var err error
		if messages[i], err = s.message(r, c); err != nil {
			return nil, err
		}
	}
	sums, err := hmacs(ctx, m, r.Credential.Seed, r.Credential.Hash, enough, messages)
	if err != nil {
		return nil, err
	}
	codes := make([]string, len(sums))
	for i, sum := range sums {
		codes[i] = Truncate(sum, r.Credential.Digits)
	}
	return codes, nil
}

// shortestHMAC is SHA-1's, in bytes.
const shortestHMAC = 20

// hmacs asks the module and makes sure that it answered everything, or the first
// alone and that was enough.
func hmacs(ctx context.Context, m HSM, seed hsm.WrappedSeed, h hsm.Hash, enough func([]byte) bool, messages [][]byte) ([][]byte, error) {
	sums, err := m.HMACUnless(ctx, seed, h, enough, messages...)
	if err != nil {
		return nil, err
	}
	if len(sums) != len(messages) && (len(sums) != 1 || enough == nil || !enough(sums[0])) {
		return nil, fmt.Errorf("otp: the module answered %d of %d HMACs", len(sums), len(messages))
	}
	for _, sum := range sums {
		if len(sum) < shortestHMAC {
			return nil, fmt.Errorf("otp: the module answered an HMAC of %d bytes", len(sum))
		}
	}
	return sums, nil
}

// judge compares the code with all candidates in constant time each; the first
// live match wins, any other only names the cause for the audit log.
func (s search) judge(r Response, codes []string) Evidence {
	e := Evidence{Reason: WrongCode}
	for i := range codes {
		c := s.candidates[i]
		switch same := equal(codes[i], r.Code); {
		case !same || e.Match:
		case c.not == "":
			e = Evidence{Match: true, Next: s.factor(c) + 1, Drift: s.learnt(r, c)}
		default:
			e.Reason = c.not
		}
	}
	if why := s.refused(r, wellFormed(r.Code, r.Credential.Digits)); why != "" {
		return Evidence{Reason: why}
	}
	e.Replay = e.Reason == Replayed
	return e
}

// refused is why no code would be taken, whichever it is.
func (s search) refused(r Response, formed bool) Reason {
	switch {
	case s.stale:
		return ChallengeExpired
	case s.suite.PINHash != 0 && r.PIN == "":
		return PINMissing
	case !formed:
		return MalformedCode
	case s.exhausted:
		return Exhausted
	}
	return ""
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// wellFormed accepts ASCII digits of the exact length and nothing else.
func wellFormed(code string, digits int) bool {
	if len(code) != digits {
		return false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
	}
	return true
}

// message is what the HSM computes the HMAC of.
func (s search) message(r Response, c candidate) ([]byte, error) {
	if r.Credential.Kind != tokens.OCRA {
		return binary.BigEndian.AppendUint64(nil, s.factor(c)), nil
	}
	return s.suite.DataInput(Input{
		Counter: c.counter, Question: r.Question + r.ClientQuestion, PIN: hashPIN(s.suite.PINHash, r.PIN), Session: r.Session, Time: c.step,
	})
}

// powers are the moduli of the truncation.
var powers = [...]uint64{6: 1e6, 7: 1e7, 8: 1e8, 9: 1e9, 10: 1e10}

// Truncate is the dynamic truncation of RFC 4226 section 5.3 to 6–10 digits of an
// HMAC of at least 20 bytes. Ten digits never begin with more than a 2: there are
// 31 bits.
func Truncate(sum []byte, digits int) string {
	o := sum[len(sum)-1] & 0x0f
	n := uint64(binary.BigEndian.Uint32(sum[o:])&0x7fffffff) % powers[digits]
	return fmt.Sprintf("%0*d", digits, n)
}
