package bolt

import (
	"context"
	"time"

	"mohur/settle"
)

var memories = table[settle.Memory]{
	rows:    inMemories,
	key:     func(m *settle.Memory) (string, uint64) { return m.Scope, m.Version },
	indexes: func(m *settle.Memory) []indexKey { return []indexKey{removal(m.Until, inMemories, m.Scope)} },
}

// remember claims a scope until its time is over, also where the sweep has not
// come by yet.
func (s *Store) remember(r settle.Remember) (change, error) {
	m := settle.Memory{Scope: r.Scope, BodyMAC: r.BodyMAC, Until: r.Until, Version: 1}
	row, indexes, err := memories.encode(&m)
	if err != nil {
		return nil, err
	}
	return func(w *writing) (settle.Outcome, error) {
		_, held, err := s.held(w, r.Scope)
		if err != nil {
			return 0, err
		}
		if held {
			return settle.Exists, nil
		}
		return settle.Done, putMemory(w, r.Scope, row, indexes)
	}, nil
}

// held reads a memory whose time is not over.
func (s *Store) held(g getter, scope string) (settle.Memory, bool, error) {
	f, found, err := memories.frame(g, scope)
	if err != nil || !found {
		return settle.Memory{}, false, err
	}
	m, err := memories.decode(scope, f)
	if err != nil || !s.now().Before(m.Until) {
		return settle.Memory{}, false, err
	}
	return m, true, nil
}

func putMemory(w *writing, scope string, row []byte, indexes []indexKey) error {
	old, _, err := memories.frame(w, scope)
	if err != nil {
		return err
	}
	if err := reindex(w, scope, old.indexes, indexes); err != nil {
		return err
	}
	return w.put(inMemories, scope, row)
}

// Memory implements settle.Memories.
func (s *Store) Memory(ctx context.Context, scope string) (m settle.Memory, found bool, err error) {
	err = s.view(ctx, func(r reading) (err error) {
		m, found, err = s.held(r, scope)
		return err
	})
	return m, found, err
}

// Conclude implements settle.Memories.
func (s *Store) Conclude(ctx context.Context, r settle.Remember, answer []byte) error {
	m := settle.Memory{Scope: r.Scope, BodyMAC: r.BodyMAC, Until: r.Until, Answer: answer, Version: 2}
	row, indexes, err := memories.encode(&m)
	if err != nil {
		return err
	}
	return s.submit(ctx, request{
		key:    r.EffectKey(),
		weight: 2,
		run: func(w *writing) (bool, error) {
			have, held, err := s.held(w, r.Scope)
			if err != nil || held && len(have.Answer) > 0 {
				return false, err
			}
			return true, putMemory(w, r.Scope, row, indexes)
		},
	})
}

// FirstUse implements authn.Store.
func (s *Store) FirstUse(ctx context.Context, name string, until time.Time) (bool, error) {
	claim, err := s.remember(settle.Remember{Scope: name, Until: until})
	if err != nil {
		return false, err
	}
	first := new(settle.Outcome)
	err = s.submit(ctx, request{
		key:    "memory/" + name,
		weight: 2,
		run: func(w *writing) (bool, error) {
			o, err := claim(w)
			*first = o
			return o == settle.Done, err
		},
	})
	if err != nil {
		return false, err
	}
	return *first == settle.Done, nil
}
