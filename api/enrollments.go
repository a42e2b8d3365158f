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
	Use      string `json:"use"`
	Proof    *proof `json:"proof"`
}

type enrollmentOut struct {
	ID        string        `json:"id"`
	State     string        `json:"state"`
	ExpiresAt *time.Time    `json:"expires_at,omitzero"`
	OTP       *provisionOut `json:"otp,omitzero"`
	FIDO      *creationOut  `json:"fido,omitzero"`
	Card      *cardAskOut   `json:"card,omitzero"`
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

// cardAskOut is what the page passes to the Web eID extension: the nonce to log in
// with; to a certificate for documents the hash of the text, to be signed.
type cardAskOut struct {
	Nonce  string `json:"nonce"`
	Origin string `json:"origin"`
	Use    string `json:"use"`
	Text   string `json:"text"`
}

func cardAsked(p *enrollment.PendingCard) *cardAskOut {
	if p == nil {
		return nil
	}
	return &cardAskOut{Nonce: p.Nonce, Origin: p.Origin, Use: p.Use, Text: string(p.Text)}
}

// postEnrollment begins an app token, a FIDO2 key or a card of a customer who has
// proven himself.
func (x *exchange) postEnrollment(ctx context.Context, in enrollmentIn) (reply, error) {
	if err := in.named(); err != nil {
		return reply{}, err
	}
	if in.Use != "" && in.Kind != string(tokens.Card) {
		return reply{}, invalid("use", "goes with kind card only")
	}
	if in.Kind == string(tokens.FIDO) {
		return x.enrolKey(ctx, in)
	}
	if in.Kind == string(tokens.Card) {
		return x.enrolCard(ctx, in)
	}
	if in.Token != "" {
		return reply{}, invalid("token", "goes with kind fido or card only")
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

// enrolCard begins the enrolment of a card's certificate.
func (x *exchange) enrolCard(ctx context.Context, in enrollmentIn) (reply, error) {
	cmd := enrollment.CardCommand{Caller: x.by, Customer: in.Customer, Token: in.Token, Use: in.Use, Label: in.Label}
	var err error
	if cmd.Proof, err = in.Proof.given(); err != nil {
		return reply{}, err
	}
	if cmd.Data, err = withoutProof(x.raw); err != nil {
		return reply{}, err
	}
	p, err := x.server.Enrollment.BeginCard(ctx, cmd)
	if err != nil {
		return reply{}, err
	}
	expires := p.ExpiresAt.UTC()
	return created(enrollmentOut{ID: p.ID, State: "pending", ExpiresAt: &expires, Card: cardAsked(&p)})
}

// getEnrollment says how an enrolment stands, to the caller who began it: a card that
// was refused takes the nonce that stands here now.
func (x *exchange) getEnrollment(ctx context.Context) (reply, error) {
	st, err := x.server.Enrollment.Standing(ctx, x.by, x.id("id"))
	if err != nil {
		return reply{}, err
	}
	out := enrollmentOut{ID: x.id("id"), State: st.State, Card: cardAsked(st.Card)}
	if !st.ExpiresAt.IsZero() {
		expires := st.ExpiresAt.UTC()
		out.ExpiresAt = &expires
	}
	return ok(out)
}

type finishIn struct {
	OTP  *firstCodeIn   `json:"otp"`
	FIDO jsontext.Value `json:"fido"`
	Card jsontext.Value `json:"card"`
}

type firstCodeIn struct {
	Code string `json:"code"`
}

// respondEnrollment completes it with the first code of the app, or with what the
// browser gave of the key or card.
func (x *exchange) respondEnrollment(ctx context.Context, in finishIn) (reply, error) {
	var t tokens.Token
	var err error
	switch {
	case in.OTP != nil && in.FIDO != nil:
		return reply{}, invalid("fido", "does not go with otp")
	case in.Card != nil && (in.OTP != nil || in.FIDO != nil):
		return reply{}, invalid("card", "does not go with otp or fido")
	case in.Card != nil:
		t, err = x.server.Enrollment.FinishCard(ctx, enrollment.CardAnswer{Caller: x.by, ID: x.id("id"), Token: in.Card})
	case in.FIDO != nil:
		t, err = x.server.Enrollment.FinishKey(ctx, enrollment.KeyAnswer{Caller: x.by, ID: x.id("id"), Credential: in.FIDO})
	case in.OTP != nil:
		t, err = x.server.Enrollment.FinishApp(ctx, enrollment.AppAnswer{Caller: x.by, ID: x.id("id"), Code: in.OTP.Code})
	default:
		return reply{}, invalid("otp", "is needed, or fido or card")
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
