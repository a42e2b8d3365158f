package payment_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"mohur/payment"
	"mohur/problem"
)

// Payments that got into each other's way go one at a time, proofs before the others, and
// who gives up leaves the turn to the next.
func TestPaymentsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s payment.Service
		end, err := s.Turn(t.Context(), "C-1")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		wait := func(name string, turn func(context.Context, string) (func(), error)) {
			go func() {
				end, err := turn(t.Context(), "C-1")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				end()
			}()
			synctest.Wait()
		}
		wait("begun", s.After)
		wait("begun next", s.After)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := s.Turn(ctx, "C-1")
			gone <- err
		}()
		synctest.Wait()
		wait("proven", s.Turn)
		if other, err := s.Turn(t.Context(), "C-2"); err != nil {
			t.Error(err)
		} else {
			other()
		}
		cancel()
		if err := <-gone; !problem.Is(err, problem.Unavailable) {
			t.Errorf("who gave up: %v", err)
		}
		end()
		synctest.Wait()
		if want := []string{"proven", "begun", "begun next"}; !slices.Equal(order, want) {
			t.Errorf("%q, want %q", order, want)
		}
		if end, err = s.After(t.Context(), "C-1"); err != nil {
			t.Fatal(err)
		}
		end()
	})
}
