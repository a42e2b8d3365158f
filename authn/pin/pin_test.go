package pin_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn/pin"
	"mohur/hsm"
	"mohur/hsm/hsmtest"
)

func TestAPINVerifiesAtItsPlaceOnly(t *testing.T) {
	m := hsmtest.SoftHSM(t)
	v := pin.NewVerifier(m, 2)
	sealed, err := v.Hash(t.Context(), "C-1", 3, "271828")
	if err != nil {
		t.Fatal(err)
	}
	again, err := v.Hash(t.Context(), "C-1", 3, "271828")
	if err != nil || string(again) == string(sealed) {
		t.Fatalf("two hashes of one PIN are equal, %v", err)
	}
	rec := pin.Record{Customer: "C-1", Version: 3, Sealed: sealed}
	for text, want := range map[string]bool{"271828": true, "271829": false, "27182": false, "2718281": false, "": false, "２７１８２８": false} {
		if got, err := v.Verify(t.Context(), rec, text); err != nil || got != want {
			t.Errorf("PIN %q: %v, %v", text, got, err)
		}
	}
	for name, r := range map[string]pin.Record{
		"another customer's": {Customer: "C-2", Version: 3, Sealed: sealed},
		"another version":    {Customer: "C-1", Version: 4, Sealed: sealed},
		"changed":            {Customer: "C-1", Version: 3, Sealed: append([]byte(nil), sealed[:len(sealed)-1]...)},
		"empty":              {Customer: "C-1", Version: 3},
	} {
		got, err := v.Verify(t.Context(), r, "271828")
		if got || !errors.Is(err, pin.ErrRecord) {
			t.Errorf("%s record: %v, %v", name, got, err)
		}
	}
}

// An HSM that is away is not a wrong PIN and not a damaged record.
func TestAnOutageIsNeither(t *testing.T) {
	m := &hsmtest.Faulty{Module: hsmtest.SoftHSM(t)}
	v := pin.NewVerifier(m, 2)
	sealed, err := v.Hash(t.Context(), "C-1", 1, "271828")
	if err != nil {
		t.Fatal(err)
	}
	m.FailAll(&hsm.Fault{Class: hsm.ClassDevice, Op: "test"})
	if _, err := v.Verify(t.Context(), pin.Record{Customer: "C-1", Version: 1, Sealed: sealed}, "271828"); err == nil || errors.Is(err, pin.ErrRecord) {
		t.Errorf("with the HSM away: %v", err)
	}
}

func TestFaultsOfAPIN(t *testing.T) {
	for text, good := range map[string]bool{
		"271828": true, "314159265358": true, "100000": true, "112233": true,
		"": false, "27182": false, "3141592653589": false, "27182x": false, "111111": false, "123456": false, "654321": false, "0123456789": false, "２７１８２８": false, "-71828": false,
	} {
		if (pin.Fault(text) == "") != good {
			t.Errorf("%q: %q", text, pin.Fault(text))
		}
	}
}

// counting is an HSM that knows how many PINs wait to be hashed.
type counting struct {
	pin.HSM
	opened atomic.Int64
}

func (c *counting) Open(ctx context.Context, key hsm.Key, place string, sealed []byte) ([]byte, error) {
	c.opened.Add(1)
	return c.HSM.Open(ctx, key, place, sealed)
}

// Many log-ins at once wait for a slot, and who gives up waiting is not judged.
func TestSlotsBoundTheWork(t *testing.T) {
	m := &counting{HSM: hsmtest.SoftHSM(t)}
	v := pin.NewVerifier(m, 1)
	sealed, err := v.Hash(t.Context(), "C-1", 1, "271828")
	if err != nil {
		t.Fatal(err)
	}
	rec := pin.Record{Customer: "C-1", Version: 1, Sealed: sealed}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var right, gone atomic.Int64
	var work sync.WaitGroup
	for range 64 {
		work.Go(func() {
			switch ok, err := v.Verify(ctx, rec, "271828"); {
			case ok && err == nil:
				right.Add(1)
			case errors.Is(err, context.DeadlineExceeded):
				gone.Add(1)
			default:
				t.Errorf("%v, %v", ok, err)
			}
		})
	}
	work.Wait()
	if right.Load() == 0 || right.Load()+gone.Load() != 64 {
		t.Errorf("%d judged, %d gave up", right.Load(), gone.Load())
	}
}
