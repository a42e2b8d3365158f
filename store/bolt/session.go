package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"mohur/authn"
)

// Session implements authn.Store.
func (s *Store) Session(ctx context.Context, id string) (session authn.Session, err error) {
	err = s.view(ctx, func(r reading) (err error) {
		session, err = loadSession(r, id)
		return err
	})
	if err == nil {
		s.touches.over(&session)
	}
	return session, err
}

// Sessions implements authn.Store.
func (s *Store) Sessions(ctx context.Context, customer string) ([]authn.Session, error) {
	l := listing[authn.Session]{table: sessions, index: sessionsOpen, prefix: joined(customer)}
	l.keep = func(r reading, session *authn.Session) (bool, error) {
		if err := touched(r, session); err != nil {
			return false, err
		}
		s.touches.over(session)
		return true, nil
	}
	return l.all(ctx, s)
}

func loadSession(g getter, id string) (authn.Session, error) {
	session, err := sessions.load(g, id)
	if err != nil {
		return authn.Session{}, err
	}
	if err := touched(g, &session); err != nil {
		return authn.Session{}, err
	}
	return session, nil
}

// touched sets LastUsed to the last touch, if that is later than what the
// record itself says. A touch is a row of its own: it neither rewrites the
// record nor moves its version, so it cannot make a log-out stale.
func touched(g getter, session *authn.Session) error {
	b := g.get(inSessionUsed, session.ID)
	if b == nil {
		return nil
	}
	if len(b) != 8 {
		return damaged(inSessionUsed, session.ID, errors.New("it is not a time"))
	}
	if at := time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC(); at.After(session.LastUsed) {
		session.LastUsed = at
	}
	return nil
}

func removeSession(w *writing, id string) error {
	if err := sessions.remove(w, id); err != nil {
		return err
	}
	w.remove(inSessionUsed, id)
	return nil
}
