package otp

import (
	"fmt"
	"math"
	"time"

	"mohur/tokens"
)

// candidate is a counter, a time step, or both, that a code is compared with.
type candidate struct {
	counter, step uint64
	not           Reason // why a match with it is no success; "" when it is one
}

// search is what is tried for one response.
type search struct {
	windows    tokens.Windows
	suite      Suite // OCRA
	candidates []candidate
	byTime     bool  // the step is what is used up, not the counter
	timed      bool  // there is a step
	now        int64 // the step the server's clock is in
	learns     bool  // a success teaches of the token's clock
	exhausted  bool  // no counter is left
	stale      bool  // the challenge is too old
}

// factor is what a success uses up.
func (s search) factor(c candidate) uint64 {
	if s.byTime {
		return c.step
	}
	return c.counter
}

// skew is how far a challenge may seem to be made after its answer: the receipt is
// noted before the challenge where both come in one request.
const skew = time.Minute

// begin checks the response and finds out what moves with each of its codes, and
// by how many steps of time at once: window is 0 without time.
func (r Response) begin() (s search, window int, err error) {
	c := r.Credential
	s.windows = r.Profile.Windows.Bounded()
	if c.Digits < 6 || c.Digits > 10 {
		return s, 0, fmt.Errorf("%w: %d digits", ErrCredential, c.Digits)
	}
	if !r.AskedAt.IsZero() {
		age := r.At.Sub(r.AskedAt)
		s.stale = age >= time.Duration(s.windows.ChallengeSeconds)*time.Second || age < -skew
	}
	step := c.Step
	switch c.Kind {
	case tokens.HOTP:
		return s, 0, nil
	case tokens.TOTP:
		if step != 30 && step != 60 || c.T0 < -lastSecond || c.T0 > lastSecond {
			return s, 0, fmt.Errorf("%w: a step of %d s from %d", ErrCredential, step, c.T0)
		}
		s.byTime, window = true, s.windows.Steps(step)
	case tokens.OCRA:
		if s.suite, err = r.suite(); err != nil {
			return s, 0, err
		}
		if !r.asked(s.suite) {
			return s, 0, ErrInput
		}
		if step = s.suite.TimeStep; step == 0 {
			return s, 0, nil
		}
		if c.T0 != 0 {
			return s, 0, fmt.Errorf("%w: OCRA counts its steps from 1970", ErrCredential)
		}
		s.byTime, window = !s.suite.Counter, s.windows.ChallengeSteps(step)
	default:
		return s, 0, fmt.Errorf("%w: kind %q", ErrCredential, c.Kind)
	}
	at, err := clock(r.At)
	if err != nil {
		return s, 0, err
	}
	s.timed, s.now, s.learns = true, floor(at-c.T0, int64(step)), window > 2
	return s, window, nil
}

// asked reports whether question and session are such as the suite takes.
func (r Response) asked(s Suite) bool {
	question := s.Fits(r.Question)
	if r.ClientQuestion != "" {
		question = fullQuestion(s, r.Question) && fullQuestion(s, r.ClientQuestion)
	}
	return question && (len(r.Session) > 0 || s.SessionLength == 0)
}

// search lists the candidates of a response: the live ones, the likeliest first,
// then those that only name a cause.
func (r Response) search() (search, error) {
	s, window, err := r.begin()
	if err != nil {
		return s, err
	}
	switch {
	case s.byTime:
		s.candidates = r.steps(s, window)
	case s.timed:
		for _, c := range r.counters(&s) {
			for _, step := range r.steps(s, window) {
				if step.not == "" {
					s.candidates = append(s.candidates, candidate{counter: c.counter, step: step.step, not: c.not})
				}
			}
		}
	default:
		s.candidates = r.counters(&s)
	}
	if len(s.candidates) == 0 { // before T0: the module is asked all the same
		s.candidates = []candidate{{not: TooEarly}}
	}
	return s, nil
}

// counters is the look-ahead window of RFC 4226 section 7.4. The counter before it
// tells a replay from a guess, the one after it a token that has run ahead. The
// last counter of all is never taken: nothing would be left to be next.
func (r Response) counters(s *search) (out []candidate) {
	next := r.Hot.Counter
	s.exhausted = next == math.MaxUint64
	for i := uint64(0); i <= uint64(s.windows.LookAhead)+1 && next+i >= next && next+i < math.MaxUint64; i++ {
		c := candidate{counter: next + i}
		if i > uint64(s.windows.LookAhead) {
			c.not = TooEarly
		}
		out = append(out, c)
	}
	if next > 0 {
		out = append(out, candidate{counter: next - 1, not: Replayed})
	}
	return out
}

// steps is the window of RFC 6238 section 5.2 around the token's own clock, and a
// step either side of it that only names the cause. Steps below the stored one are
// dead for ever (section 5.2: an OTP is accepted once).
func (r Response) steps(s search, window int) (out []candidate) {
	around := s.now + s.drift(r)
	add := func(step int64, not Reason) {
		if step < 0 {
			return
		}
		if s.byTime && uint64(step) < r.Hot.Counter {
			not = Replayed
		}
		out = append(out, candidate{step: uint64(step), not: not})
	}
	for i := range window {
		add(around+offset(i), "")
	}
	add(around-int64(window/2)-1, TooLate)
	add(around+int64((window-1)/2)+1, TooEarly)
	return out
}

// offset is 0, -1, 1, -2, 2 …: the middle first, the past before the future.
func offset(i int) int64 {
	off := int64(i+1) / 2
	if i%2 == 1 {
		return -off
	}
	return off
}

// drift is what is known of the token's clock, in steps: no more than a success
// or a resynchronisation may have taught.
func (s search) drift(r Response) int64 {
	most := int64(max(s.windows.MaxDrift, s.windows.ResyncSteps))
	return max(-most, min(most, int64(r.Hot.Drift)))
}

// learnt is the drift after a success. It goes where the token's clock is, but not
// further out than MaxDrift, or than it was already. A window without a
// step to come teaches nothing: late typing would pass for a slow clock, and
// the next code that is typed in time would be refused.
func (s search) learnt(r Response, c candidate) int8 {
	known := s.drift(r)
	if !s.timed {
		return 0
	}
	if !s.learns {
		return int8(known)
	}
	most := max(int64(s.windows.MaxDrift), known, -known)
	return int8(max(-most, min(most, int64(c.step)-s.now)))
}

// floor is a/b rounded down, b positive.
func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
