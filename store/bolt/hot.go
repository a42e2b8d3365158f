package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"mohur/settle"
)

// errHot refuses rows that no reader could take for what they say they are.
var (
	errHot        = errors.New("store: a hot row has a version of 1 or more and a known state")
	errQuarantine = errors.New("store: a quarantining row is in state quarantined")
)

// swapHot writes the row over the version before it. Row and index must agree
// on that version: a row that was put back, or edited, is never built upon.
func swapHot(h settle.Hot) (change, error) {
	if err := checkHot(h); err != nil {
		return nil, err
	}
	return func(w *writing) (settle.Outcome, error) {
		version, indexed, found := hotVersions(w, h.ID)
		if found && h.Version == 1 || version != h.Version-1 || indexed != h.Version-1 {
			return settle.Stale, nil
		}
		return settle.Done, putHot(w, h)
	}, nil
}

// requireHot changes nothing and is stale unless row and index have the version.
func requireHot(e settle.RequireHot) change {
	return func(w *writing) (settle.Outcome, error) {
		if version, indexed, found := hotVersions(w, e.ID); !found || version != e.Version || indexed != e.Version {
			return settle.Stale, nil
		}
		return settle.Done, nil
	}
}

// quarantine writes the row whatever stands in it: no version of a changed row
// could be believed. Only the index counts: where it has moved on meanwhile, the
// row may have been rightly replaced and is to be read again.
func quarantine(h settle.Hot) (change, error) {
	if err := checkHot(h); err != nil {
		return nil, err
	}
	if h.State != settle.HotQuarantined {
		return nil, errQuarantine
	}
	return func(w *writing) (settle.Outcome, error) {
		if _, indexed, _ := hotVersions(w, h.ID); h.Version <= indexed && indexed < math.MaxUint64 {
			return settle.Stale, nil
		}
		return settle.Done, putHot(w, h)
	}, nil
}

func checkHot(h settle.Hot) error {
	if h.Version == 0 || h.State < settle.HotInert || h.State > settle.HotQuarantined {
		return errHot
	}
	return nil
}

func putHot(w *writing, h settle.Hot) error {
	if err := w.put(inHot, h.ID, h.Encode()); err != nil {
		return err
	}
	return w.put(inHotVersion, h.ID, binary.BigEndian.AppendUint64(nil, h.Version))
}

// hotVersions returns the version in the row and that in the index, 0 where
// there is none that can be read, and whether either exists.
func hotVersions(g getter, id string) (version, indexed uint64, found bool) {
	r, i := g.get(inHot, id), g.get(inHotVersion, id)
	if r != nil {
		version = settle.DecodeHot(id, r).Version
	}
	if len(i) == 8 {
		indexed = binary.BigEndian.Uint64(i)
	}
	return version, indexed, r != nil || i != nil
}

// Hot implements tokens.Store. Rows and index are of one snapshot, so that a
// row swapped meanwhile cannot look like one that was put back.
func (s *Store) Hot(ctx context.Context, ids ...string) ([]settle.HotRead, error) {
	rows := make([]settle.HotRead, len(ids))
	err := s.view(ctx, func(r reading) error {
		for i, id := range ids {
			rows[i] = readHot(r, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func readHot(g getter, id string) settle.HotRead {
	b := g.get(inHot, id)
	_, indexed, _ := hotVersions(g, id)
	if b == nil {
		return settle.HotRead{Hot: settle.Hot{ID: id}, Indexed: indexed}
	}
	return settle.HotRead{Hot: settle.DecodeHot(id, b), Indexed: indexed, Found: indexed != 0}
}
