package pin

import (
	_ "embed" // for the common PINs
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"time"
)

// The bounds of a PIN, in digits, and of the history, in PINs. No configuration
// goes past them.
const (
	MinDigits  = 6
	MaxDigits  = 12
	MaxHistory = 10
)

// DefaultHistory is how many PINs are remembered where nothing else is said.
const DefaultHistory = 5

// Rules say which PINs a customer may choose and when (clause 5.22, attack 5).
// The zero value is the bank's defaults. Stricter rules bind the next choice;
// the PINs that are there stay good.
type Rules struct {
	MinDigits int           // 0: 6
	MaxDigits int           // 0: 12
	History   int           // a PIN among the last so many is refused, the present one included; 0: 5
	MinAge    time.Duration // a younger PIN is replaced only by way of an activation secret; 0: any PIN may be changed
}

// Digits returns the shortest and the longest PIN that may be chosen.
func (r Rules) Digits() (least, most int) {
	least, most = MinDigits, MaxDigits
	if r.MinDigits != 0 {
		least = max(least, r.MinDigits)
	}
	if r.MaxDigits != 0 {
		most = min(most, r.MaxDigits)
	}
	return least, max(least, most)
}

// Remembered returns how many PINs a new one must differ from, 1 to 10.
func (r Rules) Remembered() int {
	if r.History == 0 {
		return DefaultHistory
	}
	return max(1, min(r.History, MaxHistory))
}

// Fault says why a PIN must not be chosen and what to do, in words for the
// customer; "" when it may be, as far as the digits alone can tell.
func (r Rules) Fault(pin string) string {
	least, most := r.Digits()
	if len(pin) < least || len(pin) > most || strings.Trim(pin, "0123456789") != "" {
		if least == most {
			return fmt.Sprintf("needs to have %d digits", least)
		}
		return fmt.Sprintf("needs to have %d to %d digits", least, most)
	}
	for _, rule := range trivial {
		if rule.fits(pin) {
			return rule.says
		}
	}
	return ""
}

// trivial are the patterns that are guessed first, and what the customer is told.
// Together they take about one PIN of six digits in fourteen.
var trivial = []struct {
	fits func(pin string) bool
	says string
}{
	{fewDigits, "has one or two digits only; take three different ones or more"},
	{evenSteps, "counts in even steps, such as 123456 or 864208; mix the digits"},
	{repeats, "repeats a part of itself, such as 123123; take digits that do not come back"},
	{mirrored, "is the same read backwards, such as 123321; mix the digits"},
	{pairs, "is a row of doubled digits, such as 112233; mix the digits"},
	{keypad, "goes along the lines of a keypad, such as 147258; mix the digits"},
	{date, "can be read as a date; dates of birth are guessed first"},
	{common, "is one of the PINs that most people choose; take another one"},
}

// fewDigits: less than three different digits.
func fewDigits(pin string) bool {
	var seen uint16
	for i := range len(pin) {
		seen |= 1 << (pin[i] - '0')
	}
	return bits.OnesCount16(seen) < 3
}

// evenSteps: each digit is the one before it plus the same step, 9 being followed
// by 0: rows, odd and even numbers, up and down.
func evenSteps(pin string) bool {
	for i := 2; i < len(pin); i++ {
		if (10+pin[i]-pin[i-1])%10 != (10+pin[1]-pin[0])%10 {
			return false
		}
	}
	return true
}

// repeats: a block of digits over and over, the last one perhaps cut short.
func repeats(pin string) bool {
	for n := 1; n <= len(pin)/2; n++ {
		if pin[n:] == pin[:len(pin)-n] {
			return true
		}
	}
	return false
}

func mirrored(pin string) bool {
	for i, j := 0, len(pin)-1; i < j; i, j = i+1, j-1 {
		if pin[i] != pin[j] {
			return false
		}
	}
	return true
}

// pairs: every digit twice, or three times and so on, and the digits in even
// steps.
func pairs(pin string) bool {
	for n := 2; n <= len(pin)/2; n++ {
		if len(pin)%n != 0 {
			continue
		}
		var each []byte
		for i := 0; i < len(pin) && strings.Trim(pin[i:i+n], pin[i:i+1]) == ""; i += n {
			each = append(each, pin[i])
		}
		if len(each) == len(pin)/n && evenSteps(string(each)) {
			return true
		}
	}
	return false
}

// lines are the rows, columns and diagonals of a keypad, both ways. They are the
// same on a telephone and on a calculator.
const lines = "123 321 456 654 789 987 147 741 258 852 369 963 159 951 357 753"

// keypad: nothing but whole lines.
func keypad(pin string) bool {
	for i := 0; i < len(pin); i += 3 {
		if i+3 > len(pin) || !strings.Contains(lines, pin[i:i+3]) {
			return false
		}
	}
	return true
}

// dates are the ways people write one, in the form of package time.
var dates = []string{"020106", "060102", "012006", "200601", "02012006", "20060102"}

// date: a day, or a month of a year, that has been or will be in somebody's life.
func date(pin string) bool {
	for _, form := range dates {
		at, err := time.Parse(form, pin)
		if err == nil && at.Year() >= 1900 && at.Year() < 2100 {
			return true
		}
	}
	return false
}

//go:embed common.txt
var commonText string

// commonPINs are the lines of the list that are no comments.
var commonPINs = sync.OnceValue(func() map[string]bool {
	list := map[string]bool{}
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list[line] = true
		}
	}
	return list
})

func common(pin string) bool { return commonPINs()[pin] }

// Personal reports whether a PIN stands in something that is known of the
// customer, such as his telephone number, or holds the whole of its digits.
func Personal(pin string, known ...string) bool {
	for _, text := range known {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, text)
		if len(digits) >= MinDigits && (strings.Contains(digits, pin) || strings.Contains(pin, digits)) {
			return true
		}
	}
	return false
}
