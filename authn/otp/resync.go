package otp

import (
	"context"
	"math"
)

// Resync judges two consecutive codes of a token that has run out of its window
// (RFC 4226 section 7.4, RFC 6238 section 6), with one call to the HSM. r.Code is
// not looked at; for OCRA, both codes answer r.Question, one after the other.
//
// Counters are searched from the next live one to ResyncCounters beyond it; time
// steps ResyncSteps either side of the server's clock. Both codes have to be
// live, and the second follows the first: what is dead stays dead. A success
// uses both up, and its drift may be as large as the search was wide.
// A wrong pair counts as one failure, which is the caller's to count.
//
// With r.Ahead, as for somebody of whom only the codes are known, nothing is taken
// whose time is over: no step that a response would be too late for now, and the
// drift never goes back. So codes that were noted down live no longer by it. A clock
// that has fallen behind is for the bank's own people.
func Resync(ctx context.Context, m HSM, r Response, codes [2]string) (Evidence, error) {
	s, err := r.wide()
	if err != nil {
		return Evidence{}, err
	}
	all, err := s.codes(ctx, m, r, nil)
	if err != nil {
		return Evidence{}, err
	}
	formed := wellFormed(codes[0], r.Credential.Digits) && wellFormed(codes[1], r.Credential.Digits)
	if why := s.refused(r, formed); why != "" {
		return Evidence{Reason: why}, nil
	}
	var first, second []candidate
	for i, c := range s.candidates {
		if equal(all[i], codes[0]) {
			first = append(first, c)
		}
		if equal(all[i], codes[1]) {
			second = append(second, c)
		}
	}
	e := s.pair(first, second)
	if e.Match && r.Ahead && s.timed {
		e.Drift = max(e.Drift, int8(s.drift(r)))
	}
	return e, nil
}

// pair looks for two candidates in a row among those that match.
func (s search) pair(first, second []candidate) Evidence {
	e := Evidence{Reason: WrongCode}
	for _, a := range first {
		for _, b := range second {
			switch {
			case !s.follows(a, b):
			case a.not == "" && b.not == "":
				return Evidence{Match: true, Next: s.factor(b) + 1, Drift: s.shift(b)}
			case a.not == Replayed || b.not == Replayed:
				e.Reason, e.Replay = Replayed, true
			case !e.Replay:
				e.Reason = TooLate
			}
		}
	}
	return e
}

// follows reports whether b is the code after a.
func (s search) follows(a, b candidate) bool {
	return s.factor(b) == s.factor(a)+1 && b.step >= a.step
}

// shift is where the token's clock stands.
func (s search) shift(c candidate) int8 {
	if !s.timed {
		return 0
	}
	return int8(int64(c.step) - s.now)
}

// wide lists what a resynchronisation tries.
func (r Response) wide() (search, error) {
	s, window, err := r.begin()
	if err != nil {
		return s, err
	}
	switch {
	case s.byTime:
		first := int64(math.MinInt64)
		if r.Ahead {
			first = s.now + s.drift(r) - int64(window/2)
		}
		s.candidates = r.wideSteps(s, first)
	case s.timed: // the clock is right enough for the window, the counter is searched
		for _, c := range r.wideCounters(&s) {
			for _, step := range r.steps(s, window) {
				if step.not == "" {
					s.candidates = append(s.candidates, candidate{counter: c.counter, step: step.step})
				}
			}
		}
	default:
		s.candidates = r.wideCounters(&s)
	}
	if len(s.candidates) == 0 {
		s.candidates = []candidate{{not: TooEarly}}
	}
	return s, nil
}

func (r Response) wideCounters(s *search) (out []candidate) {
	next := r.Hot.Counter
	s.exhausted = next >= math.MaxUint64-1 // two are needed
	for i := uint64(0); i <= uint64(s.windows.ResyncCounters) && next+i >= next && next+i < math.MaxUint64; i++ {
		out = append(out, candidate{counter: next + i})
	}
	return out
}

// wideSteps are those around the server's clock; what is before first comes too late.
func (r Response) wideSteps(s search, first int64) (out []candidate) {
	reach := int64(s.windows.ResyncSteps)
	for step := max(0, s.now-reach); step <= s.now+reach; step++ {
		c := candidate{step: uint64(step)}
		switch {
		case c.step < r.Hot.Counter:
			c.not = Replayed
		case step < first:
			c.not = TooLate
		}
		out = append(out, c)
	}
	return out
}
