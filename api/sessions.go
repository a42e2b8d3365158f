package api

import (
	"context"
	"errors"
	"time"

	"mohur/authn"
	"mohur/problem"
)

// sessionGrant is a session in the answer that granted or renewed it.
type sessionGrant struct {
	ID            string     `json:"id"`
	Customer      string     `json:"customer"`
	AccessToken   string     `json:"access_token,omitzero"`
	ExpiresAt     *time.Time `json:"expires_at,omitzero"` // of the access token
	TokenType     string     `json:"token_type,omitzero"` // with it: DPoP or Bearer
	Holder        *cnfOut    `json:"cnf,omitzero"`
	IdleExpiresAt time.Time  `json:"idle_expires_at"`
	EndsAt        time.Time  `json:"ends_at"` // whatever the customer does
	// Activity is there in the answer that granted a log-in.
	Activity *earlierOut `json:"activity,omitzero"`
}

func (x *exchange) sessionGranted(g *authn.SessionGrant) *sessionGrant {
	if g == nil {
		return nil
	}
	out := &sessionGrant{ID: g.Session.ID, Customer: g.Session.Customer, AccessToken: g.AccessToken, IdleExpiresAt: g.IdleAt.UTC(), EndsAt: g.Session.ExpiresAt.UTC(), Holder: cnfOf(g.Session.Holder), Activity: x.earlier(g.Before)}
	if !g.ExpiresAt.IsZero() {
		until := g.ExpiresAt.UTC()
		out.ExpiresAt, out.TokenType = &until, tokenType(g.Session.Holder)
	}
	return out
}

type sessionOut struct {
	ID            string     `json:"id"`
	Customer      string     `json:"customer"`
	Channel       string     `json:"channel"`
	State         string     `json:"state"`           // live, ended
	Reason        string     `json:"reason,omitzero"` // of the end
	EndedAt       *time.Time `json:"ended_at,omitzero"`
	ACR           string     `json:"acr"`
	Shown         string     `json:"shown"`
	AMR           []string   `json:"amr"`
	AuthTime      time.Time  `json:"auth_time"`
	LastUsedAt    time.Time  `json:"last_used_at"`
	IdleExpiresAt time.Time  `json:"idle_expires_at"`
	EndsAt        time.Time  `json:"ends_at"`
	Holder        *cnfOut    `json:"cnf,omitzero"`
}

// sessionOf writes a session; why says why it is over, if that is told.
func (x *exchange) sessionOf(s authn.Session, live bool, why string) sessionOut {
	out := sessionOut{
		ID: s.ID, Customer: s.Customer, Channel: string(s.Channel), State: "live", Reason: why, ACR: string(s.ACR), Shown: s.Shown, AMR: s.AMR,
		AuthTime: s.AuthTime.UTC(), LastUsedAt: s.LastUsed.UTC(), IdleExpiresAt: x.server.Authn.IdleAt(s).UTC(), EndsAt: s.ExpiresAt.UTC(),
		Holder: cnfOf(s.Holder),
	}
	if !live {
		out.State = "ended"
	}
	if !s.EndedAt.IsZero() {
		at := s.EndedAt.UTC()
		out.EndedAt = &at
	}
	return out
}

// getSession returns a session, live or over.
func (x *exchange) getSession(ctx context.Context) (reply, error) {
	s, live, why, err := x.server.Authn.Look(ctx, x.by, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	return ok(x.sessionOf(s, live, why))
}

type touchIn struct {
	Activity    string     `json:"activity"`
	AccessToken string     `json:"access_token"`
	Context     *contextIn `json:"context"`
	DPoP        *string    `json:"dpop"`
	HTM         *string    `json:"htm"`
	HTU         *string    `json:"htu"`
	X5T         *string    `json:"x5t"`
}

// touchSession records activity. Only the customer's own extends a session.
func (x *exchange) touchSession(ctx context.Context, in touchIn) (reply, error) {
	if in.Activity != "user" && in.Activity != "poll" {
		return reply{}, invalid("activity", "needs to be user or poll")
	}
	shown, err := x.possession(ctx, possessionIn{in.DPoP, in.HTM, in.HTU, in.X5T})
	if err != nil {
		return reply{}, err
	}
	g, err := x.server.Authn.Touch(ctx, x.by, x.id("id"), in.AccessToken, in.Activity == "user", shown)
	if err != nil {
		return reply{}, err
	}
	return ok(x.sessionGranted(g))
}

// endSession logs out, or throws out.
func (x *exchange) endSession(ctx context.Context) (reply, error) {
	if err := x.server.Authn.End(ctx, x.by, x.id("id"), x.endReason()); err != nil {
		return reply{}, err
	}
	return done()
}

func (x *exchange) endReason() string {
	if x.by.Only() {
		return "logout"
	}
	return "staff"
}

// openSessions returns the sessions of a customer that the caller may see and
// that are not over. They may be dead with the customer, his channel or his token.
func (x *exchange) openSessions(ctx context.Context, customer string) ([]authn.Session, error) {
	all, err := x.server.Store.Sessions(ctx, customer)
	if err != nil {
		return nil, problem.Away(err)
	}
	now := x.server.Now()
	var open []authn.Session
	for _, s := range all {
		over := !s.EndedAt.IsZero() || !now.Before(s.ExpiresAt) || !now.Before(x.server.Authn.IdleAt(s))
		if !over && x.by.MaySee(s.Client, s.Channel) {
			open = append(open, s)
		}
	}
	return open, nil
}

// listSessions lists the live sessions of a customer, newest first.
func (x *exchange) listSessions(ctx context.Context) (reply, error) {
	open, err := x.openSessions(ctx, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	var live []authn.Session
	for _, s := range open {
		alive, err := x.server.Authn.Alive(ctx, s)
		if err != nil {
			return reply{}, err
		}
		if alive {
			live = append(live, s)
		}
	}
	return ok(pageOf(live, "", func(s authn.Session) sessionOut { return x.sessionOf(s, true, "") }))
}

// endSessions ends all of them but one; a front end ends those it began.
func (x *exchange) endSessions(ctx context.Context) (reply, error) {
	except := x.filter().text("except")
	open, err := x.openSessions(ctx, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	for _, s := range open {
		if s.ID == except {
			continue
		}
		if err := x.server.Authn.End(ctx, x.by, s.ID, x.endReason()); err != nil {
			return reply{}, err
		}
	}
	return done()
}

type introspectIn struct {
	AccessToken string  `json:"access_token"`
	ACRValues   *string `json:"acr_values"`
	MaxAge      *int64  `json:"max_age"` // seconds
	DPoP        *string `json:"dpop"`
	HTM         *string `json:"htm"`
	HTU         *string `json:"htu"`
	X5T         *string `json:"x5t"`
}

// activeOut is the answer of RFC 7662 section 2.2 about a token that is good.
type activeOut struct {
	Active    bool     `json:"active"`
	TokenType string   `json:"token_type"`
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	Subject   string   `json:"sub"`
	Session   string   `json:"sid"`
	Client    string   `json:"client_id"`
	Channel   string   `json:"channel"`
	ACR       string   `json:"acr"`
	Shown     string   `json:"shown"`
	AMR       []string `json:"amr"`
	AuthTime  int64    `json:"auth_time"`
	ID        string   `json:"jti"`
	IssuedAt  int64    `json:"iat"`
	Expires   int64    `json:"exp"`
	Holder    *cnfOut  `json:"cnf,omitzero"`

	// Where acr_values or max_age was asked; the others only where it is not sufficient.
	Sufficient *bool  `json:"sufficient,omitzero"`
	Error      string `json:"error,omitzero"`
	ACRValues  string `json:"acr_values,omitzero"`
	MaxAge     *int64 `json:"max_age,omitzero"`
	Challenge  string `json:"www_authenticate,omitzero"`
}

// notSeconds is what is wrong with an age.
const notSeconds = "needs to be seconds, 0 to 31536000"

// demand is what the session's authentication has to reach, nil where nothing is asked.
func (in introspectIn) demand() (*authn.Demand, error) {
	if in.ACRValues == nil && in.MaxAge == nil {
		return nil, nil
	}
	var d authn.Demand
	if in.ACRValues != nil {
		var err error
		if d.ACRValues, err = authn.ParseACRValues(*in.ACRValues); err != nil {
			return nil, err
		}
	}
	if in.MaxAge != nil {
		if *in.MaxAge < 0 || *in.MaxAge > 31536000 {
			return nil, invalid("max_age", notSeconds)
		}
		age := time.Duration(*in.MaxAge) * time.Second
		d.MaxAge = &age
	}
	return &d, nil
}

// meets adds whether the session has what was asked for, and what tells the client of the
// caller that it has not.
func (out *activeOut) meets(lacks *problem.StepUp) {
	sufficient := lacks == nil
	out.Sufficient = &sufficient
	if lacks != nil {
		out.Error, out.ACRValues, out.MaxAge, out.Challenge = lacks.Code(), lacks.Values(), lacks.Seconds(), lacks.Header()
	}
}

// inactiveOut says nothing but that, and what whoever asks has to ask the customer's
// side for: a proof with the nonce.
type inactiveOut struct {
	Active bool   `json:"active"`
	Error  string `json:"error,omitzero"`
}

// introspect says whether an access token is good, its session live and the key it is
// bound to shown. What cannot be found out is an error, never "active", and never
// "inactive".
func (x *exchange) introspect(ctx context.Context, in introspectIn) (reply, error) {
	if in.AccessToken == "" {
		return reply{}, invalid("access_token", "is needed")
	}
	demand, err := in.demand()
	if err != nil {
		return reply{}, err
	}
	shown, err := x.possession(ctx, possessionIn{in.DPoP, in.HTM, in.HTU, in.X5T})
	if err != nil {
		return reply{}, err
	}
	claims, session, err := x.server.Authn.Introspected(ctx, x.by, in.AccessToken, shown)
	switch {
	case problem.Is(err, problem.UseNonce):
		return ok(inactiveOut{Error: "use_dpop_nonce"})
	case errors.Is(err, authn.ErrDead) || problem.Is(err, problem.InvalidProof):
		return ok(inactiveOut{})
	case err != nil:
		return reply{}, err
	}
	out := activeOut{
		Active: true, TokenType: tokenType(session.Holder), Issuer: claims.Issuer, Audience: claims.Audience, Subject: claims.Subject, Session: claims.Session,
		Client: claims.Client, Channel: string(session.Channel), ACR: string(session.ACR), Shown: session.Shown, AMR: session.AMR,
		AuthTime: claims.AuthTime, ID: claims.ID, IssuedAt: claims.IssuedAt, Expires: claims.Expires, Holder: cnfOf(session.Holder),
	}
	if demand != nil {
		out.meets(x.server.Authn.Lacks(session, *demand))
	}
	return ok(out)
}
