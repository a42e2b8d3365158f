package payment

import (
	"fmt"
	"strconv"
	"strings"
)

// Money is an amount as the contract writes it: decimal text and an ISO 4217
// code. Arithmetic is on minor units; there is no floating point.
type Money struct {
	Value    string `json:"value"`
	Currency string `json:"currency"`
}

// exponents are the decimal places of the currencies the server knows (ISO
// 4217); an unknown one is refused rather than guessed.
var exponents = map[string]int{
	"AZN": 2, "USD": 2, "EUR": 2, "GBP": 2, "TRY": 2, "RUB": 2, "GEL": 2, "CHF": 2, "KZT": 2, "AED": 2, "CNY": 2, "JPY": 0, "KWD": 3,
}

// maxMinor bounds an amount so that sums never overflow.
const maxMinor = 1_000_000_000_000_00

// Minor returns the amount in minor units. The text is digits, optionally a
// point and at most the currency's decimal places; more than zero.
func (m Money) Minor() (int64, error) {
	exp, ok := exponents[m.Currency]
	if !ok {
		return 0, fmt.Errorf("the currency %q is not known; it needs to be an ISO 4217 code such as AZN", clip(m.Currency))
	}
	whole, frac, point := strings.Cut(m.Value, ".")
	if point && (frac == "" || len(frac) > exp) || whole == "" || len(whole) > 14 || len(whole) > 1 && whole[0] == '0' {
		return 0, fmt.Errorf("needs decimal text with at most %d places, such as 1500.00", exp)
	}
	digits := whole + frac + strings.Repeat("0", exp-len(frac))
	if strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("needs decimal text with at most %d places, such as 1500.00", exp)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > maxMinor {
		return 0, fmt.Errorf("is too large")
	}
	if n == 0 {
		return 0, fmt.Errorf("needs to be more than zero")
	}
	return n, nil
}

// FromMinor writes an amount in its one form: 10.0 and 10.00 are both 10.00, so
// that the bound text is the same.
func FromMinor(minor int64, currency string) Money {
	exp := exponents[currency]
	text := fmt.Sprintf("%0*d", exp+1, minor)
	if exp > 0 {
		text = text[:len(text)-exp] + "." + text[len(text)-exp:]
	}
	return Money{Value: text, Currency: currency}
}

func clip(s string) string { return s[:min(len(s), 8)] }
