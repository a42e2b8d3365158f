package enrollment

import (
	"context"
	"errors"
	"time"

	"mohur/audit"
	"mohur/authn/pin"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// PINCommand sets a customer's PIN. Only the customer chooses it.
type PINCommand struct {
	Caller   parties.Caller
	Customer string
	PIN      string
	Proof    Proof
}

// pinAct is setting a PIN. Of its canonical request, without proof and secret,
// nothing is left.
var pinAct = act{purpose: "pin", action: "customer.pin", data: []byte(`{}`), event: "customer.pin"}

// personal is the fault of a PIN that pin.Personal finds.
const personal = "is one of the customer's own numbers; take digits that nobody can look up"

// SetPIN judges the proof and replaces the PIN in one write, and tells the
// customer. A PIN that the rules refuse by what the bank knows of the customer is
// told as such, but only to who has proven himself, and uses the proof up (of an
// activation secret, one try): nobody finds out with one proof what somebody's
// PINs have been.
func (s *Service) SetPIN(ctx context.Context, cmd PINCommand) error {
	received := s.Now()
	var c problem.Check
	fault := s.PINRules.Fault(cmd.PIN)
	if fault == "" && pin.Personal(cmd.PIN, cmd.Customer) {
		fault = personal
	}
	c.Unless(fault == "", "pin", fault)
	if err := cmd.Proof.check(&c); err != nil {
		return err
	}
	judged, done := context.WithTimeout(context.WithoutCancel(ctx), judgeTime)
	defer done()
	for range maxTries {
		reason, err := s.setPINOnce(judged, cmd)
		if err == nil && reason == staleReason {
			continue
		}
		return s.verdict(ctx, cmd.Caller, cmd.Proof, pinAct.event, received, reason, err)
	}
	return problem.New(problem.Conflict, "the PIN is being changed by somebody else; try again")
}

func (s *Service) setPINOnce(ctx context.Context, cmd PINCommand) (string, error) {
	c, err := s.Parties.Get(ctx, cmd.Customer)
	if err != nil {
		return "", err
	}
	e, err := s.entitled(ctx, cmd.Caller, cmd.Proof, c, pinAct)
	if err != nil {
		return "", err
	}
	outcome, reason, fault := "refused", e.reason, ""
	var effects []settle.Effect
	if reason == "" {
		effects, reason, fault, err = s.nextPIN(ctx, cmd, c, e.way())
		switch {
		case errors.Is(err, errContended):
			return staleReason, nil
		case err != nil:
			return "", err
		}
	}
	if reason == "" {
		outcome = "set"
	}
	effects = append(effects, e.effects(reason == "")...)
	r, err := s.settle(ctx, effects, audit.Event{
		Name: pinAct.event, Outcome: outcome, Reason: reason, Person: audit.Person{Pseudonym: c.Pseudonym, Key: c.Key},
		Caller: cmd.Caller.ID, Request: cmd.Caller.Request,
		Detail: map[string]any{"customer": c.ID, "source": cmd.Caller.Source, "proof": cmd.Proof.kind()},
	})
	switch {
	case err != nil:
		return "", err
	case r.Outcome != settle.Done:
		return staleReason, nil
	case fault != "":
		return reason, &problem.Error{Code: problem.Invalid, Detail: "the PIN cannot be taken, and the proof is used up; choose another PIN with a new one",
			Fields: []problem.Field{{Field: "pin", Message: fault}}}
	}
	return reason, nil
}

// nextPIN is what is written for the new PIN. A PIN that is not taken leaves the
// cause for the log and what the customer is told.
func (s *Service) nextPIN(ctx context.Context, cmd PINCommand, c parties.Customer, way string) (effects []settle.Effect, reason, fault string, err error) {
	old, row, err := s.presentPIN(ctx, c)
	if err != nil {
		return nil, "", "", err
	}
	if reason, fault, err = s.refusedPIN(ctx, cmd, c, old); reason != "" || err != nil {
		return nil, reason, fault, err
	}
	next, err := s.PINs.Next(ctx, old, pin.New{PIN: cmd.PIN, Keep: s.PINRules.Remembered(), Way: way, At: s.Now()})
	switch {
	case errors.Is(err, pin.ErrUsed):
		return nil, "pin-used-before", "was used before; choose one that is new", nil
	case errors.Is(err, pin.ErrRecord):
		return nil, "", "", s.quarantinePIN(ctx, c, row, row.Version)
	case err != nil:
		return nil, "", "", problem.Away(err)
	}
	row = row.Next()
	row.Counter, row.State, row.Owner = next.Number, settle.HotLive, settle.OwnerOf(c.ID)
	row.Fails, row.Locks, row.LockedUntil = 0, 0, 0
	signed, err := row.Sign(ctx, s.HSM)
	if err != nil {
		return nil, "", "", problem.Away(err)
	}
	told, err := s.notices(ctx, c, "pin-set")
	if err != nil {
		return nil, "", "", err
	}
	effects = []settle.Effect{pin.Save{Record: next}, settle.SwapHot{Hot: signed}, parties.RequireCustomer{ID: c.ID, Version: c.Version}}
	return append(effects, told...), "", "", nil
}

// refusedPIN asks the rules that need to know the customer.
func (s *Service) refusedPIN(ctx context.Context, cmd PINCommand, c parties.Customer, old pin.Record) (reason, fault string, err error) {
	p, err := s.Parties.Profile(ctx, c)
	if err != nil {
		return "", "", err
	}
	if pin.Personal(cmd.PIN, p.Phone, p.Email, c.ContractRef, c.KYCRef) {
		return "pin-personal", personal, nil
	}
	from := old.ChangedAt.Add(s.PINRules.MinAge)
	if len(old.Sealed) > 0 && cmd.Proof.ActivationSecret == "" && s.Now().Before(from) {
		return "pin-too-young", "was set not long ago; it can be changed again from " + from.UTC().Format(time.RFC3339) + " on, or at once with an activation secret", nil
	}
	return "", "", nil
}

// presentPIN reads the PIN that is to be replaced, with its hot row: both new when
// the customer has none. The row's counter is the record's number, which never comes
// back, so that an old PIN put back is found, also after a quarantine. A quarantined PIN ends here, with its history: a proof of
// the customer and a new record take the place of what was tampered with.
func (s *Service) presentPIN(ctx context.Context, c parties.Customer) (pin.Record, settle.Hot, error) {
	rec, err := s.Store.PIN(ctx, c.ID)
	if errors.Is(err, parties.ErrNotFound) {
		rec = pin.Record{Customer: c.ID, Pseudonym: ident.New("p")}
	} else if err != nil {
		return rec, settle.Hot{}, problem.Away(err)
	}
	reads, err := s.Store.Hot(ctx, pin.HotID(c.ID))
	if err != nil {
		return rec, settle.Hot{}, problem.Away(err)
	}
	row := reads[0].Hot
	row.ID = pin.HotID(c.ID)
	if !reads[0].Found && reads[0].Indexed == 0 {
		if rec.Version != 0 { // a record without its row
			return rec, row, s.quarantinePIN(ctx, c, settle.Hot{ID: row.ID}, 0)
		}
		return rec, settle.Hot{ID: row.ID}, nil
	}
	intact, err := reads[0].Intact(ctx, s.HSM)
	switch {
	case err != nil:
		return rec, row, problem.Away(err)
	case !intact:
		return rec, row, s.quarantinePIN(ctx, c, row, reads[0].Indexed)
	case row.State == settle.HotQuarantined:
		rec.Sealed = nil
	case row.Counter != rec.Bond():
		return rec, row, s.otherPIN(ctx, c, row, rec)
	}
	return rec, row, nil
}

// otherPIN tells a record that was put back from one that was rightly replaced
// between two reads, which is read again.
func (s *Service) otherPIN(ctx context.Context, c parties.Customer, row settle.Hot, was pin.Record) error {
	now, err := s.Store.PIN(ctx, c.ID)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return problem.Away(err)
	}
	if now.Version != was.Version || now.Number != was.Number {
		return errContended
	}
	return s.quarantinePIN(ctx, c, row, row.Version)
}
