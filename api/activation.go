package api

import (
	"context"
	"time"

	"mohur/enrollment"
	"mohur/problem"
)

type pinIn struct {
	PIN   string `json:"pin"`
	Proof *proof `json:"proof"`
}

// putPIN sets the PIN a customer has chosen. No role of the bank's own may call
// it: staff never choose a customer's secret.
func (x *exchange) putPIN(ctx context.Context, in pinIn) (reply, error) {
	cmd := enrollment.PINCommand{Caller: x.by, Customer: x.id("id"), PIN: in.PIN}
	var err error
	if cmd.Proof, err = in.Proof.given(); err != nil {
		return reply{}, err
	}
	if err := x.server.Enrollment.SetPIN(ctx, cmd); err != nil {
		return reply{}, err
	}
	return done()
}

// given is the proof as the domain takes it; none when there is none.
func (p *proof) given() (enrollment.Proof, error) {
	switch {
	case p == nil:
		return enrollment.Proof{}, nil
	case p.Approval != "":
		return enrollment.Proof{}, later("proof.approval")
	}
	if err := checkSecret("proof.activation_secret", p.ActivationSecret); err != nil {
		return enrollment.Proof{}, err
	}
	return enrollment.Proof{Authentication: p.Authentication, ActivationSecret: p.ActivationSecret}, nil
}

// checkSecret bounds a secret before anything is computed or sealed over it.
func checkSecret(field, text string) error {
	var c problem.Check
	c.Unless(len(text) <= maxSecret, field, "is too long")
	return c.Err()
}

// maxSecret is longer than every PIN, code and activation secret, in bytes.
const maxSecret = 64

type secretIn struct {
	Purpose string `json:"purpose"`
	Token   string `json:"token"`
	Channel string `json:"channel"`
}

type secretOut struct {
	ID        string    `json:"id"`
	SentTo    string    `json:"sent_to"`
	ExpiresAt time.Time `json:"expires_at"`
	Question  string    `json:"question,omitzero"` // what an OCRA token answers at its activation
	Secret    string    `json:"secret,omitzero"`   // in development only
}

// sendSecret has an activation secret sent to the customer. Outside development
// nobody but he learns it.
func (x *exchange) sendSecret(ctx context.Context, in secretIn) (reply, error) {
	sent, err := x.server.Enrollment.SendSecret(ctx, enrollment.SecretCommand{
		Caller: x.by, Customer: x.id("id"), Purpose: in.Purpose, Token: in.Token, Channel: in.Channel,
	})
	if err != nil {
		return reply{}, err
	}
	out := secretOut{ID: sent.Secret.ID, SentTo: sent.SentTo, ExpiresAt: sent.Secret.ExpiresAt.UTC(), Question: sent.Secret.Question}
	if x.server.Development {
		out.Secret = sent.Text
	}
	return created(out)
}

type activateIn struct {
	Secret   string    `json:"activation_secret"`
	Response *answerIn `json:"response"`
}

// activateToken brings a delivered token to life.
func (x *exchange) activateToken(ctx context.Context, in activateIn) (reply, error) {
	if in.Response == nil {
		return reply{}, invalid("response", "is needed")
	}
	secret, err := in.Response.secret("response.")
	if err != nil {
		return reply{}, err
	}
	if err := checkSecret("activation_secret", in.Secret); err != nil {
		return reply{}, err
	}
	t, err := x.server.Enrollment.Activate(ctx, enrollment.ActivateCommand{
		Caller: x.by, Token: x.id("ref"), Secret: in.Secret, Method: in.Response.Method, Code: secret,
	})
	if err != nil {
		return reply{}, err
	}
	return x.token(ctx, t)
}
