package rulebook_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/rulebook"
	"mohur/store/bolt"
	"mohur/store/bolttest"
)

var anna = parties.Caller{Kind: "staff", ID: "~anna", Roles: []parties.Role{parties.Security}}

// text is the shipped policy as another version, from a time on, with another ceiling
// of payments without a proof.
func text(version int, from time.Time, each string) string {
	return strings.NewReplacer("version: 1", fmt.Sprint("version: ", version), `"2015-12-21T00:00:00+04:00"`, fmt.Sprintf("%q", from.Format(time.RFC3339)), `each: "50.00"`, fmt.Sprintf("each: %q", each)).
		Replace(string(policy.Default().Source))
}

func command(version int, from time.Time, each string) rulebook.AdoptCommand {
	from = from.Truncate(time.Second)
	return rulebook.AdoptCommand{Caller: anna, YAML: text(version, from, each), From: from, Board: "17/2027", Checker: "~boris", Approval: "ap_1"}
}

func adopt(t *testing.T, b *banktest.Bank, cmd rulebook.AdoptCommand) rulebook.Policy {
	t.Helper()
	a, err := b.Book.Adopt(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	return a.Policy
}

// open reads the store anew, as another node or a start would.
func open(t *testing.T, b *banktest.Bank, base risk.Policy) (*rulebook.Book, error) {
	t.Helper()
	return rulebook.Open(t.Context(), rulebook.Options{
		Store: b.Store, Settler: b.Store, Audit: b.Audit, Base: base, Zone: time.FixedZone("Asia/Baku", 4*3600), Places: payment.Places, Now: b.Clock.Now,
	})
}

func inForce(t *testing.T, book *rulebook.Book, version int, each int64) {
	t.Helper()
	if p := book.InForce(); p.Version != version || p.LowValueEach != each {
		t.Errorf("in force is version %d with %d, want %d with %d", p.Version, p.LowValueEach, version, each)
	}
}

// Clause 5.6: a policy is adopted ahead of its time and comes into force by itself at
// its second, on this node and on others, and stays through a restart.
func TestClause5_6_AScheduledPolicyComesIntoForceByItself(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now()
	other, err := open(t, b, policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	adopt(t, b, command(2, now, "20.00"))
	at := now.Add(time.Hour).Truncate(time.Second)
	adopt(t, b, command(5, at, "30.00"))
	inForce(t, b.Book, 2, 20_00)
	inForce(t, other, 1, 50_00)
	if err := other.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	inForce(t, other, 2, 20_00)
	if s := b.Book.Scheduled(); len(s) != 1 || s[0].Rules.Version != 5 || !s[0].Since().Equal(at) {
		t.Errorf("scheduled: %+v", s)
	}
	b.Clock.Forward(at.Sub(b.Clock.Now()) - time.Second/2)
	inForce(t, b.Book, 2, 20_00)
	b.Clock.Forward(time.Second)
	for _, book := range []*rulebook.Book{b.Book, other} {
		inForce(t, book, 5, 30_00)
		if len(book.Scheduled()) != 0 {
			t.Error("still scheduled")
		}
	}
	if err := b.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	b.Open()
	inForce(t, b.Book, 5, 30_00)
	if e := b.Book.Present(); e.Record.Board != "17/2027" || e.Record.Maker != "~anna" || e.Record.Checker != "~boris" || !e.Since().Equal(at) {
		t.Errorf("%+v", e.Record)
	}
	p, err := b.Book.Version(t.Context(), 2)
	if err != nil || p.YAML != command(2, now, "20.00").YAML {
		t.Errorf("version 2 is not kept: %v", err)
	}
	all, err := b.Book.Versions(t.Context())
	if err != nil || len(all) != 3 || all[0].Version != 5 || all[2].Version != 1 {
		t.Errorf("versions: %d, %v", len(all), err)
	}
	if b.Count("policy.adopted", "adopted", "") != 2 {
		t.Error("the log does not tell of both")
	}
	adopt(t, b, command(6, b.Clock.Now(), "10.00")) // after a restart too
	inForce(t, b.Book, 6, 10_00)
}

// A scheduled version that a higher one was faster than never comes into force, and a
// clock that is set back brings no weaker policy back.
func TestClause5_6_TheHigherVersionStays(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now()
	adopt(t, b, command(2, now.Add(2*time.Hour), "40.00"))
	adopt(t, b, command(3, now.Add(time.Hour), "30.00"))
	if s := b.Book.Scheduled(); len(s) != 2 {
		t.Errorf("%d scheduled", len(s))
	}
	inForce(t, b.Book, 1, 50_00)
	b.Clock.Forward(90 * time.Minute)
	inForce(t, b.Book, 3, 30_00)
	if s := b.Book.Scheduled(); len(s) != 0 {
		t.Errorf("%d scheduled", len(s))
	}
	b.Clock.Forward(-time.Hour)
	inForce(t, b.Book, 3, 30_00)
	b.Clock.Forward(3 * time.Hour)
	inForce(t, b.Book, 3, 30_00)
}

// A policy that is approved after its time is in force from the approval on.
func TestClause5_2_ALateApprovalCountsFromItself(t *testing.T) {
	b := banktest.New(t)
	cmd := command(2, b.Clock.Now(), "20.00")
	if _, err := b.Book.Check(cmd); err != nil {
		t.Fatal(err)
	}
	b.Clock.Forward(10 * time.Hour)
	p := adopt(t, b, cmd)
	if !p.Since().Equal(p.At) || p.Since().Before(p.From.Add(9*time.Hour)) {
		t.Errorf("in force since %s", p.Since())
	}
	inForce(t, b.Book, 2, 20_00)
}

// Clause 5.2: what cannot be adopted is refused, each fault in its words, and nothing
// is stored.
func TestClause5_2_WhatCannotBeAdoptedIsRefused(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now()
	adopt(t, b, command(4, now, "20.00"))
	for name, c := range map[string]struct {
		change func(*rulebook.AdoptCommand)
		code   problem.Code
		want   string
	}{
		"no board":         {func(c *rulebook.AdoptCommand) { c.Board = "" }, problem.Invalid, "board_decision: needs the number"},
		"blank board":      {func(c *rulebook.AdoptCommand) { c.Board = " 17" }, problem.Invalid, "board_decision"},
		"long board":       {func(c *rulebook.AdoptCommand) { c.Board = strings.Repeat("ə", 65) }, problem.Invalid, "board_decision"},
		"unprintable":      {func(c *rulebook.AdoptCommand) { c.Board = "17\x00" }, problem.Invalid, "board_decision"},
		"another time":     {func(c *rulebook.AdoptCommand) { c.From = c.From.Add(time.Second) }, problem.Invalid, "effective_from: needs to be the effective_from of the text"},
		"in the past":      {func(c *rulebook.AdoptCommand) { *c = command(5, now.Add(-2*time.Minute), "1.00") }, problem.Invalid, "effective_from: lies in the past"},
		"the same version": {func(c *rulebook.AdoptCommand) { *c = command(4, now, "1.00") }, problem.Conflict, "the next is 5"},
		"a lower version":  {func(c *rulebook.AdoptCommand) { *c = command(2, now, "1.00") }, problem.Conflict, "the next is 5"},
		"a gap":            {func(c *rulebook.AdoptCommand) { *c = command(1005, now, "1.00") }, problem.Conflict, "the next is 5"},
		"faults": {func(c *rulebook.AdoptCommand) {
			c.YAML = strings.Replace(strings.Replace(c.YAML, "acr: linked", "acr: loose", 1), "missing: 10", "missing: 1000", 1)
		}, problem.Invalid, "payments.acr"},
		"no policy": {func(c *rulebook.AdoptCommand) { c.YAML = "{" }, problem.Invalid, "yaml"},
	} {
		cmd := command(5, now, "20.00")
		c.change(&cmd)
		_, err := b.Book.Check(cmd)
		if !problem.Is(err, c.code) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "in the past" {
			continue // when it is carried out that does not matter
		}
		if _, err := b.Book.Adopt(t.Context(), cmd); !problem.Is(err, c.code) {
			t.Errorf("%s, carried out: %v", name, err)
		}
	}
	var p *problem.Error
	cmd := command(5, now, "20.00")
	cmd.YAML = strings.Replace(strings.Replace(cmd.YAML, "acr: linked", "acr: loose", 1), "missing: 10", "missing: 1000", 1)
	if _, err := b.Book.Check(cmd); !errors.As(err, &p) || len(p.Fields) < 2 || p.Fields[0].Field != "yaml" || !strings.HasPrefix(p.Fields[0].Message, "line ") {
		t.Errorf("faults: %v", err)
	}
	inForce(t, b.Book, 4, 20_00)
}

// A race for one version has one winner, and its text is what is in force.
func TestOneOfManyAdoptsAVersion(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now()
	var won sync.Map
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			each := fmt.Sprintf("%d.00", i+1)
			_, err := b.Book.Adopt(t.Context(), command(2, now, each))
			if err == nil {
				won.Store(int64(i+1)*100, true)
			} else if !problem.Is(err, problem.Conflict) {
				t.Errorf("%v", err)
			}
		})
	}
	group.Wait()
	n := 0
	won.Range(func(each, _ any) bool {
		n++
		inForce(t, b.Book, 2, each.(int64))
		return true
	})
	if n != 1 || b.Count("policy.adopted", "", "") != 1 {
		t.Errorf("%d won, %d in the log", n, b.Count("policy.adopted", "", ""))
	}
}

// edit lets a thief edit the file behind the running bank's back.
func edit(t *testing.T, b *banktest.Bank, f func(bolttest.File)) {
	t.Helper()
	if err := b.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	bolttest.Edit(t, b.Path, f)
	engine, err := bolt.Open(bolt.Options{Path: b.Path, Node: "n1", Now: b.Clock.Now, Fatal: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	b.Engine, b.Disk.Engine = engine, engine
	b.ForgetRows()
}

func replaced(part, key, old, with string) func(bolttest.File) {
	return func(f bolttest.File) {
		row := f.Get(part, key)
		if changed := bytes.Replace(row, []byte(old), []byte(with), 1); !bytes.Equal(row, changed) {
			f.Put(part, key, changed)
		} else {
			panic("nothing to replace")
		}
	}
}

// Clause 5.2: what somebody edits in the store never decides. It stops a start; while
// the server runs, what was in force stays so, and one incident tells of it.
func TestClause5_2_APolicyEditedByHandNeverDecides(t *testing.T) {
	var before []byte
	for name, c := range map[string]struct {
		edit  func(bolttest.File)
		finds bool // the running server reads what was edited
	}{
		"its text":                       {replaced("policy", "3", `\"30.00\"`, `\"39.00\"`), true},
		"its time":                       {replaced("policy", "3", `"from":"2`, `"from":"1`), true},
		"the decision of the board":      {replaced("policy", "3", "17/2027", "18/2027"), true},
		"removed":                        {func(f bolttest.File) { f.Delete("policy", "3") }, true},
		"its head removed":               {func(f bolttest.File) { f.Delete("policy", "head") }, true},
		"it and its head removed":        {func(f bolttest.File) { f.Delete("policy", "head"); f.Delete("policy", "3") }, true},
		"the head of before":             {func(f bolttest.File) { f.Put("policy", "head", before) }, true},
		"its head edited":                {replaced("policy", "head", `[2,3]`, `[2,2]`), true},
		"one more beside it":             {func(f bolttest.File) { f.Put("policy", "4", f.Get("policy", "3")) }, false},
		"the one before it in its place": {func(f bolttest.File) { f.Put("policy", "3", f.Get("policy", "2")) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := banktest.New(t)
			adopt(t, b, command(2, b.Clock.Now(), "20.00"))
			edit(t, b, func(f bolttest.File) { before = f.Get("policy", "head") })
			running, err := open(t, b, policy.Default())
			if err != nil {
				t.Fatal(err)
			}
			adopt(t, b, command(3, b.Clock.Now(), "30.00"))
			edit(t, b, c.edit)
			incidents := b.Count("incident.opened", "", "")
			for range 3 {
				if err := running.Refresh(t.Context()); (err == nil) == c.finds && name != "the head of before" {
					t.Errorf("the running server: %v", err)
				}
			}
			if c.finds && name != "the head of before" {
				inForce(t, running, 2, 20_00)
			}
			inForce(t, b.Book, 3, 30_00)
			_ = b.Book.Refresh(t.Context())
			inForce(t, b.Book, 3, 30_00)
			if name == "the head of before" || name == "it and its head removed" {
				// Who knew better holds on to it.
				if err := b.Book.Refresh(t.Context()); err == nil {
					t.Error("an older list is taken")
				}
			}
			if _, err := open(t, b, policy.Default()); err == nil && name != "it and its head removed" {
				t.Error("a start takes it")
			}
			if n := b.Count("incident.opened", "", "") - incidents; c.finds && n == 0 || n > 2 {
				t.Errorf("%d incidents", n)
			}
		})
	}
}

// Clause 5.2: what is edited under a running server is found within a minute; memory
// decides meanwhile.
func TestClause5_2_DriftUnderARunningServerIsFound(t *testing.T) {
	b := banktest.New(t)
	adopt(t, b, command(2, b.Clock.Now(), "20.00"))
	edit(t, b, replaced("policy", "2", `\"20.00\"`, `\"90.00\"`))
	b.Clock.Forward(time.Minute)
	for range 3 {
		err := b.Book.Refresh(t.Context())
		if !errors.Is(err, parties.ErrTampered) {
			t.Errorf("found: %v", err)
		}
		b.Clock.Forward(time.Minute)
	}
	inForce(t, b.Book, 2, 20_00)
	if n := b.Count("incident.opened", "", ""); n != 1 {
		t.Errorf("%d incidents", n)
	}
	adopt(t, b, command(3, b.Clock.Now(), "30.00")) // it keeps nobody from the next one
	inForce(t, b.Book, 3, 30_00)
}

// A file of the configuration never takes the version of a stored policy for another
// text; a higher one is the bank's next policy.
func TestClause5_1_TheFileAndTheStoredPolicies(t *testing.T) {
	b := banktest.New(t)
	now := b.Clock.Now()
	cmd := command(3, now, "30.00")
	adopt(t, b, cmd)
	file := func(version int, each string) risk.Policy {
		p, err := policy.Parse([]byte(text(version, now.Truncate(time.Second), each)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		version int
		each    string
		holds   int
	}{{2, "5.00", 3}, {3, "30.00", 3}, {3, "31.00", 0}, {4, "5.00", 4}} {
		book, err := open(t, b, file(c.version, c.each))
		if (err == nil) != (c.holds > 0) {
			t.Errorf("%d with %s: %v", c.version, c.each, err)
		} else if err == nil && book.InForce().Version != c.holds {
			t.Errorf("%d with %s: version %d is in force", c.version, c.each, book.InForce().Version)
		}
	}
	adopt(t, b, command(4, now, "20.00"))
	if _, err := open(t, b, file(3, "31.00")); err == nil {
		t.Error("a version that was in force before is taken for another text")
	}
}

// Clause 5.6: a shadow policy is tried beside the one in force, decides nothing, and
// is gone when it is removed; then it may be adopted.
func TestClause5_6_AShadowPolicyIsTriedBeforeItIsEnforced(t *testing.T) {
	b := banktest.New(t)
	if _, there := b.Book.Shadow(); there {
		t.Fatal("a shadow of nothing")
	}
	if err := b.Book.RemoveShadow(t.Context(), anna); !problem.Is(err, problem.NotFound) {
		t.Errorf("removed: %v", err)
	}
	cmd := command(2, b.Clock.Now().Add(time.Minute), "0.00")
	if _, err := b.Book.SetShadow(t.Context(), anna, "version: 2"); !problem.Is(err, problem.Invalid) {
		t.Errorf("half a policy: %v", err)
	}
	if _, err := b.Book.SetShadow(t.Context(), anna, cmd.YAML); err != nil {
		t.Fatal(err)
	}
	other, err := open(t, b, policy.Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, book := range []*rulebook.Book{b.Book, other} {
		if p, there := book.Shadow(); !there || p.Version != 2 || p.LowValueEach != 0 || book.ShadowRecord().By != "~anna" {
			t.Errorf("shadow %v: %+v", there, p)
		}
		inForce(t, book, 1, 50_00)
	}
	adopt(t, b, cmd)
	if err := b.Book.RemoveShadow(t.Context(), anna); err != nil {
		t.Fatal(err)
	}
	if err := other.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, book := range []*rulebook.Book{b.Book, other} {
		if _, there := book.Shadow(); there {
			t.Error("it is still there")
		}
	}
	b.Clock.Forward(2 * time.Minute)
	inForce(t, other, 2, 0)
	if b.Count("policy.shadow.set", "", "") != 1 || b.Count("policy.shadow.removed", "", "") != 1 {
		t.Error("the log does not tell of it")
	}
}

// Decisions go on while the policy changes, each with one whole policy.
func TestDecisionsWhileThePolicyChanges(t *testing.T) {
	b := banktest.New(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			last := 0
			for {
				select {
				case <-stop:
					return
				default:
				}
				p := b.Book.InForce()
				if p.Version < last || p.Version > 1 && p.LowValueEach != int64(p.Version)*100 {
					t.Errorf("version %d with %d after %d", p.Version, p.LowValueEach, last)
					return
				}
				last = p.Version
				b.Book.RatesNow()
				b.Book.Shadow()
			}
		})
	}
	for v := 2; v < 8; v++ {
		adopt(t, b, command(v, b.Clock.Now(), fmt.Sprintf("%d.00", v)))
	}
	close(stop)
	group.Wait()
	inForce(t, b.Book, 7, 7_00)
}

// While a part is away nothing is adopted, and what is in force stays so.
func TestAPartThatIsAway(t *testing.T) {
	b := banktest.New(t)
	adopt(t, b, command(2, b.Clock.Now(), "20.00"))
	b.Disk.ReadOnly(true)
	if _, err := b.Book.Adopt(t.Context(), command(3, b.Clock.Now(), "30.00")); !problem.Is(err, problem.Unavailable) {
		t.Errorf("adopted: %v", err)
	}
	b.Disk.ReadOnly(false)
	inForce(t, b.Book, 2, 20_00)
	if b.Count("incident.opened", "", "") != 0 {
		t.Error("an outage is an incident of the policy")
	}
	if err := b.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Book.Refresh(t.Context()); err == nil {
		t.Error("a refresh of nothing")
	}
	inForce(t, b.Book, 2, 20_00)
}
