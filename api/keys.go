package api

import (
	"context"
	"encoding/hex"
	"strconv"
	"time"

	"mohur/custody"
	"mohur/hsm"
	"mohur/jws"
	"mohur/problem"
)

// getKeySet publishes the keys with which access tokens and authorizations are
// verified (RFC 7517 section 5).
func (x *exchange) getKeySet(ctx context.Context) (reply, error) {
	session, err := x.server.HSM.Public(ctx, hsm.TokenSigning)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	authorization, err := x.server.HSM.Public(ctx, hsm.AuthorizationSigning)
	if err != nil {
		return reply{}, problem.Away(err)
	}
	set, err := jws.Set(session, authorization)
	if err != nil {
		return reply{}, err
	}
	return reply{status: 200, kind: "application/jwk-set+json", body: set}, nil
}

// listKeys lists the keys in the HSM, by name; the keys themselves never leave
// it.
func (x *exchange) listKeys(ctx context.Context) (reply, error) {
	all, err := x.server.Keys.Keys(ctx)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(all, "", func(k hsm.KeyInfo) hsm.KeyInfo { return k }))
}

type transportIn struct {
	Name    string       `json:"name"`
	Half    string       `json:"half"`
	HalfKCV string       `json:"half_kcv"`
	KCV     string       `json:"kcv"`
	KCVForm custody.Form `json:"kcv_form"`
	Hex     string       `json:"hex"`
}

type importedOut struct {
	Key string      `json:"key"`
	KCV custody.KCV `json:"kcv"`
}

// waitingOut is the answer to a first half.
type waitingOut struct {
	Half       halfOut     `json:"half"`
	KCV        custody.KCV `json:"kcv"`
	WaitingFor string      `json:"waiting_for"`
	ExpiresAt  time.Time   `json:"expires_at"`
}

// importTransport takes one half of a manufacturer's transport key, and brings
// the key into the HSM with the second; in development also a whole key.
func (x *exchange) importTransport(ctx context.Context, in transportIn) (reply, error) {
	defer clear(x.raw) // which has been named and is not read again
	switch {
	case in.KCVForm != "" && in.KCVForm != custody.CMAC && in.KCVForm != custody.ECB:
		return reply{}, invalid("kcv_form", "needs to be cmac or ecb")
	case in.Hex != "" && !x.server.Development:
		return reply{}, problem.New(problem.Forbidden, "a transport key comes in as two halves by two custodians: send a half")
	case in.Hex != "" && (in.Half != "" || in.HalfKCV != ""):
		return reply{}, invalid("half", "stands beside a whole key: send one of the two")
	case in.Hex != "":
		return x.importWhole(ctx, in)
	}
	half, err := secretHex(in.Half, "half")
	if err != nil {
		return reply{}, err
	}
	out, err := x.server.Keys.Bring(ctx, custody.BringCommand{
		Caller: x.by, Name: in.Name, Half: half, OfHalf: in.expected(in.HalfKCV), OfKey: in.expected(in.KCV),
	})
	switch {
	case err != nil:
		return reply{}, err
	case out.Waiting != nil:
		return accepted(waitingOut{Half: halfOf(*out.Waiting), KCV: out.KCV, WaitingFor: "a second custodian", ExpiresAt: out.Waiting.ExpiresAt})
	}
	return created(importedOut{Key: string(hsm.Transport(in.Name)), KCV: out.KCV})
}

// expected is a check value as the request has it; nil when it has none.
func (in transportIn) expected(value string) *custody.Expected {
	if value == "" {
		return nil
	}
	form := in.KCVForm
	if form == "" {
		form = custody.CMAC
	}
	return &custody.Expected{Form: form, Value: value}
}

// importWhole is for development.
func (x *exchange) importWhole(ctx context.Context, in transportIn) (reply, error) {
	key, err := secretHex(in.Hex, "hex")
	if err != nil {
		return reply{}, err
	}
	kcv, err := x.server.Keys.Import(ctx, x.by, in.Name, key, in.expected(in.KCV))
	if err != nil {
		return reply{}, err
	}
	return created(importedOut{Key: string(hsm.Transport(in.Name)), KCV: kcv})
}

// secretHex reads a key or half. What is wrong with it is said without a digit
// of it.
func secretHex(text, field string) ([]byte, error) {
	b, err := hex.DecodeString(text)
	if err != nil {
		clear(b)
		return nil, invalid(field, "needs 16 or 32 bytes as hexadecimal digits")
	}
	return b, nil
}

// halfOut is a half that waits; of its value it says nothing.
type halfOut struct {
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func halfOf(h custody.Half) halfOut {
	return halfOut{Name: h.Name, Type: "AES-" + strconv.Itoa(8*h.Size), By: h.ByName, CreatedAt: h.CreatedAt.UTC(), ExpiresAt: h.ExpiresAt.UTC()}
}

// listHalves lists the halves that wait, all of them.
func (x *exchange) listHalves(ctx context.Context) (reply, error) {
	all, err := x.server.Keys.Waiting(ctx)
	if err != nil {
		return reply{}, err
	}
	return ok(pageOf(all, "", halfOf))
}

// cancelHalf ends a ceremony.
func (x *exchange) cancelHalf(ctx context.Context) (reply, error) {
	if err := x.server.Keys.Cancel(ctx, x.by, x.id("name")); err != nil {
		return reply{}, err
	}
	return done()
}

type rotateIn struct {
	Key hsm.Key `json:"key"`
}

// rotateKey makes the next version of a key of the house.
func (x *exchange) rotateKey(ctx context.Context, in rotateIn) (reply, error) {
	info, err := x.server.Keys.Rotate(ctx, x.by, in.Key)
	if err != nil {
		return reply{}, err
	}
	return created(info)
}

// pairWait is how long an HSM may look for the primes of an RSA key.
const pairWait = 2 * time.Minute

type pairIn struct {
	Name string `json:"name"`
	Bits int    `json:"bits"`
}

// publicOut is the public half of an RSA transport key.
type publicOut struct {
	Key       string `json:"key"`
	Type      string `json:"type"`
	PublicKey string `json:"public_key"`
	SHA256    string `json:"sha256"`
}

func publicOf(p custody.Public) publicOut {
	return publicOut{Key: string(p.Key), Type: p.Type, PublicKey: p.PEM, SHA256: p.SHA256}
}

// makePair makes an RSA transport key in the HSM.
func (x *exchange) makePair(ctx context.Context, in pairIn) (reply, error) {
	p, err := x.server.Keys.Make(ctx, x.by, in.Name, in.Bits)
	if err != nil {
		return reply{}, err
	}
	return created(publicOf(p))
}

// getTransport returns the public half of an RSA transport key again.
func (x *exchange) getTransport(ctx context.Context) (reply, error) {
	p, err := x.server.Keys.PublicOf(ctx, x.id("name"))
	if err != nil {
		return reply{}, err
	}
	return ok(publicOf(p))
}

// deleteTransport removes a transport key once its files are in.
func (x *exchange) deleteTransport(ctx context.Context) (reply, error) {
	if err := x.server.Keys.Delete(ctx, x.by, x.id("name")); err != nil {
		return reply{}, err
	}
	return done()
}
