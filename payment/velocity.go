package payment

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"
)

// velocityMinutes is how many minutes before the present one count as the last hour:
// one that the hour cuts counts whole, so a sum is never less than it should be.
const velocityMinutes = 60

// Velocity is what a customer's approved payments of the last hour and of the day
// add up to: one record of bounded size for each customer, however much he has paid.
// Sums are qəpik, Transaction.Home; what a payment that was not made gives back of a
// limit is not taken off.
type Velocity struct {
	Customer string  `json:"customer"`
	Minutes  Minutes `json:"minutes,omitempty"` // of the last hour, those with payments, by rising At
	Day      string  `json:"day"`               // of the last payment, in the bank's zone: 2026-11-22
	DayCount int64   `json:"day_count"`
	DaySum   int64   `json:"day_sum"`
	Last     int64   `json:"last"` // minute of the last payment, Unix seconds divided by 60
	Version  uint64  `json:"version"`
	MAC      []byte  `json:"mac,omitempty"`
}

// Minute is what was approved in one minute.
type Minute struct {
	At    int64 // Unix seconds divided by 60
	Count int64
	Sum   int64
}

// Minutes are written as one text, base64 of varints, each At as what it is above the one
// before: a decision reads them, so that they
// are to cost little.
type Minutes []Minute

// MarshalText writes the minutes.
func (m Minutes) MarshalText() ([]byte, error) {
	packed, before := make([]byte, 0, 8+8*len(m)), int64(0)
	for _, one := range m {
		for _, n := range [...]int64{one.At - before, one.Count, one.Sum} {
			packed = binary.AppendVarint(packed, n)
		}
		before = one.At
	}
	return base64.RawStdEncoding.AppendEncode(nil, packed), nil
}

// errMinutes says that a text is none that MarshalText wrote.
var errMinutes = errors.New("payment: these are no minutes")

// UnmarshalText reads what MarshalText wrote.
func (m *Minutes) UnmarshalText(text []byte) error {
	packed, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return errMinutes
	}
	*m = make(Minutes, 0, len(packed)/3)
	before := int64(0)
	for len(packed) > 0 {
		var one Minute
		for _, n := range [...]*int64{&one.At, &one.Count, &one.Sum} {
			value, size := binary.Varint(packed)
			if size <= 0 {
				return errMinutes
			}
			*n, packed = value, packed[size:]
		}
		one.At += before
		before = one.At
		*m = append(*m, one)
	}
	return nil
}

// SaveVelocity writes the record if the stored one has the version before it.
// Stores keep it three days past its last payment and may then remove it: by then
// it says nothing any more.
type SaveVelocity struct{ Velocity Velocity }

// EffectKey names the record.
func (s SaveVelocity) EffectKey() string { return "velocity/" + s.Velocity.Customer }

// with counts one more payment. A clock that was set back adds to the last minute and
// day there are: what was counted stays counted.
func (v Velocity) with(at time.Time, zone *time.Location, amount int64) Velocity {
	minute := max(at.Unix()/60, v.Last)
	v.Minutes = slices.DeleteFunc(slices.Clone(v.Minutes), func(m Minute) bool { return m.At < minute-velocityMinutes })
	if n := len(v.Minutes); n == 0 || v.Minutes[n-1].At < minute {
		v.Minutes = append(v.Minutes, Minute{At: minute})
	}
	last := &v.Minutes[len(v.Minutes)-1]
	last.Count, last.Sum = last.Count+1, plus(last.Sum, amount)
	if day := dayOf(at, zone); day > v.Day {
		v.Day, v.DayCount, v.DaySum = day, 0, 0
	}
	v.DayCount, v.DaySum = v.DayCount+1, plus(v.DaySum, amount)
	v.Last = minute
	v.Version++
	return v
}

// hour is what the last hour adds up to.
func (v Velocity) hour(at time.Time) (count, sum int64) {
	from := at.Unix()/60 - velocityMinutes
	for _, m := range v.Minutes {
		if m.At >= from {
			count, sum = count+m.Count, plus(sum, m.Sum)
		}
	}
	return count, sum
}

// day is what the bank's day adds up to.
func (v Velocity) day(at time.Time, zone *time.Location) (count, sum int64) {
	if v.Day < dayOf(at, zone) {
		return 0, 0
	}
	return v.DayCount, v.DaySum
}

// dayOf is the bank's day, as text that sorts by time.
func dayOf(at time.Time, zone *time.Location) string { return at.In(zone).Format(time.DateOnly) }

// plus adds amounts; what does not fit stays at the most there can be.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
