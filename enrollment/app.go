package enrollment

import (
	"context"
	"strings"
	"time"

	"mohur/audit"
	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// AppCommand begins an app token: an OATH generator in an app of the customer's,
// where the bank's policy allows one.
type AppCommand struct {
	Caller   parties.Caller
	Customer string
	Kind     tokens.Kind // hotp or totp
	Label    string      // the customer's name for it in the app; "": his id
	Proof    Proof
	Data     []byte // the canonical request without its proof: what an authentication was given for
}

// PendingApp is an app token that waits for its first code. What the app reads the
// seed from is shown here and never again.
type PendingApp struct {
	ID        string
	ExpiresAt time.Time
	Provision
}

// The profile of app tokens, and the parameters that every authenticator app
// knows (RFC 4226 section 4: a seed of 160 bits).
const (
	appProfile = "authenticator-app"
	appModel   = "authenticator app"
	appSeed    = 20
	appDigits  = 6
	appStep    = 30
)

// MaxLabel is the longest label of an app token, in bytes.
const MaxLabel = 32

// A pending app token ends after appLife, or after appTries wrong codes.
const (
	appLife  = 10 * time.Minute
	appTries = 5
)

// began is the move in the history of an app token at which its life starts.
const began tokens.Move = "enroll"

// BeginApp makes an app token for a customer who has proven himself: the seed is
// drawn in the HSM, wrapped like one that was imported, and told once. The token
// is delivered by that and inert; an older pending one of the customer ends.
func (s *Service) BeginApp(ctx context.Context, cmd AppCommand) (PendingApp, error) {
	received := s.Now()
	var c problem.Check
	c.Unless(cmd.Customer != "", "customer", "is needed")
	c.Unless(cmd.Kind == tokens.HOTP || cmd.Kind == tokens.TOTP, "kind", "needs to be totp, hotp, fido or card")
	c.Unless(len(cmd.Label) <= MaxLabel && !strings.ContainsFunc(cmd.Label, notInLabel), "label", "has at most 32 letters, digits, blanks and . _ - of ASCII")
	if err := cmd.Proof.check(&c); err != nil {
		return PendingApp{}, err
	}
	if !s.Apps {
		return PendingApp{}, problem.New(problem.Forbidden, "the bank's policy does not allow app tokens")
	}
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	a := act{purpose: "enroll", action: "credential.enroll", data: cmd.Data, event: "token.enroll"}
	for range maxTries {
		app, reason, err := s.beginAppOnce(judged, cmd, a)
		if err == nil && reason == staleReason {
			continue
		}
		return app, s.verdict(ctx, cmd.Caller, cmd.Proof, a.event, received, reason, err)
	}
	return PendingApp{}, errContended
}

func notInLabel(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" ._-", r))
}

func (s *Service) beginAppOnce(ctx context.Context, cmd AppCommand, a act) (PendingApp, string, error) {
	c, err := s.Parties.Get(ctx, cmd.Customer)
	if err != nil {
		return PendingApp{}, "", err
	}
	e, err := s.entitled(ctx, cmd.Caller, cmd.Proof, c, a)
	if err != nil {
		return PendingApp{}, "", err
	}
	event := audit.Event{
		Name: a.event, Outcome: "refused", Reason: e.reason, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{"customer": c.ID, "kind": cmd.Kind, "source": cmd.Caller.Source, "proof": cmd.Proof.kind()},
	}
	effects := e.effects(true)
	events := []audit.Event{event}
	var app PendingApp
	if e.reason == "" {
		t, made, provision, err := s.newApp(ctx, cmd, e)
		if err != nil {
			return PendingApp{}, "", err
		}
		app = PendingApp{ID: enrollmentOf(t.ID), ExpiresAt: t.CreatedAt.Add(appLife), Provision: provision}
		events[0].Outcome = "pending"
		events[0].Detail.(map[string]any)["token"], events[0].Detail.(map[string]any)["serial"] = t.ID, t.Serial
		effects = append(append(effects, made...), parties.RequireCustomer{ID: c.ID, Version: c.Version})
		ended, told, err := s.olderApps(ctx, cmd.Caller, c.ID)
		if err != nil {
			return PendingApp{}, "", err
		}
		effects, events = append(effects, ended...), append(events, told...)
	}
	r, err := s.settle(ctx, effects, events...)
	switch {
	case err != nil:
		return PendingApp{}, "", err
	case r.Outcome != settle.Done:
		return PendingApp{}, staleReason, nil
	case e.reason != "":
		return PendingApp{}, e.reason, nil
	}
	return app, "", nil
}

// newApp is the token with its one credential, as the customer will hold it.
func (s *Service) newApp(ctx context.Context, cmd AppCommand, e entitlement) (tokens.Token, []settle.Effect, Provision, error) {
	now := s.Now().UTC()
	t := tokens.Token{
		ID: ident.New("tk"), Manufacturer: "app", Model: appModel, Serial: "APP-" + strings.ToUpper(ident.Text(5)), Profile: appProfile, State: tokens.InStock,
		CreatedAt: now, History: []tokens.Change{{At: now, To: tokens.InStock, Move: began, By: cmd.Caller.ID}},
	}
	for _, m := range []tokens.Move{tokens.Assign, tokens.Deliver} {
		var err error
		if t, err = t.Apply(m, now, "", cmd.Caller.ID); err != nil {
			return t, nil, Provision{}, err
		}
	}
	t.Customer, t.Proof, t.Channel, t.Version = cmd.Customer, &e.proof, e.way(), 1
	cred := tokens.Credential{
		ID: ident.New("cr"), Token: t.ID, Kind: cmd.Kind, Label: cmd.Label, Hash: hsm.SHA1, Digits: appDigits, Pseudonym: ident.New("p"), CreatedAt: now,
	}
	if cmd.Kind == tokens.TOTP {
		cred.Step = appStep
	}
	profile, _ := tokens.ProfileOf(appProfile)
	if why := profile.Fault(cred); why != "" {
		return t, nil, Provision{}, &problem.Error{Code: problem.Invalid, Detail: "the bank's profile of apps does not take it", Fields: []problem.Field{{Field: "kind", Message: why}}}
	}
	seed, err := s.HSM.Random(ctx, appSeed)
	if err != nil {
		return t, nil, Provision{}, problem.Away(err)
	}
	defer clear(seed)
	provision, err := s.provision(cmd, t, seed)
	if err != nil {
		return t, nil, Provision{}, err
	}
	if cred.Seed, err = s.HSM.WrapSeed(ctx, seed); err != nil {
		return t, nil, Provision{}, problem.Away(err)
	}
	if cred, err = cred.Bind(ctx, s.HSM); err != nil {
		return t, nil, Provision{}, problem.Away(err)
	}
	t.Credentials = []string{cred.ID}
	hot, err := settle.Hot{ID: cred.ID, State: settle.HotInert, Version: 1}.Sign(ctx, s.HSM)
	if err != nil {
		return t, nil, Provision{}, problem.Away(err)
	}
	return t, []settle.Effect{tokens.SaveToken{Token: t}, tokens.AddCredential{Credential: cred, Manufacturer: t.Manufacturer, Serial: t.Serial, Hot: hot}}, provision, nil
}

// olderApps ends the customer's app tokens that still wait for their first code:
// one at a time is pending.
func (s *Service) olderApps(ctx context.Context, by parties.Caller, customer string) (effects []settle.Effect, events []audit.Event, err error) {
	held, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return nil, nil, problem.Away(err)
	}
	for _, t := range held {
		if t.Profile != appProfile || t.State != tokens.Delivered {
			continue
		}
		more, event, err := s.endApp(ctx, by, t, "another enrolment was begun")
		if err != nil {
			return nil, nil, err
		}
		effects, events = append(effects, more...), append(events, event)
	}
	return effects, events, nil
}

func (s *Service) endApp(ctx context.Context, by parties.Caller, t tokens.Token, why string) ([]settle.Effect, audit.Event, error) {
	cmd := MoveCommand{Caller: by, Token: t.ID, Move: tokens.Revoke, Reason: why}
	next, effects, err := s.moved(ctx, t, cmd)
	if err != nil {
		return nil, audit.Event{}, err
	}
	event, err := s.moveEvent(ctx, t, next, cmd)
	return effects, event, err
}

// An enrolment has the id of its token under another prefix: it is the same thing
// until it is active.
func enrollmentOf(token string) string { return "en" + strings.TrimPrefix(token, "tk") }

func tokenOf(enrollment string) string { return "tk" + strings.TrimPrefix(enrollment, "en") }

// AppAnswer is the first code of an app token.
type AppAnswer struct {
	Caller parties.Caller
	ID     string // of the enrolment
	Code   string
}

// FinishApp activates an app token by a code of it, which is used up by that: it
// does not log in as well. The id is known only to the caller that began.
func (s *Service) FinishApp(ctx context.Context, cmd AppAnswer) (tokens.Token, error) {
	received := s.Now()
	var c problem.Check
	c.Unless(cmd.Code != "" && len(cmd.Code) <= 64, "otp.code", "is needed")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	return s.finish(ctx, received, func(ctx context.Context) (tokens.Token, string, error) { return s.finishAppOnce(ctx, cmd, received) })
}

// finish judges what ends an enrolment until nothing moves between; whoever brought
// it cannot get away, and a refusal is the one refusal at its floor of time.
func (s *Service) finish(ctx context.Context, received time.Time, once func(context.Context) (t tokens.Token, reason string, err error)) (tokens.Token, error) {
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	for range maxTries {
		t, reason, err := once(judged)
		switch {
		case err == nil && reason == staleReason:
			continue
		case err != nil || reason == "":
			return t, err
		}
		s.floor(ctx, received)
		return tokens.Token{}, refused()
	}
	return tokens.Token{}, errContended
}

func (s *Service) pendingApp(ctx context.Context, cmd AppAnswer) (tokens.Token, error) {
	none := problem.New(problem.NotFound, "there is no such enrolment")
	if !ident.Valid("en", cmd.ID) {
		return tokens.Token{}, none
	}
	t, err := s.Token(ctx, tokenOf(cmd.ID))
	if problem.Is(err, problem.NotFound) {
		return t, none
	}
	if err != nil {
		return t, err
	}
	if t.Profile != appProfile || !cmd.Caller.Development && t.History[0].By != cmd.Caller.ID {
		return t, none
	}
	return t, nil
}

func (s *Service) finishAppOnce(ctx context.Context, cmd AppAnswer, at time.Time) (tokens.Token, string, error) {
	t, err := s.pendingApp(ctx, cmd)
	if err != nil {
		return t, "", err
	}
	if t.State != tokens.Delivered || !at.Before(t.CreatedAt.Add(appLife)) {
		return t, "", problem.New(problem.Expired, "the enrolment is over; begin a new one")
	}
	c, err := s.Parties.Get(ctx, t.Customer)
	if err != nil {
		return t, "", err
	}
	required, reason, err := s.still(ctx, c, t)
	if err != nil {
		return t, "", err
	}
	next := t
	var effects []settle.Effect
	if reason == "" {
		if next, effects, reason, err = s.firstCode(ctx, t, cmd, at); err != nil {
			return t, "", err
		}
	}
	name, outcome := "token.activation", "refused"
	if reason == "" {
		name, outcome = "token.activate", string(next.State)
		told, err := s.notices(ctx, c, "app-enrolled")
		if err != nil {
			return t, "", err
		}
		effects = append(append(required, effects...), told...)
	}
	r, err := s.settle(ctx, effects, s.activationEvent(ActivateCommand{Caller: cmd.Caller, Method: "otp"}, c, t, name, outcome, reason))
	switch {
	case err != nil:
		return t, "", err
	case r.Outcome != settle.Done:
		return t, staleReason, nil
	}
	return next, reason, nil
}

// firstCode judges the code against the inert credential. Right, it brings the
// token to life with the code used up; wrong, it is counted, and the last try
// revokes the token.
func (s *Service) firstCode(ctx context.Context, t tokens.Token, cmd AppAnswer, at time.Time) (tokens.Token, []settle.Effect, string, error) {
	rows, intact, err := s.hotRows(ctx, t)
	if err != nil {
		return t, nil, "", err
	}
	cred, err := s.Store.Credential(ctx, t.Credentials[0])
	if err != nil {
		return t, nil, "", problem.Away(err)
	}
	bound, err := cred.Intact(ctx, s.HSM)
	if err != nil {
		return t, nil, "", problem.Away(err)
	}
	if !bound || !intact[0] || rows[0].State != settle.HotInert || rows[0].Owner != (settle.Owner{}) {
		effects, err := s.tampered(ctx, rows[0], "record-changed", at)
		return t, effects, "record-changed", err
	}
	profile, _ := tokens.ProfileOf(t.Profile)
	e, err := otp.Verify(ctx, s.HSM, otp.Response{Credential: cred, Profile: profile, Hot: rows[0], Code: cmd.Code, At: at})
	if err != nil {
		return t, nil, "", away(err)
	}
	hot, move, reason, why := rows[0].Next(), tokens.Activate, "", ""
	switch {
	case e.Match:
		hot.State, hot.Owner, hot.Counter, hot.Drift, hot.Fails = settle.HotLive, settle.OwnerOf(t.Customer), e.Next, e.Drift, 0
	case hot.Fails+1 < appTries:
		hot.Fails++
		move, reason = "", "wrong-code"
	default:
		hot.State, move, reason, why = settle.HotRevoked, tokens.Revoke, "wrong-code", "too many wrong codes"
	}
	signed, err := hot.Sign(ctx, s.HSM)
	if err != nil {
		return t, nil, "", problem.Away(err)
	}
	effects := []settle.Effect{settle.SwapHot{Hot: signed}}
	if move == "" {
		return t, effects, reason, nil
	}
	next, err := t.Apply(move, at, why, cmd.Caller.ID)
	if err != nil {
		return t, nil, "", problem.New(problem.Conflict, err.Error())
	}
	return next, append(effects, tokens.SaveToken{Token: next}), reason, nil
}
