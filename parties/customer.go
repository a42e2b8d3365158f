// Package parties knows the people and systems the server deals with:
// customers, the clients that speak for them, and the roles that say what each
// may do. Names and contacts lie sealed under the person's own key; what is in
// the clear says nothing about who somebody is.
package parties

import (
	"context"
	"errors"
	"strings"
	"time"

	"mohur/seal"
)

// ErrNotFound says that a store has no such record. Stores return it for every
// kind of record; the domain decides what a caller is told.
var ErrNotFound = errors.New("no such record")

// ErrTampered says that a record is not what the server wrote. A store that binds
// its records returns it; unlike a part that is away it does not pass.
var ErrTampered = errors.New("the record is not what the server wrote")

// CustomerState is active or suspended.
type CustomerState string

// The states of a customer.
const (
	CustomerActive    CustomerState = "active"
	CustomerSuspended CustomerState = "suspended"
)

// Customer is a person. Accounts belong to a holder, which may be a company. A
// member of staff is one too, under an id that IsStaff knows.
type Customer struct {
	ID              string        `json:"id"`
	Pseudonym       string        `json:"pseudonym"` // random; all that audit headers say
	Key             seal.Key      `json:"key"`
	Sealed          []byte        `json:"sealed"` // Profile, under Key at ProfilePlace
	Locale          string        `json:"locale"`
	Segment         string        `json:"segment"`
	ContractRef     string        `json:"contract_ref"`
	ContractVersion string        `json:"contract_version"`
	KYCRef          string        `json:"kyc_ref"`
	Roles           []Role        `json:"roles,omitempty"`    // of a member of staff
	JoinedAt        time.Time     `json:"joined_at,omitzero"` // of a member of staff: his first log-in
	State           CustomerState `json:"state"`
	Since           time.Time     `json:"since,omitzero"`       // of the last change of State: sessions and attempts before it are dead
	Reason          string        `json:"reason,omitempty"`     // of a suspension
	Class           Class         `json:"class,omitempty"`      // the same; "" where nobody said it
	Quiet           bool          `json:"quiet,omitempty"`      // he is suspended and was not told
	Bars            []Bar         `json:"bars,omitempty"`       // channels that were stopped, by name
	ContactsAt      time.Time     `json:"contacts_at,omitzero"` // when his contacts were last set or changed
	CreatedAt       time.Time     `json:"created_at"`
	UpdatedAt       time.Time     `json:"updated_at"`
	Version         uint64        `json:"version"`
	MAC             []byte        `json:"mac,omitempty"`
}

// Profile is what identifies the person; it is stored sealed.
type Profile struct {
	Name  string `json:"name"`
	Phone string `json:"phone"`
	Email string `json:"email"`
}

// ProfilePlace is where a customer's sealed profile belongs.
func ProfilePlace(customer string) string { return "customer/profile/" + customer }

// SaveCustomer writes the customer if the stored one has the version before
// it; version 1 is a new customer.
type SaveCustomer struct{ Customer Customer }

// EffectKey names the record.
func (s SaveCustomer) EffectKey() string { return "customer/" + s.Customer.ID }

// RequireCustomer changes nothing and is stale unless the customer still has that
// version: what was decided for an active customer is not settled for one who
// was suspended meanwhile.
type RequireCustomer struct {
	ID      string
	Version uint64
}

// EffectKey names the record.
func (r RequireCustomer) EffectKey() string { return "customer/" + r.ID }

// Store is what this package reads. Missing records are ErrNotFound.
type Store interface {
	Customer(ctx context.Context, id string) (Customer, error)
	Client(ctx context.Context, id string) (Client, error)
	// ClientKeys returns what is kept of a client's keys as it lies there, whoever
	// wrote it: enough to refuse a key by, never to accept one.
	ClientKeys(ctx context.Context, id string) ([]ClientKey, error)
	Clients(ctx context.Context) ([]Client, error)
	// Staff returns every member of staff, by id.
	Staff(ctx context.Context) ([]Customer, error)
	Holder(ctx context.Context, id string) (Holder, error)
}

// ValidName bounds the ids a bank gives to people and references: 1 to 64 of
// A-Z a-z 0-9 . _ : / @ + -.
func ValidName(id string) bool {
	if len(id) < 1 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("._:/@+-", rune(c)) {
			return false
		}
	}
	return true
}
