package authn

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// BeginCommand opens an attempt for a log-in or an action.
type BeginCommand struct {
	Caller   parties.Caller
	Customer string // "" for a log-in without a name
	Purpose  Purpose
	Action   *NamedAction
	Channel  parties.Channel
	ACR      ACR // raises what policy asks for, never lowers it
	Binding  string
	Signals  risk.Signals
	// AccessToken is that of the live session that a log-in takes the place of: the
	// customer proves again who he is, and Possession is of that session's key.
	AccessToken string
	// Possession shows the key that the session of a log-in will be bound to.
	Possession *Possession
}

// View is an attempt as its front end may see it. Session and Transaction are
// there only in the answer that granted.
type View struct {
	Attempt     Attempt
	Text        []byte // challenge text in the clear
	Reasons     []risk.Reason
	Session     *SessionGrant
	Transaction *TransactionResult
}

// Begin opens an attempt. Whoever the customer is, known or not, suspended or
// without a token, the answer looks the same; only the audit log knows.
//
// Nor does its time tell: whatever had to be read, it leaves at a floor of time.
func (s *Service) Begin(ctx context.Context, cmd BeginCommand) (View, error) {
	received := s.Now()
	if err := s.checkBegin(cmd); err != nil {
		return View{}, err
	}
	v, err := s.begin(ctx, cmd)
	if err == nil {
		s.sleepUntil(ctx, received, s.Settings.FloorBegin)
	}
	return v, err
}

func (s *Service) begin(ctx context.Context, cmd BeginCommand) (View, error) {
	former, err := s.former(ctx, &cmd)
	if err != nil {
		return View{}, err
	}
	leave, err := s.enter(ctx, cmd)
	if err != nil {
		return View{}, err
	}
	defer leave()
	holder := former.Holder
	if former.ID == "" {
		if holder, err = s.named(ctx, cmd.Purpose, cmd.Customer, cmd.Possession); err != nil {
			return View{}, err
		}
	}
	policy := s.Policy() // one for the whole attempt, whatever comes into force meanwhile
	asked, err := s.demand(ctx, policy, cmd)
	if err != nil {
		return View{}, err
	}
	expires := s.Now().Add(s.Settings.AttemptLife).UTC().Truncate(time.Second)
	facts := map[string]any{}
	if cmd.Action != nil {
		facts["action"] = cmd.Action.Name
		facts["data_sha256"] = hexSum(cmd.Action.Data)
	}
	level := raise(raise(ACR(asked.ACR), cmd.ACR), former.ACR)
	if cmd.Customer == "" || cmd.Purpose == Action {
		level = raise(level, Strong) // a key that says who it is verifies him, too; no act goes with one factor
	}
	spec := Opening{
		Caller: cmd.Caller, Customer: cmd.Customer, Purpose: cmd.Purpose, Action: cmd.Action.kept(), Session: former.ID, Channel: cmd.Channel,
		ACR: level, Binding: cmd.Binding, Holder: holder, Score: asked.Score, Reasons: asked.Reasons, Rejected: asked.Decision == risk.Rejected, ExpiresAt: expires, IP: cmd.Signals.IP, From: SurroundingsOf(cmd.Signals),
		Challenge: func() (Challenge, error) {
			return NewChallenge(string(cmd.Purpose), s.Settings.Issuer, cmd.Customer, expires, facts)
		},
	}
	for range maxTries {
		view, effects, events, err := s.Open(ctx, spec)
		if err != nil {
			return View{}, err
		}
		r, err := s.settle(ctx, effects, events)
		if err != nil {
			return View{}, err
		}
		if r.Outcome == settle.Done {
			return view, nil
		}
	}
	return View{}, problem.Away(errors.New("authn: the customer's attempts kept changing"))
}

// enter lets a begin pass at its pace. A customer's attempts are opened one after the
// other; those without a name ask no questions that could be the same.
func (s *Service) enter(ctx context.Context, cmd BeginCommand) (leave func(), err error) {
	if cmd.Customer == "" {
		return func() {}, s.pace.admitNameless(cmd.Caller.ID, sourceOf(cmd.Caller, cmd.Signals.IP), s.Now())
	}
	if err := s.Admit(cmd.Caller, cmd.Customer, cmd.Signals.IP); err != nil {
		return nil, err
	}
	return s.Alone(ctx, cmd.Customer)
}

func (s *Service) checkBegin(cmd BeginCommand) error {
	var c problem.Check
	if cmd.Customer == "" && cmd.AccessToken == "" {
		c.Unless(cmd.Purpose == Login && s.Nameless && s.FIDO != nil, "customer",
			"is needed, or subject: only a log-in goes without a name, where fido.resident_key has keys keep the account themselves")
	} else if cmd.Customer != "" {
		c.Unless(parties.ValidSubject(cmd.Customer), "customer", "needs 1 to 64 of A-Z a-z 0-9 . _ : / @ + -")
	}
	c.Unless(slices.Contains(parties.Channels(), cmd.Channel), "channel", "needs to be pc, internet or mobile")
	c.Unless(cmd.Purpose == Login || cmd.Purpose == Action, "purpose", "needs to be login or action; a payment's proof is begun by its transaction")
	c.Unless((cmd.Purpose == Action) == (cmd.Action != nil), "action", "goes with purpose action, and only with it")
	c.Unless(cmd.AccessToken == "" || cmd.Purpose == Login && !parties.IsStaff(cmd.Customer), "access_token", "goes with the log-in of a customer only")
	if cmd.Action != nil {
		cmd.Action.check(&c)
	}
	c.Unless(cmd.ACR == "" || cmd.ACR == Single || cmd.ACR == Strong, "acr", "needs to be single or strong; linked is for transactions")
	c.Unless(len(cmd.Binding) <= MaxBinding, "binding", "has at most 512 bytes")
	if err := c.Err(); err != nil {
		return err
	}
	if !slices.Contains(cmd.Caller.Channels, cmd.Channel) {
		return problem.New(problem.Forbidden, "this client does not serve the channel "+string(cmd.Channel))
	}
	return nil
}

// MaxBinding bounds the value of a front end that an attempt is bound to, in bytes.
const MaxBinding = 512

// raise returns the higher level of the two.
func raise(policy, asked ACR) ACR {
	if asked.Rank() > policy.Rank() {
		return asked
	}
	return policy
}

// Opening is everything an attempt is opened with. Payments open theirs through
// it, so that transaction and attempt are settled together.
type Opening struct {
	Caller      parties.Caller
	Customer    string
	Purpose     Purpose
	Action      *NamedAction
	Transaction string
	Session     string
	Channel     parties.Channel
	ACR         ACR
	Shown       string // what a proof must show the customer; "" for nothing
	Digest      bool   // the text has a hash in place of who is paid: whoever reads it has not seen them
	Pay         *Pay   // of a payment in the bank's own currency: what a device may have typed
	Binding     string
	Holder      Holder // of a log-in: the key that its session will be bound to
	Score       int
	Reasons     []risk.Reason
	Rejected    bool // by the policy: whatever is answered, nothing is granted
	ExpiresAt   time.Time
	IP          string                    // of the customer, as the front end tells it; may be empty
	From        Surroundings              // the same and more, made coarse; kept with the attempt
	Challenge   func() (Challenge, error) // called again while a question collides
}

// Pay is what a customer types on a device that shows what it signs.
type Pay struct {
	Minor   int64  // amount in minor units
	Account string // the payee's
}

// Open prepares an attempt: the view, the effects that store it and the events
// that tell of it. Nothing is settled yet.
func (s *Service) Open(ctx context.Context, o Opening) (View, []settle.Effect, []audit.Event, error) {
	if o.Customer == "" && o.Purpose != Login {
		return View{}, nil, nil, problem.Away(errors.New("authn: only a log-in goes without a name"))
	}
	now := s.Now()
	who, open := s.nameless(), []Attempt(nil)
	if o.Customer != "" {
		var err error
		if who, err = s.who(ctx, o); err != nil {
			return View{}, nil, nil, err
		}
		if open, err = s.Store.OpenAttempts(ctx, o.Customer, now); err != nil {
			return View{}, nil, nil, problem.Away(err)
		}
	}
	if o.Rejected && !who.decoy {
		who.decoy, who.cause = true, rejectedCause
	}
	open, former := ofTransaction(open, o.Transaction)
	challenge, offers, err := who.challenge(o, open)
	if err != nil {
		return View{}, nil, nil, err
	}
	a := who.attempt(o, challenge, offers, now)
	s.pace.note(a.ID, sourceOf(o.Caller, o.IP))
	if a.Text, err = s.Keys.Seal(ctx, s.Bank, TextPlace(a.ID), challenge.Text); err != nil {
		return View{}, nil, nil, problem.Away(err)
	}
	if o.Binding != "" {
		a.Binding = bindingSum(o.Binding)
	}
	var opened map[string]any
	if len(a.Reasons) > 0 { // an answer leaves out which rules on log-ins held
		opened = map[string]any{"reasons": a.Reasons}
	}
	effects := []settle.Effect{SaveAttempt{a}}
	events := []audit.Event{s.event(o.Caller, who.customer, a, "authentication.opened", string(Pending), a.Cause, opened)}
	for _, old := range s.displaced(open, o.Purpose) {
		old = old.over()
		effects = append(effects, SaveAttempt{old})
		events = append(events, s.event(o.Caller, who.customer, old, "authentication.displaced", string(Expired), "too-many-open", nil))
	}
	for _, old := range former { // only the last text approves
		old = old.over()
		effects = append(effects, SaveAttempt{old})
		events = append(events, s.event(o.Caller, who.customer, old, "authentication.withdrawn", string(Expired), "asked-again", nil))
	}
	return View{Attempt: a, Text: challenge.Text, Reasons: who.reasons(o)}, effects, events, nil
}

// displaced are the attempts that give way so that one more has room: the oldest
// log-ins first, then actions, so that a stranger who begins them for an id does not
// end the proof of a payment. A payment gives way to payments only, which are begun
// from a session; where nothing else is left, one of the others stands beside them.
func (s *Service) displaced(open []Attempt, by Purpose) []Attempt {
	n := len(open) + 1 - s.Settings.MaxOpen
	if n <= 0 {
		return nil
	}
	byPurpose := slices.Clone(open)
	if by != Payment {
		byPurpose = slices.DeleteFunc(byPurpose, func(a Attempt) bool { return a.Purpose == Payment })
	}
	slices.SortStableFunc(byPurpose, func(a, b Attempt) int {
		return cmp.Compare(weight(a.Purpose), weight(b.Purpose))
	})
	return byPurpose[:min(n, len(byPurpose))]
}

func weight(p Purpose) int {
	switch p {
	case Login:
		return 0
	case Action:
		return 1
	}
	return 2
}

func bindingSum(value string) []byte {
	sum := sha256.Sum256([]byte("binding/v1\x00" + value))
	return sum[:]
}

// event describes what happened to an attempt.
func (s *Service) event(by parties.Caller, c parties.Customer, a Attempt, name, outcome, reason string, more map[string]any) audit.Event {
	detail := map[string]any{
		"attempt": a.ID, "customer": a.Customer, "purpose": a.Purpose, "channel": a.Channel, "client": a.Client,
		"source": by.Source, "answers": a.Answers, "acr": a.ACR,
	}
	if a.Transaction != "" {
		detail["transaction"] = a.Transaction
	}
	if a.Session != "" {
		detail["session"] = a.Session
	}
	if a.Action != nil {
		detail["action"], detail["data_sha256"] = a.Action.Name, hex.EncodeToString(a.Action.SHA256)
	}
	for k, v := range more {
		detail[k] = v
	}
	return audit.Event{
		Name: name, Outcome: outcome, Reason: reason, Policy: s.Policy().Version,
		Person: person(c), Caller: by.ID, Request: by.Request, Detail: detail,
	}
}
