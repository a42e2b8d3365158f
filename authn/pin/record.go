// Package pin verifies the PIN the server keeps for customers whose token has
// none of its own. A PIN is never judged alone: only beside a possession proof
// that was right, so that nobody can try PINs without holding the token.
package pin

import (
	"cmp"
	"context"
	"time"
)

// Record is a customer's PIN: Argon2id hashes of it and of the ones before it,
// sealed with the time of ChangedAt and the way it was set under the HSM's pin-seal
// key, so that a stolen store gives nothing to guess against. Its failures and
// locks are in the hot row HotID, and so is its Number.
type Record struct {
	Customer  string    `json:"customer"`
	Sealed    []byte    `json:"sealed"`
	Pseudonym string    `json:"pseudonym"`
	ChangedAt time.Time `json:"changed_at"`
	Version   uint64    `json:"version"` // for the store; begins anew when a record was removed
	// Drawn at random for every PIN, of 63 bits, the highest always set: it never
	// comes back, whatever is done to the file. 0: a record of before there were any.
	Number uint64 `json:"number,omitempty"`
}

// Bond is what the counter of the hot row has to be: the number, or of a record that
// has none the version, which is no number.
func (r Record) Bond() uint64 { return cmp.Or(r.Number, r.Version) }

// HotID is the id of the hot row of a customer's PIN.
func HotID(customer string) string { return "pin/" + customer }

// Save writes the PIN if the stored one has the version before it.
type Save struct{ Record Record }

// EffectKey names the record.
func (s Save) EffectKey() string { return "pin-record/" + s.Record.Customer }

// Store is what this package reads; a customer without a PIN is
// parties.ErrNotFound.
type Store interface {
	PIN(ctx context.Context, customer string) (Record, error)
}
