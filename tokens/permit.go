package tokens

import "time"

// PlainFile names a file with seeds in the clear: everything of it that may be kept
// while it waits for its second person, and nothing of what is in it.
type PlainFile struct {
	SHA256  string `json:"sha256"` // hex
	Size    int64  `json:"size"`   // bytes
	Name    string `json:"name"`   // as it was sent
	Format  string `json:"format"`
	Profile string `json:"profile"`
	Batch   string `json:"batch"`
	Branch  string `json:"branch"`
}

// PermitState is where the permit of an import stands.
type PermitState string

// The states of a permit. It goes through them in this order, and from PermitAsked or
// an expired PermitOpen back to PermitAsked.
const (
	PermitAsked PermitState = "asked" // it waits for its second person, or waited in vain
	PermitOpen  PermitState = "open"  // the file may be sent once more, until ExpiresAt
	PermitUsed  PermitState = "used"  // its import has begun; cut off, it may go on
	PermitDone  PermitState = "done"  // its import has ended
)

// Permit allows one import of one file with seeds in the clear outside development.
// It has the id of that import, which follows from the file's hash, profile, batch
// and branch, so that it allows no other. It is bound by a MAC of the HSM.
type Permit struct {
	ID        string      `json:"id"`
	File      PlainFile   `json:"file"`
	State     PermitState `json:"state"`
	Approval  string      `json:"approval"` // id of the one that is, or was, asked for
	Maker     string      `json:"maker"`
	Checker   string      `json:"checker,omitempty"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"` // of an open one
	Version   uint64      `json:"version"`
	MAC       []byte      `json:"mac,omitempty"`
}

// SavePermit writes the permit if the stored one has the version before it.
type SavePermit struct{ Permit Permit }

// EffectKey names the record.
func (s SavePermit) EffectKey() string { return "permit/" + s.Permit.ID }
