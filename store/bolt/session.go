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
	return session, err
}

// Sessions implements authn.Store.
func (s *Store) Sessions(ctx context.Context, customer string) ([]authn.Session, error) {
	l := listing[authn.Session]{table: sessions, index: sessionsOpen, prefix: joined(customer)}
	l.keep = func(r reading, session *authn.Session) (bool, error) {
		return true, touched(r, session)
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

// TouchSession implements authn.Store. What would change nothing is not
// written, and waits for nobody.
func (s *Store) TouchSession(ctx context.Context, id string, at time.Time) error {
	session, err := s.Session(ctx, id)
	if err != nil || !advances(session, at) {
		return err
	}
	return s.submit(ctx, request{
		key:    "session/" + id,
		weight: 1,
		run: func(w *writing) (bool, error) {
			session, err := loadSession(w, id)
			if err != nil || !advances(session, at) {
				return false, err
			}
			return true, w.put(inSessionUsed, id, binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano())))
		},
	})
}

// advances reports whether a touch would move the session: forward, and not
// once it has ended.
func advances(session authn.Session, at time.Time) bool {
	return session.EndedAt.IsZero() && at.After(session.LastUsed)
}

func removeSession(w *writing, id string) error {
	if err := sessions.remove(w, id); err != nil {
		return err
	}
	w.remove(inSessionUsed, id)
	return nil
}
