package authn

import (
	"context"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/hsm"
	"mohur/ident"
	"mohur/jws"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// AccessTokenType is the typ of an access token (RFC 9068 section 2.1).
const AccessTokenType = "at+jwt"

// AccessClaims are the claims of an access token (RFC 9068 section 2.2).
type AccessClaims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Session  string   `json:"sid"`
	Client   string   `json:"client_id"`
	ACR      ACR      `json:"acr"`
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"`
	ID       string   `json:"jti"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	Holder   Holder   `json:"cnf,omitzero"`
}

// issue signs an access token for a session; it never outlives the session.
func (s *Service) issue(ctx context.Context, session Session, now time.Time) (*SessionGrant, error) {
	until := now.Add(s.Settings.TokenLife)
	if until.After(session.ExpiresAt) {
		until = session.ExpiresAt
	}
	text, err := jws.Sign(ctx, s.HSM, hsm.TokenSigning, AccessTokenType, AccessClaims{
		Issuer: s.Settings.Issuer, Audience: s.audience(session.Customer), Subject: session.Customer, Session: session.ID, Client: session.Client,
		ACR: session.ACR, AMR: session.AMR, AuthTime: session.AuthTime.Unix(), ID: ident.New("jt"), IssuedAt: now.Unix(), Expires: until.Unix(), Holder: session.Holder,
	})
	if err != nil {
		return nil, problem.Away(err)
	}
	return &SessionGrant{Session: session, AccessToken: text, ExpiresAt: until.UTC().Truncate(time.Second), IdleAt: now.Add(s.Settings.Idle).UTC()}, nil
}

// ErrDead says that a session or token is not, or no longer, live.
var ErrDead = errors.New("authn: the session is not live")

// Claims verifies a customer's access token: signature, type, issuer, audience and
// time.
func (s *Service) Claims(ctx context.Context, token string) (AccessClaims, error) {
	c, err := s.claims(ctx, token)
	if err == nil && (c.Audience != s.Settings.Issuer || parties.IsStaff(c.Subject)) {
		return AccessClaims{}, ErrDead
	}
	return c, err
}

// claims leaves the audience to the caller.
func (s *Service) claims(ctx context.Context, token string) (AccessClaims, error) {
	pub, err := s.HSM.Public(ctx, hsm.TokenSigning)
	if err != nil {
		return AccessClaims{}, problem.Away(err)
	}
	var c AccessClaims
	if err := jws.Verify(token, AccessTokenType, pub, &c); err != nil {
		return AccessClaims{}, ErrDead
	}
	now := s.Now().Unix()
	if c.Issuer != s.Settings.Issuer || now >= c.Expires || now < c.IssuedAt-5 {
		return AccessClaims{}, ErrDead
	}
	return c, nil
}

// LiveToken returns the live session an access token speaks for, to who shows with it
// that he holds the session's key, if it is bound to one.
func (s *Service) LiveToken(ctx context.Context, by parties.Caller, token string, p *Possession) (Session, parties.Customer, error) {
	_, session, customer, err := s.token(ctx, by, token, p, by.MayAct)
	return session, customer, err
}

// Introspected returns what an access token says, and its live session, to a caller who
// may see it.
func (s *Service) Introspected(ctx context.Context, by parties.Caller, token string, p *Possession) (AccessClaims, Session, error) {
	c, session, _, err := s.token(ctx, by, token, p, by.MaySee)
	return c, session, err
}

func (s *Service) token(ctx context.Context, by parties.Caller, token string, p *Possession, may func(string, parties.Channel) bool) (AccessClaims, Session, parties.Customer, error) {
	c, err := s.Claims(ctx, token)
	if err != nil {
		return c, Session{}, parties.Customer{}, err
	}
	session, customer, err := s.live(ctx, c.Session, may)
	if err != nil {
		return c, session, customer, err
	}
	if c.Subject != session.Customer || c.Client != session.Client || c.ACR != session.ACR || c.Holder != session.Holder {
		return c, session, customer, ErrDead // the token was made for another session
	}
	return c, session, customer, s.holds(ctx, by, session, customer, token, p)
}

// Live returns a session the caller may use now: begun by this client, not
// ended, not idle, not past its absolute life, its customer active ever since and
// the credential it was opened with still in use. Anything else is ErrDead. One that is
// bound to a key is used with its access token and a proof, never by its name alone.
func (s *Service) Live(ctx context.Context, by parties.Caller, id string) (Session, parties.Customer, error) {
	session, customer, err := s.live(ctx, id, by.MayAct)
	if err == nil && session.Holder.Bound() {
		if err = s.refusedUse(ctx, by, session, customer, string(tokenMissing)); err == nil {
			err = proofProblem(tokenMissing)
		}
	}
	return session, customer, err
}

// Introspect returns a live session to a caller who may see it: what Live says,
// without the right to use it.
func (s *Service) Introspect(ctx context.Context, by parties.Caller, id string) (Session, parties.Customer, error) {
	return s.live(ctx, id, by.MaySee)
}

func (s *Service) live(ctx context.Context, id string, may func(string, parties.Channel) bool) (Session, parties.Customer, error) {
	session, err := s.Store.Session(ctx, id)
	if errors.Is(err, parties.ErrNotFound) {
		return Session{}, parties.Customer{}, ErrDead
	}
	if err != nil {
		return Session{}, parties.Customer{}, problem.Away(err)
	}
	if !may(session.Client, session.Channel) {
		return session, parties.Customer{}, ErrDead
	}
	c, err := s.Store.Customer(ctx, session.Customer)
	if err != nil {
		return Session{}, parties.Customer{}, problem.Away(err)
	}
	alive, err := s.alive(ctx, session, c, s.Now())
	if err != nil {
		return Session{}, parties.Customer{}, err
	}
	if !alive {
		return session, c, ErrDead
	}
	return session, c, nil
}

// alive reports whether a session may be used at now.
func (s *Service) alive(ctx context.Context, session Session, c parties.Customer, now time.Time) (bool, error) {
	if s.ended(session, now) != "" || !c.Serves(session.Channel, session.AuthTime) {
		return false, nil
	}
	if stopped, err := s.stopsCredential(ctx, session.Customer, session.Credential); stopped || err != nil {
		return false, err
	}
	if again, err := s.resumedSince(ctx, session); again || err != nil {
		return false, err
	}
	rows, err := s.Store.Hot(ctx, session.Credential)
	if err != nil {
		return false, problem.Away(err)
	}
	intact, err := rows[0].Intact(ctx, s.HSM)
	if err != nil {
		return false, problem.Away(err)
	}
	hot := rows[0].Hot
	return intact && hot.State == settle.HotLive && hot.Owner == settle.OwnerOf(session.Customer), nil
}

// resumedSince reports whether the session's token was out of use since it was
// opened: what was reported stolen and found again does not bring sessions back.
func (s *Service) resumedSince(ctx context.Context, session Session) (bool, error) {
	cred, err := s.Store.Credential(ctx, session.Credential)
	if errors.Is(err, parties.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, problem.Away(err)
	}
	t, err := s.Store.Token(ctx, cred.Token)
	if err != nil {
		return false, problem.Away(err)
	}
	return slices.ContainsFunc(t.History, func(h tokens.Change) bool {
		return h.Move == tokens.Resume && h.At.After(session.AuthTime)
	}), nil
}

// ended says why a session is over at now, "" when it is not.
func (s *Service) ended(session Session, now time.Time) string {
	switch {
	case !session.EndedAt.IsZero():
		return session.EndReason
	case !now.Before(session.ExpiresAt):
		return "absolute"
	case now.Sub(session.LastUsed) >= s.Settings.Idle:
		return "idle"
	}
	return ""
}

// Touch records user activity and returns a fresh access token. A poll returns
// the session as it is and never extends it. token may be "", or is an access token of
// the session; a proof of its key names the one that goes with it.
func (s *Service) Touch(ctx context.Context, by parties.Caller, id, token string, user bool, p *Possession) (*SessionGrant, error) {
	now := s.Now() // before it was found live: a session that dies meanwhile stays dead
	session, customer, err := s.live(ctx, id, by.MayAct)
	if err == nil && token != "" {
		var c AccessClaims
		if c, session, _, err = s.token(ctx, by, token, p, by.MayAct); err == nil && c.Session != id {
			err = ErrDead
		}
	} else if err == nil {
		err = s.holds(ctx, by, session, customer, "", p)
	}
	if err != nil {
		return nil, sessionProblem(err)
	}
	if !user {
		return &SessionGrant{Session: session, IdleAt: session.LastUsed.Add(s.Settings.Idle)}, nil
	}
	if err := s.Store.TouchSession(ctx, id, now); err != nil {
		return nil, problem.Away(err)
	}
	session.LastUsed = now.UTC()
	return s.issue(ctx, session, now)
}

// Again returns a fresh access token for a session that was granted a moment ago
// and whose first token may not have arrived. It is no activity: nothing is
// extended. No proof of a key is asked for: the token serves nobody who has none.
func (s *Service) Again(ctx context.Context, by parties.Caller, id string) (*SessionGrant, error) {
	session, _, err := s.live(ctx, id, by.MayAct)
	if err != nil {
		return nil, sessionProblem(err)
	}
	g, err := s.issue(ctx, session, s.Now())
	if err != nil {
		return nil, err
	}
	g.IdleAt = s.IdleAt(session)
	return g, nil
}

// sessionProblem maps what Live returns to what a caller is told.
func sessionProblem(err error) error {
	if errors.Is(err, ErrDead) {
		return problem.New(problem.NotFound, "there is no such live session")
	}
	return err
}

// Look returns a session, whether it is live, and why it is over: "" where that is for
// what happened to the customer or his token, which is not for everybody to know.
func (s *Service) Look(ctx context.Context, by parties.Caller, id string) (_ Session, live bool, why string, _ error) {
	session, err := s.seen(ctx, by, id)
	if err != nil {
		return Session{}, false, "", err
	}
	if why := s.ended(session, s.Now()); why != "" {
		return session, false, why, nil
	}
	live, err = s.Alive(ctx, session)
	return session, live, "", err
}

// seen is a session that the caller may see.
func (s *Service) seen(ctx context.Context, by parties.Caller, id string) (Session, error) {
	session, err := s.Store.Session(ctx, id)
	if err != nil {
		return Session{}, notFound(err, "session")
	}
	if !by.MaySee(session.Client, session.Channel) {
		return Session{}, problem.New(problem.NotFound, "there is no such session")
	}
	return session, nil
}

// Alive reports whether a session can be used now.
func (s *Service) Alive(ctx context.Context, session Session) (bool, error) {
	c, err := s.Store.Customer(ctx, session.Customer)
	if err != nil {
		return false, problem.Away(err)
	}
	return s.alive(ctx, session, c, s.Now())
}

// IdleAt is when a session ends without further activity.
func (s *Service) IdleAt(session Session) time.Time { return session.LastUsed.Add(s.Settings.Idle) }

// End ends a session at once. Ending one that is over already changes nothing.
func (s *Service) End(ctx context.Context, by parties.Caller, id, reason string) error {
	for range maxTries {
		session, err := s.seen(ctx, by, id)
		if err != nil {
			return err
		}
		if !session.EndedAt.IsZero() {
			return nil
		}
		c, err := s.Store.Customer(ctx, session.Customer)
		if err != nil {
			return problem.Away(err)
		}
		session.EndedAt, session.EndReason = s.Now().UTC(), reason
		session.Version++
		r, err := s.settle(ctx, []settle.Effect{SaveSession{session}},
			[]audit.Event{s.sessionEvent(by, c, session, "session.ended", "ended", reason)})
		if err != nil {
			return err
		}
		if r.Outcome == settle.Done {
			return nil
		}
	}
	return problem.Away(errors.New("authn: the session kept changing"))
}

func (s *Service) sessionEvent(by parties.Caller, c parties.Customer, session Session, name, outcome, reason string) audit.Event {
	detail := map[string]any{"session": session.ID, "customer": session.Customer, "channel": session.Channel, "client": session.Client, "acr": session.ACR}
	if session.Holder.Bound() {
		detail["cnf"] = session.Holder
	}
	return audit.Event{
		Name: name, Outcome: outcome, Reason: reason, Policy: s.Policy().Version, Person: person(c), Caller: by.ID, Request: by.Request, Detail: detail,
	}
}
