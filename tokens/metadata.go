package tokens

import (
	"context"
	"time"
)

// Metadata is the highest number of the FIDO metadata of one signer that was ever in
// force here. It only goes up: who puts an older BLOB in the cache's place, or at the
// source, does not bring a model's reports down with it.
type Metadata struct {
	Signer  string    `json:"signer"` // DNS name of who signs the metadata
	No      int64     `json:"no"`
	SHA256  string    `json:"sha256"` // of what was signed, hex
	At      time.Time `json:"at"`
	Version uint64    `json:"version"`
	MAC     []byte    `json:"mac,omitempty"`
}

// SaveMetadata writes the record if the stored one has the version before it.
type SaveMetadata struct{ Metadata Metadata }

// EffectKey names the record.
func (s SaveMetadata) EffectKey() string { return "metadata/" + s.Metadata.Signer }

// MetadataStore is where the number is read. A signer of whom there is none is
// parties.ErrNotFound.
type MetadataStore interface {
	Metadata(ctx context.Context, signer string) (Metadata, error)
}
