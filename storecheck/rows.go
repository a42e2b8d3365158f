package storecheck

import (
	"context"
	"errors"
	"fmt"

	"mohur/authn/pin"
	"mohur/ident"
	"mohur/parties"
	"mohur/settle"
	"mohur/store"
)

// doQuarantine is what to do with a credential that is found.
const doQuarantine = "keep a copy of the file; run `mohur store check --quarantine`, which takes it out of use, then revoke the token and hand out another"

// doPIN is the same for a PIN.
const doPIN = "keep a copy of the file; run `mohur store check --quarantine`, which takes it out of use, then have the customer set a new PIN"

// known passes on what keeps a check from being whole. A record that cannot be
// read is a finding of Examine.
func known(err error) error {
	if errors.Is(err, parties.ErrNotFound) || errors.Is(err, store.ErrDamaged) {
		return nil
	}
	return err
}

// subject is a credential or PIN with what its row is compared with.
type subject struct {
	part      string
	id        string // of the record
	row       string // of its hot row
	pseudonym string
	first     uint64 // version that has no entry of its own: 1 for a new credential, 0 for a PIN
	do        string
	counter   uint64 // for a PIN: what the row's counter has to be
	again     func(ctx context.Context) (uint64, error)
}

func (c *Check) credential(ctx context.Context, id string) error {
	cred, err := c.Store.Credential(ctx, id)
	if err != nil {
		return known(err)
	}
	s := subject{part: partCredential, id: id, row: id, pseudonym: cred.Pseudonym, first: 1, do: doQuarantine}
	intact, err := cred.Intact(ctx, c.HSM)
	if err != nil {
		return err
	}
	if !intact {
		return c.unlessQuarantined(ctx, s, Finding{Kind: KindRecord, cause: "record-changed",
			Text: "the credential is not what the server wrote: it does not fit its MAC", Do: s.do})
	}
	return c.compare(ctx, s)
}

func (c *Check) pin(ctx context.Context, customer string) error {
	rec, err := c.Store.PIN(ctx, customer)
	if err != nil {
		return known(err)
	}
	s := subject{part: partPIN, id: customer, row: pin.HotID(customer), pseudonym: rec.Pseudonym, do: doPIN, counter: rec.Bond()}
	s.again = func(ctx context.Context) (uint64, error) {
		rec, err := c.Store.PIN(ctx, customer)
		return rec.Bond(), err
	}
	return c.compare(ctx, s)
}

// doAllowance is the same for the count of a customer's exempt payments.
const doAllowance = "keep a copy of the file; run `mohur store check --quarantine`, after which every payment of this customer asks for a proof"

func (c *Check) allowance(ctx context.Context, customer string) error {
	who, err := c.Store.Customer(ctx, customer)
	if err != nil {
		return err
	}
	return c.compare(ctx, subject{part: partHot, id: allowanceRow + customer, row: allowanceRow + customer, pseudonym: who.Pseudonym, do: doAllowance})
}

// maxTries bounds how often a row that moves under the check is read again.
const maxTries = 20

// compare holds a hot row against its MAC, its index and the log.
func (c *Check) compare(ctx context.Context, s subject) error {
	c.log.met(s.pseudonym)
	for range maxTries {
		f, settled, err := c.compareOnce(ctx, &s)
		if err != nil {
			return err
		}
		if f != nil {
			err = c.unlessQuarantined(ctx, s, *f)
		}
		if f != nil || settled {
			if err == nil {
				c.report.Compared++
			}
			return err
		}
	}
	return fmt.Errorf("%s %s moves faster than it can be read", s.part, ident.Digest(s.id))
}

// compareOnce returns what is wrong with a row, or that it agrees; neither means
// that it moved meanwhile.
func (c *Check) compareOnce(ctx context.Context, s *subject) (f *Finding, agrees bool, err error) {
	reads, err := c.Store.Hot(ctx, s.row)
	if err != nil {
		return nil, false, err
	}
	read := reads[0]
	read.Hot.ID = s.row
	intact, err := read.Intact(ctx, c.HSM)
	switch {
	case err != nil:
		return nil, false, err
	case !intact:
		return &Finding{Kind: KindRow, Text: wrongRow(read), Do: s.do, cause: "row-changed"}, false, nil
	case s.again != nil && read.Hot.Counter != s.counter:
		return c.otherPIN(ctx, s)
	}
	logged, back := c.logged(s)
	switch version := read.Hot.Version; {
	case version < logged:
		// The row was read after the log, so it cannot be that the log ran ahead.
		return &Finding{Kind: KindPutBack, Do: s.do, cause: "row-put-back", Text: fmt.Sprintf(
			"its hot row has version %d, and the audit log tells of version %d: row and index were put back together, and codes used since could be used again", version, logged)}, false, nil
	case version == logged && back != nil:
		return &Finding{Kind: KindPutBack, Do: s.do, cause: "row-put-back", Text: fmt.Sprintf(
			"audit entry %d wrote version %d of its hot row after version %d: the row was put back and then used, so a code may have been accepted twice", back.seq, back.version, back.after)}, false, nil
	case version == logged, c.log.broken:
		if read.Hot.State == settle.HotQuarantined {
			c.report.Quarantined++
		}
		return nil, true, nil
	}
	if err := c.readLog(ctx); err != nil {
		return nil, false, err
	}
	if logged, _ := c.logged(s); logged < read.Hot.Version && !c.log.broken {
		return &Finding{Kind: KindUnlogged, Do: s.do, cause: "row-not-in-log", Text: fmt.Sprintf(
			"its hot row has version %d, and the audit log tells of %d only: the end of the log was cut off, or the record's pseudonym was changed", read.Hot.Version, logged)}, false, nil
	}
	return nil, false, nil
}

func (c *Check) logged(s *subject) (uint64, *step) {
	id := nameOf(s.pseudonym)
	t, known := c.log.trails[id]
	if !known {
		return s.first, nil
	}
	if back, is := c.log.backs[id]; is {
		return t.version, &back
	}
	return t.version, nil
}

// otherPIN tells a PIN record that was put back from one that was replaced
// between two reads.
func (c *Check) otherPIN(ctx context.Context, s *subject) (*Finding, bool, error) {
	now, err := s.again(ctx)
	if err != nil {
		return nil, false, known(err)
	}
	if now != s.counter {
		s.counter = now
		return nil, false, nil
	}
	return &Finding{Kind: KindRecord, Do: s.do, cause: "pin-record-changed",
		Text: "the PIN record is not the one its hot row belongs to: an older or another one was put in its place"}, false, nil
}

func wrongRow(r settle.HotRead) string {
	switch {
	case !r.Found && r.Indexed == 0:
		return "it has no hot row"
	case !r.Found:
		return "its hot row was removed"
	case r.Indexed != r.Hot.Version:
		return fmt.Sprintf("its hot row has version %d and the index says %d: one of them was put back", r.Hot.Version, r.Indexed)
	}
	return "its hot row is not what the server wrote: it does not fit its MAC"
}

// unlessQuarantined keeps a finding of a credential that is still in use, and
// takes it out of use if it is to.
func (c *Check) unlessQuarantined(ctx context.Context, s subject, f Finding) error {
	f.Part, f.ID, f.row, f.pseudonym = s.part, s.id, s.row, s.pseudonym
	// Another module's keys would make every row look changed: is it ours?
	if err := c.HSM.Check(ctx); err != nil {
		return err
	}
	reads, err := c.Store.Hot(ctx, s.row)
	if err != nil {
		return err
	}
	reads[0].Hot.ID = s.row
	intact, err := reads[0].Intact(ctx, c.HSM)
	if err != nil {
		return err
	}
	c.log.met(s.pseudonym)
	if intact && reads[0].Hot.State == settle.HotQuarantined && f.Kind != KindPutBack {
		c.report.Quarantined++
		return nil
	}
	if c.Quarantine {
		if err := c.quarantine(ctx, &f); err != nil {
			return err
		}
		f.Quarantined, f.told = true, true
		c.report.Quarantined++
	}
	return c.find(ctx, f)
}
