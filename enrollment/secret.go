// Package enrollment brings a credential to a person: import, hand-over,
// activation, suspension, the first PIN. Whatever it consumes (an activation
// secret, a first code) is consumed by the one settle command.
package enrollment

import (
	"context"
	"time"

	"mohur/tokens"
)

// Secret is an activation secret: random, single use, five tries, sent over a
// channel other than the token's. Only a MAC of its text is kept.
type Secret struct {
	ID        string    `json:"id"`
	Customer  string    `json:"customer"`
	Token     string    `json:"token,omitempty"`
	Purpose   string    `json:"purpose"` // pin, enroll, activate
	Channel   string    `json:"channel"` // sms, email, letter
	Digest    []byte    `json:"digest"`  // HSM MAC of the text
	Tries     int       `json:"tries"`
	State     string    `json:"state"`              // open, used, dead
	Question  string    `json:"question,omitempty"` // an OCRA token proves itself by answering it
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Version   uint64    `json:"version"`
	MAC       []byte    `json:"mac,omitempty"` // of this record
}

// SaveSecret writes the secret if the stored one has the version before it.
type SaveSecret struct{ Secret Secret }

// EffectKey names the record.
func (s SaveSecret) EffectKey() string { return "secret/" + s.Secret.ID }

// Store is what this package reads, beside tokens and parties.
type Store interface {
	tokens.Store
	tokens.ImportStore
	tokens.MetadataStore
	// OpenSecrets returns the customer's secrets of a purpose in state open,
	// newest first; for purpose activate those of the token.
	OpenSecrets(ctx context.Context, customer, purpose, token string) ([]Secret, error)
}
