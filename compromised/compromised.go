// Package compromised keeps the bank's list of what is known to be in wrong hands:
// accounts, devices, addresses and countries. Asking it costs the same however long it
// is. It knows hashes only: it says whether something is on the list, never what is.
package compromised

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mohur/audit"
	"mohur/ident"
	"mohur/incident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
)

// Kind is what an item is.
type Kind string

// The kinds of items.
const (
	Account Kind = "account" // an IBAN or another account number, compared as parties.PlainAccount
	Device  Kind = "device"  // context.device_id as the front end sends it
	IP      Kind = "ip"      // one address
	Country Kind = "country" // ISO 3166-1 alpha-2
)

// Kinds lists the kinds of items.
func Kinds() []Kind { return []Kind{Account, Device, IP, Country} }

// Mode is how a change changes the list.
type Mode string

// The modes of the contract.
const (
	Replace Mode = "replace" // the items are the whole list from now on
	Add     Mode = "add"
	Remove  Mode = "remove"
)

// Item is one thing as whoever reports it writes it.
type Item struct {
	Kind  Kind
	Value string
}

// MaxItems bounds the whole list, MaxChange one change of it.
const (
	MaxItems  = 100_000
	MaxChange = 2_000
	maxValue  = 200 // bytes
)

// The two records there are: the items, and a head that says which version they have.
const (
	HeadID  = "head"
	ItemsID = "items"
)

// Record is the list as stored. Both records have the same version, and are written in
// one settle.
type Record struct {
	ID      string       `json:"id"`
	Counts  map[Kind]int `json:"counts"`
	SHA256  []byte       `json:"sha256"`          // of Items
	Items   []byte       `json:"items,omitempty"` // marks, sorted; of the record of that name
	At      time.Time    `json:"at"`
	By      string       `json:"by"`
	Version uint64       `json:"version"`
	MAC     []byte       `json:"mac,omitempty"` // over all but Items, which SHA256 is over
}

// Whole reports whether the items are those the record is signed for.
func (r Record) Whole() bool {
	sum := sha256.Sum256(r.Items)
	return r.ID == HeadID && len(r.Items) == 0 || bytes.Equal(sum[:], r.SHA256) && len(r.Items)%markSize == 0
}

// Save writes a record if the stored one has the version before it.
type Save struct{ Record Record }

// EffectKey names the record.
func (s Save) EffectKey() string { return "compromised/" + s.Record.ID }

// Store is where the records are read. A missing one is parties.ErrNotFound.
type Store interface {
	Compromised(ctx context.Context, id string) (Record, error)
}

// mark stands for an item: its kind, and 16 bytes of a SHA-256.
type mark [markSize]byte

const markSize = 17

// markOf is the mark of an item; ok is false when its value cannot be of its kind.
func markOf(i Item) (m mark, ok bool) {
	kind := slices.Index(Kinds(), i.Kind)
	value := i.Value
	switch i.Kind {
	case Account:
		if !parties.ValidAccount(value) {
			return m, false
		}
		value = parties.PlainAccount(value)
	case IP:
		a, err := netip.ParseAddr(value)
		if err != nil {
			return m, false
		}
		value = a.Unmap().WithZone("").String()
	case Country:
		if len(value) != 2 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return m, false
		}
	}
	if kind < 0 || value == "" || len(value) > maxValue {
		return m, false
	}
	sum := sha256.Sum256([]byte("compromised/v1\x00" + string(i.Kind) + "\x00" + value))
	m[0] = byte(kind)
	copy(m[1:], sum[:])
	return m, true
}

// loaded is the list as it was at one moment; it is replaced, never changed.
type loaded struct {
	head  Record
	marks map[mark]struct{}
}

// List answers from memory. Refresh loads it, and what another node has changed.
type List struct {
	Store   Store
	Settler settle.Store
	Audit   *audit.Drafter
	Now     func() time.Time

	mu      sync.Mutex // of who loads or changes it
	now     atomic.Pointer[loaded]
	failing atomic.Pointer[time.Time] // since when it cannot be looked at; nil: it can
	told    string                    // what an incident was opened for
}

// stale is how long a list that cannot be looked at says what is not on it.
const stale = time.Minute

// Holds reports whether any of these is on the list. known is false while the list has
// not been loaded; and, if none is on it, while it could not be looked at for a minute,
// and where a value cannot be of its kind: whatever it stands for may be on the list. What
// has no value counts for nothing.
func (l *List) Holds(items ...Item) (on, known bool) {
	now := l.now.Load()
	if now == nil {
		return false, false
	}
	since := l.failing.Load()
	known = since == nil || l.Now().Sub(*since) <= stale
	for _, i := range items {
		m, ok := markOf(i)
		if _, on := now.marks[m]; ok && on {
			return true, true
		}
		known = known && (ok || i.Value == "")
	}
	return false, known
}

// State is what may be told of the list.
type State struct {
	Counts  map[Kind]int
	Version uint64 // 0: there never was a list
	At      time.Time
	By      string
}

// State returns the list's counts; false while it has not been loaded.
func (l *List) State() (State, bool) {
	now := l.now.Load()
	if now == nil {
		return State{}, false
	}
	return stateOf(now.head), true
}

func stateOf(r Record) State {
	counts := map[Kind]int{}
	for _, k := range Kinds() {
		counts[k] = r.Counts[k]
	}
	return State{Counts: counts, Version: r.Version, At: r.At, By: r.By}
}

// Refresh loads the list if it is not the one in memory. When it cannot, what was loaded
// stays in use, and after a minute what is not on it is not known to be on none.
func (l *List) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.refresh(ctx)
	return err
}

func (l *List) refresh(ctx context.Context) (*loaded, error) {
	next, err := l.read(ctx)
	if err == nil {
		l.failing.Store(nil)
		l.now.Store(next)
		return next, nil
	}
	now := l.Now()
	l.failing.CompareAndSwap(nil, &now)
	if errors.Is(err, errPutBack) {
		err = errors.Join(err, l.tell(ctx, err))
	}
	return nil, err
}

// errPutBack says that a record of the list is an older one than there was.
var errPutBack = fmt.Errorf("compromised: the stored list is an older one that was put back: %w", parties.ErrTampered)

func putBack(what string, is, was uint64) error {
	return fmt.Errorf("%w: %s of version %d, and there was %d", errPutBack, what, is, was)
}

// read returns the list as it is stored: what is in memory if that is it. The items may
// be newer than a head that was read before them, never older.
func (l *List) read(ctx context.Context) (*loaded, error) {
	now, seen := l.now.Load(), uint64(0)
	if now != nil {
		seen = now.head.Version
	}
	for range maxTries {
		head, err := l.Store.Compromised(ctx, HeadID)
		if err != nil && !errors.Is(err, parties.ErrNotFound) {
			return nil, err
		}
		switch {
		case head.Version < seen:
			return nil, putBack("a head", head.Version, seen)
		case now != nil && head.Version == now.head.Version:
			return now, nil
		}
		body, err := l.Store.Compromised(ctx, ItemsID)
		if err != nil && !errors.Is(err, parties.ErrNotFound) {
			return nil, err
		}
		switch {
		case body.Version < head.Version:
			return nil, putBack("items", body.Version, head.Version)
		case body.Version == head.Version:
			return loadedFrom(body), nil
		}
		seen = body.Version
	}
	return nil, errors.New("compromised: the list changes while it is read")
}

func loadedFrom(body Record) *loaded {
	next := &loaded{head: body, marks: make(map[mark]struct{}, len(body.Items)/markSize)}
	next.head.Items = nil
	for at := 0; at+markSize <= len(body.Items); at += markSize {
		next.marks[mark(body.Items[at:at+markSize])] = struct{}{}
	}
	return next
}

// tell opens an incident for a list that was put back, once for each. Of a record that
// does not fit its MAC the store has told already.
func (l *List) tell(ctx context.Context, cause error) error {
	if l.told == cause.Error() {
		return nil
	}
	sum := sha256.Sum256([]byte("compromised/" + cause.Error()))
	in := incident.Incident{
		ID: ident.From("in", sum[:]), Kind: "record.tampered", Service: "n/a", Reference: "n/a", Cause: "record-changed",
		Content: cause.Error() + "; it is not used", At: l.Now().UTC(), State: "open", Version: 1,
	}
	_, err := settle.Write(settle.Aside(ctx), l.Settler, l.Audit, []settle.Effect{incident.Save{Incident: in}}, []audit.Event{{
		Name: "incident.opened", Outcome: "open", Reason: in.Kind, Detail: in,
	}})
	if err == nil {
		l.told = cause.Error()
	}
	return err
}

// maxTries bounds how often a change is made again because another node was faster.
const maxTries = 8

// Change changes the list. Who did it and how many items it concerns is on record, what
// they are is not.
func (l *List) Change(ctx context.Context, by parties.Caller, mode Mode, items []Item) (State, error) {
	marks, err := marksOf(mode, items)
	if err != nil {
		return State{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for range maxTries {
		was, err := l.refresh(ctx)
		if err != nil {
			return State{}, problem.Away(err)
		}
		next := was.changed(mode, marks)
		if len(next) > MaxItems {
			return State{}, &problem.Error{Code: problem.Invalid, Detail: "the list would be too long",
				Fields: []problem.Field{{Field: "items", Message: fmt.Sprintf("the list would hold %d, and %d is the most; remove some first", len(next), MaxItems)}}}
		}
		body := record(next)
		body.At, body.By, body.Version = l.Now().UTC(), by.ID, was.head.Version+1
		head := body
		head.ID, head.Items = HeadID, nil
		r, err := settle.Write(ctx, l.Settler, l.Audit, []settle.Effect{Save{head}, Save{body}}, []audit.Event{{
			Name: "compromised.changed", Outcome: string(mode), Caller: by.ID, Request: by.Request, Detail: map[string]any{
				"items": len(marks), "before": len(was.marks), "after": len(next), "counts": body.Counts, "version": body.Version,
				"sha256": fmt.Sprintf("%x", body.SHA256), "source": by.Source,
			},
		}})
		if err != nil {
			return State{}, err
		}
		if r.Outcome == settle.Done {
			l.failing.Store(nil)
			l.now.Store(&loaded{head: head, marks: next})
			return stateOf(head), nil
		}
	}
	return State{}, problem.New(problem.Conflict, "the list is being changed by somebody else; try again")
}

// Check says what is wrong with a change before anybody is asked to approve it.
func Check(mode Mode, items []Item) error {
	_, err := marksOf(mode, items)
	return err
}

func marksOf(mode Mode, items []Item) ([]mark, error) {
	var c problem.Check
	c.Unless(mode == Replace || mode == Add || mode == Remove, "mode", "needs to be replace, add or remove")
	c.Unless(len(items) > 0 || mode == Replace, "items", "is needed")
	c.Unless(len(items) <= MaxChange, "items", fmt.Sprintf("holds %d, and %d is the most at once; send the rest with mode add", len(items), MaxChange))
	marks := make([]mark, 0, len(items))
	for i, item := range items[:min(len(items), MaxChange)] {
		at := fmt.Sprintf("items[%d].", i)
		if !slices.Contains(Kinds(), item.Kind) {
			c.Unless(false, at+"kind", "needs to be account, device, ip or country")
			continue
		}
		m, ok := markOf(item)
		c.Unless(ok, at+"value", valueWords[item.Kind])
		marks = append(marks, m)
	}
	return marks, c.Err()
}

var valueWords = map[Kind]string{
	Account: "has 200 bytes at most, " + parties.AccountForm, Device: "needs 1 to 200 bytes",
	IP: "needs to be one address, such as 192.0.2.7 or 2001:db8::7", Country: "needs to be two capital letters (ISO 3166-1 alpha-2)",
}

func (l *loaded) changed(mode Mode, marks []mark) map[mark]struct{} {
	next := make(map[mark]struct{}, len(l.marks)+len(marks))
	if mode != Replace {
		for m := range l.marks {
			next[m] = struct{}{}
		}
	}
	for _, m := range marks {
		if mode == Remove {
			delete(next, m)
		} else {
			next[m] = struct{}{}
		}
	}
	return next
}

// record writes a list down: the marks in their order, so that one list has one text.
func record(marks map[mark]struct{}) Record {
	sorted := make([]mark, 0, len(marks))
	counts := map[Kind]int{}
	for m := range marks {
		sorted = append(sorted, m)
		if k := int(m[0]); k < len(Kinds()) {
			counts[Kinds()[k]]++
		}
	}
	slices.SortFunc(sorted, func(a, b mark) int { return bytes.Compare(a[:], b[:]) })
	items := make([]byte, 0, len(sorted)*markSize)
	for _, m := range sorted {
		items = append(items, m[:]...)
	}
	sum := sha256.Sum256(items)
	return Record{ID: ItemsID, Counts: counts, SHA256: sum[:], Items: items}
}
