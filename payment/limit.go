package payment

import (
	"math"
	"slices"
	"strings"
	"time"

	"mohur/parties"
	"mohur/risk"
)

// The names of the limits (clause 5.32). That of a channel is followed by the
// channel, and what a token has confirmed is kept under "token." and its id.
const (
	PerTransaction = "per_transaction"
	Daily          = "daily"
	PerToken       = "per_token"
	PerChannel     = "channel."
	ofToken        = "token."
)

// LimitNames lists the limits that a customer can set.
func LimitNames() []string {
	names := []string{PerTransaction, Daily}
	for _, c := range parties.Channels() {
		names = append(names, PerChannel+string(c))
	}
	return append(names, PerToken)
}

// Limits are what a customer has set himself and what his approved payments have taken
// of the last days, in qəpik: one record for each, swapped with every approval. So two
// payments at once never pass a limit together, nor a limit that is lowered meanwhile.
type Limits struct {
	Customer string           `json:"customer"`
	Own      map[string]int64 `json:"own,omitempty"`    // by name; what is not set is the bank's
	Raises   []Raise          `json:"raises,omitempty"` // that wait, or came into force since the record was last changed
	Days     []Day            `json:"days,omitempty"`   // the last two with payments, newest first
	Version  uint64           `json:"version"`
	MAC      []byte           `json:"mac,omitempty"`
}

// Raise is a higher limit that comes into force by itself.
type Raise struct {
	Limit  string    `json:"limit"`
	Amount int64     `json:"amount"` // qəpik
	From   time.Time `json:"from"`
}

// Day is what was approved on one of the bank's days and not given back: under Daily,
// PerChannel and the channel, and ofToken and the token.
type Day struct {
	Date string           `json:"date"` // 2026-11-22
	Sums map[string]int64 `json:"sums"`
}

// SaveLimits writes the record if the stored one has the version before it.
type SaveLimits struct{ Limits Limits }

// EffectKey names the record.
func (s SaveLimits) EffectKey() string { return "limits/" + s.Limits.Customer }

// own is what the customer has set of a limit.
func (l Limits) own(name string, at time.Time) (amount int64, set bool) {
	amount, set = l.Own[name]
	for _, r := range l.Raises {
		if r.Limit == name && !at.Before(r.From) {
			amount, set = r.Amount, true
		}
	}
	return amount, set
}

// bank is the bank's own ceiling. The one of the day is always there.
func bank(p risk.Policy, name string) (amount int64, set bool) {
	var at *int64
	switch name {
	case Daily:
		return p.DailyPerCustomer, true
	case PerTransaction:
		at = p.Limits.PerTransaction
	case PerToken:
		at = p.Limits.PerToken
	default:
		amount, set = p.Limits.PerChannel[strings.TrimPrefix(name, PerChannel)]
		return amount, set
	}
	if at == nil {
		return 0, false
	}
	return *at, true
}

// inForce is the lower one of the two.
func (l Limits) inForce(p risk.Policy, name string, at time.Time) (amount int64, set bool) {
	amount, set = bank(p, name)
	if own, is := l.own(name, at); is && (!set || own < amount) {
		return own, true
	}
	return amount, set
}

// settled is the record with what has come into force by now written down as set.
func (l Limits) settled(at time.Time) Limits {
	own := map[string]int64{}
	for _, name := range LimitNames() {
		if n, set := l.own(name, at); set {
			own[name] = n
		}
	}
	l.Own = own
	l.Raises = slices.DeleteFunc(slices.Clone(l.Raises), func(r Raise) bool { return !at.Before(r.From) })
	return l
}

// pending are the raises that wait.
func (l Limits) pending(at time.Time) []Raise { return l.settled(at).Raises }

// sums are those of a day, to be read.
func (l Limits) sums(date string) map[string]int64 {
	for _, d := range l.Days {
		if d.Date == date {
			return d.Sums
		}
	}
	return nil
}

// counting returns the sums that a payment of a day counts in. Of a day that is
// older than those on record nothing is known: it counts in the oldest of them, which is
// stricter.
func (l *Limits) counting(date string) *Day {
	i := slices.IndexFunc(l.Days, func(d Day) bool { return d.Date <= date })
	switch {
	case i >= 0 && l.Days[i].Date == date:
	case i < 0 && len(l.Days) == 2:
		i = 1
	default:
		if i < 0 {
			i = len(l.Days)
		}
		l.Days = slices.Insert(l.Days, i, Day{Date: date, Sums: map[string]int64{}})
		l.Days = l.Days[:min(len(l.Days), 2)]
	}
	return &l.Days[i]
}

// take counts a payment against every limit, or names the one it would pass.
func (l *Limits) take(p risk.Policy, amount int64, channel parties.Channel, token, date string, at time.Time) (held []Reservation, over string) {
	if most, set := l.inForce(p, PerTransaction, at); set && amount > most {
		return nil, PerTransaction
	}
	day := l.counting(date)
	for _, part := range []struct{ limit, sum string }{
		{Daily, Daily}, {PerChannel + string(channel), PerChannel + string(channel)}, {PerToken, ofToken + token},
	} {
		most, set := l.inForce(p, part.limit, at)
		if !set {
			most = math.MaxInt64
		}
		if amount > most-day.Sums[part.sum] {
			return nil, part.limit
		}
		held = append(held, Reservation{Key: day.Date + "/" + part.sum, Amount: amount})
	}
	for _, r := range held {
		_, sum, _ := strings.Cut(r.Key, "/")
		day.Sums[sum] += amount
	}
	return held, ""
}

// takeToken counts a payment that the customer has signed for another one, against what
// his token may confirm alone.
func (l *Limits) takeToken(p risk.Policy, amount int64, token, date string, at time.Time) (held Reservation, fits bool) {
	day := l.counting(date)
	sum := ofToken + token
	if most, set := l.inForce(p, PerToken, at); set && amount > most-day.Sums[sum] {
		return held, false
	}
	day.Sums[sum] += amount
	return Reservation{Key: day.Date + "/" + sum, Amount: amount, Owner: l.Customer}, true
}

// giveBack takes what a payment holds off the sums, never below zero. A day that is no
// longer on record has nothing to give back.
func (l *Limits) giveBack(held []Reservation) (changed bool) {
	for _, r := range held {
		date, name, _ := strings.Cut(r.Key, "/")
		if sums := l.sums(date); sums[name] > 0 {
			sums[name] = max(0, sums[name]-r.Amount)
			changed = true
		}
	}
	return changed
}
