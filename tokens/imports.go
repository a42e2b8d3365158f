package tokens

import (
	"context"
	"time"
)

// ImportState is where an import of a file stands.
type ImportState string

// The states of the contract.
const (
	ImportRunning   ImportState = "running"
	ImportCompleted ImportState = "completed"
	ImportFailed    ImportState = "failed"
)

// Import is the record of one file. Keys are counted, not devices. A refused
// file is failed with imported 0. One that was cut off and is gone on with counts
// what was in before as imported.
type Import struct {
	ID         string      `json:"id"`
	State      ImportState `json:"state"`
	Format     string      `json:"format"` // pskc, oath-csv, yubico-csv, safenet-xml, serials; auto if it was not recognised
	SHA256     string      `json:"sha256"` // of the file, hex
	Batch      string      `json:"batch,omitempty"`
	Branch     string      `json:"branch,omitempty"`
	Total      int         `json:"total"`
	Imported   int         `json:"imported"`
	Rejected   int         `json:"rejected"`
	Error      string      `json:"error,omitempty"`
	Cut        bool        `json:"cut,omitempty"` // it was stopped and not refused: the same file goes on with it
	Warnings   []string    `json:"warnings,omitempty"`
	Rejections []Rejection `json:"rejections,omitempty"` // the first MaxRejections; from the end of the import on
	By         string      `json:"by"`
	CreatedAt  time.Time   `json:"created_at"`
	EndedAt    time.Time   `json:"ended_at,omitzero"`
	Version    uint64      `json:"version"`
}

// MaxRejections is how many refused records an import keeps by name; the count
// goes on beyond.
const MaxRejections = 10000

// Rejection is one record that was not imported, and why.
type Rejection struct {
	Index  int    `json:"index"`
	Serial string `json:"serial"`
	KeyID  string `json:"key_id"`
	Reason string `json:"reason"`
}

// SaveImport writes the record if the stored one has the version before it.
type SaveImport struct{ Import Import }

// EffectKey names the record.
func (s SaveImport) EffectKey() string { return "import/" + s.Import.ID }

// ImportStore is what the import reads. UnfinishedImports is asked at start: a
// file whose import was cut off is told as failed. Permit is asked for a file with
// seeds in the clear; a missing one is parties.ErrNotFound.
type ImportStore interface {
	Import(ctx context.Context, id string) (Import, error)
	Permit(ctx context.Context, id string) (Permit, error)
	UnfinishedImports(ctx context.Context) ([]Import, error)
}
