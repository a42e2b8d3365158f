// Package notify is the outbox: what must reach a customer is queued in the same
// write as the change it tells of, so that neither exists without the other.
package notify

import (
	"context"
	"time"
)

// Notice is one message waiting to be sent. Its text may hold a secret (an
// activation secret), so it lies sealed under the customer's key.
type Notice struct {
	ID        string    `json:"id"`
	Customer  string    `json:"customer"`
	Channel   string    `json:"channel"` // sms, email, letter
	Kind      string    `json:"kind"`    // e.g. activation-secret, credential-locked
	Sealed    []byte    `json:"sealed"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"` // not worth sending afterwards
	// To is the address, sealed under the customer's key at ToPlace; not there: where the
	// customer is reached over the channel when it is sent.
	To    []byte    `json:"to,omitempty"`
	DueAt time.Time `json:"due_at,omitzero"` // the customer is to be told until then (clauses 4.3.5, 4.7); not there: nobody promised when
}

// Place is where a notice's sealed text belongs.
func Place(id string) string { return "notice/" + id }

// ToPlace is where a notice's sealed address belongs.
func ToPlace(id string) string { return "notice/to/" + id }

// Queue adds a notice to the outbox.
type Queue struct{ Notice Notice }

// EffectKey names the record.
func (q Queue) EffectKey() string { return "notice/" + q.Notice.ID }

// Store is what a sender reads, oldest first.
type Store interface {
	Notices(ctx context.Context, max int) ([]Notice, error)
}
