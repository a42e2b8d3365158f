package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	mostLists   = 256              // places for lists
	listTimeout = time.Minute      // for fetching one, which goes on behind an impatient check
	retryAfter  = 15 * time.Second // before a list that failed is tried again
	retryWrong  = 10 * time.Minute // the same, where an address gave what is no list of the issuer
)

// shelf holds the lists, one for each issuer and place it comes from.
type shelf struct {
	mu     sync.Mutex
	slots  map[slotKey]*slot
	newest map[scopeKey]*list // by issuer and scope: no older one comes in
}

type slotKey struct {
	issuer [sha256.Size]byte
	place  string // an address or a file's path
	file   bool
}

type scopeKey [2][sha256.Size]byte

// slot is a place for one list. Its fields are guarded by the shelf's lock.
type slot struct {
	key     slotKey
	issuer  *x509.Certificate
	rules   Rules
	list    *list // the last good one, or nil
	tried   time.Time
	err     error // of the last try
	changed time.Time
	size    int64 // of the file
}

// ListState tells an operator of one list.
type ListState struct {
	Issuer     string // subject of the CA
	Place      string // address or file
	Number     string // the CRL number, decimal; "" if it has none
	ThisUpdate time.Time
	NextUpdate time.Time // zero if no list was ever read
	Revoked    int       // certificates on it
	TriedAt    time.Time
	Err        error // of the last try
}

// Lists tells of every list, in no order.
func (c *Checker) Lists() []ListState {
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	var all []ListState
	for s := range maps.Values(c.shelf.slots) {
		st := ListState{Issuer: s.issuer.Subject.String(), Place: s.key.place, TriedAt: s.tried, Err: s.err}
		if s.list != nil {
			st.ThisUpdate, st.NextUpdate, st.Revoked = s.list.thisUpdate, s.list.nextUpdate, len(s.list.revoked)
			if s.list.number != nil {
				st.Number = s.list.number.String()
			}
		}
		all = append(all, st)
	}
	return all
}

// Watch makes Run fetch the issuer's lists before the first check needs them.
func (c *Checker) Watch(issuer *x509.Certificate, rules Rules) {
	for _, k := range places(nil, issuer, rules) {
		c.slot(k, issuer, rules)
	}
}

// places returns where lists for a certificate come from.
func places(cert, issuer *x509.Certificate, rules Rules) []slotKey {
	id := sha256.Sum256(slices.Concat(issuer.RawSubject, issuer.RawSubjectPublicKeyInfo))
	var keys []slotKey
	for _, f := range rules.CRLFiles {
		keys = append(keys, slotKey{id, f, true})
	}
	var named []string
	if cert != nil {
		named = cert.CRLDistributionPoints
	}
	for _, a := range addresses(named, rules.CRLs) {
		if !strings.HasSuffix(a, "/") {
			keys = append(keys, slotKey{id, a, false})
		}
	}
	return keys
}

// slot returns the place, or nil if there are too many.
func (c *Checker) slot(k slotKey, issuer *x509.Certificate, rules Rules) *slot {
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	s := c.shelf.slots[k]
	if s == nil {
		if len(c.shelf.slots) >= mostLists {
			return nil
		}
		if c.shelf.slots == nil {
			c.shelf.slots, c.shelf.newest = map[slotKey]*slot{}, map[scopeKey]*list{}
		}
		s = &slot{key: k, issuer: issuer, rules: rules}
		c.shelf.slots[k] = s
	}
	return s
}

// fromLists looks the certificate up in every list for it. On any of them it is
// revoked; it is good if one that covers it is in force and names it not.
func (c *Checker) fromLists(ctx context.Context, cert, issuer *x509.Certificate, rules Rules, at time.Time) Status {
	var good, grace Status
	last := unavailable(SourceCRL, "", at, faulty(NoSource, "the rules name no list for this certificate"))
	for _, k := range places(cert, issuer, rules) {
		l, asked, err := c.listAt(ctx, k, issuer, rules, at, !good.Good())
		if l == nil {
			last = unavailable(SourceCRL, k.place, at, err)
			continue
		}
		if !l.covers(cert) {
			last = unavailable(SourceCRL, k.place, at, faulty(NoSource, "the list is not for this certificate"))
			continue
		}
		s := Status{Source: SourceCRL, Address: k.place, ThisUpdate: l.thisUpdate, NextUpdate: l.nextUpdate, CheckedAt: l.readAt, FromCache: !asked}
		if e, on := l.revoked[string(cert.SerialNumber.Bytes())]; on {
			s.State, s.Reason = Revoked, ReasonRevoked
			s.RevokedAt, s.RevocationReason = time.Unix(e.at, 0).UTC(), reasonNames[int(e.reason)]
			s.Detail = revokedDetail(s.RevokedAt, s.RevocationReason)
			return s
		}
		switch fault := l.dates(rules, at); {
		case fault == nil && !good.Good():
			s.State = Good
			good = s
		case fault == nil:
		case fault.reason == Stale && rules.Grace > 0 && !at.After(l.until(rules).Add(rules.Grace)) && !grace.Good():
			s.State, s.InGrace = Good, true
			grace = s
		default:
			if err == nil {
				err = fault
			}
			last = unavailable(SourceCRL, k.place, at, err)
		}
	}
	switch {
	case good.Good():
		return good
	case grace.Good():
		return grace
	}
	return last
}

// dates judges the list's dates.
func (l *list) dates(rules Rules, at time.Time) *fault {
	switch {
	case l.thisUpdate.After(at.Add(rules.skew())):
		return faulty(Future, "the list is of %s, which is in the future", stamp(l.thisUpdate))
	case at.After(l.until(rules)):
		return faulty(Stale, "the list was in force until %s", stamp(l.until(rules)))
	}
	return nil
}

// listAt returns the list of a place: the one there is if it is in force, else,
// if need be or if there never was one, a new one, and if there is none the old one
// with the reason why.
func (c *Checker) listAt(ctx context.Context, k slotKey, issuer *x509.Certificate, rules Rules, at time.Time, need bool) (l *list, asked bool, err error) {
	s := c.slot(k, issuer, rules)
	if s == nil {
		return nil, false, faulty(Overloaded, "there are %d lists already", mostLists)
	}
	c.shelf.mu.Lock()
	l, err = s.list, s.err
	wait := err != nil && at.Sub(s.tried).Abs() < s.retry()
	c.shelf.mu.Unlock()
	if l != nil && l.dates(rules, at) == nil {
		return l, false, nil
	}
	if !need && l != nil || wait { // one that never was read may say what the others do not
		return l, false, err
	}
	got, ok := c.loads.do(ctx, k, listTimeout, func(ctx context.Context) loaded {
		c.shelf.mu.Lock()
		now := s.list
		c.shelf.mu.Unlock()
		if now != nil && now.dates(rules, at) == nil {
			return loaded{list: now} // it came since
		}
		l, err := c.load(ctx, s, at)
		return loaded{l, err}
	})
	if !ok {
		return l, false, faulty(Slow, "the list did not come in time")
	}
	return got.list, got.err == nil, got.err
}

type loaded struct {
	list *list
	err  error
}

// load reads the place's list anew and puts it on the shelf. It returns the list
// there is then.
func (c *Checker) load(ctx context.Context, s *slot, at time.Time) (*list, error) {
	var raw []byte
	var err error
	var info os.FileInfo
	if s.key.file {
		if l, err := c.unchanged(s); err != nil {
			return l, err
		}
		raw, info, err = readFile(s.key.place)
	} else {
		raw, err = c.fetch(ctx, s.key.place, nil, maxCRL)
	}
	var l *list
	if err == nil {
		l, err = parseList(raw, s.issuer)
	}
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	s.tried = at
	if info != nil {
		s.changed, s.size = info.ModTime(), info.Size()
	}
	if err == nil {
		newest := scopeKey{s.key.issuer, l.scope.hash}
		if fault := l.dates(s.rules, at); fault != nil && fault.reason == Future {
			err = fault
		} else if n := c.shelf.newest[newest]; n != nil && l.older(n) {
			err = faulty(RolledBack, "the list of %s is older than the one of %s seen before", stamp(l.thisUpdate), stamp(n.thisUpdate))
		} else {
			l.readAt = at
			// Only what older compares is kept: the rest may go when the place changes.
			c.shelf.newest[newest] = &list{number: l.number, thisUpdate: l.thisUpdate}
			s.list = l
		}
	}
	s.err = err
	return s.list, err
}

// unchanged returns what came of a file before if that was no list of the issuer
// and the file is the same: it is for another issuer, and large maybe.
func (c *Checker) unchanged(s *slot) (*list, error) {
	f, err := os.Stat(s.key.place)
	if err != nil {
		return nil, nil // reading it will tell
	}
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	if lasting(s.err) && f.ModTime().Equal(s.changed) && f.Size() == s.size {
		return s.list, s.err
	}
	return nil, nil
}

// lasting reports whether the same bytes will fail again.
func lasting(err error) bool {
	var f *fault
	if !errors.As(err, &f) {
		return false
	}
	switch f.reason {
	case WrongResponder, WrongSignature, Malformed, CriticalExtension, Oversized:
		return true
	}
	return false
}

// retry is how long a place that failed is left alone.
func (s *slot) retry() time.Duration {
	if lasting(s.err) && !s.key.file {
		return retryWrong
	}
	return retryAfter
}

func readFile(path string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, faulty(Away, "%v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil, faulty(Away, "%s is not a file", path)
	}
	raw, err := readAll(f, path, maxCRL)
	return raw, info, err
}

// Run fetches lists anew before they run out, and files when they change, until
// ctx ends. Without it a list is fetched by the check that finds it run out.
func (c *Checker) Run(ctx context.Context) {
	tick := time.NewTicker(retryAfter)
	defer tick.Stop()
	for {
		_ = c.Refresh(ctx) // Lists tells
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Refresh fetches the lists that are due. The error joins what failed; lists that
// were good before stay.
func (c *Checker) Refresh(ctx context.Context) error {
	c.start()
	at := c.now()
	var faults []error
	for _, s := range c.due(at) {
		got, ok := c.loads.do(ctx, s.key, listTimeout, func(ctx context.Context) loaded {
			l, err := c.load(ctx, s, at)
			return loaded{l, err}
		})
		if !ok {
			return ctx.Err()
		}
		faults = append(faults, got.err)
	}
	return errors.Join(faults...)
}

// due returns the places to read again: an address after a quarter of its list's
// life, at least a minute and at most an hour; a file when it changed.
func (c *Checker) due(at time.Time) []*slot {
	c.shelf.mu.Lock()
	defer c.shelf.mu.Unlock()
	var due []*slot
	for s := range maps.Values(c.shelf.slots) {
		switch {
		case s.err != nil:
			if at.Sub(s.tried).Abs() >= s.retry() {
				due = append(due, s)
			}
		case s.list == nil:
			due = append(due, s)
		case s.key.file:
			info, err := os.Stat(s.key.place)
			if err != nil || !info.ModTime().Equal(s.changed) || info.Size() != s.size {
				due = append(due, s)
			}
		default:
			end := s.list.until(s.rules)
			wait := min(max(end.Sub(s.list.readAt)/4, time.Minute), time.Hour)
			if at.Sub(s.list.readAt) >= wait {
				due = append(due, s)
			}
		}
	}
	return due
}
