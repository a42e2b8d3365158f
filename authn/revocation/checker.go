package revocation

import (
	"context"
	"crypto/x509"
	"net/http"
	"sync"
	"time"
)

// DefaultTimeout is for how long a check may wait for the network: well below the
// five seconds in which a log-in has its answer.
const DefaultTimeout = 3 * time.Second

// mostAtOnce is how many OCSP requests are under way at once.
const mostAtOnce = 64

// Checker checks certificates and remembers what it found, within bounds. Its
// fields are set before the first call; it is safe for concurrent use. The zero
// Checker works.
type Checker struct {
	// Timeout is for how long one check waits for the network, in all. 0:
	// DefaultTimeout.
	Timeout time.Duration
	// Now is the clock of Run, which refreshes lists; a check has its own time. nil:
	// the machine's.
	Now func() time.Time
	// Observe, if set, is told every check's status, for metrics. It must be quick.
	Observe func(Status)

	once   sync.Once
	client *http.Client
	memory memory
	shelf  shelf
	asks   flights[Status]
	loads  flights[loaded]
	atOnce chan struct{}
}

// Check asks whether the certificate is revoked at that time. The caller has
// verified that it chains over issuer to a trusted root: only then is anybody
// contacted on its behalf. It returns within Timeout; to be given up earlier, ctx
// ends.
func (c *Checker) Check(ctx context.Context, leaf, issuer *x509.Certificate, rules Rules, at time.Time) Status {
	c.start()
	ctx, cancel := context.WithTimeout(ctx, orDefault(c.Timeout, DefaultTimeout))
	defer cancel()
	s := c.check(ctx, leaf, issuer, rules, at)
	if c.Observe != nil {
		c.Observe(s)
	}
	return s
}

func (c *Checker) check(ctx context.Context, leaf, issuer *x509.Certificate, rules Rules, at time.Time) Status {
	if leaf == nil || issuer == nil || leaf.SerialNumber == nil {
		return unavailable("", "", at, faulty(NoSource, "there is no certificate or no issuer"))
	}
	key := newGoodKey(leaf, issuer, rules)
	s := unavailable("", "", at, faulty(NoSource, "the rules name neither OCSP nor a list"))
	if rules.OCSP {
		if s = c.byOCSP(ctx, key, leaf, issuer, rules, at); s.State != Unavailable {
			return s
		}
	}
	if len(rules.CRLs)+len(rules.CRLFiles) > 0 {
		l := c.fromLists(ctx, leaf, issuer, rules, at)
		if l.State != Unavailable && !l.InGrace {
			return c.memory.settle(key, l)
		}
		if l.InGrace {
			return c.inGrace(key, l)
		}
		if s.Reason == NoSource {
			s = l
		} else if l.State == Unavailable {
			s.Detail += "; " + l.Detail
		}
	}
	if last, ok := c.memory.lastGood(key); ok && rules.OCSP && rules.Grace > 0 && !at.After(last.CheckedAt.Add(rules.Grace)) {
		last.FromCache, last.InGrace = true, true
		return c.inGrace(key, last)
	}
	return s
}

// byOCSP returns the last answer while it may be used again, or asks.
func (c *Checker) byOCSP(ctx context.Context, key goodKey, leaf, issuer *x509.Certificate, rules Rules, at time.Time) Status {
	bad, isBad := c.memory.lastBad(key.leaf)
	if last, ok := c.memory.lastGood(key); ok && !isBad && current(last, rules, at) {
		last.FromCache = true
		return last
	}
	if isBad && bad.State == Revoked && bad.Source == SourceOCSP && current(bad, rules, at) {
		bad.FromCache = true
		return bad
	}
	limit := orDefault(c.Timeout, DefaultTimeout)
	if len(rules.CRLs)+len(rules.CRLFiles) > 0 {
		limit = limit * 2 / 3 // a list is asked after it
	}
	wait, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, ok := c.asks.do(wait, key, limit, func(ctx context.Context) Status {
		select {
		case c.atOnce <- struct{}{}:
			defer func() { <-c.atOnce }()
		case <-ctx.Done():
			return unavailable(SourceOCSP, "", at, faulty(Overloaded, "%d requests are under way", mostAtOnce))
		}
		s := c.ask(ctx, leaf, issuer, rules, at)
		if s.State == Unavailable {
			return s
		}
		return c.memory.settle(key, s)
	})
	if !ok {
		return unavailable(SourceOCSP, "", at, faulty(Slow, "no answer of OCSP in time"))
	}
	return s
}

// inGrace returns what is good by grace alone, unless the last answer of all was
// not good.
func (c *Checker) inGrace(key goodKey, s Status) Status {
	bad, isBad := c.memory.lastBad(key.leaf)
	if !isBad {
		return s
	}
	bad.FromCache = true
	return bad
}

// start makes what the zero Checker lacks.
func (c *Checker) start() {
	c.once.Do(func() { c.client, c.atOnce = newClient(), make(chan struct{}, mostAtOnce) })
}

func (c *Checker) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
