package ocra

import (
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strings"
)

// Input is what a response is computed over, beside the seed and the suite.
// What the suite does not name is left out of the message.
type Input struct {
	Counter  uint64
	Question string // of both sides in mutual mode: the other side's first (section 5.1)
	PIN      []byte // already hashed by the suite's PIN hash
	Session  []byte // at most the suite's length; zeros are put before it
	Time     uint64 // steps since the Unix epoch
}

// questionSize is the length in bytes the question is padded to.
const questionSize = 128

// DataInput is the message of RFC 6287 section 5.1: suite, a zero byte, then the
// inputs the suite names. What does not fit is ErrInput.
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
		if len(in.PIN) != pinSizes[s.PINHash] {
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
// hexadecimal first and is padded by the nibble, not by the byte: 22222222 is
// 153158E, and the byte it ends in is E0.
func (s Suite) encodeQuestion(q string) ([]byte, error) {
	if !s.askable(q) {
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
