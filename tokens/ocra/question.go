package ocra

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Derive makes the question that stands for a challenge, as long as the suite
// takes it: the hash as a big-endian integer mod 10^n, zero-padded, for a numeric
// suite; the first n characters of its lower-case hexadecimal form otherwise.
func (s Suite) Derive(sha256 []byte) string {
	if s.QuestionFormat == 'N' {
		n := new(big.Int).SetBytes(sha256)
		n.Mod(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(s.QuestionLength)), nil))
		return fmt.Sprintf("%0*s", s.QuestionLength, n.String())
	}
	text := hex.EncodeToString(sha256)
	return text[:min(s.QuestionLength, len(text))]
}

// ErrTyped says that a payment cannot be typed on a device of the suite. Its text
// says why; the derived question is left.
var ErrTyped = errors.New("otp: the payment cannot be typed on this device")

// The digits of the payee's account that are typed, by the length of the
// question: 8, and more where a question leaves 8 for the amount.
const (
	leastAccount = 8
	mostAccount  = 12
	amountRoom   = 8
)

// leastTyped is the shortest question in which an amount finds room.
const leastTyped = leastAccount + 4

// AccountDigits is how many digits of the payee's account are typed, always
// the same for one suite: 8 to 12. It is 0 where the suite's question is too
// short (under 12) or neither numeric nor alphanumeric.
func (s Suite) AccountDigits() int {
	if s.QuestionLength < leastTyped || s.QuestionFormat != 'N' && s.QuestionFormat != 'A' {
		return 0
	}
	return max(leastAccount, min(mostAccount, s.QuestionLength-amountRoom))
}

// Typed is the question of a payment that the customer types himself: the amount
// in minor units (1 or more, no leading zero), then the last AccountDigits digits
// of the payee's account, with zeros before an account that has fewer, but no
// fewer than 8. The account's length is fixed by the suite and the amount begins with
// no zero, so two pairs of amount and digits never make one question.
//
// typeOnDevice is what is typed, in order. The currency is not typed: a caller
// asks so for payments in the bank's own currency only. What does not fit is
// ErrTyped; nothing is cut off an amount.
func (s Suite) Typed(amountMinor int64, account string) (question string, typeOnDevice []string, err error) {
	n := s.AccountDigits()
	if n == 0 {
		return "", nil, fmt.Errorf("%w: its question %q is too short or of another kind", ErrTyped, s.Text)
	}
	if amountMinor < 1 {
		return "", nil, fmt.Errorf("%w: the amount is not positive", ErrTyped)
	}
	amount := strconv.FormatInt(amountMinor, 10)
	if room := s.QuestionLength - n; len(amount) > room {
		return "", nil, fmt.Errorf("%w: the amount has more than %d digits", ErrTyped, room)
	}
	digits, err := accountDigits(account)
	if err != nil {
		return "", nil, err
	}
	if short := n - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	digits = digits[len(digits)-n:]
	return amount + digits, []string{amount, digits}, nil
}

// accountDigits are the digits of an account number. Letters of an IBAN, and the
// spaces and strokes people write, are passed over; anything else is no account.
func accountDigits(account string) (string, error) {
	var b strings.Builder
	for _, r := range account {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == ' ', r == '-', r == '.', r == '/':
		default:
			return "", fmt.Errorf("%w: the account has the character %q", ErrTyped, r)
		}
	}
	if b.Len() < leastAccount {
		return "", fmt.Errorf("%w: the account has fewer than %d digits", ErrTyped, leastAccount)
	}
	return b.String(), nil
}
