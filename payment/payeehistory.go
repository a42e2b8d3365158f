package payment

import (
	"strings"
	"time"

	"mohur/parties"
)

// PayeeHistory is what a customer has paid to one payee: one record of fixed size,
// which names neither of them. Sums are qəpik.
type PayeeHistory struct {
	Key      string    `json:"key"` // a MAC over customer and account, or those and the bank: see payeeKeys
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Count    int64     `json:"count"`
	Proven   int64     `json:"proven,omitempty"` // how many of Count the customer has proven
	Day      string    `json:"day"`              // of the last payment, in the bank's zone
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
func (h PayeeHistory) with(at time.Time, zone *time.Location, count, amount int64, proven bool) PayeeHistory {
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
	if proven {
		h.Proven += count
	}
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

// foldedBank is a bank's name as it is compared: without spaces and in upper case.
func foldedBank(text string) string {
	return strings.ToUpper(strings.Join(strings.Fields(text), ""))
}

// ibanCountry is the country of an account in the form of an IBAN (ISO 13616: two
// letters, two check digits, 11 to 30 letters and digits, the whole 1 modulo 97). is
// says that the account begins as one does; the country is "" if it is none all the same.
func ibanCountry(account string) (country string, is bool) {
	a := parties.PlainAccount(account)
	if len(a) < 4 || strings.Trim(a[:2], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || strings.Trim(a[2:4], "0123456789") != "" {
		return "", false
	}
	if len(a) < 15 || len(a) > 34 {
		return "", true
	}
	rest := 0
	for i := range len(a) {
		if c := a[(i+4)%len(a)]; c <= '9' {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	if rest != 1 {
		return "", true
	}
	return a[:2], true
}
