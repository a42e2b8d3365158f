// Package incident keeps the register of clause 5.9: what happened, on which
// service and operation, why, when, and what was done.
package incident

import (
	"context"
	"time"
)

// Incident is one row of the register with the six facts clause 5.9 asks for.
type Incident struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`      // e.g. credential.quarantined
	Service   string    `json:"service"`   // pc, internet, mobile or n/a
	Reference string    `json:"reference"` // of the operation, or n/a
	Cause     string    `json:"cause"`
	Content   string    `json:"content"`
	At        time.Time `json:"at"`
	Measures  string    `json:"measures"`
	State     string    `json:"state"` // open, closed
	Version   uint64    `json:"version"`

	// What a customer told about it, sealed at DetailsPlace: under his own key, the
	// bank's where it is not known who he is.
	Customer string `json:"customer,omitempty"`
	Details  []byte `json:"details,omitempty"`
}

// DetailsPlace is where an incident's sealed details belong.
func DetailsPlace(id string) string { return "incident/details/" + id }

// Save writes the incident if the stored one has the version before it.
type Save struct{ Incident Incident }

// EffectKey names the record.
func (s Save) EffectKey() string { return "incident/" + s.Incident.ID }

// Store is what this package reads, newest first; cursor is "" at the start and
// in the answer at the end.
type Store interface {
	Incidents(ctx context.Context, cursor string, limit int) (items []Incident, next string, err error)
}
