package storecheck_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"mohur/banktest"
	"mohur/hsm"
	"mohur/parties"
	"mohur/store/bolt"
	"mohur/store/bolttest"
	"mohur/storecheck"
	"mohur/tokens/pskc"
)

// away is a module that does not answer.
var away = &hsm.Fault{Class: hsm.ClassDevice}

// sweeper is a sweep of the bank that does not wait, and what it tells.
type sweeper struct {
	storecheck.Sweep
	found   []storecheck.Finding
	reports []storecheck.Report
	errs    []error
	waits   []time.Duration
	stop    func()
}

// sweeping returns a sweep that ends after so many passes.
func sweeping(b *banktest.Bank, passes int) (*sweeper, context.Context) {
	ctx, stop := context.WithCancel(b.T.Context())
	s := &sweeper{stop: stop}
	end := func() {
		if passes--; passes == 0 {
			stop()
		}
	}
	s.Every, s.Now = time.Hour, b.Clock.Now
	s.Check = func() *storecheck.Check {
		return &storecheck.Check{
			Store: b.Engine, HSM: b.HSM, Settler: b.Store, Audit: b.Audit, Now: b.Clock.Now, Bound: b.Store.Checks(b.Engine.Secret),
			Parts: bolt.Parts(), Quarantine: true, By: parties.Caller{ID: "sweep"},
			Found: func(f storecheck.Finding) { s.found = append(s.found, f) },
		}
	}
	s.Done = func(r storecheck.Report) { s.reports = append(s.reports, r); end() }
	s.Error = func(err error) { s.errs = append(s.errs, err); end() }
	s.Waits(func(_ context.Context, d time.Duration) { s.waits = append(s.waits, d) })
	return s, ctx
}

// Attack 3: a row put back with its index, which no read finds, is out of use after
// a sweep, with one incident however often is swept; the used code opens nothing.
func TestAttack03_ASweepTakesARowThatWasPutBackOutOfUse(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	old := keep(b, id)
	code := d.HOTP()
	must(t, login(b, c.ID, code, banktest.PIN))
	old.putBack(b, id)
	s, ctx := sweeping(b, 3)
	s.Run(ctx)
	if len(s.errs) != 0 || len(s.reports) != 3 || s.reports[0].Found != 1 || s.reports[1].Found+s.reports[2].Found != 0 {
		t.Fatalf("%v, %+v", s.errs, s.reports)
	}
	if f := s.found[0]; f.Kind != storecheck.KindPutBack || f.ID != id || !f.Quarantined {
		t.Errorf("found %+v", f)
	}
	if q, i := b.Count("credential.quarantined", "", "row-put-back"), b.Count("incident.opened", "", ""); q != 1 || i != 1 {
		t.Errorf("%d quarantines and %d incidents in the log", q, i)
	}
	opened := b.Count("session.opened", "", "")
	for _, code := range []string{code, d.HOTP()} {
		if login(b, c.ID, code, banktest.PIN) == nil {
			t.Error("a code of a credential in quarantine was granted")
		}
	}
	if b.Count("session.opened", "", "") != opened {
		t.Error("the log tells of a session")
	}
}

// What takes nothing out of use becomes an incident, once, and is there also when
// the process ends right after it was found.
func TestASweepThatEndsLosesNoFinding(t *testing.T) {
	b := banktest.New(t)
	_, d := b.Person(pskc.HOTP)
	b.Edit(func(f bolttest.File) { f.Delete("token-by-customer", f.KeyEndingIn("token-by-customer", d.ID)) })
	s, ctx := sweeping(b, 1)
	check := s.Check
	s.Check = func() *storecheck.Check {
		c := check()
		c.Found = func(storecheck.Finding) { s.stop() }
		return c
	}
	s.Run(ctx)
	if len(s.reports)+len(s.errs) != 0 {
		t.Errorf("the pass went on: %+v %v", s.reports, s.errs)
	}
	must(t, b.Engine.Close())
	b.Open()
	if n := b.Count("incident.opened", "", "store.finding"); n != 1 {
		t.Fatalf("%d incidents", n)
	}
	s, ctx = sweeping(b, 2)
	s.Run(ctx)
	if n := b.Count("incident.opened", "", ""); len(s.found) != 2 || n != 1 {
		t.Errorf("found %d times, %d incidents", len(s.found), n)
	}
}

// While the HSM is away a pass waits where it is, and finds what there is to be
// found once it is back. No outage is a finding.
func TestASweepWaitsForTheHSM(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	old := keep(b, id)
	must(t, login(b, c.ID, d.HOTP(), banktest.PIN))
	old.putBack(b, id)
	b.HSM.FailAll(away)
	s, ctx := sweeping(b, 1)
	outages := 0
	s.Waits(func(_ context.Context, d time.Duration) {
		if d != storecheck.SweepAway {
			return
		}
		if outages++; outages == 3 {
			if len(s.found) != 0 || b.Count("incident.opened", "", "") != 0 {
				t.Error("something was found while the HSM was away")
			}
			b.HSM.Heal()
			b.HSM.FailIn("Check", away) // it answers, and may be another one
		}
		if outages == 6 {
			b.HSM.Heal()
		}
	})
	s.Run(ctx)
	if outages < 6 || len(s.errs) != 0 || len(s.found) != 1 || s.found[0].Kind != storecheck.KindPutBack {
		t.Errorf("%d outages, %v, found %+v", outages, s.errs, s.found)
	}
	if n := b.Count("credential.quarantined", "", ""); n != 1 {
		t.Errorf("%d quarantines", n)
	}
}

// A module whose keys are not the bank's makes every row look changed. That takes
// nothing out of use.
func TestAnotherModulesKeysQuarantineNothing(t *testing.T) {
	b := banktest.New(t)
	_, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	b.Edit(func(f bolttest.File) {
		v := f.Get("hot", id)
		v[3] ^= 1
		f.Put("hot", id, v)
	})
	b.HSM.FailIn("Check", away)
	s, _ := sweeping(b, 1)
	r, err := s.Check().Run(t.Context())
	if err == nil || r.Found != 0 || b.Count("credential.quarantined", "", "")+b.Count("incident.opened", "", "") != 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// uncounted is a store whose parts are not counted: that would read every page of
// one in a single snapshot.
type uncounted struct {
	storecheck.Store
	t *testing.T
}

func (u uncounted) Rows(context.Context, string) (int, error) {
	u.t.Error("a part was counted")
	return 0, nil
}

// Of the time it takes, a sweep works one part in 33, and it counts nothing
// beforehand.
func TestASweepIsSlow(t *testing.T) {
	b := banktest.New(t)
	b.Person(pskc.HOTP)
	s, ctx := sweeping(b, 1)
	check := s.Check
	s.Check = func() *storecheck.Check {
		c := check()
		c.Store = uncounted{c.Store, t}
		return c
	}
	now := b.Clock.Now()
	s.Now = func() time.Time { // between two looks at the clock a millisecond passes
		now = now.Add(time.Millisecond)
		return now
	}
	s.Run(ctx)
	pauses := 0
	for _, d := range s.waits {
		if d == time.Millisecond*(storecheck.SweepShare-1) {
			pauses++
		}
	}
	// One before the first pass, one after each part and stretch of the log, one until the next.
	if pauses != len(s.waits)-2 || pauses < len(bolt.Parts()) || s.reports[0].Rows == 0 {
		t.Errorf("waited %v", s.waits)
	}
	if last := s.waits[len(s.waits)-1]; last <= 59*time.Minute || last >= time.Hour {
		t.Errorf("the next pass comes after %s", last)
	}
	never, ctx := sweeping(b, 1)
	never.Every = 0
	never.Run(ctx)
	if len(never.waits)+len(never.reports) != 0 {
		t.Error("a sweep that is turned off swept")
	}
}

// A server that ends does not wait for its sweep.
func TestASweepEndsAtOnce(t *testing.T) {
	b := banktest.New(t)
	s, ctx := sweeping(b, 1)
	s.Waits(func(ctx context.Context, _ time.Duration) {
		s.stop()
		<-ctx.Done()
	})
	s.Run(ctx)
	if len(s.reports)+len(s.errs) != 0 {
		t.Errorf("%+v %v", s.reports, s.errs)
	}
}

// Log-ins go on during a sweep, each is granted once, and nothing is found that is
// not there.
func TestClause5_22_LogInsGoOnDuringASweep(t *testing.T) {
	b := banktest.New(t)
	type person struct {
		id string
		d  *banktest.Device
	}
	var people []person
	for range 3 {
		c, d := b.Person(pskc.HOTP)
		people = append(people, person{c.ID, d})
	}
	s, ctx := sweeping(b, 12)
	var all sync.WaitGroup
	logins := make([]int, len(people))
	for i, p := range people {
		all.Go(func() {
			for ctx.Err() == nil {
				code := p.d.HOTP()
				if err := login(b, p.id, code, banktest.PIN); err != nil {
					t.Error(err)
					return
				}
				if login(b, p.id, code, banktest.PIN) == nil {
					t.Error("a code was granted twice")
				}
				logins[i]++
			}
		})
	}
	s.Run(ctx)
	all.Wait()
	if len(s.errs) != 0 || len(s.found) != 0 || len(s.reports) != 12 {
		t.Errorf("%v, %+v", s.errs, s.found)
	}
	granted := b.Count("session.opened", "", "")
	if sum := logins[0] + logins[1] + logins[2]; granted != sum || sum == 0 {
		t.Errorf("%d sessions after %d log-ins", granted, sum)
	}
}
