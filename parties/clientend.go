package parties

import (
	"context"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/problem"
	"mohur/settle"
)

// maxKeys is how many keys of a client are valid at once: one in use, and the one
// that is to follow it.
const maxKeys = 2

// clientTries bounds how often a client that was changed meanwhile is read again.
const clientTries = 5

// AddKeyCommand gives a client a further key, to change over to. A zero Life is one
// year.
type AddKeyCommand struct {
	Caller Caller
	Client string
	Life   time.Duration
}

// AddKey makes a key and returns it; it is shown once.
func (s *Service) AddKey(ctx context.Context, cmd AddKeyCommand) (Client, ClientKey, string, error) {
	var p problem.Check
	p.Unless(cmd.Life >= 0, "life", "cannot be negative")
	if err := p.Err(); err != nil {
		return Client{}, ClientKey{}, "", err
	}
	if cmd.Life == 0 {
		cmd.Life = keyLife
	}
	var text string
	var key ClientKey
	c, err := s.changeClient(ctx, cmd.Client, func(c *Client, now time.Time) (clientChange, error) {
		c.Keys = c.liveKeys(now)
		switch {
		case !c.EndedAt.IsZero():
			return clientChange{}, errEnded
		case len(c.Keys) >= maxKeys:
			return clientChange{}, problem.New(problem.Conflict, "the client has two valid keys; end one of them first")
		}
		text, key = NewKey(c.ID, now, now.Add(cmd.Life))
		c.Keys = append(c.Keys, key)
		return clientChange{event: audit.Event{
			Name: "client.key-added", Outcome: "added", Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
			Detail: map[string]any{"client": c.ID, "key": key.ID(), "expires": key.ExpiresAt},
		}}, nil
	})
	return c, key, text, err
}

// EndKey ends one of a client's keys at once.
func (s *Service) EndKey(ctx context.Context, by Caller, client, key string) error {
	_, err := s.changeClient(ctx, client, func(c *Client, now time.Time) (clientChange, error) {
		is := func(k ClientKey) bool { return k.ID() == key }
		if !slices.ContainsFunc(c.Keys, is) {
			return clientChange{}, problem.New(problem.NotFound, "the client has no such key")
		}
		admin := c.administers(now)
		c.Keys = slices.DeleteFunc(slices.Clone(c.Keys), is)
		return clientChange{lost: admin && !c.administers(now), by: by, event: audit.Event{
			Name: "client.key-ended", Outcome: "ended", Caller: by.ID, Request: by.Request,
			Detail: map[string]any{"client": c.ID, "key": key},
		}}, nil
	})
	return err
}

// EndClient ends a client with all its keys: whatever it sends from now on is the
// 401 of a stranger. What it began stays; nobody acts on it any more.
func (s *Service) EndClient(ctx context.Context, by Caller, client string) error {
	_, err := s.changeClient(ctx, client, func(c *Client, now time.Time) (clientChange, error) {
		if !c.EndedAt.IsZero() {
			return clientChange{}, errEnded
		}
		lost := c.administers(now)
		c.Keys, c.EndedAt = nil, now
		return clientChange{lost: lost, by: by, event: audit.Event{
			Name: "client.ended", Outcome: "ended", Caller: by.ID, Request: by.Request,
			Detail: map[string]any{"client": c.ID, "name": c.Name, "roles": c.Roles},
		}}, nil
	})
	return err
}

var errEnded = problem.New(problem.Conflict, "the client has ended")

// administers reports whether the client can make and end clients.
func (c Client) administers(now time.Time) bool {
	return slices.Contains(c.Roles, Admin) && len(c.liveKeys(now)) > 0
}

// clientChange is what a change of a client is settled with.
type clientChange struct {
	event audit.Event
	lost  bool // an administrator is lost
	by    Caller
}

// changeClient reads a client, has it changed and settles it, anew if it was
// changed meanwhile.
func (s *Service) changeClient(ctx context.Context, id string, change func(*Client, time.Time) (clientChange, error)) (Client, error) {
	for range clientTries {
		c, err := s.Store.Client(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return Client{}, problem.New(problem.NotFound, "there is no such client")
		}
		if err != nil {
			return Client{}, problem.Away(err)
		}
		made, err := change(&c, s.Now().UTC())
		if err != nil {
			return Client{}, err
		}
		c.Version++
		effects := []settle.Effect{SaveClient{c}}
		if made.lost {
			other, err := s.otherAdmin(ctx, c.ID, made.by)
			if err != nil {
				return Client{}, err
			}
			effects = append(effects, other...)
		}
		r, err := s.settle(ctx, effects, made.event)
		if err != nil {
			return Client{}, err
		}
		if r.Outcome == settle.Done {
			s.known.narrow(c.ID, c.Keys)
			return c, nil
		}
	}
	return Client{}, problem.New(problem.Conflict, "the client is being changed by somebody else; look, and try again")
}

// otherAdmin names an administrator who stays, to be required in the same write:
// two who end each other at the same moment would leave nobody. Whoever runs the
// server itself needs none: he is one, on the host.
func (s *Service) otherAdmin(ctx context.Context, but string, by Caller) ([]settle.Effect, error) {
	if by.Kind == "host" {
		return nil, nil
	}
	all, err := s.Store.Clients(ctx)
	if err != nil {
		return nil, problem.Away(err)
	}
	for _, c := range all {
		if c.ID != but && c.administers(s.Now()) {
			return []settle.Effect{RequireClient{ID: c.ID, Version: c.Version}}, nil
		}
	}
	return nil, problem.New(problem.Conflict, "this is the last administrator; make another one first, or end it on the host with `mohur client end`")
}
