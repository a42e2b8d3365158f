package enrollment

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"mohur/audit"
	"mohur/authn/card"
	"mohur/canonical"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/seal"
	"mohur/settle"
	"mohur/tokens"
)

// Cards says how the certificates of cards are enrolled.
type Cards struct {
	Verifier *card.Verifier // nil: none are
	Origin   string         // of the page that asks a card
	Issuer   string         // iss of the texts that cards sign
	// SubjectIs says, by issuer profile, whose key the certificates name: SubjectKYCRef or
	// SubjectToken; "": only the issuer knows, and the proof at the enrolment says who it is.
	SubjectIs map[string]string
	// Texts is where a card agent's request finds the text that it is asked to sign.
	Texts settle.Memories
}

// What the person's key in a certificate has to be, beside unique.
const (
	SubjectKYCRef = "kyc_ref" // of the customer, as the bank has identified him
	SubjectToken  = "token"   // the id of the token that holds it, as the bank's own authority writes it
)

// CardCommand begins the enrolment of a card's certificate.
type CardCommand struct {
	Caller   parties.Caller
	Customer string
	// Token is one of the bank's that was handed to him, or one of his own that is
	// active: then the certificate takes the place of the one with the same use. "":
	// the card is new, and his own.
	Token string
	Use   string // tokens.UseLogin, the default, or tokens.UseSign
	Label string
	Proof Proof
	Data  []byte // the canonical request without its proof: what an authentication was given for
}

// PendingCard is an enrolment that waits for its card. Each refused answer spends the
// nonce, and the next one has to be asked for.
type PendingCard struct {
	ID        string
	ExpiresAt time.Time
	Nonce     string // standard base64 of the SHA-256 of Text
	Origin    string
	Text      []byte // canonical JSON (RFC 8785); what a certificate for documents signs
	Use       string
}

// cardModel is what a token says that its owner brought along.
const cardModel = "smart card"

func pendingCardOf(t tokens.Token, origin string) PendingCard {
	p := t.Pending
	return PendingCard{
		ID: enrollmentOf(t.ID), ExpiresAt: p.ExpiresAt, Nonce: base64.StdEncoding.EncodeToString(p.Challenge), Origin: origin, Text: p.Text, Use: p.Use,
	}
}

// BeginCard asks for a certificate of a customer who has proven himself. An older
// enrolment of his that still waits ends.
func (s *Service) BeginCard(ctx context.Context, cmd CardCommand) (PendingCard, error) {
	received := s.Now()
	cmd.Use = cmp.Or(cmd.Use, tokens.UseLogin)
	var c problem.Check
	c.Unless(cmd.Customer != "", "customer", "is needed")
	c.Unless(cmd.Use == tokens.UseLogin || cmd.Use == tokens.UseSign, "use", "needs to be login or sign")
	c.Unless(len(cmd.Label) <= MaxLabel && !strings.ContainsFunc(cmd.Label, notInLabel), "label", "has at most 32 letters, digits, blanks and . _ - of ASCII")
	if err := cmd.Proof.check(&c); err != nil {
		return PendingCard{}, err
	}
	if s.Cards.Verifier == nil {
		return PendingCard{}, problem.New(problem.Forbidden, "the bank's policy does not allow cards")
	}
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	a := act{purpose: "enroll", action: "credential.enroll", data: cmd.Data, event: "token.enroll"}
	for range maxTries {
		p, reason, err := s.beginCardOnce(judged, cmd, a)
		if err == nil && reason == staleReason {
			continue
		}
		return p, s.verdict(ctx, cmd.Caller, cmd.Proof, a.event, received, reason, err)
	}
	return PendingCard{}, errContended
}

func (s *Service) beginCardOnce(ctx context.Context, cmd CardCommand, a act) (PendingCard, string, error) {
	c, err := s.Parties.Get(ctx, cmd.Customer)
	if err != nil {
		return PendingCard{}, "", err
	}
	e, err := s.entitled(ctx, cmd.Caller, cmd.Proof, c, a)
	if err != nil {
		return PendingCard{}, "", err
	}
	detail := map[string]any{"customer": c.ID, "kind": tokens.Card, "use": cmd.Use, "source": cmd.Caller.Source, "proof": cmd.Proof.kind()}
	var p PendingCard
	var made []settle.Effect
	var told []audit.Event
	reason := e.reason
	if reason == "" {
		var t tokens.Token
		if t, reason, err = s.tokenForCard(ctx, cmd, c.ID); err != nil {
			return PendingCard{}, "", err
		}
		if reason == "" {
			t.Proof = &e.proof
			if t.State != tokens.Active {
				t.Channel = e.way()
			}
			if p, made, told, err = s.askCard(ctx, cmd, c, t); err != nil {
				return PendingCard{}, "", err
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
		return PendingCard{}, "", err
	case r.Outcome != settle.Done:
		return PendingCard{}, staleReason, nil
	case reason != "":
		return PendingCard{}, reason, nil
	}
	return p, "", nil
}

// tokenForCard is the token that will hold the certificate: one that the bank handed
// to this customer, an active card of his, or a new one. It says why there is none.
func (s *Service) tokenForCard(ctx context.Context, cmd CardCommand, customer string) (tokens.Token, string, error) {
	if cmd.Token != "" {
		t, err := s.Token(ctx, cmd.Token)
		if problem.Is(err, problem.NotFound) {
			return t, "token-unknown", nil
		}
		if err != nil {
			return t, "", err
		}
		profile, _ := tokens.ProfileOf(t.Profile)
		empty := t.State == tokens.Delivered && len(t.Credentials) == 0
		if !profile.Cards() || t.Customer != customer || !empty && t.State != tokens.Active {
			return t, "token-not-handed-out", nil
		}
		t.Version++
		return t, "", nil
	}
	now := s.Now().UTC()
	b := make([]byte, 5)
	rand.Read(b)
	t := tokens.Token{
		ID: ident.New("tk"), Manufacturer: "card", Model: cardModel, Serial: tokens.CardSerial(b), Profile: tokens.CardProfile, State: tokens.InStock,
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

// askCard makes the text to be signed and the effects that keep it.
func (s *Service) askCard(ctx context.Context, cmd CardCommand, c parties.Customer, t tokens.Token) (PendingCard, []settle.Effect, []audit.Event, error) {
	effects, events, err := s.otherCards(ctx, cmd.Caller, c.ID, t.ID)
	if err != nil {
		return PendingCard{}, nil, nil, err
	}
	sum := sha256.Sum256(cmd.Data)
	p := tokens.Pending{Label: cmd.Label, By: cmd.Caller.ID, ExpiresAt: s.Now().Add(keyLife).UTC().Truncate(time.Second), Use: cmd.Use}
	if err := s.newText(ctx, &p, c.ID, hex.EncodeToString(sum[:])); err != nil {
		return PendingCard{}, nil, nil, err
	}
	t.Pending = &p
	return pendingCardOf(t, s.Cards.Origin), append(effects, tokens.SaveToken{Token: t}), events, nil
}

// newText makes the text that the card signs: that of an action, like every other, so
// that an agent shows it as one. It can be found by its hash from before it is asked
// for; it grants nothing.
func (s *Service) newText(ctx context.Context, p *tokens.Pending, customer, data string) error {
	once := make([]byte, 16)
	rand.Read(once)
	text, err := canonical.JSON(map[string]any{
		"v": 1, "typ": "action", "action": "credential.enroll", "data_sha256": data, "iss": s.Cards.Issuer, "sub": customer,
		"nonce": base64.RawURLEncoding.EncodeToString(once), "exp": p.ExpiresAt.Unix(),
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	p.Text, p.Challenge, p.Data = text, sum[:], data
	sums := [][]byte{sum[:]}
	if p.Use == tokens.UseSign { // a card signs the hash that goes with its key
		longer, longest := sha512.Sum384(text), sha512.Sum512(text)
		sums = append(sums, longer[:], longest[:])
	}
	for _, sum := range sums {
		scope := textScope(sum)
		sealed, err := s.Keys.Seal(ctx, s.Audit.Bank, "enrollment/"+scope, text)
		if err != nil {
			return problem.Away(err)
		}
		if err := s.Cards.Texts.Conclude(ctx, settle.Remember{Scope: scope, Until: p.ExpiresAt}, sealed); err != nil {
			return problem.Away(err)
		}
	}
	return nil
}

func textScope(sum []byte) string { return "linked/" + hex.EncodeToString(sum) }

// Text returns the text of an enrolment by its hash until it expires, to anyone who
// knows the hash: a card agent shows it before the PIN.
func (s *Service) Text(ctx context.Context, sum []byte) ([]byte, error) {
	none := problem.New(problem.NotFound, "there is no such challenge")
	if s.Cards.Texts == nil {
		return nil, none
	}
	m, found, err := s.Cards.Texts.Memory(ctx, textScope(sum))
	if err != nil {
		return nil, problem.Away(err)
	}
	if !found {
		return nil, none
	}
	text, err := s.Keys.Open(ctx, s.Audit.Bank, "enrollment/"+textScope(sum), m.Answer)
	if errors.Is(err, seal.ErrOpen) {
		return nil, none
	}
	if err != nil {
		return nil, problem.Away(err)
	}
	return text, nil // it was sealed at the place of its hash
}

// otherCards ends the enrolments of a customer's cards that still wait: one at a time
// does.
func (s *Service) otherCards(ctx context.Context, by parties.Caller, customer, but string) (effects []settle.Effect, events []audit.Event, err error) {
	held, err := s.Store.TokensOf(ctx, customer)
	if err != nil {
		return nil, nil, problem.Away(err)
	}
	for _, t := range held {
		if profile, _ := tokens.ProfileOf(t.Profile); !profile.Cards() || t.ID == but || t.Pending == nil {
			continue
		}
		more, event, err := s.endCard(ctx, by, t, "another enrolment was begun")
		if err != nil {
			return nil, nil, err
		}
		effects, events = append(effects, more...), append(events, event)
	}
	return effects, events, nil
}

// endCard ends a pending enrolment. A card that was brought along for it goes with it;
// what the bank handed out stays, and what is active stays as it was.
func (s *Service) endCard(ctx context.Context, by parties.Caller, t tokens.Token, why string) ([]settle.Effect, audit.Event, error) {
	if t.State == tokens.Delivered && t.History[0].Move == began {
		return s.endKey(ctx, by, t, why)
	}
	return s.forgetKey(ctx, by, t, why)
}
