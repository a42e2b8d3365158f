package otp

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"mohur/hsm"
)

// ErrSuite says that a text is no OCRA suite of RFC 6287 section 6.
var ErrSuite = errors.New("otp: not an OCRA suite")

// ErrInput says that an input does not fit the suite.
var ErrInput = errors.New("otp: the input does not fit the OCRA suite")

// Suite is a parsed OCRA suite, e.g. OCRA-1:HOTP-SHA256-8:C-QN08.
type Suite struct {
	Text           string
	Hash           hsm.Hash
	Digits         int
	Counter        bool
	QuestionFormat byte // 'N', 'A' or 'H'
	QuestionLength int  // 4–64
	PINHash        hsm.Hash
	SessionLength  int // bytes, 0 for none
	TimeStep       int // seconds, 0 for none
}

var hashNames = map[string]hsm.Hash{"SHA1": hsm.SHA1, "SHA256": hsm.SHA256, "SHA512": hsm.SHA512}

// hashSizes are the lengths of a hashed PIN in the data input.
var hashSizes = map[hsm.Hash]int{hsm.SHA1: 20, hsm.SHA256: 32, hsm.SHA512: 64}

// ParseSuite reads a suite as RFC 6287 section 6 has it; letter case matters.
func ParseSuite(text string) (Suite, error) {
	s := Suite{Text: text}
	parts := strings.Split(text, ":")
	if len(parts) != 3 || parts[0] != "OCRA-1" || len(text) > 100 {
		return Suite{}, ErrSuite
	}
	if err := s.function(parts[1]); err != nil {
		return Suite{}, err
	}
	inputs := strings.Split(parts[2], "-")
	if inputs[0] == "C" {
		s.Counter, inputs = true, inputs[1:]
	}
	if len(inputs) == 0 {
		return Suite{}, ErrSuite
	}
	if err := s.question(inputs[0]); err != nil {
		return Suite{}, err
	}
	return s, s.rest(inputs[1:])
}

// function reads HOTP-SHA256-8. Without truncation (0) there is nothing a
// person could type; the house does not take such suites.
func (s *Suite) function(text string) error {
	f := strings.Split(text, "-")
	if len(f) != 3 || f[0] != "HOTP" || hashNames[f[1]] == 0 {
		return ErrSuite
	}
	n, err := strconv.Atoi(f[2])
	if err != nil || f[2] != strconv.Itoa(n) || n < 6 || n > 10 {
		return ErrSuite
	}
	s.Hash, s.Digits = hashNames[f[1]], n
	return nil
}

func (s *Suite) question(text string) error {
	if len(text) != 4 || text[0] != 'Q' || !strings.ContainsRune("NAH", rune(text[1])) {
		return ErrSuite
	}
	n, err := strconv.Atoi(text[2:])
	if err != nil || fmt.Sprintf("%02d", n) != text[2:] || n < 4 || n > 64 {
		return ErrSuite
	}
	s.QuestionFormat, s.QuestionLength = text[1], n
	return nil
}

// rest reads the optional inputs, which come in the order P, S, T.
func (s *Suite) rest(inputs []string) error {
	if len(inputs) > 0 && strings.HasPrefix(inputs[0], "P") {
		if s.PINHash = hashNames[inputs[0][1:]]; s.PINHash == 0 {
			return ErrSuite
		}
		inputs = inputs[1:]
	}
	if len(inputs) > 0 && strings.HasPrefix(inputs[0], "S") {
		n, err := strconv.Atoi(inputs[0][1:])
		if err != nil || fmt.Sprintf("S%03d", n) != inputs[0] || n < 1 || n > 512 {
			return ErrSuite
		}
		s.SessionLength, inputs = n, inputs[1:]
	}
	if len(inputs) > 0 && strings.HasPrefix(inputs[0], "T") {
		step, err := timeStep(inputs[0][1:])
		if err != nil {
			return err
		}
		s.TimeStep, inputs = step, inputs[1:]
	}
	if len(inputs) != 0 {
		return ErrSuite
	}
	return nil
}

// timeStep reads the G of T: 1–59 S or M, 0–48 H (RFC 6287 section 6.3).
func timeStep(text string) (int, error) {
	if len(text) < 2 {
		return 0, ErrSuite
	}
	n, err := strconv.Atoi(text[:len(text)-1])
	unit := map[byte]struct{ seconds, most int }{'S': {1, 59}, 'M': {60, 59}, 'H': {3600, 48}}[text[len(text)-1]]
	if err != nil || strconv.Itoa(n) != text[:len(text)-1] || n < 1 || n > unit.most {
		return 0, ErrSuite
	}
	return n * unit.seconds, nil
}

// Input is what an OCRA response is computed over, beside the seed.
type Input struct {
	Counter  uint64
	Question string
	PIN      []byte // already hashed by the suite's PIN hash
	Session  []byte
	Time     uint64 // steps since the Unix epoch
}

// questionSize is the length in bytes the question is padded to.
const questionSize = 128

// DataInput is the message of RFC 6287 section 5.1: suite, a zero byte, then the
// inputs the suite names.
func (s Suite) DataInput(in Input) ([]byte, error) {
	b := append([]byte(s.Text), 0)
	if s.Counter {
		b = binary.BigEndian.AppendUint64(b, in.Counter)
	}
	q, err := s.encodeQuestion(in.Question)
	if err != nil {
		return nil, err
	}
	b = append(b, q...)
	if s.PINHash != 0 {
		if len(in.PIN) != hashSizes[s.PINHash] {
			return nil, ErrInput
		}
		b = append(b, in.PIN...)
	}
	if s.SessionLength > 0 {
		if len(in.Session) > s.SessionLength {
			return nil, ErrInput
		}
		b = append(b, make([]byte, s.SessionLength-len(in.Session))...)
		b = append(b, in.Session...)
	}
	if s.TimeStep > 0 {
		b = binary.BigEndian.AppendUint64(b, in.Time)
	}
	return b, nil
}

// encodeQuestion pads to 128 bytes on the right. A numeric question becomes
// hexadecimal first and is padded by the nibble, not by the byte: the RFC's own
// vectors with 0000 and 1111 do not show the difference, real questions do.
func (s Suite) encodeQuestion(q string) ([]byte, error) {
	if len(q) < 4 || len(q) > 64 || !s.fits(q) {
		return nil, ErrInput
	}
	digits := q
	switch s.QuestionFormat {
	case 'A':
		return append([]byte(q), make([]byte, questionSize-len(q))...), nil
	case 'N':
		n, ok := new(big.Int).SetString(q, 10)
		if !ok {
			return nil, ErrInput
		}
		digits = n.Text(16)
	}
	out, err := hex.DecodeString(digits + strings.Repeat("0", 2*questionSize-len(digits)))
	if err != nil {
		return nil, ErrInput
	}
	return out, nil
}

// fits reports whether the question has only the characters of its format.
func (s Suite) fits(q string) bool {
	allowed := map[byte]string{
		'N': "0123456789",
		'H': "0123456789abcdefABCDEF",
		'A': "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
	}[s.QuestionFormat]
	return strings.Trim(q, allowed) == "" && allowed != ""
}

// Derive makes the question that stands for a challenge: the hash as a
// big-endian integer mod 10^n, zero-padded, for a numeric suite; the first n
// characters of its hexadecimal form otherwise.
func (s Suite) Derive(sha256 []byte) string {
	if s.QuestionFormat == 'N' {
		n := new(big.Int).SetBytes(sha256)
		n.Mod(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(s.QuestionLength)), nil))
		return fmt.Sprintf("%0*s", s.QuestionLength, n.String())
	}
	text := hex.EncodeToString(sha256)
	return text[:min(s.QuestionLength, len(text))]
}
