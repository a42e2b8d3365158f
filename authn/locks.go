package authn

import (
	"time"

	"mohur/settle"
)

// Limits are the guessing limits of clause 5.22 for a credential or a PIN.
type Limits struct {
	Failures uint8           // consecutive failures that lock
	Ladder   []time.Duration // how long each temporary lock lasts
}

// DefaultLimits: five failures lock for 1, 5 and 30 minutes, then for good.
func DefaultLimits() Limits {
	return Limits{Failures: 5, Ladder: []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}}
}

// lockChange is what a failure did to a row.
type lockChange uint8

const (
	lockNone    lockChange = iota
	lockTimed              // locked for a while
	lockWarning            // the last temporary lock: the next is for good
	lockForever
)

// fail counts one failure at now. Success resets both counts; only unlocking by
// the bank ends a lock for good.
func (l Limits) fail(h settle.Hot, now time.Time) (settle.Hot, lockChange) {
	h.Fails++
	if h.Fails < l.Failures {
		return h, lockNone
	}
	h.Fails = 0
	if int(h.Locks) >= len(l.Ladder) {
		h.LockedUntil = settle.LockedForGood
		return h, lockForever
	}
	h.LockedUntil = now.Add(l.Ladder[h.Locks]).Unix()
	h.Locks++
	if int(h.Locks) == len(l.Ladder) {
		return h, lockWarning
	}
	return h, lockTimed
}

// succeed forgets failures and temporary locks.
func succeed(h settle.Hot) settle.Hot {
	h.Fails, h.Locks, h.LockedUntil = 0, 0, 0
	return h
}
