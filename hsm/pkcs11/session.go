package pkcs11

import (
	p11 "github.com/miekg/pkcs11"
)

// session is one session of a link, used by one goroutine at a time. After any
// error it is dropped and opened anew: a failed operation may leave the session
// in the middle of it, and everything the session made dies with it.
type session struct {
	*link
	flags  uint
	handle p11.SessionHandle
	open   bool
}

// ready opens the session if it is not.
func (s *session) ready() error {
	if s.open {
		return nil
	}
	handle, err := s.ctx.OpenSession(s.slot, s.flags)
	if err != nil {
		return err
	}
	s.handle, s.open = handle, true
	return nil
}

// drop closes the session. What it answers does not matter any more.
func (s *session) drop() {
	if s.open {
		_ = s.ctx.CloseSession(s.handle)
		s.open = false
	}
}

// with runs f on a session of its own, for writes to the token and for searches
// that must not disturb the caller's session.
func (l *link) with(flags uint, f func(*session) error) error {
	s := &session{link: l, flags: flags}
	if err := s.ready(); err != nil {
		return err
	}
	defer s.drop()
	return f(s)
}
