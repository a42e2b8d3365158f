package pkcs11

import (
	"errors"
	"sync"
)

// secret is this package's own copy of a seed or key on its way into the module.
// A call that hangs outlives its caller, so neither side alone knows when the
// copy may be cleared: the later of the two clears it.
type secret struct {
	mu    sync.Mutex
	bytes []byte // nil once cleared
}

// newSecret copies b and fills it with zeros up to size.
func newSecret(b []byte, size int) *secret {
	s := &secret{bytes: make([]byte, max(size, len(b)))}
	copy(s.bytes, b)
	return s
}

// use runs f on the bytes, unless they have been cleared.
func (s *secret) use(f func([]byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes == nil {
		return errors.New("the caller has left")
	}
	return f(s.bytes)
}

// clear clears the bytes, at once or when the call that uses them returns.
func (s *secret) clear() {
	if s.mu.TryLock() {
		s.clearLocked()
		return
	}
	go func() {
		s.mu.Lock()
		s.clearLocked()
	}()
}

func (s *secret) clearLocked() {
	clear(s.bytes)
	s.bytes = nil
	s.mu.Unlock()
}

// zero says whether a secret is all zeros: cleared before, or never filled.
func zero(b []byte) bool {
	var any byte
	for _, v := range b {
		any |= v
	}
	return any == 0
}
