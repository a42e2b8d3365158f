package revocation_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

// A good answer is used again for two minutes and not beyond its nextUpdate.
func TestOCSPCache(t *testing.T) {
	b := newBench(t)
	b.good()
	b.later(2 * time.Minute)
	if s := b.good(); !s.FromCache || !s.CheckedAt.Equal(start) || b.ocsp.Asked() != 1 {
		t.Errorf("%+v after %d requests", s, b.ocsp.Asked())
	}
	b.later(time.Second)
	if s := b.good(); s.FromCache || b.ocsp.Asked() != 2 {
		t.Errorf("%+v after %d requests", s, b.ocsp.Asked())
	}
	b.later(-10 * time.Minute) // a clock set back does not make it last longer
	if s := b.good(); s.FromCache {
		t.Errorf("%+v", s)
	}

	b.within(t)
	b.ocsp.Change(func(a *pkitest.Answer) { a.Next = a.This.Add(30 * time.Second) })
	b.good()
	b.later(31 * time.Second)
	if s := b.good(); s.FromCache {
		t.Errorf("%+v is used beyond its nextUpdate", s)
	}

	b.within(t)
	b.rules.Keep = -1
	b.good()
	if s := b.good(); s.FromCache {
		t.Errorf("%+v is used again against the rules", s)
	}
}

// Revoked is kept from then on: against silence, against an older good answer and
// against an older list.
func TestRevokedStays(t *testing.T) {
	b := newBench(t)
	b.rules.CRLs, b.rules.Grace = []string{b.server.URL + "/ca.crl"}, time.Hour
	b.crl.Change(nil)
	b.good()
	b.ocsp.Revoke(b.card)
	b.later(3 * time.Minute)
	b.refused(revocation.Revoked, revocation.ReasonRevoked)
	if s := b.refused(revocation.Revoked, revocation.ReasonRevoked); !s.FromCache {
		t.Errorf("%+v", s)
	}
	b.later(3 * time.Minute)
	b.away()
	b.refused(revocation.Unavailable, revocation.Away)

	// The list is older, or of the same time.
	b.back()
	b.later(16 * time.Second) // so soon it is not tried again
	b.ocsp.Change(func(a *pkitest.Answer) { a.Failure = 3 })
	before := start.Add(2 * time.Minute)
	b.crl.Clock(func() time.Time { return before })
	b.refused(revocation.Revoked, revocation.OlderThanRevoked)
	// An answer prepared before the revocation.
	b.rules.NonceExempt, b.rules.MaxAge = true, time.Hour
	b.ocsp.Change(func(a *pkitest.Answer) { a.Status, a.This = 0, before })
	b.refused(revocation.Revoked, revocation.OlderThanRevoked)
	// A later one: it was on hold.
	b.ocsp.Change(func(a *pkitest.Answer) { a.Status = 0 })
	b.good()
}

func TestListBehindOCSP(t *testing.T) {
	b := newBench(t)
	b.rules.CRLs = []string{b.server.URL + "/ca.crl"}
	b.ocsp.Change(func(a *pkitest.Answer) { a.Failure = 3 })
	if s := b.good(); s.Source != revocation.SourceCRL {
		t.Errorf("%+v", s)
	}
	// Unknown to OCSP, then silence: the list is from before that.
	b.ocsp.Change(func(a *pkitest.Answer) { a.Status = 2 })
	b.refused(revocation.Unknown, revocation.ReasonUnknown)
	b.ocsp.Change(func(a *pkitest.Answer) { a.Failure = 3 })
	b.refused(revocation.Unknown, revocation.OlderThanRevoked)
	b.later(61 * time.Minute) // a new list
	b.good()
	b.away()
	b.later(61 * time.Minute)
	b.refused(revocation.Unavailable, revocation.Away)
}

// Away is refused; a grace has to be stated, ends, and is for the good alone.
func TestGraceOCSP(t *testing.T) {
	b := newBench(t)
	b.good()
	b.away()
	b.later(3 * time.Minute)
	b.refused(revocation.Unavailable, revocation.Away)

	b.back()
	b.rules.Grace = time.Hour
	b.away()
	b.refused(revocation.Unavailable, revocation.Away) // nothing good is known under these rules
	b.back()
	b.good()
	b.away()
	b.later(time.Hour)
	if s := b.good(); !s.InGrace || !s.FromCache || s.Source != revocation.SourceOCSP {
		t.Errorf("%+v", s)
	}
	b.later(time.Second)
	b.refused(revocation.Unavailable, revocation.Away)

	b.back()
	b.good()
	b.ocsp.Change(func(a *pkitest.Answer) { a.Status = 2 })
	b.later(3 * time.Minute)
	b.refused(revocation.Unknown, revocation.ReasonUnknown)
	b.away()
	b.refused(revocation.Unavailable, revocation.Away) // its last known state is not good
}

func TestGraceCRL(t *testing.T) {
	b := newListBench(t)
	b.good()
	b.away()
	b.later(61 * time.Minute)
	b.refused(revocation.Unavailable, revocation.Away)
	b.rules.Grace = time.Hour
	if s := b.good(); !s.InGrace || s.Source != revocation.SourceCRL {
		t.Errorf("%+v", s)
	}
	b.later(time.Hour)
	b.refused(revocation.Unavailable, revocation.Away)

	// OCSP said unknown; the list that is past may not overrule that.
	b = newBench(t)
	b.rules.CRLs, b.rules.Grace = []string{b.server.URL + "/ca.crl"}, 3*time.Hour
	b.ocsp.Change(func(a *pkitest.Answer) { a.Failure = 3 })
	b.good()
	b.ocsp.Change(func(a *pkitest.Answer) { a.Status = 2 })
	b.refused(revocation.Unknown, revocation.ReasonUnknown)
	b.away()
	b.later(90 * time.Minute)
	b.refused(revocation.Unknown, revocation.ReasonUnknown)
}

// One request at a time for a certificate, and a caller who leaves does not fail
// the others.
func TestOneRequest(t *testing.T) {
	b := newBench(t)
	asked, release := make(chan struct{}, 100), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		b.ocsp.ServeHTTP(w, r)
	})
	b.instead.Store(&slow)
	b.checker.Timeout = time.Minute
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan revocation.Status)
	go func() {
		left <- b.checker.Check(impatient, b.card.Certificate, b.ca.Certificate, b.rules, start)
	}()
	<-asked
	var wg sync.WaitGroup
	var good atomic.Int32
	for range 20 {
		wg.Go(func() {
			if b.checker.Check(context.Background(), b.card.Certificate, b.ca.Certificate, b.rules, start).Good() {
				good.Add(1)
			}
		})
	}
	leave()
	if s := <-left; s.Good() || s.Reason != revocation.Slow {
		t.Errorf("who left has %v", s)
	}
	close(release)
	wg.Wait()
	if good.Load() != 20 || b.ocsp.Asked() != 1 || len(asked) != 0 {
		t.Errorf("%d good of 20 after %d requests", good.Load(), b.ocsp.Asked())
	}
}

func TestObserve(t *testing.T) {
	b := newBench(t)
	var seen []revocation.Status
	b.checker.Observe = func(s revocation.Status) { seen = append(seen, s) }
	b.good()
	b.good()
	b.ocsp.Revoke(b.card)
	b.later(time.Hour)
	b.refused(revocation.Revoked, revocation.ReasonRevoked)
	if len(seen) != 3 || !seen[0].Good() || !seen[1].FromCache || seen[2].State != revocation.Revoked {
		t.Errorf("%v", seen)
	}
}

// Run ends with its context.
func TestRun(t *testing.T) {
	b := newListBench(t)
	b.checker.Watch(b.ca.Certificate, b.rules)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.checker.Run(ctx); close(done) }()
	for b.crl.Asked() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
}
