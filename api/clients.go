package api

import (
	"context"
	"errors"
	"time"

	"mohur/parties"
	"mohur/problem"
)

type clientIn struct {
	Name     string            `json:"name"`
	Roles    []parties.Role    `json:"roles"`
	Channels []parties.Channel `json:"channels"`
	Days     int64             `json:"days"`
}

// maxDays is the longest life of an API key.
const maxDays = 3650

type newClientOut struct {
	ID        string     `json:"id"`
	KeyID     string     `json:"key_id"`
	Key       string     `json:"key"` // shown this once
	ExpiresAt *time.Time `json:"expires_at,omitzero"`
}

// createClient makes a client and tells its key, once.
func (x *exchange) createClient(ctx context.Context, in clientIn) (reply, error) {
	if in.Days < 0 || in.Days > maxDays {
		return reply{}, invalid("days", "needs to be 1 to 3650")
	}
	c, key, err := x.server.Parties.CreateClient(ctx, parties.CreateClientCommand{
		Caller: x.by, Name: in.Name, Roles: in.Roles, Channels: in.Channels, Life: time.Duration(in.Days) * 24 * time.Hour,
	})
	if err != nil {
		return reply{}, renamed(err, map[string]string{"role": "roles", "channel": "channels", "life": "days"})
	}
	return created(newClientOut{ID: c.ID, KeyID: c.Keys[0].ID(), Key: key, ExpiresAt: expiry(c.Keys[0])})
}

type clientKeyIn struct {
	Days int64 `json:"days"`
}

// addClientKey makes a further key of a client and tells it, once.
func (x *exchange) addClientKey(ctx context.Context, in clientKeyIn) (reply, error) {
	if in.Days < 0 || in.Days > maxDays {
		return reply{}, invalid("days", "needs to be 1 to 3650")
	}
	c, k, key, err := x.server.Parties.AddKey(ctx, parties.AddKeyCommand{Caller: x.by, Client: x.id("id"), Life: time.Duration(in.Days) * 24 * time.Hour})
	if err != nil {
		return reply{}, err
	}
	return created(newClientOut{ID: c.ID, KeyID: k.ID(), Key: key, ExpiresAt: expiry(k)})
}

// endClientKey ends one key of a client at once.
func (x *exchange) endClientKey(ctx context.Context) (reply, error) {
	if err := x.server.Parties.EndKey(ctx, x.by, x.id("id"), x.id("key")); err != nil {
		return reply{}, err
	}
	return done()
}

// endClient ends a client with all its keys at once.
func (x *exchange) endClient(ctx context.Context) (reply, error) {
	if err := x.server.Parties.EndClient(ctx, x.by, x.id("id")); err != nil {
		return reply{}, err
	}
	return done()
}

// renamed gives the faults of a refusal the names the members have here; the
// command line has others.
func renamed(err error, names map[string]string) error {
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Invalid {
		return err
	}
	out := *p
	out.Fields = nil
	for _, f := range p.Fields {
		if name, is := names[f.Field]; is {
			f.Field = name
		}
		out.Fields = append(out.Fields, f)
	}
	return &out
}

type clientOut struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Roles     []parties.Role    `json:"roles"`
	Channels  []parties.Channel `json:"channels"`
	Keys      []keyOut          `json:"keys"`
	CreatedAt time.Time         `json:"created_at"`
	EndedAt   *time.Time        `json:"ended_at,omitzero"`
}

// keyOut is an API key without anything that could serve as one.
type keyOut struct {
	ID        string     `json:"id"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitzero"` // not there: it does not end
}

func expiry(k parties.ClientKey) *time.Time {
	if k.ExpiresAt.IsZero() {
		return nil
	}
	at := k.ExpiresAt.UTC()
	return &at
}

func clientOf(c parties.Client) clientOut {
	out := clientOut{ID: c.ID, Name: c.Name, Roles: c.Roles, Channels: c.Channels, Keys: []keyOut{}, CreatedAt: c.CreatedAt.UTC()}
	if !c.EndedAt.IsZero() {
		at := c.EndedAt.UTC()
		out.EndedAt = &at
	}
	for _, k := range c.Keys {
		out.Keys = append(out.Keys, keyOut{ID: k.ID(), CreatedAt: k.CreatedAt.UTC(), ExpiresAt: expiry(k)})
	}
	return out
}

// listClients lists the systems that may call, all of them.
func (x *exchange) listClients(ctx context.Context) (reply, error) {
	all, err := x.server.Store.Clients(ctx)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	return ok(pageOf(all, "", clientOf))
}
