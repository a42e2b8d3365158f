package compromised_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/compromised"
	"mohur/parties"
	"mohur/problem"
	"mohur/store/bolttest"
)

// node is the list as one more server of the bank has it.
func node(t *testing.T, b *banktest.Bank) *compromised.List {
	t.Helper()
	l := &compromised.List{Store: b.Store, Settler: b.Store, Audit: b.Audit, Now: b.Clock.Now}
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func change(t *testing.T, b *banktest.Bank, l *compromised.List, mode compromised.Mode, items ...compromised.Item) compromised.State {
	t.Helper()
	s, err := l.Change(t.Context(), b.Staff(), mode, items)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func account(n int) compromised.Item {
	return compromised.Item{Kind: compromised.Account, Value: fmt.Sprintf("A-%d", n)}
}

// Nothing is lost when two servers change the list at once.
func TestTwoServersChangeTheList(t *testing.T) {
	b := banktest.New(t)
	one, two := node(t, b), node(t, b)
	var work sync.WaitGroup
	for i, l := range []*compromised.List{one, two} {
		work.Go(func() {
			for n := range 10 {
				for {
					_, err := l.Change(t.Context(), b.Staff(), compromised.Add, []compromised.Item{account(100*i + n)})
					if err == nil {
						break
					}
					if !problem.Is(err, problem.Conflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	work.Wait()
	for i, l := range []*compromised.List{one, two} {
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, known := l.State(); !known || s.Version != 20 || s.Counts[compromised.Account] != 20 {
			t.Errorf("server %d: %+v", i, s)
		}
		for n := range 10 {
			if on, known := l.Holds(account(n)); !on || !known {
				t.Errorf("server %d lacks %d", i, n)
			}
		}
	}
	if n := b.Count("compromised.changed", "add", ""); n != 20 {
		t.Errorf("%d entries", n)
	}
}

// The list is bounded as a whole and in one change, and what is refused changes nothing.
func TestTheListIsBounded(t *testing.T) {
	b := banktest.New(t)
	l := node(t, b)
	many := make([]compromised.Item, compromised.MaxChange)
	for i := range compromised.MaxItems / compromised.MaxChange {
		for j := range many {
			many[j] = account(i*compromised.MaxChange + j)
		}
		change(t, b, l, compromised.Add, many...)
	}
	change(t, b, l, compromised.Add, account(7)) // there already
	if _, err := l.Change(t.Context(), b.Staff(), compromised.Add, []compromised.Item{account(compromised.MaxItems)}); !problem.Is(err, problem.Invalid) || !strings.Contains(fmt.Sprint(errors.Unwrap(err), err), "too long") {
		t.Errorf("one more: %v", err)
	}
	if _, err := l.Change(t.Context(), b.Staff(), compromised.Replace, append(many, account(compromised.MaxItems))); !problem.Is(err, problem.Invalid) {
		t.Errorf("too many at once: %v", err)
	}
	again := node(t, b)
	if s, _ := again.State(); s.Counts[compromised.Account] != compromised.MaxItems {
		t.Errorf("%+v", s)
	}
	if on, _ := again.Holds(account(compromised.MaxItems)); on {
		t.Error("what was refused is on the list")
	}
	if on, _ := again.Holds(account(compromised.MaxItems - 1)); !on {
		t.Error("the last one is not")
	}
}

// Clause 5.27: a list that is put back as it once was is found by whoever has seen a later
// one, and stays out of use.
func TestClause5_27_AnOlderListIsNotTakenBack(t *testing.T) {
	b := banktest.New(t)
	l := node(t, b)
	change(t, b, l, compromised.Add, account(1))
	old := map[string][]byte{}
	b.Edit(func(f bolttest.File) {
		for _, id := range []string{compromised.HeadID, compromised.ItemsID} {
			old[id] = bytes.Clone(f.Get("compromised", id))
		}
	})
	l.Store, l.Settler, l.Audit = b.Store, b.Store, b.Audit
	change(t, b, l, compromised.Add, account(2))
	b.Edit(func(f bolttest.File) {
		for id, row := range old {
			f.Put("compromised", id, row)
		}
	})
	l.Store, l.Settler, l.Audit = b.Store, b.Store, b.Audit
	if err := l.Refresh(t.Context()); !errors.Is(err, parties.ErrTampered) {
		t.Errorf("%v", err)
	}
	if on, known := l.Holds(account(2)); !on || !known {
		t.Error("what was loaded is forgotten")
	}
	if _, err := l.Change(t.Context(), b.Staff(), compromised.Add, []compromised.Item{account(3)}); !problem.Is(err, problem.Unavailable) {
		t.Errorf("a change of it: %v", err)
	}
}

// half is a store one of whose records is as it once was.
type half struct {
	compromised.Store
	id  string
	was compromised.Record
	err error
}

func (h half) Compromised(ctx context.Context, id string) (compromised.Record, error) {
	if id == h.id {
		return h.was, h.err
	}
	return h.Store.Compromised(ctx, id)
}

// Clause 5.27: items that are put back as they once were, or taken out, are not believed
// by a server that has seen nothing else, nor is a head that is older than they are. One
// incident tells of it, however often it is looked at.
func TestClause5_27_OneHalfOfAnOlderListIsFound(t *testing.T) {
	for _, id := range []string{compromised.HeadID, compromised.ItemsID} {
		for _, gone := range []bool{false, true} {
			b := banktest.New(t)
			l := node(t, b)
			change(t, b, l, compromised.Add, account(1))
			old := half{Store: b.Store, id: id}
			if gone {
				old.err = parties.ErrNotFound
			} else if old.was, old.err = b.Store.Compromised(t.Context(), id); old.err != nil {
				t.Fatal(old.err)
			}
			change(t, b, l, compromised.Add, account(2))
			for range 2 {
				fresh := &compromised.List{Store: old, Settler: b.Store, Audit: b.Audit, Now: b.Clock.Now}
				for range 2 {
					if err := fresh.Refresh(t.Context()); !errors.Is(err, parties.ErrTampered) {
						t.Errorf("%s, gone %v: %v", id, gone, err)
					}
				}
				if on, known := fresh.Holds(account(2)); on || known {
					t.Errorf("%s, gone %v: on %v, known %v", id, gone, on, known)
				}
			}
			if n := b.Count("incident.opened", "", "record.tampered"); n != 1 {
				t.Errorf("%s, gone %v: %d incidents", id, gone, n)
			}
			if on, known := l.Holds(account(2)); !on || !known {
				t.Errorf("%s, gone %v: whoever has seen it: on %v, known %v", id, gone, on, known)
			}
		}
	}
}

// away is a store that cannot be read.
type away struct{ compromised.Store }

func (away) Compromised(context.Context, string) (compromised.Record, error) {
	return compromised.Record{}, errors.New("away")
}

// Clause 5.24: a list that cannot be looked at for a minute still says what is on it, and
// no longer what is not.
func TestClause5_24_AnOldListSaysNoNo(t *testing.T) {
	b := banktest.New(t)
	l := node(t, b)
	change(t, b, l, compromised.Add, account(1))
	holds := func(what string, known bool) {
		t.Helper()
		if on, is := l.Holds(account(2)); on || is != known {
			t.Errorf("%s: what is not on it: on %v, known %v", what, on, is)
		}
		if on, is := l.Holds(account(2), account(1)); !on || !is {
			t.Errorf("%s: what is on it: on %v, known %v", what, on, is)
		}
	}
	b.Clock.Forward(time.Hour)
	holds("nobody has looked, and nothing failed", true)
	l.Store = away{b.Store}
	for range 2 {
		if err := l.Refresh(t.Context()); err == nil {
			t.Fatal("no error")
		}
		holds("it has just failed", true)
		b.Clock.Forward(31 * time.Second)
	}
	holds("a minute later", false)
	l.Store = b.Store
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds("it is there again", true)
}

// Clause 5.24: what cannot be of its kind is not known to be on no list, and takes away
// nothing that is on it.
func TestClause5_24_WhatIsNoneOfItsKindIsNotKnown(t *testing.T) {
	b := banktest.New(t)
	l := node(t, b)
	listed := compromised.Item{Kind: compromised.IP, Value: "2001:DB8:0::7"}
	change(t, b, l, compromised.Add, listed, compromised.Item{Kind: compromised.Account, Value: "az77-vtba.0000/0000 0012 3456 7890"})
	for _, i := range []compromised.Item{
		{Kind: compromised.IP, Value: "192.0.2.1:4711"}, {Kind: compromised.IP, Value: "192.0.2.1, 10.0.0.1"}, {Kind: compromised.IP, Value: " 192.0.2.1"},
		{Kind: compromised.Country, Value: "ir"}, {Kind: compromised.Country, Value: "IRN"}, {Kind: compromised.Account, Value: "ＡＺ77VTBA00000000001234567890"},
		{Kind: compromised.Device, Value: strings.Repeat("x", 201)}, {Kind: "name", Value: "x"},
	} {
		if on, known := l.Holds(i); on || known {
			t.Errorf("%v: on %v, known %v", i, on, known)
		}
		if on, known := l.Holds(i, listed); !on || !known {
			t.Errorf("%v and one that is listed: on %v, known %v", i, on, known)
		}
		if _, err := l.Change(t.Context(), b.Staff(), compromised.Add, []compromised.Item{i}); !problem.Is(err, problem.Invalid) {
			t.Errorf("%v is taken: %v", i, err)
		}
	}
	for value, want := range map[string]bool{"2001:db8::7": true, "2001:0db8:0000::0007": true, "2001:db8::7%eth0": true, "2001:db8::8": false, "": false} {
		if on, known := l.Holds(compromised.Item{Kind: compromised.IP, Value: value}); on != want || !known {
			t.Errorf("%q: on %v, known %v", value, on, known)
		}
	}
	for _, value := range []string{"AZ77VTBA00000000001234567890", "AZ77 VTBA-00000000001234567890", "az77vtba00000000001234567890"} {
		if on, _ := l.Holds(compromised.Item{Kind: compromised.Account, Value: value}); !on {
			t.Errorf("%q is not on it", value)
		}
	}
}

// FuzzHolds: whatever a front end tells is on the list or not, and what is put on it is
// found again.
func FuzzHolds(f *testing.F) {
	b := banktest.New(f)
	for _, seed := range []string{"", "AZ21NABZ00000000137010001944", "192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0", "AZ", "az", "\x00\xff", strings.Repeat("x", 201)} {
		f.Add("ip", seed)
		f.Add("account", seed)
	}
	l := &compromised.List{Store: b.Store, Settler: b.Store, Audit: b.Audit, Now: b.Clock.Now}
	if err := l.Refresh(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		item := compromised.Item{Kind: compromised.Kind(kind), Value: value}
		possible := value == "" || compromised.Check(compromised.Add, []compromised.Item{item}) == nil
		if on, known := l.Holds(item); on || known != possible {
			t.Fatalf("%q and an empty list: %v, %v", value, on, known)
		}
		if a, err := netip.ParseAddr(value); err == nil && item.Kind == compromised.IP && a.Zone() == "" {
			if on, _ := l.Holds(compromised.Item{Kind: compromised.IP, Value: a.String()}); on {
				t.Errorf("%q", value)
			}
		}
	})
}
