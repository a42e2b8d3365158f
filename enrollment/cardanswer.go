package enrollment

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/authn/card"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// CardAnswer is what a card gave for an enrolment.
type CardAnswer struct {
	Caller parties.Caller
	ID     string // of the enrolment
	Token  []byte // JSON: a Web eID token; with use sign the signature over the text
}

// MaxCardAnswer bounds it in bytes.
const MaxCardAnswer = 16 << 10

// Standing is how an enrolment stands; Card is there while a card is waited for.
type Standing struct {
	State     string // pending, completed, ended
	ExpiresAt time.Time
	Card      *PendingCard
}

// Standing looks an enrolment up, for the caller who began it.
func (s *Service) Standing(ctx context.Context, by parties.Caller, id string) (Standing, error) {
	t, err := s.enrolled(ctx, by, id)
	if err != nil {
		return Standing{}, err
	}
	profile, _ := tokens.ProfileOf(t.Profile)
	now := s.Now()
	switch p := t.Pending; {
	case p != nil && now.Before(p.ExpiresAt) && (t.State == tokens.Delivered || t.State == tokens.Active):
		out := Standing{State: "pending", ExpiresAt: p.ExpiresAt}
		if profile.Cards() {
			asked := pendingCardOf(t, s.Cards.Origin)
			out.Card = &asked
		}
		return out, nil
	case t.Profile == appProfile && t.State == tokens.Delivered && now.Before(t.CreatedAt.Add(appLife)):
		return Standing{State: "pending", ExpiresAt: t.CreatedAt.Add(appLife)}, nil
	case p == nil && (t.State == tokens.Active || t.State == tokens.Suspended):
		return Standing{State: "completed"}, nil
	}
	return Standing{State: "ended"}, nil
}

// enrolled is the token of an enrolment, for the caller who began it; what others
// began does not exist.
func (s *Service) enrolled(ctx context.Context, by parties.Caller, id string) (tokens.Token, error) {
	none := problem.New(problem.NotFound, "there is no such enrolment")
	if !ident.Valid("en", id) {
		return tokens.Token{}, none
	}
	t, err := s.Token(ctx, tokenOf(id))
	if problem.Is(err, problem.NotFound) {
		return t, none
	}
	if err != nil {
		return t, err
	}
	began := t.History[0].By
	if t.Pending != nil {
		began = t.Pending.By
	}
	if !by.Development && began != by.ID {
		return t, none
	}
	return t, nil
}

// FinishCard judges the answer of a card and binds its certificate to the customer. The
// id is known only to the caller that began.
func (s *Service) FinishCard(ctx context.Context, cmd CardAnswer) (tokens.Token, error) {
	received := s.Now()
	var c problem.Check
	c.Unless(len(cmd.Token) > 0 && len(cmd.Token) <= MaxCardAnswer, "card", "needs to be the token as the browser gave it, of 16 KiB at most")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	var w *weighedCard // once: an issuer may have to be asked
	return s.finish(ctx, received, func(ctx context.Context) (tokens.Token, string, error) {
		t, err := s.pendingCard(ctx, cmd, received)
		if err != nil {
			return t, "", err
		}
		if w == nil {
			w = s.weighCard(ctx, t, cmd, received)
		}
		return s.finishCardOnce(ctx, t, *w, cmd, received)
	})
}

// weighedCard is what the verifier said of an answer to a challenge.
type weighedCard struct {
	challenge []byte
	verdict   card.Verdict
}

func (s *Service) weighCard(ctx context.Context, t tokens.Token, cmd CardAnswer, at time.Time) *weighedCard {
	w := &weighedCard{challenge: t.Pending.Challenge}
	if t.Pending.Use == tokens.UseSign {
		w.verdict = s.Cards.Verifier.VerifySignature(ctx, card.SignatureInput{Response: cmd.Token, Text: t.Pending.Text, At: at})
	} else {
		w.verdict = s.Cards.Verifier.VerifyToken(ctx, card.TokenInput{Token: cmd.Token, Nonce: base64.StdEncoding.EncodeToString(t.Pending.Challenge), At: at})
	}
	return w
}

func (s *Service) pendingCard(ctx context.Context, cmd CardAnswer, at time.Time) (tokens.Token, error) {
	t, err := s.enrolled(ctx, cmd.Caller, cmd.ID)
	if err != nil {
		return t, err
	}
	if profile, _ := tokens.ProfileOf(t.Profile); s.Cards.Verifier == nil || !profile.Cards() {
		return t, problem.New(problem.NotFound, "there is no such enrolment")
	}
	if t.Pending == nil || t.State != tokens.Delivered && t.State != tokens.Active || !at.Before(t.Pending.ExpiresAt) {
		return t, problem.New(problem.Expired, "the enrolment is over; begin a new one")
	}
	return t, nil
}

func (s *Service) finishCardOnce(ctx context.Context, t tokens.Token, w weighedCard, cmd CardAnswer, at time.Time) (tokens.Token, string, error) {
	c, err := s.Parties.Get(ctx, t.Customer)
	if err != nil {
		return t, "", err
	}
	detail := map[string]any{"token": t.ID, "serial": t.Serial, "customer": c.ID, "use": t.Pending.Use, "source": cmd.Caller.Source, "card": seenOf(w.verdict)}
	required, reason, err := s.still(ctx, c, t)
	if err != nil {
		return t, "", err
	}
	var replaces []string
	if reason == "" {
		if replaces, reason, err = s.judgeCard(ctx, t, c, w); err != nil {
			return t, "", err
		}
	}
	next, effects, more, err := t, []settle.Effect(nil), []audit.Event(nil), error(nil)
	if reason == "" {
		next, effects, more, err = s.bornCard(ctx, t, c, w.verdict.Record, replaces, cmd, at)
		effects = append(required, effects...)
	} else {
		effects, more, err = s.wrongCard(ctx, t, cmd)
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
		return t, staleReason, nil // somebody has taken the person's name meanwhile: judged again, it is found
	}
	if r.Outcome != settle.Done {
		return t, staleReason, nil
	}
	return next, reason, nil
}

// seenOf is what the log is told of a card.
func seenOf(v card.Verdict) map[string]any {
	d := map[string]any{"seen": v.Seen, "told": v.Detail}
	if v.OK {
		d["certificate"], d["issuer"], d["algorithm"], d["not_after"] = v.Record.Serial, v.Record.Issuer, v.Algorithm, v.Record.NotAfter.UTC()
		d["origin"] = v.Origin
	}
	if st := v.Status; st.State != "" {
		d["status"], d["status_source"], d["status_at"], d["status_reason"] = st.State, st.Source, st.CheckedAt.UTC(), st.Reason
	}
	return d
}

// judgeCard says why a certificate is not bound to this customer, and else which
// credential its person's name passes on from.
func (s *Service) judgeCard(ctx context.Context, t tokens.Token, c parties.Customer, w weighedCard) ([]string, string, error) {
	r := w.verdict.Record
	profile, _ := tokens.ProfileOf(t.Profile)
	switch {
	case !bytes.Equal(w.challenge, t.Pending.Challenge):
		return nil, "nonce-spent", nil // by another answer at the same time
	case !w.verdict.OK:
		return nil, string(w.verdict.Reason), nil
	case profile.Issuer != "" && r.Issuer != profile.Issuer:
		return nil, "issuer-of-another-token", nil
	}
	is := s.Cards.SubjectIs[r.Issuer]
	switch {
	case is == SubjectKYCRef && (c.KYCRef == "" || r.Subject != c.KYCRef):
		return nil, "subject-is-not-the-customer", nil
	case is == SubjectToken && r.Subject != t.ID:
		return nil, "subject-is-not-the-token", nil
	}
	if why, err := s.notIssued(ctx, t, r); err != nil || why != "" {
		return nil, why, err
	}
	mine, err := s.cardsHeld(ctx, c.ID)
	if err != nil {
		return nil, "", err
	}
	for _, held := range mine {
		if bytes.Equal(held.record.Certificate, r.Certificate) && held.use == t.Pending.Use {
			return nil, "already-enrolled", nil
		}
		// A key that signs documents signs any hash a page asks for.
		if bytes.Equal(held.record.KeySHA256, r.KeySHA256) && held.use != t.Pending.Use && !bytes.Equal(held.record.Certificate, r.Certificate) {
			return nil, "key-of-another-use", nil
		}
		if is != SubjectToken && held.record.Issuer == r.Issuer && held.record.Subject != r.Subject {
			return nil, "subject-differs", nil // one person has one key with an issuer
		}
	}
	return s.nameOf(ctx, r, c.ID, is == SubjectToken)
}

// held is a certificate that a customer has in use.
type held struct {
	record card.Record
	use    string
}

func (s *Service) cardsHeld(ctx context.Context, customer string) ([]held, error) {
	all, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return nil, problem.Away(err)
	}
	var out []held
	for _, t := range all {
		if profile, _ := tokens.ProfileOf(t.Profile); !profile.Cards() || t.State != tokens.Active && t.State != tokens.Suspended {
			continue
		}
		for _, id := range t.Credentials {
			c, err := s.Store.Credential(ctx, id)
			if errors.Is(err, parties.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, problem.Away(err)
			}
			var r card.Record
			if json.Unmarshal(c.Card, &r) == nil {
				out = append(out, held{r, c.CardUse})
			}
		}
	}
	return out, nil
}

// nameOf finds the credential that has the certificate's person: one of this
// customer's gives him up to the next certificate, and so does one of another
// customer's that was revoked, when that customer has no other certificate of this
// person's in use. Nobody else's does. Where the subject names a token, its
// certificates are that token's, and went when it was wiped.
func (s *Service) nameOf(ctx context.Context, r card.Record, customer string, ofToken bool) (replaces []string, reason string, err error) {
	last, err := s.Store.CredentialByKey(ctx, tokens.CardMaker, "", tokens.CardKeyID(r.Issuer, r.Subject))
	if errors.Is(err, parties.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", problem.Away(err)
	}
	rows, err := s.Store.Hot(ctx, last.ID)
	if err != nil {
		return nil, "", problem.Away(err)
	}
	rows[0].Hot.ID = last.ID
	intact, err := rows[0].Intact(ctx, s.HSM)
	if err != nil {
		return nil, "", problem.Away(err)
	}
	hot := rows[0].Hot
	if !intact || hot.Owner != settle.OwnerOf(customer) && hot.State != settle.HotRevoked {
		return nil, "subject-of-another", nil
	}
	if hot.Owner != settle.OwnerOf(customer) && !ofToken {
		if free, err := s.givenUp(ctx, r, last, hot); err != nil || !free {
			return nil, "subject-of-another", err
		}
	}
	return []string{last.ID}, "", nil
}

// givenUp reports whether the customer of a person's last certificate, which is
// revoked, has no other one of him in use. A token that is nobody's any more does not
// say who that customer was, so it keeps the person.
func (s *Service) givenUp(ctx context.Context, r card.Record, last tokens.Credential, hot settle.Hot) (bool, error) {
	t, err := s.Store.Token(ctx, last.Token)
	if errors.Is(err, parties.ErrNotFound) || err == nil && hot.Owner != settle.OwnerOf(t.Customer) {
		return false, nil
	}
	if err != nil {
		return false, problem.Away(err)
	}
	theirs, err := s.cardsHeld(ctx, t.Customer)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(theirs, func(h held) bool { return h.record.Issuer == r.Issuer && h.record.Subject == r.Subject }), nil
}

// bornCard is the token with its certificate, alive. A certificate with the same use
// that it held before is revoked. The entries are of the authority's certificates that
// give way.
func (s *Service) bornCard(ctx context.Context, t tokens.Token, c parties.Customer, r card.Record, replaces []string, cmd CardAnswer, at time.Time) (tokens.Token, []settle.Effect, []audit.Event, error) {
	next, effects, err := s.renewed(ctx, t, cmd, at)
	if err != nil {
		return t, nil, nil, err
	}
	superseded, events, err := s.supersede(ctx, cmd.Caller, t, r.Certificate)
	if err != nil {
		return t, nil, nil, err
	}
	effects = append(effects, superseded...)
	record, err := json.Marshal(r)
	if err != nil {
		return t, nil, nil, err
	}
	cred := tokens.Credential{
		ID: ident.New("cr"), Token: t.ID, Kind: tokens.Card, Label: t.Pending.Label, KeyID: tokens.CardKeyID(r.Issuer, r.Subject), Card: record, CardUse: t.Pending.Use,
		Pseudonym: ident.New("p"), CreatedAt: at.UTC(),
	}
	if cred, err = cred.Bind(ctx, s.HSM); err != nil {
		return t, nil, nil, problem.Away(err)
	}
	hot, err := settle.Hot{ID: cred.ID, Owner: settle.OwnerOf(c.ID), State: settle.HotLive, Version: 1}.Sign(ctx, s.HSM)
	if err != nil {
		return t, nil, nil, problem.Away(err)
	}
	next.Pending, next.Credentials = nil, append(next.Credentials, cred.ID)
	told, err := s.notices(ctx, c, "card-enrolled")
	if err != nil {
		return t, nil, nil, err
	}
	return next, append(append(effects, told...), tokens.SaveToken{Token: next},
		tokens.AddCredential{Credential: cred, Manufacturer: tokens.CardMaker, Hot: hot, Replaces: replaces}), events, nil
}

// renewed is the token as it takes the certificate: a delivered one comes to life, an
// active one gives up the certificate with the same use.
func (s *Service) renewed(ctx context.Context, t tokens.Token, cmd CardAnswer, at time.Time) (tokens.Token, []settle.Effect, error) {
	if t.State != tokens.Active {
		next, err := t.Apply(tokens.Activate, at.UTC(), "", cmd.Caller.ID)
		if err != nil {
			return t, nil, problem.New(problem.Conflict, err.Error())
		}
		return next, nil, nil
	}
	next := t
	next.Version++
	next.Credentials = slices.Clone(t.Credentials)
	next.History = append(slices.Clone(t.History), tokens.Change{At: at.UTC(), From: t.State, To: t.State, Move: began, Reason: t.Pending.Use, By: cmd.Caller.ID})
	rows, intact, err := s.hotRows(ctx, t)
	if err != nil {
		return t, nil, err
	}
	var effects []settle.Effect
	for i, id := range t.Credentials {
		old, err := s.Store.Credential(ctx, id)
		if err != nil && !errors.Is(err, parties.ErrNotFound) {
			return t, nil, problem.Away(err)
		}
		if err == nil && old.CardUse != t.Pending.Use {
			continue
		}
		changes, err := s.hotMove(ctx, rows[i], intact[i], settle.HotRevoked)
		if err != nil {
			return t, nil, err
		}
		effects = append(effects, changes...)
		next.Credentials = slices.DeleteFunc(next.Credentials, func(x string) bool { return x == id })
		next.Former = append(slices.Clone(next.Former), id)
	}
	return next, effects, nil
}

// wrongCard counts a refused answer, whose nonce is spent: the next one takes a new
// text. The last one ends the enrolment, and is told of.
func (s *Service) wrongCard(ctx context.Context, t tokens.Token, cmd CardAnswer) ([]settle.Effect, []audit.Event, error) {
	next, p := t, *t.Pending
	p.Tries++
	if p.Tries >= keyTries {
		effects, event, err := s.endCard(ctx, cmd.Caller, t, "too many refused responses")
		return effects, []audit.Event{event}, err
	}
	if err := s.newText(ctx, &p, t.Customer, p.Data); err != nil {
		return nil, nil, err
	}
	next.Pending = &p
	next.Version++
	return []settle.Effect{tokens.SaveToken{Token: next}}, nil, nil
}
