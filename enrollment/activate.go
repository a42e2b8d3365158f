package enrollment

import (
	"context"
	"errors"
	"time"

	"mohur/audit"
	"mohur/authn/otp"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/rate"
	"mohur/settle"
	"mohur/tokens"
)

// ActivateCommand brings a delivered token to life: the secret says it is the
// customer, the code that the token is in his hands.
type ActivateCommand struct {
	Caller parties.Caller
	Token  string
	Secret string
	Method string // otp or ocra
	Code   string
}

// refused is the one refusal of an activation.
func refused() error {
	return problem.New(problem.AuthenticationFailed, "the response was not accepted")
}

// Activate judges secret and code together. Both are consumed, and every
// credential of the token comes to life, in one write.
func (s *Service) Activate(ctx context.Context, cmd ActivateCommand) (tokens.Token, error) {
	received := s.Now()
	var c problem.Check
	c.Unless(cmd.Secret != "" && len(cmd.Secret) <= 64, "activation_secret", "is needed")
	c.Unless(cmd.Method == "otp" || cmd.Method == "ocra", "response.method", "needs to be otp or ocra")
	c.Unless(cmd.Code != "" && len(cmd.Code) <= 64, "response.code", "is needed")
	if err := c.Err(); err != nil {
		return tokens.Token{}, err
	}
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	for range maxTries {
		t, reason, err := s.activateOnce(judged, cmd, received)
		switch {
		case hides(cmd.Caller, err):
			return tokens.Token{}, s.unknown(ctx, cmd.Caller, "token.activation", received)
		case err != nil:
			return tokens.Token{}, err
		case reason == "":
			return t, nil
		case reason != staleReason:
			s.floor(ctx, received)
			return tokens.Token{}, refused()
		}
	}
	return tokens.Token{}, errContended
}

// judgeTime is how long an answer that was taken up is judged: whoever goes away
// meanwhile is counted all the same.
const judgeTime = 5 * time.Second

// hides reports whether a front end must not be told: whether a token or a
// customer exists, and in which state, is for the bank's own people.
func hides(by parties.Caller, err error) bool {
	return by.Only() && (problem.Is(err, problem.NotFound) || problem.Is(err, problem.Conflict))
}

// unknown is the one refusal for what does not exist, at its usual price.
func (s *Service) unknown(ctx context.Context, by parties.Caller, event string, received time.Time) error {
	if _, err := s.secretMAC(ctx, Secret{}, ""); err != nil {
		return err
	}
	_, err := s.settle(ctx, nil, audit.Event{
		Name: event, Outcome: "refused", Reason: "unknown", Caller: by.ID, Request: by.Request, Detail: map[string]any{"source": by.Source},
	})
	if err != nil {
		return err
	}
	s.floor(ctx, received)
	return refused()
}

// staleReason says that something moved between reading and settling.
const staleReason = "stale"

func (s *Service) activateOnce(ctx context.Context, cmd ActivateCommand, received time.Time) (tokens.Token, string, error) {
	t, err := s.Token(ctx, cmd.Token)
	if err != nil {
		return t, "", err
	}
	next, err := t.Apply(tokens.Activate, received, "", cmd.Caller.ID)
	if err != nil {
		return t, "", problem.New(problem.Conflict, err.Error())
	}
	customer, err := s.Parties.Get(ctx, t.Customer)
	if err != nil {
		return t, "", err
	}
	purpose, of := "activate", t.ID
	if parties.IsStaff(customer.ID) { // he has his link, which brings one credential to life
		purpose, of = "enroll", ""
	}
	secret, reason, err := s.judgeSecret(ctx, customer, purpose, of, cmd.Secret)
	if err != nil {
		return t, "", err
	}
	if customer.State != parties.CustomerActive {
		secret, reason = nil, "customer-suspended"
	} else if s.Stops.Customer(customer.ID) || s.Stops.Token(t.ID, t.Serial) {
		secret, reason = nil, stopReason
	}
	var effects []settle.Effect
	if reason == "" {
		if effects, reason, err = s.proven(ctx, t, *secret, cmd, received); err != nil {
			return t, "", err
		}
		if reason != "" {
			secret.fail()
		}
	}
	if secret != nil {
		effects = append(effects, SaveSecret{*secret})
	}
	outcome, name := "refused", "token.activation"
	if reason == "" {
		effects = append(effects, tokens.SaveToken{Token: next}, parties.RequireCustomer{ID: customer.ID, Version: customer.Version})
		outcome, name = string(next.State), "token.activate"
	}
	r, err := s.settle(ctx, effects, s.activationEvent(cmd, customer, t, name, outcome, reason))
	if err != nil {
		return t, "", err
	}
	if r.Outcome != settle.Done {
		return t, staleReason, nil
	}
	return next, reason, nil
}

// proven judges the code and returns the rows of all credentials as they will
// be. The rows come to life only when everything was right.
func (s *Service) proven(ctx context.Context, t tokens.Token, secret Secret, cmd ActivateCommand, at time.Time) ([]settle.Effect, string, error) {
	rows, intact, err := s.hotRows(ctx, t)
	if err != nil {
		return nil, "", err
	}
	profile, _ := tokens.ProfileOf(t.Profile)
	var effects []settle.Effect
	matched := false
	for i, id := range t.Credentials {
		cred, err := s.Store.Credential(ctx, id)
		if err != nil {
			return nil, "", problem.Away(err)
		}
		bound, err := cred.Intact(ctx, s.HSM)
		if err != nil {
			return nil, "", problem.Away(err)
		}
		if !bound || !intact[i] || rows[i].State != settle.HotInert || rows[i].Owner != (settle.Owner{}) {
			effects, err := s.tampered(ctx, rows[i], "record-changed", at)
			return effects, "record-changed", err
		}
		next := rows[i].Next()
		next.State, next.Owner = settle.HotLive, settle.OwnerOf(t.Customer)
		if (cred.Kind == tokens.OCRA) == (cmd.Method == "ocra") && !matched && cred.Dead(rows[i], at) == "" {
			e, err := otp.Verify(ctx, s.HSM, otp.Response{Credential: cred, Profile: profile, Hot: rows[i], Code: cmd.Code, Question: secret.Question, At: at})
			if err != nil && !errors.Is(err, otp.ErrInput) { // the question is for another suite of this token
				return nil, "", away(err)
			}
			if e.Match {
				next = cred.Use(next, 1)
				matched, next.Counter, next.Drift = true, e.Next, e.Drift
			}
		}
		signed, err := next.Sign(ctx, s.HSM)
		if err != nil {
			return nil, "", problem.Away(err)
		}
		effects = append(effects, settle.SwapHot{Hot: signed})
	}
	if !matched {
		return nil, "wrong-code", nil
	}
	return effects, "", nil
}

// away tells a damaged record, which staff must look at, from an HSM that does
// not answer.
func away(err error) error {
	if hsm.ClassOf(err) == hsm.ClassBlob {
		return &problem.Error{Code: problem.Conflict, Detail: "the token's record is damaged; revoke it", Err: err}
	}
	return problem.Away(err)
}

func (s *Service) activationEvent(cmd ActivateCommand, c parties.Customer, t tokens.Token, name, outcome, reason string) audit.Event {
	return audit.Event{
		Name: name, Outcome: outcome, Reason: reason, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{"token": t.ID, "serial": t.Serial, "customer": t.Customer, "method": cmd.Method, "source": cmd.Caller.Source},
	}
}

// floor waits until every refusal has taken as long as any other.
func (s *Service) floor(ctx context.Context, received time.Time) {
	rate.Rest(ctx, s.Floor-s.Now().Sub(received))
}
