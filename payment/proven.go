package payment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"mohur/authn"
	"mohur/canonical"
	"mohur/problem"
)

// Proven approves a transaction whose proof authn found right, if it still
// takes one and the proof is for its last linked text. When the day's limit
// turns out full at the moment of settling, it is rejected instead.
func (s *Service) Proven(ctx context.Context, a authn.Attempt, p authn.Proof, over bool) (authn.Consequence, error) {
	t, err := s.Store.Transaction(ctx, a.Transaction)
	if err != nil {
		return authn.Consequence{}, problem.Away(err)
	}
	c, err := s.Store.Customer(ctx, t.Customer)
	if err != nil {
		return authn.Consequence{}, problem.Away(err)
	}
	if t.State != PendingProof || !p.At.Before(t.ExpiresAt) || !t.sameText(a) {
		return authn.Consequence{}, authn.ErrNotPending
	}
	d, err := s.details(ctx, t, c)
	if err != nil {
		return authn.Consequence{}, err
	}
	if p.ACR.Rank() < s.needs(t).Rank() || seen[p.Shown] < seen[s.shows(t)] || !proves(t, d, a) {
		return authn.Consequence{}, authn.ErrNotPending
	}
	x := &draft{service: s, ctx: ctx, by: p.By, customer: c, t: t, d: d, now: p.At}
	x.t.Version++
	x.remembers(a)
	complete, err := x.sign(a, p)
	if err != nil {
		return authn.Consequence{}, err
	}
	if !complete {
		return x.signed()
	}
	x.token = p.Credential.Token
	if over {
		return x.limited()
	}
	return x.approve(p)
}

// seen ranks what a customer saw of what he proved. What is not known is nothing.
var seen = map[string]int{"none": 0, "agent": 1, "device": 2}

// proves reports whether the text the proof is bound to says what the record
// says: the authorization is signed from the record, so nothing in it may differ
// from what the customer's answer was computed over.
func proves(t Transaction, d Details, a authn.Attempt) bool {
	text := d.text(t, a.Customer)
	sum := sha256.Sum256(text)
	if !bytes.Equal(sum[:], a.SHA256) {
		return false
	}
	var said map[string]json.RawMessage
	if err := json.Unmarshal(text, &said); err != nil {
		return false
	}
	says, err := facts(t, d)
	if err != nil {
		return false
	}
	says["typ"], says["sub"] = d.typ(), a.Customer
	for name, fact := range says {
		want, err := canonical.JSON(fact)
		if err != nil || !bytes.Equal(want, said[name]) {
			return false
		}
	}
	return true
}

// approve reserves the day's limit, starts the exemption's counters again and
// signs the authorization.
func (x *draft) approve(p authn.Proof) (authn.Consequence, error) {
	if c, stopped, err := x.again(p); stopped || err != nil {
		return c, err
	}
	if err := x.reserve(); errors.Is(err, errOver) {
		return x.limited()
	} else if err != nil {
		return authn.Consequence{}, err
	}
	if err := x.replenish(); err != nil {
		return authn.Consequence{}, err
	}
	if err := x.remember(true); err != nil {
		return authn.Consequence{}, err
	}
	x.count()
	if err := x.based(); err != nil {
		return authn.Consequence{}, err
	}
	x.t.step(x.now, Approved, "", x.signing().ID)
	if err := x.authorize(); err != nil {
		return authn.Consequence{}, err
	}
	if err := x.save("transaction.approved", "proof"); err != nil {
		return authn.Consequence{}, err
	}
	plain, err := x.service.Keys.Open(x.ctx, x.customer.Key, AuthorizationPlace(x.t.ID), x.t.Authorization)
	if err != nil {
		return authn.Consequence{}, problem.Away(err)
	}
	return x.consequence(string(plain)), nil
}

// limited rejects a proven payment that would pass the day's limit.
func (x *draft) limited() (authn.Consequence, error) {
	x.t.Reasons = append(x.t.Reasons, "limit-exceeded")
	x.t.step(x.now, Rejected, "limit-exceeded", "policy")
	if err := x.save("transaction.rejected", "limit-exceeded"); err != nil {
		return authn.Consequence{}, err
	}
	return x.consequence(""), nil
}

func (x *draft) consequence(authorization string) authn.Consequence {
	return authn.Consequence{
		Effects: x.effects, Events: x.events,
		Transaction: authn.TransactionResult{ID: x.t.ID, State: string(x.t.State), Authorization: authorization},
	}
}
