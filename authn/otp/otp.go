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
	HMAC(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, messages ...[]byte) ([][]byte, error)
}

// Response is what is to be judged.
type Response struct {
	Credential tokens.Credential
	Profile    tokens.Profile
	Hot        settle.Hot
	Code       string
	Question   string    // OCRA only
	At         time.Time // of receipt
}

// Evidence is what a response proves. Next and Drift are what the hot row shall
// hold once the response is consumed: everything up to the matched counter or
// step is dead then.
type Evidence struct {
	Match  bool
	Replay bool // it matched a counter or step that is already dead
	Next   uint64
	Drift  int8
}

// ErrCredential says that a record describes no computable credential.
var ErrCredential = errors.New("otp: the credential's parameters are not usable")

// candidate is one moving factor a code is compared with.
type candidate struct {
	factor uint64 // counter or time step
	used   bool
}

// Verify judges a response with one call to the HSM. All candidates are
// computed whatever matches, so that the time tells nothing.
func Verify(ctx context.Context, m HSM, r Response) (Evidence, error) {
	c := r.Credential
	if c.Digits < 6 || c.Digits > 10 {
		return Evidence{}, ErrCredential
	}
	cands, step, err := candidates(r)
	if err != nil {
		return Evidence{}, err
	}
	messages := make([][]byte, len(cands))
	for i, cand := range cands {
		if messages[i], err = message(c, r.Question, cand.factor); err != nil {
			return Evidence{}, err
		}
	}
	sums, err := m.HMAC(ctx, c.Seed, c.Hash, messages...)
	if err != nil {
		return Evidence{}, err
	}
	if len(sums) != len(cands) {
		return Evidence{}, fmt.Errorf("otp: the module answered %d of %d HMACs", len(sums), len(cands))
	}
	return compare(r, cands, sums, step), nil
}

// compare goes through all candidates in constant time each; the first live
// match wins, a dead one only names the cause for the audit log.
func compare(r Response, cands []candidate, sums [][]byte, step uint64) Evidence {
	var e Evidence
	formed := wellFormed(r.Code, r.Credential.Digits)
	for i, cand := range cands {
		same := subtle.ConstantTimeCompare([]byte(Truncate(sums[i], r.Credential.Digits)), []byte(r.Code)) == 1
		switch {
		case !same || !formed:
		case cand.used:
			e.Replay = true
		case !e.Match:
			e.Match = true
			e.Next = cand.factor + 1
			if r.Credential.Kind == tokens.TOTP {
				e.Drift = drift(cand.factor, step, r.Profile.MaxDrift)
			}
		}
	}
	if e.Match {
		e.Replay = false
	}
	return e
}

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

// candidates lists the moving factors to try, the likeliest first, and for TOTP
// the step the server's clock is in.
func candidates(r Response) ([]candidate, uint64, error) {
	switch r.Credential.Kind {
	case tokens.HOTP, tokens.OCRA:
		return counters(r.Hot.Counter, r.Profile.LookAhead), 0, nil
	case tokens.TOTP:
		return steps(r)
	}
	return nil, 0, ErrCredential
}

// counters is the look-ahead window of RFC 4226 section 7.4, and the counter
// before it, which only tells a replay from a guess.
func counters(next uint64, ahead int) []candidate {
	var out []candidate
	for i := uint64(0); i <= uint64(ahead) && next+i >= next; i++ {
		out = append(out, candidate{factor: next + i})
	}
	if next > 0 {
		out = append(out, candidate{factor: next - 1, used: true})
	}
	return out
}

// steps is the window of RFC 6238 section 5.2 around the token's own clock. Steps
// below the stored one are dead for ever (section 5.2: an OTP is accepted once).
func steps(r Response) ([]candidate, uint64, error) {
	c := r.Credential
	since := r.At.Unix() - c.T0
	if c.Step <= 0 || since < 0 {
		return nil, 0, ErrCredential
	}
	now := since / int64(c.Step)
	around := now + int64(r.Hot.Drift)
	var out []candidate
	for i := range 2*r.Profile.StepsEither + 1 {
		off := int64(i+1) / 2 // 0, 1, 1, 2, 2: the middle first
		if i%2 == 1 {
			off = -off
		}
		if s := around + off; s >= 0 {
			out = append(out, candidate{factor: uint64(s), used: uint64(s) < r.Hot.Counter})
		}
	}
	return out[:min(len(out), max(1, ceiling/c.Step))], uint64(now), nil
}

// ceiling is the longest life of a time-based password in seconds: what a policy
// allows beyond it is not tried. A 60 s token gets its step and the one before.
const ceiling = 120

// drift is what a success teaches of the token's clock, bounded both ways.
func drift(matched, now uint64, most int) int8 {
	d := int64(matched) - int64(now)
	return int8(max(-int64(most), min(int64(most), d)))
}

// message is what the HSM computes the HMAC of.
func message(c tokens.Credential, question string, factor uint64) ([]byte, error) {
	if c.Kind != tokens.OCRA {
		return binary.BigEndian.AppendUint64(nil, factor), nil
	}
	suite, err := ParseSuite(c.Suite)
	if err != nil {
		return nil, err
	}
	return suite.DataInput(Input{Counter: factor, Question: question})
}

// powers are the moduli of the truncation.
var powers = [...]uint64{6: 1e6, 7: 1e7, 8: 1e8, 9: 1e9, 10: 1e10}

// Truncate is the dynamic truncation of RFC 4226 section 5.3 to 6–10 digits.
func Truncate(sum []byte, digits int) string {
	o := sum[len(sum)-1] & 0x0f
	n := uint64(binary.BigEndian.Uint32(sum[o:])&0x7fffffff) % powers[digits]
	return fmt.Sprintf("%0*d", digits, n)
}
