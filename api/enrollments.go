package api

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"mohur/enrollment"
	"mohur/tokens"
)

type enrollmentIn struct {
	Customer string `json:"customer"`
	Staff    string `json:"staff"`
	Kind     string `json:"kind"`
	Label    string `json:"label"`
	Token    string `json:"token"`
	Proof    *proof `json:"proof"`
}

type enrollmentOut struct {
	ID        string        `json:"id"`
	State     string        `json:"state"`
	ExpiresAt *time.Time    `json:"expires_at,omitzero"`
	OTP       *provisionOut `json:"otp,omitzero"`
	FIDO      *creationOut  `json:"fido,omitzero"`
	Token     *tokenOut     `json:"token,omitzero"`
}

// provisionOut is shown once.
type provisionOut struct {
	URI string `json:"uri"` // otpauth://
	QR  string `json:"qr"`  // the same as a picture, data:image/png
}

// creationOut is what the page passes to navigator.credentials.create.
type creationOut struct {
	PublicKey jsontext.Value `json:"publicKey"`
}

// postEnrollment begins an app token or a FIDO2 key of a customer who has proven
// himself.
func (x *exchange) postEnrollment(ctx context.Context, in enrollmentIn) (reply, error) {
	if err := in.named(); err != nil {
		return reply{}, err
	}
	if in.Kind == string(tokens.FIDO) {
		return x.enrolKey(ctx, in)
	}
	if in.Token != "" {
		return reply{}, invalid("token", "goes with kind fido only")
	}
	cmd := enrollment.AppCommand{Caller: x.by, Customer: in.Customer, Kind: tokens.Kind(in.Kind), Label: in.Label}
	var err error
	if cmd.Proof, err = in.Proof.given(); err != nil {
		return reply{}, err
	}
	if cmd.Data, err = withoutProof(x.raw); err != nil {
		return reply{}, err
	}
	app, err := x.server.Enrollment.BeginApp(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	expires := app.ExpiresAt.UTC()
	return created(enrollmentOut{ID: app.ID, State: "pending", ExpiresAt: &expires, OTP: &provisionOut{URI: app.URI, QR: app.QR}})
}

// enrolKey begins the registration of a FIDO2 key.
func (x *exchange) enrolKey(ctx context.Context, in enrollmentIn) (reply, error) {
	cmd := enrollment.KeyCommand{Caller: x.by, Customer: in.Customer, Token: in.Token, Label: in.Label}
	var err error
	if cmd.Proof, err = in.Proof.given(); err != nil {
		return reply{}, err
	}
	if cmd.Data, err = withoutProof(x.raw); err != nil {
		return reply{}, err
	}
	key, err := x.server.Enrollment.BeginKey(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	expires := key.ExpiresAt.UTC()
	return created(enrollmentOut{ID: key.ID, State: "pending", ExpiresAt: &expires, FIDO: &creationOut{PublicKey: key.PublicKey}})
}

type finishIn struct {
	OTP  *firstCodeIn   `json:"otp"`
	FIDO jsontext.Value `json:"fido"`
}

type firstCodeIn struct {
	Code string `json:"code"`
}

// respondEnrollment completes it with the first code of the app, or with what the
// browser gave of the key.
func (x *exchange) respondEnrollment(ctx context.Context, in finishIn) (reply, error) {
	var t tokens.Token
	var err error
	switch {
	case in.OTP != nil && in.FIDO != nil:
		return reply{}, invalid("fido", "does not go with otp")
	case in.FIDO != nil:
		t, err = x.server.Enrollment.FinishKey(ctx, enrollment.KeyAnswer{Caller: x.by, ID: x.id("id"), Credential: in.FIDO})
	case in.OTP != nil:
		t, err = x.server.Enrollment.FinishApp(ctx, enrollment.AppAnswer{Caller: x.by, ID: x.id("id"), Code: in.OTP.Code})
	default:
		return reply{}, invalid("otp", "is needed, or fido")
	}
	if err != nil {
		return reply{}, err
	}
	out, err := x.tokenOf(ctx, t)
	if err != nil {
		return reply{}, settled(err)
	}
	return ok(enrollmentOut{ID: x.id("id"), State: "completed", Token: &out})
}
