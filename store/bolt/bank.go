package bolt

import (
	"context"
	"encoding/json"

	"mohur/seal"
)

// BankKey returns the key that seals what concerns no person. At the first call
// of a store's life create makes it; it is asked outside of any write, since an
// HSM may take its time, and if two callers come first at once the key of one is
// kept and given to both.
func (s *Store) BankKey(ctx context.Context, create func() (seal.Key, error)) (seal.Key, error) {
	var stored []byte
	err := s.view(ctx, func(r reading) error {
		stored = append(stored, r.get(inMeta, metaBankKey)...)
		return nil
	})
	if err != nil {
		return seal.Key{}, err
	}
	if stored != nil {
		return decodeBankKey(stored)
	}
	key, err := create()
	if err != nil {
		return seal.Key{}, err
	}
	return s.keepBankKey(ctx, key)
}

func (s *Store) keepBankKey(ctx context.Context, key seal.Key) (seal.Key, error) {
	row, err := json.Marshal(key)
	if err != nil {
		return seal.Key{}, err
	}
	kept := new(seal.Key)
	err = s.submit(ctx, request{key: "meta", weight: 1, run: func(w *writing) (keep bool, err error) {
		if stored := w.get(inMeta, metaBankKey); stored != nil {
			*kept, err = decodeBankKey(stored)
			return false, err
		}
		*kept = key
		return true, w.put(inMeta, metaBankKey, row)
	}})
	if err != nil {
		return seal.Key{}, err
	}
	return *kept, nil
}

func decodeBankKey(b []byte) (key seal.Key, err error) {
	if err := json.Unmarshal(b, &key); err != nil {
		return seal.Key{}, damaged(inMeta, metaBankKey, err)
	}
	return key, nil
}
