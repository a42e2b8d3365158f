package parties

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/problem"
	"mohur/settle"
)

// CreateClientCommand makes a client. No channel means all three. A zero
// Expires is one year; a key that does not end is for development only.
type CreateClientCommand struct {
	Caller   Caller
	Name     string
	Roles    []Role
	Channels []Channel
	Life     time.Duration
	Endless  bool
	First    bool // ends with the first log-in of a member of staff
}

// keyLife is how long an API key lives unless asked otherwise.
const keyLife = 365 * 24 * time.Hour

func (c *CreateClientCommand) check() error {
	var p problem.Check
	p.Unless(ValidName(c.Name), "name", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	p.Unless(len(c.Roles) > 0, "role", "needs at least one role")
	for _, r := range c.Roles {
		p.Unless(slices.Contains(Roles(), r), "role", "there is no role "+string(r))
	}
	for _, ch := range c.Channels {
		p.Unless(slices.Contains(Channels(), ch), "channel", "needs to be pc, internet or mobile")
	}
	if a, b, ok := Compatible(c.Roles); !ok && !c.Caller.Development {
		p.Unless(false, "role", string(a)+" and "+string(b)+" exclude each other")
	}
	p.Unless(c.Life >= 0, "life", "cannot be negative")
	return p.Err()
}

// CreateClient makes a client and returns its API key, which is shown once.
func (s *Service) CreateClient(ctx context.Context, cmd CreateClientCommand) (Client, string, error) {
	if err := cmd.check(); err != nil {
		return Client{}, "", err
	}
	now := s.Now().UTC()
	c := Client{ID: ident.New("cl"), Name: cmd.Name, Roles: cmd.Roles, Channels: cmd.Channels, First: cmd.First, CreatedAt: now, Version: 1}
	if len(c.Channels) == 0 {
		c.Channels = Channels()
	}
	var expires time.Time
	switch {
	case cmd.Endless && cmd.Caller.Development:
	case cmd.Life > 0:
		expires = now.Add(cmd.Life)
	default:
		expires = now.Add(keyLife)
	}
	text, key := NewKey(c.ID, now, expires)
	c.Keys = []ClientKey{key}
	r, err := s.settle(ctx, []settle.Effect{SaveClient{c}}, audit.Event{
		Name: "client.created", Outcome: "created", Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{"client": c.ID, "name": c.Name, "roles": c.Roles, "channels": c.Channels, "expires": expires},
	})
	if err != nil {
		return Client{}, "", err
	}
	if r.Outcome != settle.Done {
		return Client{}, "", problem.New(problem.Conflict, "the client could not be created; try again")
	}
	return c, text, nil
}

// Authenticate returns the caller an API key belongs to. Every failure is the
// same 401. The HSM is asked only of a client that has such a key, or had it of
// late: whoever sends wrong ones costs it nothing. What the record says is believed
// only if it is the one the server wrote.
func (s *Service) Authenticate(ctx context.Context, key string) (Caller, error) {
	denied := problem.New(problem.Unauthorized, "the API key is missing, wrong or expired")
	id, ok := KeyClient(key)
	if !ok {
		return Caller{}, denied
	}
	if have, is := s.known.find(id, s.Now()); !is || !have.Holds(key, s.Now()) {
		keys, err := s.Store.ClientKeys(ctx, id)
		if errors.Is(err, ErrNotFound) {
			s.known.forget(id)
			return Caller{}, denied
		}
		if err != nil {
			return Caller{}, problem.Away(err)
		}
		if !holds(keys, key, s.Now()) {
			s.known.narrow(id, keys)
			return Caller{}, denied
		}
	}
	c, err := s.Store.Client(ctx, id)
	if errors.Is(err, ErrNotFound) {
		s.known.forget(id)
		return Caller{}, denied
	}
	if err != nil {
		return Caller{}, problem.Away(err)
	}
	if !c.Holds(key, s.Now()) { // ended meanwhile
		s.known.narrow(id, c.Keys)
		return Caller{}, denied
	}
	if c.First {
		if in, err := s.joined(ctx); in || err != nil {
			s.known.forget(id)
			return Caller{}, cmp.Or(err, error(denied))
		}
	}
	s.known.remember(c, s.Now())
	return c.caller(), nil
}

func (c Client) caller() Caller {
	return Caller{Kind: "client", ID: c.ID, Name: c.Name, Roles: c.Roles, Channels: c.Channels}
}
