// Package tokens says what a token is: the thing that is bought, stored, handed
// over and destroyed, the credentials it carries, and the moves its life may
// make. The rules here are pure; what consumes or records is in enrollment.
package tokens

import (
	"context"
	"time"

	"mohur/settle"
)

// State is where a token is in its life.
type State string

// The states of the contract.
const (
	InStock   State = "in_stock"
	Reserved  State = "reserved"
	Assigned  State = "assigned"
	Shipped   State = "shipped"
	Delivered State = "delivered"
	Active    State = "active"
	Suspended State = "suspended"
	Revoked   State = "revoked"
	Returned  State = "returned"
	Wiped     State = "wiped"
	Destroyed State = "destroyed"
	Expired   State = "expired"
)

// States lists all states.
func States() []State {
	return []State{InStock, Reserved, Assigned, Shipped, Delivered, Active, Suspended, Revoked, Returned, Wiped, Destroyed, Expired}
}

// Token is one device. Its seeds are with its credentials.
type Token struct {
	ID           string    `json:"id"`
	Manufacturer string    `json:"manufacturer"`
	Model        string    `json:"model"`
	Serial       string    `json:"serial,omitempty"`
	Profile      string    `json:"profile"`
	State        State     `json:"state"`
	Customer     string    `json:"customer,omitempty"`
	Branch       string    `json:"branch,omitempty"`
	Batch        string    `json:"batch,omitempty"`
	Import       string    `json:"import,omitempty"` // the file it came in
	Credentials  []string  `json:"credentials"`
	Former       []string  `json:"former,omitempty"`  // credentials it had before it was wiped and filled anew
	Pending      *Pending  `json:"pending,omitempty"` // a FIDO2 key that is being registered on it
	Proof        *Proof    `json:"proof,omitempty"`   // what the last enrolment on it was proven with
	Channel      string    `json:"channel,omitempty"` // of the activation secret that an app or key was enrolled with; "": none, an authentication
	History      []Change  `json:"history"`
	CreatedAt    time.Time `json:"created_at"`
	Version      uint64    `json:"version"`
	MAC          []byte    `json:"mac,omitempty"`
}

// Change is one step of a token's life.
type Change struct {
	At     time.Time `json:"at"`
	From   State     `json:"from"`
	To     State     `json:"to"`
	Move   Move      `json:"move"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by"`
}

// SaveToken writes the token if the stored one has the version before it. For a
// new token (version 1) nothing else may carry its id.
type SaveToken struct{ Token Token }

// EffectKey names the record.
func (s SaveToken) EffectKey() string { return "token/" + s.Token.ID }

// Filter selects tokens; empty members select all.
type Filter struct {
	State    State
	Kind     Kind
	Customer string
	Batch    string
	Branch   string
	Serial   string
	Query    string // part of a serial, model or manufacturer
}

// Store is what this package and enrollment read. Missing records are
// parties.ErrNotFound; lists are newest first, the cursor "" at both ends.
type Store interface {
	Token(ctx context.Context, id string) (Token, error)
	TokensBySerial(ctx context.Context, serial string) ([]Token, error)
	Tokens(ctx context.Context, f Filter, cursor string, limit int) (items []Token, next string, err error)
	TokensOf(ctx context.Context, customer string) ([]Token, error)
	Credential(ctx context.Context, id string) (Credential, error)
	// CredentialByKey returns the credential that was added under these three names
	// and has them now. It is a proposal, by an index that no MAC binds: what the
	// credential proves is its own record's to say.
	CredentialByKey(ctx context.Context, manufacturer, serial, keyID string) (Credential, error)
	// Hot returns one row per id, in order, Found false where there is none.
	Hot(ctx context.Context, ids ...string) ([]settle.HotRead, error)
}

// NameToken gives the name that a maker has given a device, manufacturer and serial,
// to one token for ever: settle.Exists when it is another's. So imports that run at
// once cannot make two tokens of one device. What is the token's already stays so.
type NameToken struct{ Manufacturer, Serial, Token string }

// EffectKey names the record.
func (n NameToken) EffectKey() string { return "token-name/" + n.Token }
