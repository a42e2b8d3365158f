package storecheck

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"

	"mohur/audit"
	"mohur/store"
)

// history is what the log tells of the versions of hot rows: for every pseudonym
// the last one. It grows with the credentials that were ever used, about a hundred
// bytes each.
type history struct {
	next   uint64 // sequence of the first entry not read
	trails map[name]trail
	backs  map[name]step  // where the log itself tells that a row was put back
	broken bool           // a gap was found: nothing behind it is read
	rules  map[int]uint64 // the versions of policies that were adopted, and their entries
	seed   maphash.Seed
}

// name stands for a pseudonym: the first half of its SHA-256.
type name [16]byte

func nameOf(pseudonym string) name {
	sum := sha256.Sum256([]byte(pseudonym))
	return name(sum[:16])
}

// trail is one credential's or PIN's.
type trail struct {
	first   uint64 // entry that named it first
	version uint64
	event   uint64 // the first entry of that version, and the request it served: hashes
	request uint64
	met     bool // the store has it
}

// step is an entry whose version does not follow from the one before.
type step struct {
	seq     uint64
	version uint64
	after   uint64
}

// met notes that the store has what the pseudonym belongs to.
func (l *history) met(pseudonym string) {
	if t, known := l.trails[nameOf(pseudonym)]; known && !t.met {
		t.met = true
		l.trails[nameOf(pseudonym)] = t
	}
}

// logChunk is how many entries are read at once.
const logChunk = 1000

// readLog reads what the log has beyond what was read, and had when it was called:
// it may grow faster than it is read.
func (c *Check) readLog(ctx context.Context) error {
	tail, err := c.Store.Tail(ctx)
	if err != nil {
		return err
	}
	for limit := logChunk; c.log.next < tail && !c.log.broken; {
		entries, err := c.Store.Entries(ctx, c.log.next, limit)
		switch {
		case errors.Is(err, store.ErrDamaged) && limit > 1:
			limit = 1 // up to the one that cannot be read
			continue
		case errors.Is(err, store.ErrDamaged):
			return c.breakOff(ctx, fmt.Sprintf("entry %d cannot be read", c.log.next))
		case err != nil:
			return fmt.Errorf("the audit log, after %d entries: %w", c.log.next, err)
		case len(entries) == 0:
			return nil
		}
		for _, e := range entries {
			if err := c.entry(ctx, e); err != nil || c.log.broken {
				return err
			}
		}
		if err := c.advance(ctx, len(entries)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Check) entry(ctx context.Context, e audit.Entry) error {
	h, err := audit.ParseHeader(e.Header)
	switch {
	case e.Seq != c.log.next:
		return c.breakOff(ctx, fmt.Sprintf("the entries from %d to %d are missing", c.log.next, e.Seq-1))
	case err != nil || h.Seq != e.Seq:
		return c.breakOff(ctx, fmt.Sprintf("entry %d cannot be read or is another's: %v", e.Seq, err))
	}
	c.log.next++
	if h.Event == "policy.adopted" {
		if c.log.rules == nil {
			c.log.rules = map[int]uint64{}
		}
		c.log.rules[h.Policy] = e.Seq
	}
	if h.Credential != "" && h.Version > 0 {
		c.log.note(h)
	}
	return nil
}

func (c *Check) breakOff(ctx context.Context, text string) error {
	c.log.broken = true
	return c.find(ctx, Finding{
		Kind: KindLog, Part: "audit", ID: fmt.Sprint(c.log.next), Text: text + "; nothing behind was compared",
		Do: "keep a copy of the file and run `mohur audit verify`: it says what of the log is proved",
	})
}

// note takes one entry. Every write of a row raises its version, so a version
// that falls, or is written a second time, tells of a row that was put back, used
// and so brought up again. The entries of one write have one request and each its
// own event. A quarantine ends the matter: what was before it was found.
func (l *history) note(h audit.Header) {
	if l.trails == nil {
		l.trails, l.backs, l.seed = map[name]trail{}, map[name]step{}, maphash.MakeSeed()
	}
	id := nameOf(h.Credential)
	t, known := l.trails[id]
	if !known {
		t.first = h.Seq
	}
	event, request := maphash.String(l.seed, h.Event), maphash.String(l.seed, h.Request)
	quarantine := h.Event == "credential.quarantined" || h.Event == "credential.moved" && h.Outcome == "quarantined"
	again := h.Version == t.version && (event == t.event || request != t.request)
	if _, back := l.backs[id]; quarantine {
		delete(l.backs, id)
	} else if !back && t.version > 0 && (h.Version < t.version || again) {
		l.backs[id] = step{seq: h.Seq, version: h.Version, after: t.version}
	}
	if h.Version != t.version || quarantine {
		t.version, t.event, t.request = h.Version, event, request
	}
	l.trails[id] = t
}
