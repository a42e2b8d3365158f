package pkcs11

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// meterEvery is how many calls there are to one whose processor time is read:
// reading it twice costs a twentieth of a MAC.
const meterEvery = 8

// meter reads the processor time of a call, if it is one of those whose time is
// read, and returns what ends the reading. How long a call took would say too
// much: on a busy machine it waits for a processor inside.
func (m *Module) meter(op string) (done func()) {
	if m.cfg.ObserveCPU == nil || !metered(m.calls.Add(1)) {
		return func() {}
	}
	runtime.LockOSThread() // the clock is the thread's
	began := threadTime()
	return func() {
		spent := threadTime() - began
		runtime.UnlockOSThread()
		m.cfg.ObserveCPU(op, meterEvery*spent)
	}
}

// metered picks one call in meterEvery. The multiples of the golden ratio fall
// evenly everywhere: an answer's calls come in a fixed order, and every eighth
// would be the same few of them each time.
func metered(n uint64) bool { return n*0x9E3779B97F4A7C15 < 1<<64/meterEvery }

// threadTime is the processor time of this thread, 0 where the system does not
// tell it.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
