package bound

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"mohur/approval"
	"mohur/authn"
	"mohur/ca"
	"mohur/compromised"
	"mohur/custody"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/parties"
	"mohur/payment"
	"mohur/rulebook"
	"mohur/settle"
	"mohur/tokens"
)

// kind is one sort of bound record: its name, where its id and MAC are, and what
// of it moves without being signed.
type kind[T any] struct {
	name  string
	at    func(*T) (id string, mac *[]byte)
	loose func(*T)
}

var (
	customer    = kind[parties.Customer]{name: "customer", at: func(r *parties.Customer) (string, *[]byte) { return r.ID, &r.MAC }}
	client      = kind[parties.Client]{name: "client", at: func(r *parties.Client) (string, *[]byte) { return r.ID, &r.MAC }}
	holder      = kind[parties.Holder]{name: "holder", at: func(r *parties.Holder) (string, *[]byte) { return r.ID, &r.MAC }}
	token       = kind[tokens.Token]{name: "token", at: func(r *tokens.Token) (string, *[]byte) { return r.ID, &r.MAC }}
	secret      = kind[enrollment.Secret]{name: "secret", at: func(r *enrollment.Secret) (string, *[]byte) { return r.ID, &r.MAC }}
	attempt     = kind[authn.Attempt]{name: "attempt", at: func(r *authn.Attempt) (string, *[]byte) { return r.ID, &r.MAC }}
	session     = kind[authn.Session]{name: "session", at: func(r *authn.Session) (string, *[]byte) { return r.ID, &r.MAC }, loose: func(r *authn.Session) { r.LastUsed = time.Time{} }}
	activity    = kind[authn.Activity]{name: "activity", at: func(r *authn.Activity) (string, *[]byte) { return r.Customer, &r.MAC }}
	half        = kind[custody.Half]{name: "half", at: func(r *custody.Half) (string, *[]byte) { return r.Name, &r.MAC }}
	decision    = kind[approval.Approval]{name: "approval", at: func(r *approval.Approval) (string, *[]byte) { return r.ID, &r.MAC }}
	metadata    = kind[tokens.Metadata]{name: "metadata", at: func(r *tokens.Metadata) (string, *[]byte) { return r.Signer, &r.MAC }}
	permit      = kind[tokens.Permit]{name: "permit", at: func(r *tokens.Permit) (string, *[]byte) { return r.ID, &r.MAC }}
	authority   = kind[ca.Authority]{name: "authority", at: func(r *ca.Authority) (string, *[]byte) { return r.ID, &r.MAC }}
	certificate = kind[ca.Certificate]{name: "certificate", at: func(r *ca.Certificate) (string, *[]byte) { return r.Serial, &r.MAC }}
	velocity    = kind[payment.Velocity]{name: "velocity", at: func(r *payment.Velocity) (string, *[]byte) { return r.Customer, &r.MAC }}
	history     = kind[payment.PayeeHistory]{name: "payee-history", at: func(r *payment.PayeeHistory) (string, *[]byte) { return r.Key, &r.MAC }}
	exposed     = kind[compromised.Record]{name: "compromised", at: func(r *compromised.Record) (string, *[]byte) { return r.ID, &r.MAC }, loose: func(r *compromised.Record) { r.Items = nil }}
	payeeList   = kind[payment.PayeeList]{name: "payee-list", at: func(r *payment.PayeeList) (string, *[]byte) { return r.ID, &r.MAC }}
	series      = kind[payment.Series]{name: "series", at: func(r *payment.Series) (string, *[]byte) { return r.ID, &r.MAC }}
	analysis    = kind[payment.Analysis]{name: "analysis", at: func(r *payment.Analysis) (string, *[]byte) { return r.ID, &r.MAC }}
	limits      = kind[payment.Limits]{name: "limits", at: func(r *payment.Limits) (string, *[]byte) { return r.Customer, &r.MAC }}
	transaction = kind[payment.Transaction]{name: "transaction", at: func(r *payment.Transaction) (string, *[]byte) { return r.ID, &r.MAC }}
)

// sign returns the record with room for its MAC, which signing.done fills.
func (k kind[T]) sign(b *signing, r T) (T, error) {
	id, mac := k.at(&r)
	in, err := input(k.name, id, k.bare(r))
	*mac = b.add(in)
	return r, err
}

// signing gathers the records of a command, whose MACs the module makes in one
// visit.
type signing struct {
	inputs []hsm.Input
	macs   [][]byte
}

// add returns where the MAC of an input will be.
func (b *signing) add(in hsm.Input) []byte {
	mac := make([]byte, sha256.Size)
	b.inputs, b.macs = append(b.inputs, in), append(b.macs, mac)
	return mac
}

// done fills in the MACs. Before it nothing that was signed is to be used.
func (b *signing) done(ctx context.Context, m settle.Module) error {
	if len(b.inputs) == 0 {
		return nil
	}
	made, err := m.MACs(ctx, hsm.RowMAC, b.inputs...)
	if err != nil {
		return err
	}
	if len(made) != len(b.macs) {
		return fmt.Errorf("bound: the module made %d MACs for %d records", len(made), len(b.macs))
	}
	for i, mac := range made {
		if copy(b.macs[i], mac) != sha256.Size {
			return fmt.Errorf("bound: the module made a MAC of %d bytes", len(mac))
		}
	}
	return nil
}

// bare is the record as its MAC is computed over it. A touch moves the LastUsed of
// a session without signing anything: it is not covered, and bounded by the
// absolute life, which is.
func (k kind[T]) bare(r T) T {
	_, mac := k.at(&r)
	*mac = nil
	if k.loose != nil {
		k.loose(&r)
	}
	return r
}

// check passes a record on if it is the one that was signed.
func (k kind[T]) check(ctx context.Context, s *Store, r T, err error) (T, error) {
	var none T
	if err != nil {
		return none, err
	}
	id, mac := k.at(&r)
	if err := s.verify(ctx, k.name, id, k.bare(r), *mac); err != nil {
		return none, err
	}
	return r, nil
}

// all passes a list on if every record of it is whole.
func (k kind[T]) all(ctx context.Context, s *Store, list []T, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	for i := range list {
		if _, err := k.check(ctx, s, list[i], nil); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// whole leaves out of a list what is not as it was signed. Such a record grants
// nothing and an incident is open; the person's other records go on serving him.
func (k kind[T]) whole(ctx context.Context, s *Store, list []T, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var out []T
	for i := range list {
		switch _, err := k.check(ctx, s, list[i], nil); {
		case err == nil:
			out = append(out, list[i])
		case !errors.Is(err, ErrTampered):
			return nil, err
		}
	}
	return out, nil
}

// Settle signs the records of a command and settles it.
func (s *Store) Settle(ctx context.Context, c settle.Command) (settle.Result, error) {
	signed := settle.Command{Effects: make([]settle.Effect, len(c.Effects)), Entries: c.Entries}
	var b signing
	for i, e := range c.Effects {
		var err error
		if signed.Effects[i], err = b.sign(e); err != nil {
			return settle.Result{}, err
		}
	}
	if err := b.done(ctx, s.HSM); err != nil {
		return settle.Result{}, err
	}
	return s.Engine.Settle(ctx, signed)
}

// sign is the whole list of the records that are bound.
func (b *signing) sign(e settle.Effect) (_ settle.Effect, err error) {
	switch e := e.(type) {
	case parties.SaveCustomer:
		e.Customer, err = customer.sign(b, e.Customer)
		return e, err
	case parties.SaveClient:
		e.Client, err = client.sign(b, e.Client)
		return e, err
	case parties.SaveHolder:
		e.Holder, err = holder.sign(b, e.Holder)
		return e, err
	case tokens.SaveToken:
		e.Token, err = token.sign(b, e.Token)
		return e, err
	case enrollment.SaveSecret:
		e.Secret, err = secret.sign(b, e.Secret)
		return e, err
	case custody.SaveHalf:
		e.Half, err = half.sign(b, e.Half)
		return e, err
	case tokens.SavePermit:
		e.Permit, err = permit.sign(b, e.Permit)
		return e, err
	case approval.Save:
		e.Approval, err = decision.sign(b, e.Approval)
		return e, err
	case tokens.SaveMetadata:
		e.Metadata, err = metadata.sign(b, e.Metadata)
		return e, err
	case rulebook.SavePolicy:
		e.Policy, err = adoptedPolicy.sign(b, e.Policy)
		return e, err
	case rulebook.SaveHead:
		e.Head, err = policyHead.sign(b, e.Head)
		return e, err
	case rulebook.SaveShadow:
		e.Shadow, err = shadowPolicy.sign(b, e.Shadow)
		return e, err
	case rulebook.SaveRates:
		e.Rates, err = exchangeRates.sign(b, e.Rates)
		return e, err
	case ca.SaveAuthority:
		e.Authority, err = authority.sign(b, e.Authority)
		return e, err
	case ca.SaveCertificate:
		e.Certificate, err = certificate.sign(b, e.Certificate)
		return e, err
	case authn.SaveAttempt:
		e.Attempt, err = attempt.sign(b, e.Attempt)
		return e, err
	case authn.SaveActivity:
		e.Activity, err = activity.sign(b, e.Activity)
		return e, err
	case authn.SaveSession:
		e.Session, err = session.sign(b, e.Session)
		return e, err
	case payment.SaveVelocity:
		e.Velocity, err = velocity.sign(b, e.Velocity)
		return e, err
	case payment.SavePayeeHistory:
		e.History, err = history.sign(b, e.History)
		return e, err
	case compromised.Save:
		e.Record, err = exposed.sign(b, e.Record)
		return e, err
	case payment.SavePayeeList:
		e.List, err = payeeList.sign(b, e.List)
		return e, err
	case payment.SaveSeries:
		e.Series, err = series.sign(b, e.Series)
		return e, err
	case payment.SaveAnalysis:
		e.Analysis, err = analysis.sign(b, e.Analysis)
		return e, err
	case payment.SaveLimits:
		e.Limits, err = limits.sign(b, e.Limits)
		return e, err
	case payment.SaveTransaction:
		e.Transaction, err = transaction.sign(b, e.Transaction)
		return e, err
	}
	return e, nil
}
