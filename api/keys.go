package api

import (
	"context"
	"encoding/hex"
	"strings"

	"mohur/audit"
	"mohur/hsm"
	"mohur/jws"
	"mohur/problem"
	"mohur/settle"
)

// getKeySet publishes the keys with which access tokens and authorizations are
// verified (RFC 7517 section 5).
func (x *exchange) getKeySet(ctx context.Context) (reply, error) {
	session, err := x.server.HSM.Public(ctx, hsm.TokenSigning)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	authorization, err := x.server.HSM.Public(ctx, hsm.AuthorizationSigning)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	set, err := jws.Set(session, authorization)
	if err != nil {
		return reply{}, err
	}
	return reply{status: 200, kind: "application/jwk-set+json", body: set}, nil
}

// listKeys lists the keys in the HSM, by name; the keys themselves never leave
// it.
func (x *exchange) listKeys(ctx context.Context) (reply, error) {
	all, err := x.server.Keys.Keys(ctx)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	return ok(pageOf(all, "", func(k hsm.KeyInfo) hsm.KeyInfo { return k }))
}

type transportIn struct {
	Name string `json:"name"`
	Hex  string `json:"hex"`
}

// importTransport brings a manufacturer's transport key into the HSM. A bank
// does that in two halves by two people; one piece over the API is for
// development.
func (x *exchange) importTransport(ctx context.Context, in transportIn) (reply, error) {
	if !x.server.Development {
		return reply{}, problem.New(problem.Forbidden, "a transport key comes in by two people in two halves, not over the API")
	}
	key, err := hex.DecodeString(in.Hex)
	var c problem.Check
	c.Unless(validKeyName(in.Name), "name", "needs 1 to 32 of a-z 0-9 -")
	c.Unless(err == nil && (len(key) == 16 || len(key) == 32), "hex", "needs 16 or 32 bytes as hexadecimal digits")
	if err := c.Err(); err != nil {
		return reply{}, err
	}
	defer clear(key)
	err = x.onRecord(ctx, "key.import", in.Name, func() error { return x.server.Keys.ImportTransport(ctx, in.Name, key) })
	if err != nil {
		return reply{}, err
	}
	return created(map[string]string{"key": string(hsm.Transport(in.Name))})
}

// deleteTransport removes a transport key once its files are in.
func (x *exchange) deleteTransport(ctx context.Context) (reply, error) {
	name := x.id("name")
	if !validKeyName(name) {
		return reply{}, problem.New(problem.NotFound, "there is no such transport key")
	}
	err := x.onRecord(ctx, "key.delete", name, func() error { return x.server.Keys.DeleteTransport(ctx, name) })
	if err != nil {
		return reply{}, err
	}
	return done()
}

func validKeyName(name string) bool {
	return len(name) >= 1 && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// onRecord does something to the HSM's keys, with evidence of the attempt before
// and of the outcome after it (clause 5.11). Without the first nothing is done.
func (x *exchange) onRecord(ctx context.Context, event, name string, f func() error) error {
	if err := x.record(ctx, event, "begun", name); err != nil {
		return err
	}
	fault, outcome := f(), "done"
	if fault != nil {
		outcome = "failed"
	}
	// The outcome is recorded even when the caller has gone.
	if err := x.record(context.WithoutCancel(ctx), event, outcome, name); err != nil && fault == nil {
		return settled(err)
	}
	switch {
	case fault == nil:
		return nil
	case hsm.ClassOf(fault) == hsm.ClassInput:
		return &problem.Error{Code: problem.Conflict, Detail: "the HSM has not taken this: is the name free, or is there such a key?", Err: fault}
	}
	return problem.Away(fault)
}

func (x *exchange) record(ctx context.Context, event, outcome, key string) error {
	p := x.server.Parties
	_, err := settle.Write(ctx, p.Settler, p.Audit, nil, []audit.Event{{
		Name: event, Outcome: outcome, Caller: x.by.ID, Request: x.by.Request,
		Detail: map[string]any{"key": string(hsm.Transport(key)), "by": x.by.Name, "source": x.by.Source},
	}})
	return err
}
