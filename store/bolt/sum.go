package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"mohur/settle"
)

// sum is what is reserved under a key. After until it is forgotten; 0 keeps it.
type sum struct {
	amount int64
	until  int64 // Unix microseconds, rounded up
}

const sumSize = 16

func (s sum) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, sumSize), uint64(s.amount))
	return binary.BigEndian.AppendUint64(b, uint64(s.until))
}

func decodeSum(b []byte) (sum, error) {
	if len(b) != sumSize {
		return sum{}, errors.New("it is not a sum")
	}
	s := sum{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}
	if s.amount < 0 {
		return sum{}, errors.New("it is a sum below zero")
	}
	return s, nil
}

func (s sum) over(now time.Time) bool { return s.until != 0 && now.UnixMicro() >= s.until }

func (s sum) removal(key string) indexKey {
	return removal(time.UnixMicro(s.until).Add(keepSum), inSums, key)
}

func untilMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Microsecond - 1).UnixMicro()
}

// errAmount refuses amounts that would turn a reservation into its contrary.
var errAmount = errors.New("store: a reserved or released amount is not below zero")

// reserve adds to a sum below a ceiling. A sum whose time is over counts as
// zero, but not for a reservation of that same time that comes late: else every
// one of those still under way at midnight would find the ceiling untouched.
func (s *Store) reserve(r settle.Reserve) (change, error) {
	if r.Amount < 0 {
		return nil, errAmount
	}
	until := untilMicro(r.Until)
	return func(w *writing) (settle.Outcome, error) {
		have, err := loadSum(w, r.Key)
		if err != nil {
			return 0, err
		}
		now := have
		switch forgotten := have.over(s.now()) && (until == 0 || until > have.until); {
		case forgotten, have == sum{}:
			now = sum{until: until}
		default:
			now.until = latest(have.until, until)
		}
		if now.amount > r.Ceiling || r.Amount > r.Ceiling-now.amount {
			return settle.Over, nil
		}
		now.amount += r.Amount
		return settle.Done, putSum(w, r.Key, have, now)
	}, nil
}

// latest returns the later of two times, 0 being never over.
func latest(a, b int64) int64 {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

// release takes an amount back. What is not there cannot be taken back, and
// there is nothing wrong with that: the sum may have been forgotten.
func release(r settle.Release) (change, error) {
	if r.Amount < 0 {
		return nil, errAmount
	}
	return func(w *writing) (settle.Outcome, error) {
		have, err := loadSum(w, r.Key)
		if err != nil || have == (sum{}) {
			return settle.Done, err
		}
		now := have
		now.amount = max(0, have.amount-r.Amount)
		return settle.Done, putSum(w, r.Key, have, now)
	}, nil
}

func loadSum(g getter, key string) (sum, error) {
	b := g.get(inSums, key)
	if b == nil {
		return sum{}, nil
	}
	s, err := decodeSum(b)
	if err != nil {
		return sum{}, damaged(inSums, key, err)
	}
	return s, nil
}

func putSum(w *writing, key string, old, now sum) error {
	if now == (sum{}) {
		return removeSum(w, key)
	}
	if old.until != now.until {
		if old.until != 0 {
			w.remove(expiry, old.removal(key).key)
		}
		if now.until != 0 {
			if err := w.put(expiry, now.removal(key).key, []byte(key)); err != nil {
				return err
			}
		}
	}
	return w.put(inSums, key, now.encode())
}

func removeSum(w *writing, key string) error {
	have, err := loadSum(w, key)
	if err != nil {
		return err
	}
	if have.until != 0 {
		w.remove(expiry, have.removal(key).key)
	}
	w.remove(inSums, key)
	return nil
}

// Reserved implements payment.Store.
func (s *Store) Reserved(ctx context.Context, key string, now time.Time) (amount int64, err error) {
	err = s.view(ctx, func(r reading) error {
		have, err := loadSum(r, key)
		if err == nil && !have.over(now) {
			amount = have.amount
		}
		return err
	})
	return amount, err
}
