package storetest

import (
	"context"
	"errors"
	"testing"

	"mohur/seal"
	"mohur/settle"
	"mohur/store"
	"mohur/tokens"
)

// testBankKey: made once, given to everybody.
func testBankKey(t *testing.T, s Store) {
	away := errors.New("away")
	if _, err := s.BankKey(t.Context(), func() (seal.Key, error) { return seal.Key{}, away }); !errors.Is(err, away) {
		t.Errorf("%v, want the maker's error", err)
	}
	keys := make([]seal.Key, 16)
	parallel(len(keys), func(i int) {
		var err error
		keys[i], err = s.BankKey(t.Context(), func() (seal.Key, error) {
			return seal.Key{Person: "bank", Wrapped: bytesOf(name("bk"))}, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	for _, key := range keys {
		same(t, "the bank's key", key, nil, keys[0])
	}
	key, err := s.BankKey(t.Context(), func() (seal.Key, error) { t.Error("made again"); return seal.Key{}, nil })
	same(t, "the bank's key later", key, err, keys[0])
	if len(key.Wrapped) == 0 || tail(t, s) != 0 {
		t.Errorf("key %+v, %d entries", key, tail(t, s))
	}
}

// testContext: a context that has ended before is an error that says so, and
// nothing was written.
func testContext(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	isEnded := func(err error) bool { return errors.Is(err, context.Canceled) }
	_, err := s.Settle(ctx, command(settle.SwapHot{Hot: hot("a", 1)}))
	if !isEnded(err) || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("Settle: %v, want context.Canceled and a known outcome", err)
	}
	if _, err := s.Customer(ctx, "cu"); !isEnded(err) {
		t.Errorf("Customer: %v", err)
	}
	if _, _, err := s.Tokens(ctx, tokens.Filter{}, "", 1); !isEnded(err) {
		t.Errorf("Tokens: %v", err)
	}
	if _, err := s.Sweep(ctx, epoch, 1); !isEnded(err) {
		t.Errorf("Sweep: %v", err)
	}
	if n := tail(t, s); n != 0 {
		t.Errorf("%d entries", n)
	}
}
