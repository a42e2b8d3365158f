// Package storecheck compares what lies in the store with what proves it: the
// MACs of the HSM and the audit log. It finds what no single read can find: a
// hot row that was put back together with its index, so that a used code could be
// used again, because the log knows a later version.
//
// It guarantees that a store nobody has touched is found clean, also while a
// server writes to it: a row counts as older than the log only if it was read
// after the log, and as newer only if the log was read after the row. It changes
// nothing unless it is told to put what it finds in quarantine.
//
// A whole file put back, log and all, agrees with itself. Only a checkpoint kept
// elsewhere shows that.
package storecheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mohur/audit"
	"mohur/authn/pin"
	"mohur/parties"
	"mohur/settle"
	"mohur/tokens"
)

// Store is what is compared. Examine returns the keys of a part that come after
// one, and what is wrong with their rows; fewer than limit are the last.
type Store interface {
	Rows(ctx context.Context, part string) (int, error)
	Examine(ctx context.Context, part, after string, limit int) (keys []string, faults []Finding, err error)
	Tail(ctx context.Context) (uint64, error)
	Entries(ctx context.Context, from uint64, limit int) ([]audit.Entry, error)
	Credential(ctx context.Context, id string) (tokens.Credential, error)
	PIN(ctx context.Context, customer string) (pin.Record, error)
	Customer(ctx context.Context, id string) (parties.Customer, error)
	Hot(ctx context.Context, ids ...string) ([]settle.HotRead, error)
	AdoptedVersions(ctx context.Context) ([]int, error)
}

// The parts of a store that are compared with the log.
const (
	partHot        = "hot"
	partCredential = "credential"
	partPIN        = "pin"
)

// allowanceRow begins the id of the hot row in which package payment counts a
// customer's exempt payments; the log names it by the customer's pseudonym.
const allowanceRow = "allowance/"

// Kind says what is wrong, for programs; Finding.Text says it for people.
type Kind string

// The kinds of findings.
const (
	KindStructure Kind = "structure" // rows and index rows do not lead to one another, or cannot be read
	KindLog       Kind = "log"       // the audit log has a gap, or cannot be read
	KindRecord    Kind = "record"    // a record does not fit its MAC
	KindRow       Kind = "row"       // a hot row does not fit its MAC or its index
	KindPutBack   Kind = "put-back"  // a hot row is older than the log, or was at some time
	KindUnlogged  Kind = "unlogged"  // a hot row is newer than the log
	KindMissing   Kind = "missing"   // a record or row that the rest speaks of is not there
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{KindStructure, KindLog, KindRecord, KindRow, KindPutBack, KindUnlogged, KindMissing}
}

// Finding is one thing that is not as the server wrote it.
type Finding struct {
	Kind        Kind   `json:"kind"`
	Part        string `json:"part"`
	ID          string `json:"id"`
	Text        string `json:"text"`
	Do          string `json:"do"`
	Quarantined bool   `json:"quarantined,omitempty"` // by this check

	row       string // the hot row to be put in quarantine, "" if there is none
	pseudonym string
	cause     string // for the incident
	told      bool   // an incident tells of it
}

// Report is what was looked at and what was found.
type Report struct {
	Rows        int       `json:"rows"`
	Entries     uint64    `json:"entries"`     // of the audit log
	Compared    int       `json:"compared"`    // credentials and PINs, against the log
	Quarantined int       `json:"quarantined"` // of them in quarantine, now or from before
	Found       int       `json:"found"`
	Findings    []Finding `json:"findings"` // the first MaxFindings
}

// MaxFindings bounds the findings that are kept; the rest is counted.
const MaxFindings = 1000

// Check is one run. It is used by one goroutine, once.
type Check struct {
	Store   Store
	HSM     settle.Module
	Settler settle.Store
	Audit   *audit.Drafter
	Now     func() time.Time

	// Bound verifies the MAC of a record by the name of its part: nil if it fits,
	// is gone or cannot be read, of which Examine tells; ErrTampered if it does not
	// fit. Any other error says nothing of the record.
	Bound map[string]func(ctx context.Context, id string) error
	Parts []string // in the order to be looked at

	Quarantine bool           // puts the credentials that are found in quarantine, and opens an incident for every other finding
	By         parties.Caller // who asked
	Progress   func(done, total int)

	// Pace is called after each few hundred rows or entries and may wait; an error
	// of it ends the check. Found is told of each finding at once. Again is asked
	// whether to try a row once more that could not be looked at: nil is yes, and an
	// error ends the check. Each may be nil.
	Pace  func(ctx context.Context) error
	Found func(Finding)
	Again func(ctx context.Context, err error) error

	log    history
	done   int
	total  int
	report Report
}

// ErrTampered is what a function of Bound returns for a record that does not fit.
var ErrTampered = errors.New("storecheck: the record does not fit its MAC")

// chunk is how many rows are listed at once.
const chunk = 256

// Run looks at everything. An error means that the check is not whole: a part was
// away. What was found until then is in the report.
func (c *Check) Run(ctx context.Context) (Report, error) {
	c.report.Findings = []Finding{}
	err := c.run(ctx)
	c.report.Entries = c.log.next
	return c.report, err
}

func (c *Check) run(ctx context.Context) error {
	if err := c.count(ctx); err != nil {
		return err
	}
	if err := c.readLog(ctx); err != nil {
		return err
	}
	// What the log tells of from here on may be of credentials that are new and
	// are not listed any more.
	began := c.log.next
	for _, part := range c.Parts {
		if err := c.part(ctx, part); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	if err := c.policies(ctx); err != nil {
		return err
	}
	for _, t := range c.log.trails {
		if t.met || t.first >= began {
			continue
		}
		if err := c.missing(ctx, t.first); err != nil {
			return err
		}
	}
	return nil
}

// policies compares the adopted policies with the log, which is read before them. A
// list of versions that was put back, or taken away with them, agrees with itself.
func (c *Check) policies(ctx context.Context) error {
	lie, err := c.Store.AdoptedVersions(ctx)
	if err != nil {
		return known(err)
	}
	for _, v := range slices.Sorted(maps.Keys(c.log.rules)) {
		if slices.Contains(lie, v) {
			continue
		}
		if err := c.find(ctx, Finding{
			Kind: KindMissing, Part: "policy", ID: strconv.Itoa(v), Text: fmt.Sprintf("entry %d of the audit log says that version %d of the policy was adopted, and the store has none", c.log.rules[v], v),
			Do: "a weaker policy may be in force after the next start: keep a copy of the file, compare it with the last backup, and adopt the text again under the next version",
		}); err != nil {
			return err
		}
	}
	return nil
}

// missing tells of a pseudonym that the store does not have, by the entry that
// named it first.
func (c *Check) missing(ctx context.Context, first uint64) error {
	entries, err := c.Store.Entries(ctx, first, 1)
	if err != nil {
		return err
	}
	h := audit.Header{Credential: "unknown"}
	if len(entries) == 1 {
		if h, err = audit.ParseHeader(entries[0].Header); err != nil {
			return err
		}
	}
	return c.find(ctx, Finding{
		Kind: KindMissing, Part: partCredential, ID: h.Credential,
		Text: fmt.Sprintf("the audit log knows a credential or PIN of this pseudonym since entry %d, and the store has none", first),
		Do:   "a record was removed or edited: keep a copy of the file, compare it with the last backup, and hand its owner a new token or PIN",
	})
}

// count says how much there is, for who looks how far it is: counting reads every
// page of a part at once.
func (c *Check) count(ctx context.Context) error {
	if c.Progress == nil {
		return nil
	}
	tail, err := c.Store.Tail(ctx)
	if err != nil {
		return err
	}
	c.total = int(tail)
	for _, part := range c.Parts {
		n, err := c.Store.Rows(ctx, part)
		if err != nil {
			return err
		}
		c.total += n
	}
	return nil
}

// advance notes that so much was looked at, and makes the pause that is due.
func (c *Check) advance(ctx context.Context, n int) error {
	c.done += n
	if c.Progress != nil {
		c.Progress(min(c.done, c.total), c.total)
	}
	if c.Pace != nil {
		return c.Pace(ctx)
	}
	return nil
}

// insist takes a step, again as long as it is worth it.
func (c *Check) insist(ctx context.Context, step func() error) error {
	for {
		err := step()
		if err == nil || c.Again == nil {
			return err
		}
		if err := c.Again(ctx, err); err != nil {
			return err
		}
	}
}

// part looks at every row of a part.
func (c *Check) part(ctx context.Context, part string) error {
	for after := ""; ; {
		keys, faults, err := c.Store.Examine(ctx, part, after, chunk)
		if err != nil {
			return err
		}
		for _, f := range faults {
			if err := c.find(ctx, f); err != nil {
				return err
			}
		}
		for _, key := range keys {
			if err := c.insist(ctx, func() error { return c.row(ctx, part, key) }); err != nil {
				return err
			}
		}
		c.report.Rows += len(keys)
		if err := c.advance(ctx, len(keys)); err != nil {
			return err
		}
		if len(keys) < chunk {
			return nil
		}
		after = keys[len(keys)-1]
	}
}

func (c *Check) row(ctx context.Context, part, key string) error {
	if verify := c.Bound[part]; verify != nil {
		return c.bound(ctx, part, key, verify)
	}
	switch part {
	case partCredential:
		return c.credential(ctx, key)
	case partPIN:
		return c.pin(ctx, key)
	case partHot:
		return c.hot(ctx, key)
	}
	return nil
}

func (c *Check) bound(ctx context.Context, part, id string, verify func(context.Context, string) error) error {
	err := verify(ctx, id)
	if !errors.Is(err, ErrTampered) {
		return err
	}
	return c.find(ctx, Finding{
		Kind: KindRecord, Part: part, ID: id, Text: "the " + part + " is not what the server wrote: it does not fit its MAC",
		Do: "the server does not use it and an incident is open: keep a copy of the file and compare the record with the last backup", told: true,
	})
}

// hot looks for the record a hot row belongs to. That of a customer's exempt
// payments has none of its own, and is compared here.
func (c *Check) hot(ctx context.Context, id string) error {
	var err error
	if customer, ok := strings.CutPrefix(id, allowanceRow); ok {
		err = c.allowance(ctx, customer)
	} else if customer, ok := strings.CutPrefix(id, pin.HotID("")); ok {
		_, err = c.Store.PIN(ctx, customer)
	} else {
		_, err = c.Store.Credential(ctx, id)
	}
	if !errors.Is(err, parties.ErrNotFound) {
		return known(err)
	}
	return c.find(ctx, Finding{
		Kind: KindMissing, Part: partHot, ID: id, Text: "a hot row has no record: the credential, PIN or customer was removed",
		Do: "nothing can be judged by it; keep a copy of the file, compare it with the last backup, and revoke the token",
	})
}

// find keeps a finding, and counts those beyond what a report holds. One that
// nothing else has made an incident of becomes one first: it outlives the process.
func (c *Check) find(ctx context.Context, f Finding) error {
	kept := len(c.report.Findings) < MaxFindings
	if c.Quarantine && kept && !f.told {
		if err := c.insist(ctx, func() error { return c.open(ctx, f) }); err != nil {
			return err
		}
	}
	c.report.Found++
	if kept {
		c.report.Findings = append(c.report.Findings, f)
	}
	if c.Found != nil {
		c.Found(f)
	}
	return nil
}
