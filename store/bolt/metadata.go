package bolt

import (
	"context"

	"mohur/tokens"
)

// metadata is one record for each signer, and never removed.
var metadata = table[tokens.Metadata]{
	rows: inMetadata,
	key:  func(m *tokens.Metadata) (string, uint64) { return m.Signer, m.Version },
}

// Metadata implements tokens.MetadataStore.
func (s *Store) Metadata(ctx context.Context, signer string) (tokens.Metadata, error) {
	return one(ctx, s, metadata, signer)
}
