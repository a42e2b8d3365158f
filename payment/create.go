package payment

import (
	"cmp"
	"context"
	"crypto/hmac"
	"errors"
	"slices"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
)

// CreateCommand begins a payment from a live session.
type CreateCommand struct {
	Caller      parties.Caller
	AccessToken string // or
	Session     string
	Possession  *authn.Possession // of the key the session is bound to, if it is
	Binding     string            // of the front end: answers to the attempt of the session's customer have to bring it; may be empty
	Reference   string
	Channel     parties.Channel
	Service     string
	Amount      Money
	Purpose     string
	Holder      string
	Series      string // of a payment that comes again: the customer's name for it; may be empty
	Payer       Party
	Payee       Party
	Batch       []Line // in place of Payee; nil: a single payment
	Signals     risk.Signals
}

// Create decides a payment. The same reference with the same body is the same
// transaction, whoever sends it again; with another body it is a conflict.
func (s *Service) Create(ctx context.Context, cmd CreateCommand) (View, error) {
	var c problem.Check
	cmd.check(&c)
	c.Unless(slices.Contains(parties.Channels(), cmd.Channel), "channel", "needs to be pc, internet or mobile")
	c.Unless((cmd.AccessToken == "") != (cmd.Session == ""), "access_token", "needs either access_token or session")
	c.Unless(cmd.Possession == nil || cmd.AccessToken != "", "access_token", "is needed with dpop or x5t")
	c.Unless(len(cmd.Binding) <= authn.MaxBinding, "binding", "has at most 512 bytes")
	if err := c.Err(); err != nil {
		return View{}, err
	}
	minor, err := cmd.Amount.Minor()
	if err != nil {
		return View{}, err
	}
	mac, err := s.bodyMAC(ctx, cmd, minor)
	if err != nil {
		return View{}, problem.Away(err)
	}
	exempt := true
	for try := range maxTries {
		session, customer, err := s.session(ctx, cmd)
		if err != nil {
			return View{}, err
		}
		if try == 0 {
			if err := s.Authn.Admit(cmd.Caller, customer.ID, cmd.Signals.IP); err != nil {
				return View{}, err
			}
		}
		if v, found, err := s.same(ctx, cmd, mac, customer); found || err != nil {
			return v, err
		}
		v, done, err := s.decide(ctx, cmd, session, customer, minor, mac, exempt)
		if err != nil {
			return View{}, err
		}
		switch done.Outcome {
		case settle.Done:
			return v, nil
		case settle.Over:
			exempt = false // a counter was full: the payment needs a proof
		}
		if try == 0 { // somebody may have got in the way: one after the other
			end, err := s.after(ctx, customer.ID)
			if err != nil {
				return View{}, err
			}
			defer end()
		}
	}
	return View{}, errContended
}

// session returns the live session a payment is begun from.
func (s *Service) session(ctx context.Context, cmd CreateCommand) (authn.Session, parties.Customer, error) {
	var session authn.Session
	var customer parties.Customer
	var err error
	if cmd.AccessToken != "" {
		session, customer, err = s.Authn.LiveToken(ctx, cmd.Caller, cmd.AccessToken, cmd.Possession)
	} else {
		session, customer, err = s.Authn.Live(ctx, cmd.Caller, cmd.Session)
	}
	if errors.Is(err, authn.ErrDead) || err == nil && parties.IsStaff(session.Customer) { // staff pay nothing
		return session, customer, problem.New(problem.SessionEnded, "the session has ended; log in again")
	}
	if err == nil && session.Channel != cmd.Channel {
		return session, customer, errChannel
	}
	if err == nil {
		err = s.Authn.Recent(session)
	}
	return session, customer, err
}

// same returns the transaction that has the reference already.
func (s *Service) same(ctx context.Context, cmd CreateCommand, mac []byte, customer parties.Customer) (View, bool, error) {
	t, err := s.Store.TransactionByReference(ctx, cmd.Reference)
	if errors.Is(err, parties.ErrNotFound) {
		return View{}, false, nil
	}
	if err != nil {
		return View{}, false, problem.Away(err)
	}
	if t.Customer != customer.ID || !cmd.Caller.MaySee(t.Client, t.Channel) || !hmac.Equal(t.BodyMAC, mac) {
		return View{}, true, problem.New(problem.Conflict, "the reference belongs to another operation; a reference is never used again (clause 2.1)")
	}
	v, err := s.view(ctx, t, customer)
	return v, true, err
}

// decide asks the risk engine, before anything is authorised (clause 5.24), and
// settles what it decided.
func (s *Service) decide(ctx context.Context, cmd CreateCommand, session authn.Session, c parties.Customer, minor int64, mac []byte, exempt bool) (View, settle.Result, error) {
	now := s.Now()
	holder, err := s.holderOf(ctx, cmd.Holder, c)
	if err != nil {
		return View{}, settle.Result{}, err
	}
	exempt = exempt && cmd.mayBeExempt(holder, minor)
	in := risk.Payment{Minor: minor, Currency: cmd.Amount.Currency, Rates: s.exchange(), At: now.In(s.Zone), Signals: cmd.Signals, Exempt: exempt}
	draft := &draft{service: s, ctx: ctx, by: cmd.Caller, ip: cmd.Signals.IP, binding: cmd.Binding, customer: c, now: now, began: now, budget: s.Budget}
	defer draft.done()
	draft.t.Channel, draft.t.Reference, draft.t.Policy = cmd.Channel, cmd.Reference, s.Policy().Version
	if err := draft.allowance(&in); err != nil {
		return View{}, settle.Result{}, err
	}
	if err := draft.gather(func() error { return draft.facts(&in, cmd, session) }); err != nil {
		return View{}, settle.Result{}, err
	}
	draft.many(&in, cmd, holder)
	if exempt { // else nothing is known that could exempt it
		if err := draft.gather(func() error { return draft.exemptions(&in, cmd) }); err != nil {
			return View{}, settle.Result{}, err
		}
	}
	verdict := draft.judge(in)
	t := Transaction{
		ID: ident.New("tx"), Reference: cmd.Reference, Customer: c.ID, Client: cmd.Caller.ID, Channel: cmd.Channel, Service: cmd.Service,
		Session: session.ID, Minor: minor, Currency: cmd.Amount.Currency, BodyMAC: mac, Decision: string(verdict.Decision),
		NeedACR: verdict.ACR, NeedShown: verdict.Shown, Exemption: verdict.Exemption, Score: verdict.Score, Policy: verdict.Policy, CreatedAt: now.UTC(), ExpiresAt: now.Add(pendingLife).UTC(), Version: 1,
	}
	t.Home, _ = verdict.Facts["amount"].(int64)
	for _, r := range verdict.Reasons {
		t.Reasons = append(t.Reasons, r.Code)
	}
	d := Details{Purpose: cmd.Purpose, Holder: cmd.Holder, Series: cmd.Series, Payer: cmd.Payer, Payee: cmd.Payee, Batch: plain(cmd.Batch)}
	draft.t, draft.d = t, d
	draft.forHolder(holder)
	if err := draft.require(session); err != nil {
		return View{}, settle.Result{}, err
	}
	draft.keep(in, verdict)
	draft.basis(in, verdict)
	decision, err := draft.capped(verdict.Decision)
	if err != nil {
		return View{}, settle.Result{}, err
	}
	switch decision {
	case risk.Approved:
		if err = draft.exempt(); errors.Is(err, errOver) {
			return View{}, settle.Result{Outcome: settle.Over}, nil
		}
	case risk.StepUp:
		err = draft.stepUp(verdict.Reasons)
	case risk.Held:
		err = draft.hold()
	default:
		draft.t.step(now, Rejected, draft.why(), "policy")
		err = draft.save("transaction.created", draft.why())
	}
	if err != nil {
		return View{}, settle.Result{}, err
	}
	r, err := s.settle(ctx, draft.effects, draft.events...)
	if err != nil || r.Outcome != settle.Done {
		return View{}, r, err
	}
	draft.judged(verdict)
	v, err := s.view(ctx, draft.t, c)
	v.Authentication = draft.opened
	return v, r, err
}

// draft is a transaction in the making with all that is settled with it.
type draft struct {
	service  *Service
	ctx      context.Context
	by       parties.Caller
	ip       string // of the customer, if the front end told it
	binding  string // of the attempt that is opened for the customer of the session
	customer parties.Customer
	signer   parties.Customer // of the holder's, who is asked for a proof or gives one; zero: the customer
	session  string           // from which he is asked; "": the one the payment was begun from
	t        Transaction
	d        Details
	now      time.Time
	opened   *authn.View
	leave    func()     // lets the next attempt of the customer be opened; nil while none is
	token    string     // that the payment counts against; "" until it is looked up
	paysBy   string     // the credential of the session
	spent    settle.Hot // the customer's allowance as it was read
	counted  uint64     // version it gets with this, 0 if it does not move
	inputs   map[string]any
	began    time.Time       // when the decision was
	budget   time.Duration   // how long it may take; 0: no limit
	late     bool            // it took longer
	took     time.Duration   // what it took
	shadow   *risk.Outcome   // what the shadow policy would ask for
	listed   []settle.Effect // what an exemption rests on, as it was read
	habits   habits          // what the customer has paid before, as it was read
	effects  []settle.Effect
	events   []audit.Event
}

// done is called when the draft has been settled or given up.
func (x *draft) done() {
	if x.leave != nil {
		x.leave()
	}
}

// require ties what is settled to a customer, session and credential that are
// still as they were read: a suspension, a log-out or the report of a theft in
// between makes it stale.
func (x *draft) require(session authn.Session) error {
	rows, err := x.service.Store.Hot(x.ctx, session.Credential)
	if err != nil {
		return problem.Away(err)
	}
	if rows[0].Hot.State != settle.HotLive {
		return problem.New(problem.SessionEnded, "the session has ended; log in again")
	}
	x.paysBy = session.Credential
	x.effects = append(x.effects, authn.RequireSession{ID: session.ID, Version: session.Version},
		parties.RequireCustomer{ID: x.signing().ID, Version: x.signing().Version},
		settle.RequireHot{ID: session.Credential, Version: rows[0].Hot.Version})
	return nil
}

// save adds the record and its event, as the last thing.
func (x *draft) save(name, reason string) error {
	if err := x.service.seal(x.ctx, &x.t, x.customer, x.d); err != nil {
		return err
	}
	x.effects = append(x.effects, SaveTransaction{x.t})
	more, err := x.telling()
	if err != nil {
		return err
	}
	e := x.service.event(x.by, x.customer, x.t, name, reason, more)
	if x.counted > 0 { // the log knows the last version of every hot row
		e.Credential, e.Version = x.customer.Pseudonym, x.counted
	}
	x.events = append(x.events, e)
	return nil
}

// stepUp opens an authentication whose challenge is the linked text.
func (x *draft) stepUp(reasons []risk.Reason) error {
	x.t.step(x.now, PendingProof, "", "policy")
	if err := x.ask(reasons); err != nil {
		return err
	}
	return x.save("transaction.created", "proof-needed")
}

// ask opens an authentication for the transaction, with a text of its own.
func (x *draft) ask(reasons []risk.Reason) error {
	s, who := x.service, x.signing().ID
	said, err := facts(x.t, x.d)
	if err != nil {
		return err
	}
	if x.leave, err = s.Authn.Alone(x.ctx, who); err != nil {
		return err
	}
	expires := x.now.Add(s.Authn.Settings.AttemptLife).UTC().Truncate(time.Second)
	if expires.After(x.t.ExpiresAt) {
		expires = x.t.ExpiresAt
	}
	var last authn.Challenge
	// The front end that began the payment answers for it, whoever asks now.
	opener := x.by
	opener.ID = x.t.Client
	view, effects, events, err := s.Authn.Open(x.ctx, authn.Opening{
		Caller: opener, Customer: who, Purpose: authn.Payment, Transaction: x.t.ID, Session: cmp.Or(x.session, x.t.Session), Channel: x.t.Channel, Digest: x.d.digest(),
		ACR: s.needs(x.t), Shown: s.shows(x.t), Pay: typed(x.t, x.d), Binding: x.binding, Score: x.t.Score, Reasons: reasons, ExpiresAt: expires, IP: x.ip,
		Challenge: func() (authn.Challenge, error) {
			var err error
			last, err = authn.NewChallenge(x.d.typ(), s.Issuer, who, expires, said)
			return last, err
		},
	})
	if err != nil {
		return err
	}
	x.told(last)
	x.t.Attempts = append(x.t.Attempts, view.Attempt.ID)
	x.challenged(view.Attempt)
	if len(view.Attempt.Ways) == 0 && !slices.Contains(x.t.Reasons, "no-suitable-credential") {
		x.t.Reasons = append(x.t.Reasons, "no-suitable-credential")
	}
	x.opened = &view
	x.effects, x.events = append(x.effects, effects...), append(x.events, events...)
	return nil
}

// typed is what a device that shows what it signs has the customer type. The
// currency is not typed, so it is the bank's own; nor are the payees of a batch.
func typed(t Transaction, d Details) *authn.Pay {
	if t.Currency != "AZN" || len(d.Batch) > 0 {
		return nil
	}
	return &authn.Pay{Minor: t.Minor, Account: d.Payee.Account}
}

// hold keeps a suspicious or very large payment for the bank's security.
func (x *draft) hold() error {
	if err := x.keepHeld("policy"); err != nil {
		return err
	}
	return x.save("transaction.created", "held")
}
