package custody

import (
	"context"
	"time"
)

// Half is one component of a transport key that waits for the other. It lies
// sealed under an HSM key for its name, its person and its ceremony: edited or
// moved it does not open.
type Half struct {
	Name      string    `json:"name"` // of the transport key; one half of a name waits at a time
	Ceremony  string    `json:"ceremony"`
	By        string    `json:"by"` // id of the caller who brought it
	ByName    string    `json:"by_name"`
	Size      int       `json:"size"` // of the key, in bytes
	Sealed    []byte    `json:"sealed"`
	Expected  *Expected `json:"expected,omitempty"` // what he says of the whole key
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	// ClaimedUntil is how long the one who brings the other half may take. Zero:
	// nobody has yet; passed: something came between, and the key may be in the HSM.
	ClaimedUntil time.Time `json:"claimed_until,omitzero"`
	Version      uint64    `json:"version"`
	MAC          []byte    `json:"mac,omitempty"` // of the HSM over the record, set by the store
}

// Expected is a check value that somebody expects of a key.
type Expected struct {
	Form  Form   `json:"form"`
	Value string `json:"value"` // hexadecimal
}

// Store reads the halves that wait. Both methods may be called by many goroutines.
type Store interface {
	// Half returns the half that waits for a transport key's name, or
	// parties.ErrNotFound.
	Half(ctx context.Context, name string) (Half, error)
	// Halves returns all of them, by name.
	Halves(ctx context.Context) ([]Half, error)
}

// SaveHalf writes a half: Exists if it is the first version and one waits by its
// name, Stale if another version has come between.
type SaveHalf struct{ Half Half }

// EffectKey names the half.
func (e SaveHalf) EffectKey() string { return "half/" + e.Half.Name }

// RemoveHalf removes a half; Stale if there is none, or none of that version.
// Version 0 is whatever lies there.
type RemoveHalf struct {
	Name    string
	Version uint64
}

// EffectKey names the half.
func (e RemoveHalf) EffectKey() string { return "half/" + e.Name }

// place is what the seal of a half is bound to.
func (h Half) place() string {
	return "transport-half/v1/" + h.Name + "/" + h.Ceremony + "/" + h.By
}
