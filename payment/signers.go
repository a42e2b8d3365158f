package payment

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"mohur/authn"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// Signature is the proof that one signer of a holder's payment has given.
type Signature struct {
	Customer   string    `json:"customer"`
	Attempt    string    `json:"attempt"`
	Credential string    `json:"credential"`
	Session    string    `json:"session"` // from which it was begun
	At         time.Time `json:"at"`
	ACR        string    `json:"acr"`
	Shown      string    `json:"shown"`
	AMR        []string  `json:"amr,omitempty"`
	SHA256     []byte    `json:"sha256"`        // of the text that was proven; it names its signer
	CMS        []byte    `json:"cms,omitempty"` // of card-sign: over that text, sealed under the key of the payment's customer at SignerPlace
}

// Asked is the last text that a signer was asked to prove. No other of his counts.
type Asked struct {
	Customer string `json:"customer"`
	SHA256   []byte `json:"sha256"`
}

// SignerPlace is where the sealed signature of one signer's card belongs.
func SignerPlace(id, customer string) string { return SignaturePlace(id) + "/" + customer }

// severalLife is how long a payment waits that takes more than one signature.
const severalLife = 24 * time.Hour

// life is how long the transaction waits for its proof.
func (t Transaction) life() time.Duration {
	if t.Required > 1 {
		return severalLife
	}
	return pendingLife
}

// asked is the hash of the last text a person was asked to prove, nil if there is none.
func (t Transaction) asked(customer string) []byte {
	if t.Holder == "" && customer == t.Customer {
		return t.SHA256
	}
	for _, a := range t.Asked {
		if a.Customer == customer {
			return a.SHA256
		}
	}
	return nil
}

// SignatureOf returns a person's signature, nil if he has given none.
func (t Transaction) SignatureOf(customer string) *Signature {
	i := slices.IndexFunc(t.Signatures, func(s Signature) bool { return s.Customer == customer })
	if i < 0 {
		return nil
	}
	return &t.Signatures[i]
}

// text is the last text a person was asked to prove.
func (d Details) text(t Transaction, customer string) []byte {
	if t.Holder == "" {
		return d.Linked
	}
	return d.Texts[customer]
}

// holderOf returns the holder a payment is made for, the zero value where that is the
// customer himself. Whether there is no such holder or the customer does not sign for it
// is the same refusal.
func (s *Service) holderOf(ctx context.Context, id string, c parties.Customer) (parties.Holder, error) {
	if id == "" {
		return parties.Holder{}, nil
	}
	h, err := s.Store.Holder(ctx, id)
	switch {
	case err != nil && !errors.Is(err, parties.ErrNotFound):
		return parties.Holder{}, problem.Away(err)
	case err == nil && h.Signs(c.ID):
		return h, nil
	case err != nil && id == c.ID:
		return parties.Holder{}, nil
	}
	return parties.Holder{}, &problem.Error{Code: problem.Invalid, Detail: "the customer does not sign for this holder", Fields: []problem.Field{{
		Field: "holder", Message: "needs to be a holder that the customer signs for: the bank keeps one with PUT /v1/holders/{id}; leave it out for his own account"}}}
}

// mayBeExempt reports whether a payment could be exempt from a proof: never a batch, nor what
// more than one person signs. minor is the amount, of which only manat are known yet.
func (cmd CreateCommand) mayBeExempt(h parties.Holder, minor int64) bool {
	if cmd.Amount.Currency != "AZN" {
		minor = 0
	}
	return len(cmd.Batch) == 0 && (h.ID == "" || h.Required(minor) == 1)
}

// forHolder ties a new transaction to the holder it is for.
func (x *draft) forHolder(h parties.Holder) {
	if h.ID == "" {
		if x.d.Holder != "" { // his own id: others would sign for a holder of that id
			x.effects = append(x.effects, parties.RequireNoHolder{ID: x.d.Holder})
		}
		return
	}
	x.t.Holder, x.t.Required = h.ID, h.Required(x.t.Home)
	x.t.ExpiresAt = x.now.Add(x.t.life()).UTC()
	x.effects = append(x.effects, parties.RequireHolder{ID: h.ID, Version: h.Version})
}

// signing is who is asked for a proof, or gives one: a signer of the holder's, else the
// customer.
func (x *draft) signing() parties.Customer {
	if x.signer.ID != "" {
		return x.signer
	}
	return x.customer
}

// told remembers the text a signer is asked to prove.
func (x *draft) told(c authn.Challenge) {
	x.d.Linked, x.t.SHA256 = c.Text, c.SHA256[:]
	if x.t.Holder == "" {
		return
	}
	who := x.signing().ID
	x.t.Asked = append(without(x.t.Asked, who), Asked{Customer: who, SHA256: c.SHA256[:]})
	texts := map[string][]byte{}
	for signer, text := range x.d.Texts {
		texts[signer] = text
	}
	texts[who] = c.Text
	x.d.Texts = texts
}

func without(asked []Asked, customer string) []Asked {
	return slices.DeleteFunc(slices.Clone(asked), func(a Asked) bool { return a.Customer == customer })
}

// askedBy lets the customer of a session be asked for a proof: who made the payment, and
// each signer of its holder who has not signed. For everybody else there is no payment.
// The session has to be one of the payment's channel.
func (x *draft) askedBy(session authn.Session, c parties.Customer) error {
	missing := problem.New(problem.NotFound, "there is no such transaction")
	if x.t.Holder == "" {
		if c.ID != x.t.Customer {
			return missing
		}
		if session.Channel != x.t.Channel {
			return errChannel
		}
		x.t.Session = session.ID
		return nil
	}
	h, signed, err := x.recount()
	if err != nil {
		return err
	}
	if !h.Signs(c.ID) {
		return missing
	}
	if session.Channel != x.t.Channel {
		return errChannel
	}
	if x.t.SignatureOf(c.ID) != nil || slices.ContainsFunc(signed, c.SamePerson) {
		return problem.New(problem.Conflict, "this person has signed already; another signer is needed")
	}
	x.signer, x.session = c, session.ID
	return nil
}

var errChannel = problem.New(problem.Forbidden, "the session was opened on another channel")

// recount brings the signatures up to date with the holder as it is now: who signs for
// it, how many it takes, and which of those given still stand; signed are those who gave them.
// One person is one of them, however many customers he is. What it says is required to
// be so still when it is settled.
func (x *draft) recount() (h parties.Holder, signed []parties.Customer, err error) {
	s := x.service
	if h, err = s.Store.Holder(x.ctx, x.t.Holder); err != nil {
		return h, nil, problem.Away(err)
	}
	x.effects = append(x.effects, parties.RequireHolder{ID: h.ID, Version: h.Version})
	x.t.Required = max(x.t.Required, h.Required(x.t.Home))
	var kept []Signature
	for _, sig := range x.t.Signatures {
		c, err := s.Store.Customer(x.ctx, sig.Customer)
		if err != nil && !errors.Is(err, parties.ErrNotFound) {
			return h, nil, problem.Away(err)
		}
		ok := err == nil && h.Signs(c.ID) && !slices.ContainsFunc(signed, c.SamePerson) && authn.ACR(sig.ACR).Rank() >= s.needs(x.t).Rank() && seen[sig.Shown] >= seen[s.shows(x.t)]
		if ok {
			var still []settle.Effect
			if ok, still, err = s.Authn.Stands(x.ctx, authn.Given{Customer: sig.Customer, Credential: sig.Credential, Session: sig.Session, At: sig.At, Channel: x.t.Channel}); err != nil {
				return h, nil, err
			}
			x.effects = append(append(x.effects, still...), parties.RequireCustomer{ID: c.ID, Version: c.Version})
		}
		if !ok {
			x.t.step(x.now, x.t.State, EventVoid, sig.Customer)
			x.t.Asked = without(x.t.Asked, sig.Customer)
			continue
		}
		kept, signed = append(kept, sig), append(signed, c)
	}
	x.t.Signatures = kept
	return h, signed, nil
}

// sign takes a proof and reports whether the payment needs no further one.
func (x *draft) sign(a authn.Attempt, p authn.Proof) (complete bool, err error) {
	// Nobody pays for one who was stopped since he made the payment, whether he signs it
	// himself or not.
	if !x.customer.Serves(x.t.Channel, x.t.CreatedAt) {
		return false, authn.ErrNotPending
	}
	x.effects = append(x.effects, parties.RequireCustomer{ID: x.customer.ID, Version: x.customer.Version})
	if x.t.Holder == "" {
		if err := x.stillHisOwn(); err != nil {
			return false, err
		}
		x.t.ACR, x.t.Shown, x.t.AMR = string(p.ACR), p.Shown, p.AMR
		x.t.Signature, err = x.sealed(SignaturePlace(x.t.ID), p.Signature)
		return true, err
	}
	h, signed, err := x.recount()
	if err != nil {
		return false, err
	}
	who, err := x.service.Store.Customer(x.ctx, a.Customer)
	if err != nil {
		return false, problem.Away(err)
	}
	if !h.Signs(who.ID) || x.t.SignatureOf(who.ID) != nil || slices.ContainsFunc(signed, who.SamePerson) {
		return false, authn.ErrNotPending
	}
	x.effects = append(x.effects, parties.RequireCustomer{ID: who.ID, Version: who.Version})
	sig := Signature{
		Customer: a.Customer, Attempt: a.ID, Credential: p.Credential.ID, Session: a.Session, At: p.At.UTC(),
		ACR: string(p.ACR), Shown: p.Shown, AMR: p.AMR, SHA256: a.SHA256,
	}
	if sig.CMS, err = x.sealed(SignerPlace(x.t.ID, a.Customer), p.Signature); err != nil {
		return false, err
	}
	x.t.Signatures = append(x.t.Signatures, sig)
	x.signer = parties.Customer{ID: a.Customer}
	x.t.step(x.now, PendingProof, "signed", a.Customer)
	if len(x.t.Signatures) < x.t.Required {
		return false, nil
	}
	x.t.ACR, x.t.Shown, x.t.AMR = weakest(x.t.Signatures)
	x.d.Linked, x.t.SHA256 = x.d.Texts[a.Customer], a.SHA256
	return true, nil
}

// stillHisOwn refuses a payment that was begun for the customer's own account, by his own
// id, when there is a holder of that id by now: for a holder its signers sign.
func (x *draft) stillHisOwn() error {
	if x.d.Holder == "" {
		return nil
	}
	switch _, err := x.service.Store.Holder(x.ctx, x.d.Holder); {
	case err == nil:
		return authn.ErrNotPending
	case !errors.Is(err, parties.ErrNotFound):
		return problem.Away(err)
	}
	x.effects = append(x.effects, parties.RequireNoHolder{ID: x.d.Holder})
	return nil
}

// sealed seals what a card has signed, if it has.
func (x *draft) sealed(place string, cms []byte) ([]byte, error) {
	if len(cms) == 0 {
		return nil, nil
	}
	box, err := x.service.Keys.Seal(x.ctx, x.customer.Key, place, cms)
	if err != nil {
		return nil, problem.Away(err)
	}
	return box, nil
}

// weakest is what can be said of all signatures together: the lowest level, the least
// that was shown, and what was verified of everybody.
func weakest(all []Signature) (acr, shown string, amr []string) {
	acr, shown, amr = all[0].ACR, all[0].Shown, slices.Clone(all[0].AMR)
	for _, s := range all[1:] {
		if authn.ACR(s.ACR).Rank() < authn.ACR(acr).Rank() {
			acr = s.ACR
		}
		if seen[s.Shown] < seen[shown] {
			shown = s.Shown
		}
		amr = slices.DeleteFunc(amr, func(v string) bool { return !slices.Contains(s.AMR, v) })
	}
	return acr, shown, amr
}

// signed settles a signature that others have to follow.
func (x *draft) signed() (authn.Consequence, error) {
	if err := x.save("transaction.signed", "signatures-missing"); err != nil {
		return authn.Consequence{}, err
	}
	return x.consequence(""), nil
}

// unsign takes back every signature and every text that was asked for: a payment that
// was held is signed anew by everybody.
func (x *draft) unsign() {
	x.t.Signatures, x.t.Asked, x.d.Texts = nil, nil, nil
	x.t.SHA256, x.d.Linked = nil, nil
}

// withdraw ends what is open of the transaction, with every signer.
func (x *draft) withdraw(reason string) error {
	people := []parties.Customer{x.customer}
	for _, a := range x.t.Asked {
		if a.Customer == x.customer.ID {
			continue
		}
		c, err := x.service.Store.Customer(x.ctx, a.Customer)
		if err != nil {
			return problem.Away(err)
		}
		people = append(people, c)
	}
	for _, c := range people {
		effects, events, err := x.service.Authn.Withdraw(x.ctx, x.by, c, x.t.ID, reason)
		if err != nil {
			return err
		}
		x.effects, x.events = append(x.effects, effects...), append(x.events, events...)
	}
	return nil
}

// provenBy reports whether a person has given a proof of the payment.
func (t Transaction) provenBy(customer string) bool {
	return t.Holder == "" && t.Customer == customer || t.SignatureOf(customer) != nil
}

// sameText reports whether an attempt is for the last text its customer was asked to
// prove.
func (t Transaction) sameText(a authn.Attempt) bool {
	want := t.asked(a.Customer)
	return len(want) > 0 && bytes.Equal(want, a.SHA256)
}
