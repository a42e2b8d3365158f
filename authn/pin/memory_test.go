package pin_test

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn/pin"
	"mohur/hsm/hsmtest"
)

// onHeap is what lies on the heap, in use or waiting for the collector, in bytes.
func onHeap() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// 64 log-ins at once take the memory of two runs: not of 64, and not of those
// that are over and wait to be collected.
func TestAttack03_64LogInsAtOnceTakeTheMemoryOfTwo(t *testing.T) {
	const run = 19 << 20
	v := pin.NewVerifier(hsmtest.SoftHSM(t), 2)
	rec := chosen(t, v, "C-1", "271828")
	// A server that holds something lets as much garbage pile up as it holds.
	held := make([]byte, 100<<20)
	runtime.GC()
	before := onHeap()
	var peak atomic.Int64
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
				peak.Store(max(peak.Load(), onHeap()-before))
			}
		}
	}()
	var right atomic.Int64
	var work sync.WaitGroup
	for range 64 {
		work.Go(func() {
			if ok, err := v.Verify(t.Context(), rec, "271828"); ok && err == nil {
				right.Add(1)
			}
		})
	}
	work.Wait()
	close(over)
	<-watched
	runtime.KeepAlive(held)
	if right.Load() != 64 {
		t.Errorf("%d of 64 were right", right.Load())
	}
	if most := peak.Load(); most < run/2 || most > 2*run+4<<20 {
		t.Errorf("at most %.1f MiB more than before; two runs take %d MiB", float64(most)/(1<<20), 2*run>>20)
	}
}
