package enrollment

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"mohur/audit"
	"mohur/authn/fido"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// FIDO says which FIDO2 keys are enrolled.
type FIDO struct {
	RP       *fido.RelyingParty // nil: none are
	Policy   fido.Policy
	Resident fido.Need // of a discoverable credential; "": discouraged
	// Unverified takes keys that do not verify their user. Such a key is one factor
	// for ever, and needs the PIN kept by the server where two are asked for.
	Unverified bool
	Metadata   func() *fido.Metadata // what is in force now; nil: never any
}

// Discoverable reports whether keys are asked to keep the account themselves, so that
// their holders can log in without a name.
func (f FIDO) Discoverable() bool {
	return f.RP != nil && (f.Resident == fido.Required || f.Resident == fido.Preferred)
}

func (f FIDO) metadata() *fido.Metadata {
	if f.Metadata == nil {
		return nil
	}
	return f.Metadata()
}

// RelatedOrigins is what browsers ask for at /.well-known/webauthn; nil when there
// is nothing to say.
func (f FIDO) RelatedOrigins() []byte {
	if f.RP == nil {
		return nil
	}
	return f.RP.WellKnown()
}

// KeyCommand begins the registration of a FIDO2 key.
type KeyCommand struct {
	Caller   parties.Caller
	Customer string
	Token    string // one of the bank's that was handed to him; "": the key is his own
	Label    string // the account's name in the key; "": the customer's id
	Proof    Proof
	Data     []byte // the canonical request without its proof: what an authentication was given for
}

// PendingKey is a key that waits for its response.
type PendingKey struct {
	ID        string
	ExpiresAt time.Time
	PublicKey []byte // the JSON of PublicKeyCredentialCreationOptions
}

// A pending registration ends after keyLife, or after keyTries responses that were
// refused.
const (
	keyLife  = 5 * time.Minute
	keyTries = 5
)

const keyModel = "FIDO2 key"

// BeginKey asks a browser for a new key of a customer who has proven himself. An
// older registration of his that still waits ends.
func (s *Service) BeginKey(ctx context.Context, cmd KeyCommand) (PendingKey, error) {
	received := s.Now()
	var c problem.Check
	c.Unless(cmd.Customer != "", "customer", "is needed")
	c.Unless(len(cmd.Label) <= MaxLabel && !strings.ContainsFunc(cmd.Label, notInLabel), "label", "has at most 32 letters, digits, blanks and . _ - of ASCII")
	c.Unless(cmd.Token != "" || !s.FIDO.Policy.Enterprise.Required, "token", "is needed: the bank enrols only the keys it hands out")
	if err := cmd.Proof.check(&c); err != nil {
		return PendingKey{}, err
	}
	if s.FIDO.RP == nil {
		return PendingKey{}, problem.New(problem.Forbidden, "the bank's policy does not allow FIDO2 keys")
	}
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	a := act{purpose: "enroll", action: "credential.enroll", data: cmd.Data, event: "token.enroll"}
	for range maxTries {
		key, reason, err := s.beginKeyOnce(judged, cmd, a)
		if err == nil && reason == staleReason {
			continue
		}
		return key, s.verdict(ctx, cmd.Caller, cmd.Proof, a.event, received, reason, err)
	}
	return PendingKey{}, errContended
}

func (s *Service) beginKeyOnce(ctx context.Context, cmd KeyCommand, a act) (PendingKey, string, error) {
	c, err := s.Parties.Get(ctx, cmd.Customer)
	if err != nil {
		return PendingKey{}, "", err
	}
	e, err := s.entitled(ctx, cmd.Caller, cmd.Proof, c, a)
	if err != nil {
		return PendingKey{}, "", err
	}
	detail := map[string]any{"customer": c.ID, "kind": tokens.FIDO, "source": cmd.Caller.Source, "proof": cmd.Proof.kind()}
	var key PendingKey
	var made []settle.Effect
	var told []audit.Event
	reason := e.reason
	if reason == "" {
		var t tokens.Token
		if t, reason, err = s.tokenForKey(ctx, cmd, c.ID); err != nil {
			return PendingKey{}, "", err
		}
		if reason == "" {
			t.Proof, t.Channel = &e.proof, e.way()
			if key, made, told, err = s.askKey(ctx, cmd, c, t); err != nil {
				return PendingKey{}, "", err
			}
			detail["token"], detail["serial"] = t.ID, t.Serial
		}
	}
	event := audit.Event{
		Name: a.event, Outcome: "refused", Reason: reason, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: cmd.Caller.ID, Request: cmd.Caller.Request, Detail: detail,
	}
	effects := e.effects(reason == "")
	if reason == "" {
		event.Outcome = "pending"
		effects = append(append(effects, made...), parties.RequireCustomer{ID: c.ID, Version: c.Version})
	}
	r, err := s.settle(ctx, effects, append([]audit.Event{event}, told...)...)
	switch {
	case err != nil:
		return PendingKey{}, "", err
	case r.Outcome != settle.Done:
		return PendingKey{}, staleReason, nil
	case reason != "":
		return PendingKey{}, reason, nil
	}
	return key, "", nil
}

// tokenForKey is the token that will hold the key: one that the bank handed to this
// customer and that is still empty, or a new one. It says why there is none.
func (s *Service) tokenForKey(ctx context.Context, cmd KeyCommand, customer string) (tokens.Token, string, error) {
	if cmd.Token != "" {
		t, err := s.Token(ctx, cmd.Token)
		if problem.Is(err, problem.NotFound) {
			return t, "token-unknown", nil
		}
		if err == nil && (t.Profile != tokens.FIDOProfile || t.State != tokens.Delivered || t.Customer != customer || len(t.Credentials) > 0) {
			return t, "token-not-handed-out", nil
		}
		t.Version++
		return t, "", err
	}
	now := s.Now().UTC()
	b := make([]byte, 5)
	rand.Read(b)
	t := tokens.Token{
		ID: ident.New("tk"), Manufacturer: "fido", Model: keyModel, Serial: tokens.FIDOSerial(b), Profile: tokens.FIDOProfile, State: tokens.InStock,
		CreatedAt: now, History: []tokens.Change{{At: now, To: tokens.InStock, Move: began, By: cmd.Caller.ID}},
	}
	for _, m := range []tokens.Move{tokens.Assign, tokens.Deliver} {
		var err error
		if t, err = t.Apply(m, now, "", cmd.Caller.ID); err != nil {
			return t, "", err
		}
	}
	t.Customer, t.Version = customer, 1
	return t, "", nil
}

// askKey makes the options for the browser and the effects that keep what they ask.
func (s *Service) askKey(ctx context.Context, cmd KeyCommand, c parties.Customer, t tokens.Token) (PendingKey, []settle.Effect, []audit.Event, error) {
	p := tokens.Pending{
		Challenge: make([]byte, 32), Verified: !s.FIDO.Unverified, Label: cmd.Label, By: cmd.Caller.ID, ExpiresAt: s.Now().Add(keyLife).UTC(),
	}
	rand.Read(p.Challenge)
	effects, events, mine, err := s.keysOf(ctx, cmd.Caller, c.ID, t.ID)
	if err != nil {
		return PendingKey{}, nil, nil, err
	}
	name := cmp.Or(cmd.Label, c.ID)
	in := fido.CreationInput{
		Challenge: p.Challenge, User: fido.User{Handle: tokens.UserHandle(c.Pseudonym), Name: name, DisplayName: name}, Exclude: mine,
		ResidentKey: s.FIDO.Resident, UserVerification: fido.Required, Attestation: s.FIDO.Policy.Conveyance(), Timeout: keyLife,
	}
	if s.FIDO.Unverified {
		in.UserVerification = fido.Preferred
	}
	options, err := s.FIDO.RP.CreationOptions(in)
	if err != nil {
		return PendingKey{}, nil, nil, err
	}
	t.Pending = &p
	return PendingKey{ID: enrollmentOf(t.ID), ExpiresAt: p.ExpiresAt, PublicKey: options}, append(effects, tokens.SaveToken{Token: t}), events, nil
}

// keysOf lists the keys a customer has, which a browser must not register again, and
// ends the registrations of his that still wait: one at a time does.
func (s *Service) keysOf(ctx context.Context, by parties.Caller, customer, but string) (effects []settle.Effect, events []audit.Event, mine []fido.Descriptor, err error) {
	held, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return nil, nil, nil, problem.Away(err)
	}
	for _, t := range held {
		switch {
		case t.Profile != tokens.FIDOProfile || t.ID == but:
		case t.State == tokens.Delivered && t.Pending != nil:
			end := s.endKey
			if t.History[0].Move != began { // the bank's own stays handed out
				end = s.forgetKey
			}
			more, event, err := end(ctx, by, t, "another enrolment was begun")
			if err != nil {
				return nil, nil, nil, err
			}
			effects, events = append(effects, more...), append(events, event)
		case t.State == tokens.Active || t.State == tokens.Suspended:
			for _, id := range t.Credentials {
				r, err := s.keyRecord(ctx, id)
				if err != nil {
					return nil, nil, nil, err
				}
				if r != nil {
					mine = append(mine, r.Descriptor())
				}
			}
		}
	}
	return effects, events, mine, nil
}

func (s *Service) endKey(ctx context.Context, by parties.Caller, t tokens.Token, why string) ([]settle.Effect, audit.Event, error) {
	t.Pending = nil
	return s.endApp(ctx, by, t, why)
}

func (s *Service) forgetKey(ctx context.Context, by parties.Caller, t tokens.Token, why string) ([]settle.Effect, audit.Event, error) {
	next := t
	next.Pending, next.Version = nil, t.Version+1
	event, err := s.moveEvent(ctx, t, next, MoveCommand{Caller: by, Token: t.ID, Move: "enrollment.ended", Reason: why})
	return []settle.Effect{tokens.SaveToken{Token: next}}, event, err
}

// keyRecord is what is stored of a FIDO2 key; nil for a credential of another kind,
// or one that cannot be read: the next answer finds out.
func (s *Service) keyRecord(ctx context.Context, credential string) (*fido.Record, error) {
	c, err := s.Store.Credential(ctx, credential)
	if errors.Is(err, parties.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.Away(err)
	}
	var r fido.Record
	if c.Kind != tokens.FIDO || json.Unmarshal(c.FIDO, &r) != nil {
		return nil, nil
	}
	return &r, nil
}

// KeyAnswer is what the browser gave for a registration.
type KeyAnswer struct {
	Caller     parties.Caller
	ID         string // of the enrolment
	Credential []byte // the JSON of PublicKeyCredential.toJSON
}

// MaxKeyAnswer bounds a registration's response in bytes: certificates of a TPM make
// it long.
const MaxKeyAnswer = 48 << 10

// FinishKey judges a registration by the standard and the bank's policy, and brings
// the key to life. The id is known only to the caller that began.
func (s *Service) FinishKey(ctx context.Context, cmd KeyAnswer) (tokens.Token, error) {
	received := s.Now()
	var c problem.Check
	c.Unless(len(cmd.Credential) > 0 && len(cmd.Credential) <= MaxKeyAnswer, "fido", "needs to be the credential as the browser gave it, of 48 KiB at most")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	return s.finish(ctx, received, func(ctx context.Context) (tokens.Token, string, error) { return s.finishKeyOnce(ctx, cmd, received) })
}

func (s *Service) pendingKey(ctx context.Context, cmd KeyAnswer, at time.Time) (tokens.Token, error) {
	none := problem.New(problem.NotFound, "there is no such enrolment")
	if !ident.Valid("en", cmd.ID) || s.FIDO.RP == nil {
		return tokens.Token{}, none
	}
	t, err := s.Token(ctx, tokenOf(cmd.ID))
	if problem.Is(err, problem.NotFound) {
		return t, none
	}
	if err != nil {
		return t, err
	}
	if t.Profile != tokens.FIDOProfile {
		return t, none
	}
	over := t.State != tokens.Delivered || t.Pending == nil
	by := t.History[0].By
	if !over {
		by = t.Pending.By
	}
	if !cmd.Caller.Development && by != cmd.Caller.ID {
		return t, none
	}
	if over || !at.Before(t.Pending.ExpiresAt) {
		return t, problem.New(problem.Expired, "the enrolment is over; begin a new one")
	}
	return t, nil
}

func (s *Service) finishKeyOnce(ctx context.Context, cmd KeyAnswer, at time.Time) (tokens.Token, string, error) {
	t, err := s.pendingKey(ctx, cmd, at)
	if err != nil {
		return t, "", err
	}
	c, err := s.Parties.Get(ctx, t.Customer)
	if err != nil {
		return t, "", err
	}
	required, reason, err := s.still(ctx, c, t)
	if err != nil {
		return t, "", err
	}
	detail := map[string]any{"token": t.ID, "serial": t.Serial, "customer": c.ID, "source": cmd.Caller.Source}
	var registration fido.Registration
	if reason == "" {
		if registration, reason, err = s.judgeKey(t, cmd, at, detail); err == nil && reason == "" && s.FIDO.Policy.Enterprise.Required {
			reason, err = s.serialFault(ctx, t, registration.Verdict.Serial)
		}
		if err != nil {
			return t, "", err
		}
	}
	next, effects, more, err := t, []settle.Effect(nil), []audit.Event(nil), error(nil)
	if reason == "" {
		next, effects, err = s.bornKey(ctx, t, c, registration, cmd, at)
		effects = append(required, effects...)
	} else {
		effects, more, err = s.wrongKey(ctx, t, cmd)
	}
	if err != nil {
		return t, "", err
	}
	tell := func(reason string) audit.Event {
		e := audit.Event{
			Name: "token.activate", Outcome: string(next.State), Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
			Caller: cmd.Caller.ID, Request: cmd.Caller.Request, Detail: detail,
		}
		if reason != "" {
			e.Name, e.Outcome, e.Reason = "token.activation", "refused", reason
		}
		return e
	}
	r, err := s.settle(ctx, effects, append([]audit.Event{tell(reason)}, more...)...)
	if err != nil {
		return t, "", err
	}
	if _, twice := r.Effect.(tokens.AddCredential); r.Outcome == settle.Exists && twice {
		// Somebody has this very key already, this customer or another (section 7.1 step 26).
		reason = "already-enrolled"
		if effects, more, err = s.wrongKey(ctx, t, cmd); err != nil {
			return t, "", err
		}
		if r, err = s.settle(ctx, effects, append([]audit.Event{tell(reason)}, more...)...); err != nil {
			return t, "", err
		}
	}
	if r.Outcome != settle.Done {
		return t, staleReason, nil
	}
	return next, reason, nil
}

// judgeKey verifies the response by the standard and the policy.
func (s *Service) judgeKey(t tokens.Token, cmd KeyAnswer, at time.Time, detail map[string]any) (fido.Registration, string, error) {
	g, err := s.FIDO.RP.VerifyRegistration(fido.RegistrationInput{
		Credential: cmd.Credential, Challenge: t.Pending.Challenge, UserVerification: t.Pending.Verified,
		Policy: s.FIDO.Policy, Metadata: s.FIDO.metadata(), At: at,
	})
	if err != nil {
		return g, "", err
	}
	a := g.Record.Attestation
	detail["attestation"], detail["aaguid"], detail["verified"], detail["synced"] = a, g.Record.AAGUID.String(), g.Record.UVInitialized, g.Record.BackupEligible
	detail["told"], detail["warnings"], detail["device"] = cmp.Or(g.Detail, g.Verdict.Detail), g.Verdict.Warnings, g.Verdict.Serial
	if !g.OK {
		return g, string(g.Reason), nil
	}
	return g, "", nil
}

// serialFault says why a key that names its device's serial is not the one of this
// token, which was handed out; "" when it is. A serial that the stock knows of two
// makers' devices names neither.
func (s *Service) serialFault(ctx context.Context, t tokens.Token, serial string) (string, error) {
	if t.History[0].Move == began || serial == "" || serial != t.Serial {
		return "serial-not-handed-out", nil
	}
	same, err := s.Store.TokensBySerial(ctx, serial)
	if err != nil {
		return "", problem.Away(err)
	}
	for _, other := range same {
		if p, _ := tokens.ProfileOf(other.Profile); other.ID != t.ID && p.Bare() && other.State != tokens.Destroyed {
			return "serial-of-two", nil
		}
	}
	return "", nil
}

// bornKey is the token with its key, alive.
func (s *Service) bornKey(ctx context.Context, t tokens.Token, c parties.Customer, g fido.Registration, cmd KeyAnswer, at time.Time) (tokens.Token, []settle.Effect, error) {
	next, err := t.Apply(tokens.Activate, at.UTC(), "", cmd.Caller.ID)
	if err != nil {
		return t, nil, problem.New(problem.Conflict, err.Error())
	}
	record, err := json.Marshal(g.Record)
	if err != nil {
		return t, nil, err
	}
	cred := tokens.Credential{
		ID: ident.New("cr"), Token: t.ID, Kind: tokens.FIDO, Label: t.Pending.Label, KeyID: tokens.FIDOKeyID(g.Record.ID), FIDO: record,
		Pseudonym: ident.New("p"), CreatedAt: at.UTC(),
	}
	if cred, err = cred.Bind(ctx, s.HSM); err != nil {
		return t, nil, problem.Away(err)
	}
	state := tokens.FIDOState{SignCount: g.Record.SignCount, BackupState: g.Record.BackupState}
	hot, err := settle.Hot{ID: cred.ID, Counter: state.Counter(), Owner: settle.OwnerOf(c.ID), State: settle.HotLive, Version: 1}.Sign(ctx, s.HSM)
	if err != nil {
		return t, nil, problem.Away(err)
	}
	next.Pending, next.Credentials = nil, []string{cred.ID}
	effects, err := s.notices(ctx, c, "key-enrolled")
	if err != nil {
		return t, nil, err
	}
	return next, append(effects, tokens.SaveToken{Token: next},
		// A key's own id is known once, whoever brings it on whichever token.
		tokens.AddCredential{Credential: cred, Manufacturer: tokens.FIDOMaker, Hot: hot}), nil
}

// wrongKey counts a refused response; the last one ends the registration, and is told
// of.
func (s *Service) wrongKey(ctx context.Context, t tokens.Token, cmd KeyAnswer) ([]settle.Effect, []audit.Event, error) {
	next, p := t, *t.Pending
	p.Tries++
	next.Pending = &p
	next.Version++
	if p.Tries < keyTries {
		return []settle.Effect{tokens.SaveToken{Token: next}}, nil, nil
	}
	end := s.forgetKey
	if t.History[0].Move == began {
		end = s.endKey
	}
	effects, event, err := end(ctx, cmd.Caller, t, "too many refused responses")
	return effects, []audit.Event{event}, err
}
