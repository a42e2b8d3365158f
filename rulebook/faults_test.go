package rulebook_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/banktest"
	"mohur/problem"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/rulebook"
	"mohur/settle"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

// Clause 5.2: a version that another node adopts while a lower one is tried is not
// overtaken by that one, and the store can be opened again.
func TestClause5_2_ALowerVersionDoesNotOvertakeAHigherOne(t *testing.T) {
	b := banktest.New(t)
	other, err := open(t, b, policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	now := b.Clock.Now()
	b.Book.Try(func(risk.Policy, func() bool) []string {
		if _, err := other.Adopt(t.Context(), command(3, now, "10.00")); err != nil {
			t.Error(err)
		}
		if err := b.Book.Refresh(t.Context()); err != nil { // as the server does each second
			t.Error(err)
		}
		return nil
	})
	if _, err := b.Book.Adopt(t.Context(), command(2, now, "50.00")); !problem.Is(err, problem.Conflict) || !strings.Contains(err.Error(), "the next is 4") {
		t.Errorf("the lower one: %v", err)
	}
	again, err := open(t, b, policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, book := range []*rulebook.Book{b.Book, other, again} {
		inForce(t, book, 3, 10_00)
	}
}

// A list in which a lower version follows a higher one is not followed.
func TestVersionsThatFallAreNotFollowed(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now().Truncate(time.Second)
	adopt(t, b, command(3, now, "10.00"))
	head, err := b.Store.PolicyHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	head.Versions, head.Version = append(head.Versions, 2), head.Version+1
	low := rulebook.Policy{Version: 2, YAML: text(2, now, "50.00"), From: now, Board: "1", Maker: "x", At: now}
	r, err := settle.Write(t.Context(), b.Store, b.Audit, []settle.Effect{rulebook.SaveHead{Head: head}, rulebook.SavePolicy{Policy: low}}, []audit.Event{{Name: "policy.adopted", Outcome: "adopted", Policy: 2}})
	if err != nil || r.Outcome != settle.Done {
		t.Fatalf("%s, %v", r.Outcome, err)
	}
	if err := b.Book.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "version 2 was adopted after 3") {
		t.Errorf("followed: %v", err)
	}
	inForce(t, b.Book, 3, 10_00)
}

// A trial that panics or does not end keeps no policy from being adopted; it is told
// to stop, and the next one waits for it.
func TestATrialIsBounded(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now()
	try := func(version int) string {
		a, err := b.Book.Adopt(t.Context(), command(version, now, "10.00"))
		if err != nil || len(a.Warnings) != 1 {
			t.Fatalf("version %d: %q, %v", version, a.Warnings, err)
		}
		return a.Warnings[0]
	}
	b.Book.Try(func(risk.Policy, func() bool) []string { panic("of the trial") })
	if w := try(2); !strings.Contains(w, "failed") {
		t.Error(w)
	}
	stopped, release := make(chan bool, 1), make(chan bool)
	b.Book.Try(func(_ risk.Policy, stop func() bool) []string {
		for !stop() {
			time.Sleep(time.Millisecond)
		}
		stopped <- true
		<-release
		return nil
	})
	if w := try(3); !strings.Contains(w, "longer than an answer may") {
		t.Error(w)
	}
	<-stopped
	if w := try(4); !strings.Contains(w, "other policies are being tried") {
		t.Error(w)
	}
	close(release)
	b.Book.Try(func(risk.Policy, func() bool) []string { return []string{"this one"} })
	if w := try(5); w != "this one" {
		t.Error(w)
	}
}

// Clause 5.6: a start with a clock that was set back behind an adoption does not bring
// the policy back that was in force before.
func TestClause5_6_AStartWithTheClockSetBackIsRefused(t *testing.T) {
	b := banktest.New(t)
	adopt(t, b, command(2, b.Clock.Now(), "10.00"))
	b.Clock.Forward(-4 * time.Minute)
	if _, err := open(t, b, policy.Default()); err != nil {
		t.Errorf("as far as clocks may lie apart: %v", err)
	}
	b.Clock.Forward(-2 * time.Minute)
	if _, err := open(t, b, policy.Default()); err == nil || !strings.Contains(err.Error(), "set the clock right") {
		t.Errorf("a start: %v", err)
	}
	if err := b.Book.Refresh(t.Context()); err != nil {
		t.Errorf("a running server: %v", err)
	}
	inForce(t, b.Book, 2, 10_00)
}

// Clause 5.2: policies that were taken away with their list are missed by the start,
// because the log tells of them, whether or not a list is written before there is one.
func TestClause5_2_ThatAllPoliciesAreGoneIsNoticed(t *testing.T) {
	for _, many := range []uint64{10_000, 1} {
		for name, do := range map[string]func(*banktest.Bank){
			"a policy": func(b *banktest.Bank) { adopt(t, b, command(2, b.Clock.Now(), "10.00")) },
			"a trial": func(b *banktest.Bank) {
				if _, err := b.Book.SetShadow(t.Context(), anna, text(2, b.Clock.Now(), "10.00")); err != nil {
					t.Fatal(err)
				}
			},
		} {
			t.Run(fmt.Sprint(name, ", a list after ", many), func(t *testing.T) {
				before := rulebook.Many(many)
				defer rulebook.Many(before)
				b := banktest.New(t)
				for range 3 {
					b.Person(pskc.HOTP) // for the log
					if _, err := open(t, b, policy.Default()); err != nil {
						t.Fatal(err)
					}
				}
				if n := b.Count("policy.kept", "none", ""); n != map[uint64]int{10_000: 0, 1: 1}[many] {
					t.Errorf("%d lists were written", n)
				}
				if err := b.Book.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				do(b)
				edit(t, b, func(f bolttest.File) {
					f.Delete("policy", "head")
					f.Delete("policy", "2")
					f.Delete("policy", "shadow")
				})
				if _, err := open(t, b, policy.Default()); err == nil || !strings.Contains(err.Error(), "says that there should be") {
					t.Errorf("a start: %v", err)
				}
			})
		}
	}
}

// A log that could tell of a policy and has a gap proves nothing.
func TestClause5_2_AGapInTheLogProvesNothing(t *testing.T) {
	b := banktest.New(t)
	b.Person(pskc.HOTP)
	edit(t, b, func(f bolttest.File) { f.Delete("audit", "\x00\x00\x00\x00\x00\x00\x00\x00") })
	if _, err := open(t, b, policy.Default()); err == nil || !strings.Contains(err.Error(), "entry 0 of the audit log") {
		t.Errorf("a start: %v", err)
	}
}

// A time that no format can write is refused, in the text or beside it.
func TestAPolicyNeedsATimeThatCanBeWritten(t *testing.T) {
	b := banktest.New(t)
	for _, from := range []time.Time{{}, time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(9001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3600))} {
		cmd := command(2, from, "10.00")
		for _, f := range []func() error{
			func() error { _, err := b.Book.Check(cmd); return err },
			func() error { _, err := b.Book.Adopt(context.WithoutCancel(t.Context()), cmd); return err },
		} {
			if err := f(); !problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "effective_from: needs a year from 2000 to 9000") {
				t.Errorf("%s: %v", from, err)
			}
		}
	}
}

// A shadow policy that is not as it was written is none; it keeps no server from
// starting, and no policy from being adopted.
func TestASpoiltShadowIsNone(t *testing.T) {
	for name, damage := range map[string]func(f bolttest.File, first []byte){
		"edited":         func(f bolttest.File, _ []byte) { replaced("policy", "shadow", `\"6.00\"`, `\"7.00\"`)(f) },
		"removed":        func(f bolttest.File, _ []byte) { f.Delete("policy", "shadow") },
		"the one before": func(f bolttest.File, first []byte) { f.Put("policy", "shadow", first) },
		"no record":      func(f bolttest.File, _ []byte) { f.Put("policy", "shadow", []byte("\x00{")) },
	} {
		t.Run(name, func(t *testing.T) {
			b := banktest.New(t)
			var first []byte
			for _, each := range []string{"5.00", "6.00"} {
				if _, err := b.Book.SetShadow(t.Context(), anna, text(2, b.Clock.Now(), each)); err != nil {
					t.Fatal(err)
				}
				if first == nil {
					edit(t, b, func(f bolttest.File) { first = f.Get("policy", "shadow") })
				}
			}
			late, err := open(t, b, policy.Default())
			if err != nil {
				t.Fatal(err)
			}
			edit(t, b, func(f bolttest.File) { damage(f, first) })
			book, err := open(t, b, policy.Default())
			if err != nil {
				t.Fatalf("a start: %v", err)
			}
			if p, is := book.Shadow(); is {
				t.Errorf("it is tried: version %d with %d", p.Version, p.LowValueEach)
			}
			if err := book.Refresh(t.Context()); err == nil {
				t.Error("nobody says so")
			}
			for i, of := range []*rulebook.Book{book, late} {
				if _, err := of.Adopt(t.Context(), command(i+2, b.Clock.Now(), "10.00")); err != nil {
					t.Errorf("a policy: %v", err)
				}
				inForce(t, of, i+2, 10_00)
			}
		})
	}
}
