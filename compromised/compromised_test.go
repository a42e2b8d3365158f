package compromised_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

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
	if _, err := l.Change(t.Context(), b.Staff(), compromised.Add, []compromised.Item{account(-1)}); !problem.Is(err, problem.Invalid) || !strings.Contains(fmt.Sprint(errors.Unwrap(err), err), "too long") {
		t.Errorf("one more: %v", err)
	}
	if _, err := l.Change(t.Context(), b.Staff(), compromised.Replace, append(many, account(-1))); !problem.Is(err, problem.Invalid) {
		t.Errorf("too many at once: %v", err)
	}
	again := node(t, b)
	if s, _ := again.State(); s.Counts[compromised.Account] != compromised.MaxItems {
		t.Errorf("%+v", s)
	}
	if on, _ := again.Holds(account(-1)); on {
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
		if on, known := l.Holds(item); on || !known {
			t.Fatalf("%q is on an empty list: %v, %v", value, on, known)
		}
		if a, err := netip.ParseAddr(value); err == nil && item.Kind == compromised.IP && a.Zone() == "" {
			if on, _ := l.Holds(compromised.Item{Kind: compromised.IP, Value: a.String()}); on {
				t.Errorf("%q", value)
			}
		}
	})
}
