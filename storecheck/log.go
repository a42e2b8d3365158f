package storecheck

import (
	"context"
	"fmt"

	"mohur/audit"
)

// history is what the log tells of the versions of hot rows: for every pseudonym
// the last one. It grows with the credentials that were ever used, about a hundred
// bytes each.
type history struct {
	next   uint64 // sequence of the first entry not read
	trails map[string]*trail
	broken bool // a gap was found: nothing behind it is read
}

// trail is one credential's or PIN's.
type trail struct {
	first   uint64 // entry that named it first
	version uint64
	event   string // the first entry of that version, and the request it served
	request string
	back    *step // the log itself tells that the row was put back
	met     bool  // the store has it
}

// step is an entry whose version does not follow from the one before.
type step struct {
	seq     uint64
	version uint64
	after   uint64
}

// readLog reads what the log has beyond what was read.
func (c *Check) readLog(ctx context.Context) error {
	for !c.log.broken {
		entries, err := c.Store.Entries(ctx, c.log.next, 1000)
		if err != nil {
			return fmt.Errorf("the audit log, after %d entries: %w", c.log.next, err)
		}
		if len(entries) == 0 {
			return nil
		}
		for _, e := range entries {
			c.entry(e)
			if c.log.broken {
				return nil
			}
		}
		c.advance(len(entries))
	}
	return nil
}

func (c *Check) entry(e audit.Entry) {
	h, err := audit.ParseHeader(e.Header)
	switch {
	case e.Seq != c.log.next:
		c.breakOff(fmt.Sprintf("the entries from %d to %d are missing", c.log.next, e.Seq-1))
		return
	case err != nil || h.Seq != e.Seq:
		c.breakOff(fmt.Sprintf("entry %d cannot be read or is another's: %v", e.Seq, err))
		return
	}
	c.log.next++
	if h.Credential != "" && h.Version > 0 {
		c.log.note(h)
	}
}

func (c *Check) breakOff(text string) {
	c.log.broken = true
	c.find(Finding{
		Kind: KindLog, Part: "audit", ID: fmt.Sprint(c.log.next), Text: text + "; nothing behind was compared",
		Do: "keep a copy of the file and run `mohur audit verify`: it says what of the log is proved",
	})
}

// note takes one entry. Every write of a row raises its version, so a version
// that falls, or is written a second time, tells of a row that was put back, used
// and so brought up again. The entries of one write have one request and each its
// own event. A quarantine ends the matter: what was before it was found.
func (l *history) note(h audit.Header) {
	t := l.trails[h.Credential]
	if t == nil {
		if l.trails == nil {
			l.trails = map[string]*trail{}
		}
		t = &trail{first: h.Seq}
		l.trails[h.Credential] = t
	}
	quarantine := h.Event == "credential.quarantined" || h.Event == "credential.moved" && h.Outcome == "quarantined"
	again := h.Version == t.version && (h.Event == t.event || h.Request != t.request)
	switch {
	case quarantine:
		t.back = nil
	case t.back == nil && t.version > 0 && (h.Version < t.version || again):
		t.back = &step{seq: h.Seq, version: h.Version, after: t.version}
	}
	if h.Version != t.version || quarantine {
		t.version, t.event, t.request = h.Version, h.Event, h.Request
	}
}
