// Package lock is the guessing limit of clause 5.22: what a failure does to the
// hot row of a credential or a PIN. So many failures in a row lock it for a while,
// each time for longer, and in the end for good, with a warning before. It is
// pure; whoever judges an answer settles the row that comes out.
package lock

import (
	"time"

	"mohur/settle"
)

// The bounds that no configuration goes past (RTS Art. 4(3)(b): five failures).
const (
	MaxFailures = 5
	MaxRungs    = 5
	ShortestFor = time.Minute
	LongestFor  = 24 * time.Hour
)

// Limits are the guessing limits for a credential or a PIN. The zero value is
// Defaults.
type Limits struct {
	Failures uint8           // consecutive failures that lock, 1 to 5
	Ladder   []time.Duration // how long each temporary lock lasts; after the last one, for good
}

// Defaults: five failures lock for 1, 5 and 30 minutes, then for good.
func Defaults() Limits {
	return Limits{Failures: MaxFailures, Ladder: []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}}
}

// Fault says what is wrong with a ladder of temporary locks; "" when nothing is.
func Fault(ladder []time.Duration) string {
	if len(ladder) < 1 || len(ladder) > MaxRungs {
		return "needs one to five locks, such as [1m, 5m, 30m]"
	}
	for i, d := range ladder {
		if d < ShortestFor || d > LongestFor {
			return "needs locks from 1m to 24h"
		}
		if i > 0 && d < ladder[i-1] {
			return "needs each lock to be as long as the one before it, or longer"
		}
	}
	return ""
}

// Change is what a failure did to a row.
type Change uint8

// The changes.
const (
	None    Change = iota
	Timed          // locked for a while
	Warning        // the last temporary lock: the next is for good
	Forever        // until the bank unlocks
)

// String names the change in the log and in notices; "" for none.
func (c Change) String() string {
	return [...]string{"", "locked", "locked-last-warning", "locked-for-good"}[c]
}

// Fail counts one failure at now.
func (l Limits) Fail(h settle.Hot, now time.Time) (settle.Hot, Change) {
	if l.Failures == 0 {
		l = Defaults()
	}
	h.Fails++
	if h.Fails < l.Failures {
		return h, None
	}
	h.Fails = 0
	if int(h.Locks) >= len(l.Ladder) {
		h.LockedUntil = settle.LockedForGood
		return h, Forever
	}
	h.LockedUntil = now.Add(l.Ladder[h.Locks]).Unix()
	h.Locks++
	if int(h.Locks) == len(l.Ladder) {
		return h, Warning
	}
	return h, Timed
}

// Forget returns the row without failures and locks: after a success, or when the
// bank unlocks.
func Forget(h settle.Hot) settle.Hot {
	h.Fails, h.Locks, h.LockedUntil = 0, 0, 0
	return h
}
