package authn

import (
	"errors"

	"mohur/authn/lock"
	"mohur/authn/pin"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// judgePIN evaluates the PIN beside a possession proof that was right. It
// returns "" when the PIN is right and the cause of the refusal otherwise.
func (j *judgement) judgePIN(text string) (string, error) {
	s := j.service
	rec, err := s.Store.PIN(j.ctx, j.attempt.Customer)
	missing := errors.Is(err, parties.ErrNotFound)
	if err != nil && !missing {
		return "", problem.Away(err)
	}
	rec.Customer = j.attempt.Customer
	rows, err := s.Store.Hot(j.ctx, pin.HotID(rec.Customer))
	if err != nil {
		return "", problem.Away(err)
	}
	row := rows[0]
	row.Hot.ID = pin.HotID(rec.Customer)
	intact, err := row.Intact(j.ctx, s.HSM)
	if err != nil {
		return "", problem.Away(err)
	}
	hot := row.Hot
	switch {
	case missing && !row.Found && row.Indexed == 0:
		return "no-pin", nil
	case intact && hot.State == settle.HotQuarantined:
		return "quarantined", nil
	case !intact || hot.Owner != settle.OwnerOf(j.attempt.Customer) || hot.Counter != rec.Bond() || hot.State != settle.HotLive:
		if err := j.sameRecord(rec); err != nil {
			return "", err
		}
		hot.Version = row.Indexed
		return "quarantined", j.quarantinePIN(hot, rec)
	case hot.Locked(j.received):
		return "pin-locked", nil
	}
	right, err := s.PINs.Verify(j.ctx, rec, text)
	if errors.Is(err, pin.ErrRecord) {
		return "quarantined", j.quarantinePIN(hot, rec)
	}
	if err != nil {
		return "", problem.Away(err)
	}
	if right {
		reason, err := j.agedPIN(rec)
		if err != nil {
			return "", err
		}
		return reason, j.swapPIN(lock.Forget(hot.Next()), rec.Pseudonym, lock.None, "right")
	}
	next, change := s.Settings.Limits.Fail(hot.Next(), j.received)
	return "wrong-pin", j.swapPIN(next, rec.Pseudonym, change, "wrong")
}

// agedPIN is the cause of the refusal of a PIN that is right and too old. It still
// proves the one act that ends this: its own change. The customer is told by a
// notice, since a refusal says nothing.
func (j *judgement) agedPIN(rec pin.Record) (string, error) {
	most := j.service.Settings.PINMaxAge
	if most == 0 || j.received.Sub(rec.ChangedAt) < most || j.attempt.Action != nil && j.attempt.Action.Name == "customer.pin" {
		return "", nil
	}
	return "pin-expired", j.notify("pin-expired")
}

// sameRecord tells a record that was put back from one that was rightly replaced
// between two reads: the latter is read again.
func (j *judgement) sameRecord(was pin.Record) error {
	now, err := j.service.Store.PIN(j.ctx, j.attempt.Customer)
	if err != nil && !errors.Is(err, parties.ErrNotFound) {
		return problem.Away(err)
	}
	if now.Version != was.Version || now.Number != was.Number {
		return errMoved
	}
	return nil
}

func (j *judgement) quarantinePIN(hot settle.Hot, rec pin.Record) error {
	q, err := hot.Quarantined(j.ctx, j.service.HSM)
	if err != nil {
		return problem.Away(err)
	}
	j.effects = append(j.effects, settle.Quarantine{Hot: q})
	j.incident(hot.ID, rec.Pseudonym, q.Version, "pin-record-changed")
	return nil
}
