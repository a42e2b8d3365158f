package payment_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"mohur/parties"
	"mohur/payment"
)

var baku = time.FixedZone("Asia/Baku", 4*3600)

// at is a moment of the bank's clock on a day in November.
func at(day, hour, minute, second int) time.Time {
	return time.Date(2026, 11, day, hour, minute, second, 0, baku)
}

// Clause 5.18: the sums of the hour and of the day are never less than what was paid.
func TestClause5_18_SumsOfTheHourAndTheDay(t *testing.T) {
	expect := func(what string, v payment.Velocity, now time.Time, hourCount, hourSum, dayCount, daySum int64) {
		t.Helper()
		hc, hs := v.Hour(now)
		dc, ds := v.DayOf(now, baku)
		if hc != hourCount || hs != hourSum || dc != dayCount || ds != daySum {
			t.Errorf("%s: hour %d %d, day %d %d, want %d %d, %d %d", what, hc, hs, dc, ds, hourCount, hourSum, dayCount, daySum)
		}
	}
	v := payment.Velocity{Customer: "c"}
	expect("nothing", v, at(22, 9, 0, 0), 0, 0, 0, 0)
	v = v.With(at(22, 22, 30, 59), baku, 100).With(at(22, 22, 30, 1), baku, 10).With(at(22, 23, 29, 0), baku, 5)
	expect("within the hour", v, at(22, 23, 29, 30), 3, 115, 3, 115)
	expect("a minute that the hour cuts counts whole", v, at(22, 23, 30, 59), 3, 115, 3, 115)
	expect("after it", v, at(22, 23, 31, 0), 1, 5, 3, 115)
	expect("the last second of the day", v, at(22, 23, 59, 59), 1, 5, 3, 115)
	expect("midnight in Baku, 20:00 in UTC", v, at(23, 0, 0, 0), 1, 5, 0, 0)
	v = v.With(at(23, 0, 0, 0), baku, 7)
	expect("the first payment of the new day", v, at(23, 0, 0, 0), 2, 12, 1, 7)
	late := v.With(at(22, 23, 59, 59), baku, 1)
	expect("one that was received before midnight and counted after it", late, at(23, 0, 0, 1), 3, 13, 2, 8)
	expect("a clock that was set back", v.With(at(20, 1, 0, 0), baku, 3), at(20, 1, 0, 0), 3, 15, 2, 10)
	expect("a sum that does not fit", v.With(at(23, 0, 0, 1), baku, math.MaxInt64), at(23, 0, 0, 1), 3, math.MaxInt64, 2, math.MaxInt64)
}

// The record is as large after a million payments as after a hundred.
func TestAVelocityIsBounded(t *testing.T) {
	v := payment.Velocity{Customer: "c"}
	now := at(22, 0, 0, 0)
	for range 10_000 {
		now = now.Add(17 * time.Second)
		v = v.With(now, baku, 9_999_999_99)
	}
	text, err := json.Marshal(v)
	if err != nil || len(v.Minutes) > 61 || len(text) > 5000 {
		t.Errorf("%d minutes, %d bytes, %v", len(v.Minutes), len(text), err)
	}
	if v.Version != 10_000 {
		t.Errorf("version %d", v.Version)
	}
}

// FuzzMinutes: what was read is written the same again, and is never more than it holds.
func FuzzMinutes(f *testing.F) {
	v := payment.Velocity{}.With(at(22, 1, 0, 0), baku, 5).With(at(22, 1, 7, 0), baku, math.MaxInt64)
	seed, err := v.Minutes.MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{string(seed), "", "AA", "AAAA", "////////////////", "="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var m payment.Minutes
		if m.UnmarshalText([]byte(text)) != nil {
			return
		}
		if 3*len(m) > len(text) {
			t.Fatalf("%d minutes of %d bytes", len(m), len(text))
		}
		again, err := m.MarshalText()
		var same payment.Minutes
		if err != nil || same.UnmarshalText(again) != nil || !slices.Equal(same, m) {
			t.Errorf("%v became %v", m, same)
		}
	})
}

// A part of a payment in another currency is never counted as less than it is.
func TestSharesAreRoundedUp(t *testing.T) {
	for _, c := range []struct{ part, whole, home, want int64 }{
		{100, 100, 171, 171}, {1, 3, 100, 34}, {2, 3, 100, 67}, {0, 3, 100, 0}, {math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64, math.MaxInt64 - 1},
	} {
		if got, err := payment.Share(c.part, c.whole, c.home); got != c.want || err != nil {
			t.Errorf("%d of %d in %d: %d, %v, want %d", c.part, c.whole, c.home, got, err, c.want)
		}
	}
	for _, c := range [][3]int64{{4, 3, 100}, {-1, 3, 100}, {0, -1, 1}, {1, 2, -1}} {
		if got, err := payment.Share(c[0], c[1], c[2]); err == nil {
			t.Errorf("%v: %d", c, got)
		}
	}
}

// An account says its country only where its check digits are right.
func TestTheCountryOfAnIBAN(t *testing.T) {
	for account, want := range map[string]string{
		"AZ21NABZ00000000137010001944": "AZ", "GB82WEST12345698765432": "GB", "DE89370400440532013000": "DE", "NO9386011117947": "NO",
		"AZ22NABZ00000000137010001944": "", "GB82WEST12345698765423": "", "az21-NABZ.0000/0000137010001944": "AZ", "AZ1": "", "": "",
		"AZ21 NABZ 0000 0000 1370 1000 1944": "AZ", "1234567890123456": "", "АZ21NABZ00000000137010001944": "",
	} {
		if got := payment.IBANCountry(account); got != want {
			t.Errorf("%q: %q, want %q", account, got, want)
		}
	}
}

// FuzzIBANCountry: whatever an account is, its country is two letters or none.
func FuzzIBANCountry(f *testing.F) {
	for _, seed := range []string{"AZ21NABZ00000000137010001944", "GB82WEST12345698765432", "", "AZ", "ZZ\xff\xfe00000000000", "0000000000000000000000000000000000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, account string) {
		c := payment.IBANCountry(account)
		if c == "" {
			return
		}
		plain := parties.PlainAccount(account)
		if len(c) != 2 || c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' || plain[:2] != c || payment.IBANCountry(plain) != c {
			t.Errorf("%q: %q", account, c)
		}
		// One digit changed is found (ISO 7064).
		b := []byte(plain)
		if last := len(b) - 1; b[last] >= '0' && b[last] <= '9' {
			b[last] = '0' + (b[last]-'0'+1)%10
			if payment.IBANCountry(string(b)) != "" {
				t.Errorf("%q and %q are both right", account, b)
			}
		}
	})
}
