package bolt

import (
	"context"

	"mohur/custody"
	"mohur/settle"
)

// halves are few, and none is removed without an audit entry, so not by Sweep.
var halves = table[custody.Half]{
	rows: inHalves,
	key:  func(h *custody.Half) (string, uint64) { return h.Name, h.Version },
}

// Half implements custody.Store.
func (s *Store) Half(ctx context.Context, name string) (custody.Half, error) {
	return one(ctx, s, halves, name)
}

// Halves implements custody.Store.
func (s *Store) Halves(ctx context.Context) (list []custody.Half, err error) {
	err = s.view(ctx, func(r reading) error {
		c := r.in(inHalves).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			h, err := halves.load(r, string(k))
			if err != nil {
				return err
			}
			list = append(list, h)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func removeHalf(e custody.RemoveHalf) change {
	return func(w *writing) (settle.Outcome, error) {
		old, found, err := halves.frame(w, e.Name)
		switch {
		case err != nil:
			return 0, err
		case !found || e.Version != 0 && old.version != e.Version:
			return settle.Stale, nil
		}
		return settle.Done, halves.remove(w, e.Name)
	}
}
