package bolt

import (
	"context"

	"mohur/parties"
	"mohur/settle"
)

var holders = table[parties.Holder]{
	rows: inHolders,
	key:  func(h *parties.Holder) (string, uint64) { return h.ID, h.Version },
}

// Holder implements parties.Store.
func (s *Store) Holder(ctx context.Context, id string) (parties.Holder, error) {
	return one(ctx, s, holders, id)
}

// noHolder changes nothing and is stale if there is such a holder.
func noHolder(id string) change {
	return func(w *writing) (settle.Outcome, error) {
		_, found, err := holders.frame(w, id)
		switch {
		case err != nil:
			return 0, err
		case found:
			return settle.Stale, nil
		}
		return settle.Done, nil
	}
}
