package payment

import (
	"strings"
	"time"
)

// PayeeHistory is what a customer has paid to one payee: one record of fixed size,
// which names neither of them. Sums are qəpik.
type PayeeHistory struct {
	Key      string    `json:"key"` // a MAC over customer, account and bank, see payeeKeys
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Count    int64     `json:"count"`
	Day      string    `json:"day"` // of the last payment, in the bank's zone
	DayCount int64     `json:"day_count"`
	DaySum   int64     `json:"day_sum"`
	Version  uint64    `json:"version"`
	MAC      []byte    `json:"mac,omitempty"`
}

// SavePayeeHistory writes the record if the stored one has the version before it.
// Stores keep it 400 days past Last and may then remove it: the payee is new again.
type SavePayeeHistory struct{ History PayeeHistory }

// EffectKey names the record.
func (s SavePayeeHistory) EffectKey() string { return "payee/" + s.History.Key }

// with counts payments to this payee; a clock that was set back adds to the last day.
func (h PayeeHistory) with(at time.Time, zone *time.Location, count, amount int64) PayeeHistory {
	if h.Count == 0 {
		h.First = at.UTC()
	}
	if at.After(h.Last) {
		h.Last = at.UTC()
	}
	if day := dayOf(at, zone); day > h.Day {
		h.Day, h.DayCount, h.DaySum = day, 0, 0
	}
	h.Count, h.DayCount, h.DaySum = h.Count+count, h.DayCount+count, plus(h.DaySum, amount)
	h.Version++
	return h
}

// day is what the bank's day adds up to.
func (h PayeeHistory) day(at time.Time, zone *time.Location) (count, sum int64) {
	if h.Day < dayOf(at, zone) {
		return 0, 0
	}
	return h.DayCount, h.DaySum
}

// folded is a name as it is compared: without spaces and in upper case.
func folded(text string) string {
	return strings.ToUpper(strings.Join(strings.Fields(text), ""))
}

// ibanCountry is the country of an account in the form of an IBAN (ISO 13616: two
// letters, two check digits, 11 to 30 letters and digits, the whole 1 modulo 97), "" of
// any other.
func ibanCountry(account string) string {
	if len(account) < 15 || len(account) > 34 {
		return ""
	}
	rest := 0
	for i := range len(account) {
		switch c := account[(i+4)%len(account)]; {
		case c >= '0' && c <= '9':
			rest = (rest*10 + int(c-'0')) % 97
		case c >= 'A' && c <= 'Z':
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return ""
		}
	}
	letters := func(s string) bool { return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" }
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	if rest != 1 || !letters(account[:2]) || !digits(account[2:4]) {
		return ""
	}
	return account[:2]
}
