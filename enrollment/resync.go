package enrollment

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"mohur/audit"
	"mohur/authn/lock"
	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/rate"
	"mohur/settle"
	"mohur/tokens"
)

// ResyncCommand brings a token back whose counter or clock has run out of its
// window, by two consecutive codes of it.
type ResyncCommand struct {
	Caller     parties.Caller
	Token      string
	Customer   string // whose token it is said to be; staff need not say
	IP         string // of the customer, as the front end tells it; may be empty
	Credential string // which of a token's; may be empty where only one counts or has a clock
	Codes      [2]string
}

// byStaff reports whether the bank's own people ask: they see the customer, and are
// told what is in the way.
func (cmd ResyncCommand) byStaff() bool {
	return cmd.Caller.Has(parties.Helpdesk, parties.Operator, parties.Supervisor)
}

// The pace of resynchronisation, by token: beside the lock, which every wrong pair
// counts towards, the search is far wider than that of a log-in.
const (
	resyncFrom   = 3
	resyncWindow = 10 * time.Minute
	resyncMost   = time.Minute
)

// resyncs counts what was tried, right or wrong, by what the caller named.
type resyncs struct {
	once  sync.Once
	tried *rate.Failures
}

// admit lets one try pass, or says when to come back.
func (r *resyncs) admit(ref string, now time.Time) error {
	r.once.Do(func() {
		r.tried = rate.NewFailures(rate.Slow{From: resyncFrom, Window: resyncWindow, Most: resyncMost})
	})
	if wait := r.tried.Wait(ref, now); wait > 0 {
		return &problem.Error{Code: problem.TooMany, Detail: "too many requests; come back later", RetryAfter: wait, Limit: "resync"}
	}
	r.tried.Add(ref, now)
	return nil
}

// Resync judges two consecutive codes and moves the credential to where the token
// is: always forward, both codes and all before them are dead. It grants nothing
// and forgives nothing: failures and locks stay as they are, a locked or suspended
// token stays what it is, and a wrong pair is a failure like a wrong code. The one
// refusal does not say why. (RFC 4226 section 7.4, RFC 6238 section 6.)
//
// A front end names the customer, and only his token is tried: a serial alone locks
// nobody out. It goes at the pace of customer and source, a refusal slows both down,
// and no code is taken whose time is over.
func (s *Service) Resync(ctx context.Context, cmd ResyncCommand) (tokens.Token, error) {
	received := s.Now()
	var c problem.Check
	for _, code := range cmd.Codes {
		c.Unless(code != "" && len(code) <= 64, "codes", "needs two codes of the token, the second made right after the first")
	}
	c.Unless(len(cmd.Credential) <= 64, "credential_id", "is too long")
	c.Unless(cmd.Customer != "" || cmd.byStaff(), "customer", "is needed: whose token it is")
	c.Unless(len(cmd.Customer) <= 64, "customer", "is too long")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	if !cmd.byStaff() {
		if err := s.Pace.Admit(cmd.Caller, cmd.Customer, cmd.IP); err != nil {
			return tokens.Token{}, err
		}
	}
	name := cmd.Token
	if t, err := s.Token(ctx, cmd.Token); err == nil {
		name = t.ID // by whatever it is called
	}
	if !cmd.byStaff() { // a stranger who takes it for another's slows nobody down
		name = cmd.Customer + "/" + name
	}
	if err := s.resyncs.admit(name, received); err != nil {
		return tokens.Token{}, err
	}
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	for range maxTries {
		t, reason, err := s.resyncOnce(judged, cmd, received)
		switch {
		case errors.Is(err, errContended) || err == nil && reason == staleReason:
			continue
		case !cmd.byStaff() && (problem.Is(err, problem.NotFound) || problem.Is(err, problem.Conflict)):
			s.Pace.Failed(cmd.Caller, cmd.Customer, cmd.IP)
			return tokens.Token{}, s.unknown(ctx, cmd.Caller, "token.resync", received)
		case err != nil:
			return tokens.Token{}, err
		case reason == "":
			return t, nil
		case reason == lockedReason && cmd.byStaff():
			return tokens.Token{}, problem.New(problem.Locked, "the credential is locked; it can be resynchronised when the lock is over, or after unlocking")
		}
		if !cmd.byStaff() {
			s.Pace.Failed(cmd.Caller, cmd.Customer, cmd.IP)
		}
		s.floor(ctx, received)
		return tokens.Token{}, refused()
	}
	return tokens.Token{}, errContended
}

// lockedReason is the cause of a refusal that the bank's own people are told.
const lockedReason = "credential-locked"

func (s *Service) resyncOnce(ctx context.Context, cmd ResyncCommand, at time.Time) (tokens.Token, string, error) {
	t, err := s.Token(ctx, cmd.Token)
	if err != nil {
		return t, "", err
	}
	if cmd.Customer != "" && cmd.Customer != t.Customer {
		return t, "", problem.New(problem.Conflict, "the token is not this customer's")
	}
	if t.State != tokens.Active {
		return t, "", problem.New(problem.Conflict, "a token that is "+string(t.State)+" is not resynchronised; that needs an active one")
	}
	c, err := s.Parties.Get(ctx, t.Customer)
	if err != nil {
		return t, "", err
	}
	x, err := s.drifted(ctx, t, cmd)
	if err != nil {
		return t, "", err
	}
	r := resyncing{service: s, ctx: ctx, cmd: cmd, at: at, customer: c, token: t, drifted: x, was: x.hot}
	switch {
	case c.State != parties.CustomerActive:
		r.reason = "customer-suspended"
	case s.Stops.Customer(c.ID) || s.Stops.Token(t.ID, t.Serial):
		r.reason = stopReason
	case x.changed != "":
		r.reason = x.changed
		r.effects, err = s.tampered(ctx, x.hot, x.changed, at)
	case x.hot.State != settle.HotLive:
		r.reason = "token-" + x.hot.State.String()
	case x.hot.Locked(at):
		r.reason = lockedReason
	default:
		r.reason = x.credential.Dead(x.hot, at)
		switch {
		case r.reason != "":
		case x.credential.Left(x.hot) < uint64(len(cmd.Codes)):
			r.reason = tokens.UsedUp
		default:
			err = r.judge()
		}
	}
	if err != nil {
		return t, "", err
	}
	return t, r.reason, r.settle()
}

// drifted is the credential that is meant.
type drifted struct {
	credential tokens.Credential
	hot        settle.Hot
	changed    string // why it is not what the server wrote; "" when it is
}

// drifted reads the credential. One that answers questions has no codes of its own
// that could be read off.
func (s *Service) drifted(ctx context.Context, t tokens.Token, cmd ResyncCommand) (drifted, error) {
	rows, intact, err := s.hotRows(ctx, t)
	if err != nil {
		return drifted{}, err
	}
	var found []drifted
	for i, id := range t.Credentials {
		cred, err := s.Store.Credential(ctx, id)
		if err != nil {
			return drifted{}, problem.Away(err)
		}
		if cred.Kind != tokens.HOTP && cred.Kind != tokens.TOTP || cmd.Credential != "" && cmd.Credential != id {
			continue
		}
		bound, err := cred.Intact(ctx, s.HSM)
		if err != nil {
			return drifted{}, problem.Away(err)
		}
		d := drifted{credential: cred, hot: rows[i]}
		switch {
		case intact[i] && rows[i].State == settle.HotQuarantined: // known already
		case !intact[i]:
			d.changed = "row-changed"
		case !bound || rows[i].Owner != settle.OwnerOf(t.Customer):
			d.changed = "record-changed"
		}
		found = append(found, d)
	}
	switch len(found) {
	case 0:
		return drifted{}, problem.New(problem.Conflict, "the token has no such credential that counts or has a clock")
	case 1:
		return found[0], nil
	}
	return drifted{}, &problem.Error{Code: problem.Conflict, Detail: "the token has several credentials; say by credential_id which one the codes are of"}
}

// resyncing is one pair of codes on its way to being settled.
type resyncing struct {
	service  *Service
	ctx      context.Context
	cmd      ResyncCommand
	at       time.Time
	customer parties.Customer
	token    tokens.Token
	drifted
	was     settle.Hot
	reason  string // of the refusal
	change  lock.Change
	effects []settle.Effect
}

// judge evaluates the pair and moves the row, or counts the failure.
func (r *resyncing) judge() error {
	s := r.service
	profile, _ := tokens.ProfileOf(r.token.Profile)
	e, err := otp.Resync(r.ctx, s.HSM, otp.Response{Credential: r.credential, Profile: profile, Hot: r.was, At: r.at, Ahead: !r.cmd.byStaff()}, r.cmd.Codes)
	switch {
	case hsm.ClassOf(err) == hsm.ClassBlob && err != nil, errors.Is(err, otp.ErrCredential):
		r.reason = "record-changed"
		r.effects, err = s.tampered(r.ctx, r.was, r.reason, r.at)
		return err
	case err != nil:
		return problem.Away(err)
	case e.Match && e.Next <= r.was.Counter:
		return problem.Away(errors.New("enrollment: a resynchronisation would bring dead codes back"))
	}
	kind := "credential-resynced"
	if r.hot = r.was.Next(); e.Match {
		r.hot = r.credential.Use(r.hot, uint64(len(r.cmd.Codes)))
		r.hot.Counter, r.hot.Drift = e.Next, e.Drift
	} else {
		r.reason = cmp.Or(string(e.Reason), "wrong-code")
		r.hot, r.change = s.Limits.Fail(r.hot, r.at)
		kind = "credential-" + r.change.String()
	}
	signed, err := r.hot.Sign(r.ctx, s.HSM)
	if err != nil {
		return problem.Away(err)
	}
	r.effects = append(r.effects, settle.SwapHot{Hot: signed})
	if !e.Match && r.change == lock.None {
		return nil
	}
	told, err := s.notices(r.ctx, r.customer, kind)
	if more := r.credential.Notice(r.was, r.hot); err == nil && more != "" {
		var also []settle.Effect
		also, err = s.notices(r.ctx, r.customer, more)
		told = append(told, also...)
	}
	r.effects = append(r.effects, told...)
	if e.Match {
		r.effects = append(r.effects, parties.RequireCustomer{ID: r.customer.ID, Version: r.customer.Version})
	}
	return err
}

// settle writes what came of it. The counters are evidence, the codes are not.
func (r *resyncing) settle() error {
	outcome := "refused"
	if r.reason == "" {
		outcome = "resynced"
	}
	who := audit.Person{Pseudonym: r.customer.Pseudonym, Key: r.customer.Key}
	events := []audit.Event{{
		Name: "token.resync", Outcome: outcome, Reason: r.reason, Person: who, Caller: r.cmd.Caller.ID, Request: r.cmd.Caller.Request,
		Detail: map[string]any{
			"token": r.token.ID, "serial": r.token.Serial, "customer": r.customer.ID, "credential": r.credential.ID,
			"counter": map[string]any{"old": r.was.Counter, "new": r.hot.Counter}, "drift": map[string]any{"old": r.was.Drift, "new": r.hot.Drift},
			"by": r.cmd.Caller.Name, "source": r.cmd.Caller.Source,
		},
	}}
	if r.change != lock.None {
		events = append(events, audit.Event{
			Name: "credential.locked", Outcome: r.change.String(), Reason: "failures", Person: who, Credential: r.credential.Pseudonym, Version: r.hot.Version,
			Caller: r.cmd.Caller.ID, Request: r.cmd.Caller.Request, Detail: map[string]any{"credential": r.credential.ID},
		})
	}
	done, err := r.service.settle(r.ctx, r.effects, events...)
	if err != nil {
		return err
	}
	if done.Outcome != settle.Done {
		return errContended
	}
	return nil
}
