package bolt

import (
	"context"

	"mohur/parties"
)

var holders = table[parties.Holder]{
	rows: inHolders,
	key:  func(h *parties.Holder) (string, uint64) { return h.ID, h.Version },
}

// Holder implements parties.Store.
func (s *Store) Holder(ctx context.Context, id string) (parties.Holder, error) {
	return one(ctx, s, holders, id)
}
