package authn

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// SessionGrant is a new session with its first access token.
type SessionGrant struct {
	Session     Session
	AccessToken string
	ExpiresAt   time.Time // of the access token
	IdleAt      time.Time // when the session ends without activity
	Before      *Activity // of the customer until this log-in; in the answer that granted, if it can be read
}

// amr are the RFC 8176 values of what was verified. The PIN of a device is not
// verified here: it shows as a second factor only.
func amr(withPIN, onDevice bool) []string {
	switch {
	case withPIN:
		return []string{"otp", "pin", "mfa"}
	case onDevice:
		return []string{"otp", "mfa"}
	}
	return []string{"otp"}
}

// amr of a candidate. A FIDO2 key says for itself what it verified.
func (c candidate) amr(withPIN bool) []string {
	switch c.credential.Kind {
	case tokens.Card:
		return amrCard()
	case tokens.FIDO:
	default:
		return amr(withPIN, c.profile.PINOnDevice)
	}
	values := c.assertion.AMR()
	if withPIN {
		values = append(values, "pin", "mfa")
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// grant settles a proof that was right in everything.
func (j *judgement) grant(c candidate, withPIN bool, at time.Time) (ruling, error) {
	reached := Single
	if withPIN || c.profile.PINOnDevice || c.assertion.UserVerified {
		reached = Strong
	}
	if j.attempt.Purpose == Payment && reached == Strong && slices.Contains([]tokens.Kind{tokens.OCRA, tokens.FIDO, tokens.Card}, c.credential.Kind) {
		reached = Linked // the question or the challenge it answered is this payment
	}
	if reached.Rank() < j.attempt.ACR.Rank() {
		return j.refuse("level-not-reached")
	}
	j.attempt.State, j.attempt.ACR, j.attempt.AMR = Granted, reached, c.amr(withPIN)
	j.attempt.Shown = cmp.Or(c.shown, tokens.ShownNone)
	p := Proof{ACR: reached, Shown: j.attempt.Shown, AMR: j.attempt.AMR, Credential: c.credential, At: j.received, By: j.by, Signature: c.card.CMS}
	switch j.attempt.Purpose {
	case Login:
		return j.grantLogin(p)
	case Payment:
		return j.grantPayment(p)
	}
	j.attempt.Credential = p.Credential.ID
	r, err := j.finish("granted", "", false)
	r.granted, r.by = true, p.Credential.ID
	return r, err
}

func (j *judgement) grantLogin(p Proof) (ruling, error) {
	s, a := j.service, j.attempt
	session := Session{
		ID: ident.New("se"), Customer: a.Customer, Client: a.Client, Channel: a.Channel, Attempt: a.ID, Credential: p.Credential.ID,
		ACR: p.ACR, Shown: p.Shown, AMR: p.AMR, AuthTime: j.received.UTC(), LastUsed: j.received.UTC(),
		ExpiresAt: j.received.Add(s.Settings.Absolute).UTC(), Holder: a.Holder.with(j.holder), From: a.From, Version: 1,
	}
	// Signed before it is settled: a session nobody can use is never recorded as
	// granted, and the token does not leave before the entry is durable.
	grant, err := s.issue(j.ctx, session, j.received)
	if err != nil {
		return ruling{}, err
	}
	why := ""
	if a.Session != "" {
		why = "step-up"
		if live, err := j.rotate(); err != nil {
			return ruling{}, err
		} else if !live {
			return j.tooLate("session-ended")
		}
	}
	if err := j.makeRoom(); err != nil {
		return ruling{}, err
	}
	if grant.Before, err = j.log(Activity.granted); err != nil {
		return ruling{}, err
	}
	j.attempt.Granted = session.ID
	j.effects = append(append(j.effects, SaveSession{session}), parties.Joined(j.customer, j.received)...)
	j.events = append(j.events, s.sessionEvent(j.by, j.customer, session, "session.opened", "live", why))
	r, err := j.finish("granted", "", false)
	r.granted, r.by, r.view.Session = true, p.Credential.ID, grant
	return r, err
}

// makeRoom ends the oldest sessions of who logs in until there is room for one more. Log-ins
// of one person are judged one after the other on a node; what two nodes grant at the
// same moment beyond the limit, the next log-in ends.
func (j *judgement) makeRoom() error {
	s := j.service
	if s.Settings.MaxSessions == 0 {
		return nil
	}
	open, err := s.Store.Sessions(j.ctx, j.attempt.Customer)
	if err != nil {
		return problem.Away(err)
	}
	others := 0
	for _, old := range open { // newest first
		if s.ended(old, j.received) != "" || old.ID == j.attempt.Session {
			continue
		}
		if others++; others < s.Settings.MaxSessions {
			continue
		}
		old.EndedAt, old.EndReason = j.received.UTC(), "too-many-sessions"
		old.Version++
		j.effects = append(j.effects, SaveSession{old})
		j.events = append(j.events, s.sessionEvent(j.by, j.customer, old, "session.ended", "ended", old.EndReason))
	}
	return nil
}

func (j *judgement) grantPayment(p Proof) (ruling, error) {
	s := j.service
	session, err := s.Store.Session(j.ctx, j.attempt.Session)
	if err != nil {
		return ruling{}, problem.Away(err)
	}
	// Idleness is not asked: the answer is the customer's activity.
	session.LastUsed = j.received
	alive, err := s.alive(j.ctx, session, j.customer, j.received)
	if err != nil {
		return ruling{}, err
	}
	if !alive {
		return j.tooLate("session-ended")
	}
	j.effects = append(j.effects, RequireSession{ID: session.ID, Version: session.Version})
	if session.Credential != p.Credential.ID { // the one that answered is swapped
		rows, err := s.Store.Hot(j.ctx, session.Credential)
		if err != nil {
			return ruling{}, problem.Away(err)
		}
		j.effects = append(j.effects, settle.RequireHot{ID: session.Credential, Version: rows[0].Hot.Version})
	}
	if s.Payments == nil {
		return ruling{}, problem.Away(errors.New("authn: no payments are served"))
	}
	c, err := s.Payments.Proven(j.ctx, j.attempt, p, j.over)
	if errors.Is(err, ErrNotPending) {
		return j.tooLate("transaction-not-pending")
	}
	if err != nil {
		return ruling{}, err
	}
	j.effects = append(j.effects, c.Effects...)
	j.events = append(j.events, c.Events...)
	r, err := j.finish("granted", "", false)
	r.granted, r.by, r.view.Transaction = true, p.Credential.ID, &c.Transaction
	return r, err
}

// tooLate refuses a right proof that came too late for its transaction or its session.
// The code is consumed, the attempt is over.
func (j *judgement) tooLate(reason string) (ruling, error) {
	j.attempt.State = Denied
	return j.refuse(reason)
}
