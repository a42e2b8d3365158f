package authn

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"mohur/authn/card"
	"mohur/authn/fido"
	"mohur/authn/lock"
	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// candidate is a credential an answer is judged against.
type candidate struct {
	token      tokens.Token
	credential tokens.Credential
	profile    tokens.Profile
	hot        settle.Hot
	reason     string // why it must not be judged; "" when it may
	evidence   evidence
	assertion  fido.Assertion // of a FIDO2 key
	card       card.Verdict   // of a card
	revoked    bool           // the issuer revoked this card's certificate
	shown      string         // what an answer proves to have been seen
}

// evidence is what a verifier says of an answer.
type evidence struct {
	right  bool
	why    string // it is not
	next   uint64 // the hot row's counter when it is
	drift  int8
	broken bool // the record itself cannot be right
}

// judge evaluates a possession answer and, only when it is right, the PIN. An
// answer that names no credential is judged against the first one offered: a
// wrong code then counts on one, not on all and not on none, and no credential is
// guessed at more often than its own limit allows.
func (j *judgement) judge(cmd AnswerCommand, pinText string, at time.Time) (ruling, error) {
	needPIN := j.needsPIN(cmd)
	j.withPIN, j.method = needPIN, cmd.Method
	if cause := j.dead(); cause != "" {
		return j.spend(cause)
	}
	offer := j.attempt.offer(cmd.Method, cmd.Credential)
	if offer == nil || len(offer.Credentials) == 0 {
		return j.spend("not-offered")
	}
	id, verify := cmp.Or(cmd.Credential, offer.Credentials[0].ID), j.verifyOTP(otp.Response{Code: cmd.Secret, Question: offer.Question, PIN: pinText, At: at})
	if cmd.Method == FIDO {
		key := j.attempt.key(cmd)
		if key == nil || j.service.FIDO == nil {
			return j.spend("not-offered")
		}
		id, verify = key.Credential, j.verifyFIDO(cmd, key)
	}
	if cmd.Method.card() {
		if cmd.card == nil || cmd.card.credential == "" {
			return j.spend("not-offered")
		}
		id, verify = cmd.card.credential, j.verifyCard(cmd)
	}
	c, err := j.candidate(id, at, verify)
	c.shown = offer.Shown
	if cmd.Method.card() {
		c.shown = c.card.Shown
	}
	switch {
	case err != nil:
		return ruling{}, err
	case c.reason != "":
		return j.unjudged(c.reason)
	case c.assertion.Clone || c.assertion.Changed:
		return j.doubted(c)
	case c.revoked:
		return j.revokedCard(c)
	case !c.evidence.right && cmd.Method.signed():
		j.credential = c.credential.Pseudonym
		return j.unjudged(c.evidence.why)
	case !c.evidence.right:
		return j.wrong(c)
	}
	return j.right(c, needPIN, pinText, at)
}

// dead says why nothing can be granted whatever the answer: a decoy is final, and
// an attempt does not outlive a suspension of its customer.
func (j *judgement) dead() string {
	switch {
	case j.attempt.Decoy:
		return j.attempt.Cause
	case j.customer.State != parties.CustomerActive:
		return "customer-suspended"
	case j.customer.Stopped(j.attempt.Channel):
		return "channel-suspended"
	case !j.customer.Serves(j.attempt.Channel, j.attempt.CreatedAt):
		return "begun-before-suspension"
	case j.service.Stops.Customer(j.customer.ID):
		return stopReason
	}
	return ""
}

// candidate loads one credential, checks that nothing of it was tampered with,
// and evaluates the answer. What must not be judged costs the same calls.
func (j *judgement) candidate(id string, at time.Time, verify func(*candidate) error) (candidate, error) {
	s, ctx := j.service, j.ctx
	c, err := s.load(ctx, id)
	if err != nil {
		return c, err
	}
	intact, err := s.intact(ctx, c, j.attempt.Customer)
	if err != nil {
		return c, problem.Away(err)
	}
	switch {
	case c.reason != "row-changed" && c.hot.State == settle.HotQuarantined:
		c.reason = "quarantined"
	case !intact:
		if err := j.quarantine(&c); err != nil {
			return c, err
		}
	case c.hot.State != settle.HotLive:
		c.reason = "token-" + c.hot.State.String()
	case c.token.State != tokens.Active || c.token.Customer != j.attempt.Customer:
		c.reason = "token-" + string(c.token.State)
	case s.Stops.Token(c.token.ID, c.token.Serial):
		c.reason = stopReason
	case c.hot.Locked(j.received):
		c.reason = "credential-locked"
	default:
		c.reason = c.credential.Dead(c.hot, at)
	}
	if c.reason != "" {
		return c, away(s.idleVerify(ctx, j.method))
	}
	if err := verify(&c); err != nil {
		return c, away(err)
	}
	if c.evidence.broken {
		return c, j.quarantine(&c)
	}
	return c, nil
}

// verifyOTP evaluates a code.
func (j *judgement) verifyOTP(r otp.Response) func(*candidate) error {
	return func(c *candidate) error {
		r.Credential, r.Profile, r.Hot = c.credential, c.profile, c.hot
		if r.Question != "" {
			r.AskedAt = j.attempt.CreatedAt
		}
		e, err := otp.Verify(j.ctx, j.service.HSM, r)
		if err != nil && damaged(err) {
			c.evidence.broken = true
			return nil
		}
		c.evidence = evidence{right: e.Match, why: string(e.Reason), next: e.Next, drift: e.Drift}
		return err
	}
}

// load reads a credential with its token and hot row. A record that is gone
// while an attempt offers it was removed behind the server's back.
func (s *Service) load(ctx context.Context, id string) (candidate, error) {
	cred, err := s.Store.Credential(ctx, id)
	missing := errors.Is(err, parties.ErrNotFound)
	if err != nil && !missing {
		return candidate{}, problem.Away(err)
	}
	if missing {
		cred = tokens.Credential{ID: id}
	}
	t, err := s.Store.Token(ctx, cred.Token)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return candidate{}, problem.Away(err)
	}
	rows, err := s.Store.Hot(ctx, id)
	if err != nil {
		return candidate{}, problem.Away(err)
	}
	profile, _ := tokens.ProfileOf(t.Profile)
	c := candidate{token: t, credential: cred, profile: profile, hot: rows[0].Hot}
	c.hot.ID = id
	ok, err := rows[0].Intact(ctx, s.HSM)
	if err != nil {
		return candidate{}, problem.Away(err)
	}
	switch {
	case !ok:
		// Nothing of a changed row is believed, its version least of all.
		c.reason, c.hot.Version = "row-changed", rows[0].Indexed
	case missing:
		c.reason = "record-missing"
	}
	return c, nil
}

// intact checks the record's own MAC and that the row belongs to the customer.
func (s *Service) intact(ctx context.Context, c candidate, customer string) (bool, error) {
	bound, err := c.credential.Intact(ctx, s.HSM)
	if err != nil {
		return false, err
	}
	return bound && c.reason == "" && c.hot.Owner == settle.OwnerOf(customer), nil
}

// unjudged refuses where no credential could be judged, or nothing could be guessed:
// its row stays, so that no stranger's responses lock it. The MAC that a row would get
// is made as well.
func (j *judgement) unjudged(reason string) (ruling, error) {
	if err := j.service.idleSwap(j.ctx); err != nil {
		return ruling{}, problem.Away(err)
	}
	return j.refuse(reason)
}

// idleSwap makes the MAC of a row that nobody has seen before, as every row is that
// takes another's place: one that was made before would be looked up (hsm.Recall).
func (s *Service) idleSwap(ctx context.Context) error {
	var b [8]byte
	rand.Read(b[:])
	_, err := settle.Hot{ID: s.decoy.ID, Counter: binary.BigEndian.Uint64(b[:])}.Sign(ctx, s.HSM)
	return err
}

// wrong counts one failure on one credential.
func (j *judgement) wrong(c candidate) (ruling, error) {
	hot, change := j.service.Settings.Limits.Fail(c.hot.Next(), j.received)
	if err := j.swapCredential(hot, c.credential, change); err != nil {
		return ruling{}, err
	}
	return j.refuse(c.evidence.why)
}

// right consumes the code, whatever comes of the PIN, and grants when the PIN
// is right too or none is needed.
func (j *judgement) right(c candidate, needPIN bool, pinText string, at time.Time) (ruling, error) {
	hot := c.credential.Use(c.hot.Next(), 1)
	hot.Counter, hot.Drift = c.evidence.next, c.evidence.drift
	reason := ""
	if needPIN {
		var err error
		if reason, err = j.judgePIN(pinText); err != nil {
			return ruling{}, err
		}
	}
	if reason == "" {
		hot = lock.Forget(hot)
	}
	if err := j.swapCredential(hot, c.credential, lock.None); err != nil {
		return ruling{}, err
	}
	if kind := c.credential.Notice(c.hot, hot); kind != "" {
		if err := j.notify(kind); err != nil {
			return ruling{}, err
		}
	}
	if reason != "" {
		if c.credential.Kind == tokens.FIDO {
			// A key without a counter would vouch for the next PIN with the same response:
			// another PIN needs another challenge.
			j.attempt.State = Denied
		}
		return j.refuse(reason)
	}
	// Whoever was suspended since he was read is not granted.
	j.effects = append(j.effects, parties.RequireCustomer{ID: j.customer.ID, Version: j.customer.Version})
	return j.grant(c, needPIN, at)
}

// idleJudge and idleVerify are the calls of a judgement without a credential.
func (s *Service) idleJudge(ctx context.Context, m Method) error {
	if _, err := (settle.Hot{ID: s.decoy.ID}).Sign(ctx, s.HSM); err != nil {
		return err
	}
	if _, err := s.decoy.Intact(ctx, s.HSM); err != nil {
		return err
	}
	return s.idleVerify(ctx, m)
}

// idleVerify is the HSM's part in judging a response.
func (s *Service) idleVerify(ctx context.Context, m Method) error {
	if m.signed() {
		return nil
	}
	p, _ := tokens.ProfileOf(tokens.DefaultProfile)
	_, err := otp.Verify(ctx, s.HSM, otp.Response{
		Credential: s.decoy, Profile: p, Code: "x", Hot: settle.Hot{Counter: 1 << 20}, // in the midst of its life
	})
	return err
}

// away maps an error of the HSM, nil to nil.
func away(err error) error {
	if err == nil {
		return nil
	}
	return problem.Away(err)
}

// damaged reports whether err says that the record itself cannot be right: the
// module works, but this blob or these parameters do not.
func damaged(err error) bool {
	return hsm.ClassOf(err) == hsm.ClassBlob || errors.Is(err, otp.ErrCredential) || errors.Is(err, otp.ErrSuite)
}
