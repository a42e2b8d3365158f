package pkcs11

import (
	"crypto/rand"
	"errors"
	"runtime"
	"slices"
	"sync"

	p11 "github.com/miekg/pkcs11"
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

// createSecret makes a key of a value that this process has in the clear.
//
// A library that speaks to its device over a network has the value in buffers of
// its own then, and frees them as they are: p11-kit's does, where a memory dump
// showed a transport key. So the same is done again at once, on the same thread,
// with a random value of the same length: it takes the same path through the
// library, and lands in the same buffers. Nothing demands that it does, but the
// allocators there are give back last what they were given last.
func (s *session) createSecret(value []byte, inToken bool, template []*p11.Attribute) (p11.ObjectHandle, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	with := func(token bool, v []byte) []*p11.Attribute {
		return append(slices.Clone(template), p11.NewAttribute(p11.CKA_TOKEN, token), p11.NewAttribute(p11.CKA_VALUE, v))
	}
	object, err := s.plain.createObject(s.handle, with(inToken, value))
	other := make([]byte, len(value))
	_, _ = rand.Read(other) // never fails
	if cover, refused := s.plain.createObject(s.handle, with(false, other)); refused == nil {
		_ = s.ctx.DestroyObject(s.handle, cover) // it lives in the session, and no longer
	}
	return object, err
}
