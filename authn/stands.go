package authn

import (
	"context"
	"errors"
	"slices"
	"time"

	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// Given is a proof that was granted and waits for those of others.
type Given struct {
	Customer   string
	Credential string // that proved
	Session    string // from which the proof was begun
	At         time.Time
	Channel    parties.Channel // of what it is for
}

// ownEnds are the ends of a session that say nothing against a proof given before: the
// customer's own, and those of time. After any other, and after one that is added later
// and not here, the proof does not count.
var ownEnds = []string{"", "logout", "too-many-sessions", "rotated", "idle", "absolute"}

// Stands reports whether a proof still counts: neither its customer nor his channel was
// suspended since, nor that of what it is for, neither the token that proved nor that of the session was out of use,
// and nobody threw him out. The effects require all of it to be as it was read.
func (s *Service) Stands(ctx context.Context, g Given) (bool, []settle.Effect, error) {
	c, err := s.Store.Customer(ctx, g.Customer)
	if errors.Is(err, parties.ErrNotFound) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, problem.Away(err)
	}
	session, err := s.Store.Session(ctx, g.Session)
	if errors.Is(err, parties.ErrNotFound) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, problem.Away(err)
	}
	if !c.Serves(session.Channel, g.At) || !c.Serves(g.Channel, g.At) || session.Customer != c.ID || !slices.Contains(ownEnds, session.EndReason) {
		return false, nil, nil
	}
	effects := []settle.Effect{parties.RequireCustomer{ID: c.ID, Version: c.Version}, RequireSession{ID: session.ID, Version: session.Version}}
	for _, id := range slices.Compact([]string{g.Credential, session.Credential}) {
		version, ok, err := s.inUseSince(ctx, c.ID, id, g.At)
		if !ok || err != nil {
			return false, nil, err
		}
		effects = append(effects, settle.RequireHot{ID: id, Version: version})
	}
	return true, effects, nil
}

// Holds reports whether a proof for an act, or for an enrolment that waits, still
// counts: neither the customer nor the channel was suspended since, and the credential
// that gave it was in use all the time. The effects require that it stays so, and come
// before whatever changes one of the two.
func (s *Service) Holds(ctx context.Context, c parties.Customer, p tokens.Proof) (bool, []settle.Effect, error) {
	if !c.Serves(parties.Channel(p.Channel), p.At) || (p.Credential == "") == (p.Secret == "") {
		return false, nil, nil
	}
	effects := []settle.Effect{parties.RequireCustomer{ID: c.ID, Version: c.Version}}
	if p.Credential == "" {
		return true, effects, nil
	}
	version, ok, err := s.inUseSince(ctx, c.ID, p.Credential, p.At)
	if !ok || err != nil {
		return false, nil, err
	}
	return true, append(effects, settle.RequireHot{ID: p.Credential, Version: version}), nil
}

// inUseSince reports whether a credential of the customer's can be used and could be all
// the time since then, and the version of its row.
func (s *Service) inUseSince(ctx context.Context, customer, credential string, then time.Time) (uint64, bool, error) {
	if stopped, err := s.stopsCredential(ctx, customer, credential); stopped || err != nil {
		return 0, false, err
	}
	if again, err := s.resumedSince(ctx, Session{Credential: credential, AuthTime: then}); again || err != nil {
		return 0, false, err
	}
	rows, err := s.Store.Hot(ctx, credential)
	if err != nil {
		return 0, false, problem.Away(err)
	}
	intact, err := rows[0].Intact(ctx, s.HSM)
	if err != nil {
		return 0, false, problem.Away(err)
	}
	hot := rows[0].Hot
	return hot.Version, intact && hot.State == settle.HotLive && hot.Owner == settle.OwnerOf(customer), nil
}
