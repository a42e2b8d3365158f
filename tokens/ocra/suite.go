// Package ocra reads the suites of RFC 6287 and writes the messages that are
// computed under them: which inputs there are, how a question is encoded, and
// which question stands for a challenge or for a payment. It computes nothing
// itself and holds no secret; the HMAC is the HSM's.
package ocra

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mohur/hsm"
)

// ErrSuite says that a text is no suite of RFC 6287 section 6 that this server
// computes.
var ErrSuite = errors.New("otp: not an OCRA suite")

// ErrInput says that an input does not fit the suite.
var ErrInput = errors.New("otp: the input does not fit the OCRA suite")

// Suite is a parsed OCRA suite, e.g. OCRA-1:HOTP-SHA256-8:C-QN08.
type Suite struct {
	Text           string
	Hash           hsm.Hash
	Digits         int // 6–10
	Counter        bool
	QuestionFormat byte     // 'N', 'A' or 'H'
	QuestionLength int      // 4–64
	PINHash        hsm.Hash // 0 for none
	SessionLength  int      // bytes, 1–512; 0 for none
	TimeStep       int      // seconds, 0 for none
}

var hashNames = map[string]hsm.Hash{"SHA1": hsm.SHA1, "SHA256": hsm.SHA256, "SHA512": hsm.SHA512}

// longestSuite is more than any suite needs, in bytes.
const longestSuite = 100

// ParseSuite reads a suite as RFC 6287 section 6 has it; letter case matters,
// since the text is itself an input of the computation. Suites without
// truncation (0) and of fewer than 6 digits are ErrSuite: nobody types a whole
// HMAC, and RFC 4226 (R4) asks for 6 digits.
func ParseSuite(text string) (Suite, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 || parts[0] != "OCRA-1" || len(text) > longestSuite {
		return Suite{}, ErrSuite
	}
	s := Suite{Text: text}
	if !s.function(parts[1]) || !s.inputs(strings.Split(parts[2], "-")) {
		return Suite{}, ErrSuite
	}
	return s, nil
}

// function reads HOTP-SHA256-8.
func (s *Suite) function(text string) bool {
	f := strings.Split(text, "-")
	if len(f) != 3 || f[0] != "HOTP" {
		return false
	}
	digits, ok := number(f[2], "%d", 6, 10)
	s.Hash, s.Digits = hashNames[f[1]], digits
	return ok && s.Hash != 0
}

// inputs reads [C-]QFxx[-P…][-Snnn][-TG]: in this order, each at most once.
func (s *Suite) inputs(names []string) bool {
	next := func(letter string) (rest string, found bool) {
		if len(names) == 0 || !strings.HasPrefix(names[0], letter) {
			return "", false
		}
		rest, names = names[0][1:], names[1:]
		return rest, true
	}
	rest, ok := next("C")
	if s.Counter = ok; ok && rest != "" {
		return false
	}
	if rest, ok = next("Q"); !ok || !s.question(rest) {
		return false
	}
	if rest, ok = next("P"); ok {
		if s.PINHash = hashNames[rest]; s.PINHash == 0 {
			return false
		}
	}
	if rest, ok = next("S"); ok {
		if s.SessionLength, ok = number(rest, "%03d", 1, 512); !ok {
			return false
		}
	}
	if rest, ok = next("T"); ok && !s.time(rest) {
		return false
	}
	return len(names) == 0
}

// question reads N08.
func (s *Suite) question(text string) (ok bool) {
	if text == "" || !strings.Contains("NAH", text[:1]) {
		return false
	}
	s.QuestionFormat = text[0]
	s.QuestionLength, ok = number(text[1:], "%02d", 4, 64)
	return ok
}

// time reads the size of a step: 1–59 S or M, 1–48 H (section 6.3 with erratum
// 3729).
func (s *Suite) time(text string) bool {
	if text == "" {
		return false
	}
	unit := map[byte]struct{ seconds, most int }{'S': {1, 59}, 'M': {60, 59}, 'H': {3600, 48}}[text[len(text)-1]]
	n, ok := number(text[:len(text)-1], "%d", 1, unit.most)
	s.TimeStep = n * unit.seconds
	return ok
}

// number reads a number that is written exactly in that form.
func number(text, form string, least, most int) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least && n <= most && fmt.Sprintf(form, n) == text
}

// The steps of time that a suite may have to be used here: short enough for a
// code not to outlive its challenge, long enough to be typed.
const (
	shortestStep = 20 * time.Second
	longestStep  = 2 * time.Minute
)

// Fault says why no answer of this suite is taken, though it can be computed; ""
// when answers are taken.
func (s Suite) Fault() string {
	step := time.Duration(s.TimeStep) * time.Second
	switch {
	case !s.Counter && step == 0:
		return "the OCRA suite has neither a counter nor a time, so that an answer could be used twice"
	case step != 0 && (step < shortestStep || step > longestStep):
		return fmt.Sprintf("the time step of the OCRA suite is not from %.0f seconds to %.0f minutes", shortestStep.Seconds(), longestStep.Minutes())
	}
	return ""
}

// pinSizes are the lengths in bytes of a hashed PIN in the message.
var pinSizes = map[hsm.Hash]int{hsm.SHA1: 20, hsm.SHA256: 32, hsm.SHA512: 64}

// alphabets are the characters a question may have.
var alphabets = map[byte]string{
	'N': "0123456789",
	'H': "0123456789abcdefABCDEF",
	'A': "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
}

// Fits reports whether a question can be typed as it is on a device of this
// suite: its characters, and a length from 4 to the suite's own.
func (s Suite) Fits(question string) bool {
	return len(question) <= s.QuestionLength && s.askable(question)
}

// askable is Fits for the questions of both sides together.
func (s Suite) askable(question string) bool {
	return len(question) >= 4 && len(question) <= 2*s.QuestionLength && strings.Trim(question, alphabets[s.QuestionFormat]) == ""
}
