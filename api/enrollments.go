package api

import (
	"context"
	"time"

	"mohur/enrollment"
	"mohur/tokens"
)

type enrollmentIn struct {
	Customer string `json:"customer"`
	Kind     string `json:"kind"`
	Label    string `json:"label"`
	Proof    *proof `json:"proof"`
}

type enrollmentOut struct {
	ID        string        `json:"id"`
	State     string        `json:"state"`
	ExpiresAt *time.Time    `json:"expires_at,omitzero"`
	OTP       *provisionOut `json:"otp,omitzero"`
	Token     *tokenOut     `json:"token,omitzero"`
}

// provisionOut is shown once.
type provisionOut struct {
	URI string `json:"uri"` // otpauth://
	QR  string `json:"qr"`  // the same as a picture, data:image/png
}

// postEnrollment begins an app token of a customer who has proven himself.
func (x *exchange) postEnrollment(ctx context.Context, in enrollmentIn) (reply, error) {
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

type finishIn struct {
	OTP *firstCodeIn `json:"otp"`
}

type firstCodeIn struct {
	Code string `json:"code"`
}

// respondEnrollment completes it with the first code of the app.
func (x *exchange) respondEnrollment(ctx context.Context, in finishIn) (reply, error) {
	if in.OTP == nil {
		return reply{}, invalid("otp", "is needed")
	}
	t, err := x.server.Enrollment.FinishApp(ctx, enrollment.AppAnswer{Caller: x.by, ID: x.id("id"), Code: in.OTP.Code})
	if err != nil {
		return reply{}, err
	}
	out, err := x.tokenOf(ctx, t)
	if err != nil {
		return reply{}, settled(err)
	}
	return ok(enrollmentOut{ID: x.id("id"), State: "completed", Token: &out})
}
