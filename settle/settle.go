// Package settle is the one way in which anything changes. A Command names the
// effects that belong together (an attempt's verdict, a consumed counter, a
// reserved limit, a queued notice) and the audit entries that tell of them; the
// store makes all of them durable in one write, or none.
//
// The package guarantees to its users that what consumed a code, a secret or a
// limit did so exactly once, under parallel requests and after a crash: every
// effect names the version it was decided against, and a store that finds
// another one answers Stale and changes nothing.
package settle

import (
	"context"
	"time"

	"mohur/audit"
)

// Effect is one typed change. The packages that own a record declare its
// effects (authn.SaveAttempt, payment.SaveTransaction, …); a store knows each of
// them and answers ErrUnknownEffect for one that it does not.
type Effect interface {
	// EffectKey orders the effects of a batch and names the record in errors.
	EffectKey() string
}

// Command is all or nothing. It has at least one entry: a change without
// evidence does not exist.
type Command struct {
	Effects []Effect
	Entries []audit.Draft
}

// Outcome is what became of a command. All are values: none of them is an error.
type Outcome uint8

// The outcomes. Only Done has changed anything.
const (
	Done   Outcome = iota + 1
	Stale          // a record has another version than the command was decided against
	Exists         // a unique name (serial, reference, id) is taken
	Over           // a reservation would pass its ceiling
)

// String names the outcome in logs.
func (o Outcome) String() string {
	return [...]string{"none", "done", "stale", "exists", "over"}[o]
}

// Result says what became of a command and, unless Done, which effect decided.
type Result struct {
	Outcome Outcome
	Effect  Effect
	Seq     uint64 // sequence of the first entry written
}

// Store makes commands durable. Settle returns Done only after the disk has
// confirmed; an error means that nothing is known to have changed and the
// caller must refuse.
type Store interface {
	Settle(ctx context.Context, c Command) (Result, error)
}

// Reserve adds Amount to the running sum of Key if the result stays at or below
// Ceiling, and answers Over otherwise. The sum is forgotten after Until; the zero
// time keeps it.
type Reserve struct {
	Key     string
	Amount  int64
	Ceiling int64
	Until   time.Time
}

// EffectKey names the sum.
func (r Reserve) EffectKey() string { return "reserve/" + r.Key }

// Release takes back a reservation, never below zero. It does not fail.
type Release struct {
	Key    string
	Amount int64
}

// EffectKey names the sum.
func (r Release) EffectKey() string { return "reserve/" + r.Key }
