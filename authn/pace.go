package authn

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"mohur/parties"
	"mohur/problem"
	"mohur/rate"
)

// Pace is how fast customers and sources may go. A source is the customer's
// address as the front end tells it, else the address the call came from.
// Requests over the limit, and those of somebody whose failures slow him down,
// are told to come back; nothing of them is judged or counted.
type Pace struct {
	Customer, Source         rate.Limit
	CustomerSlow, SourceSlow rate.Slow
	// Of log-ins without a name there is no customer to bound the open ones: what is
	// begun of them, by one source and by one client, is bounded by itself. At most
	// Burst and what PerSecond adds in an attempt's life are open.
	NamelessSource, NamelessClient rate.Limit
}

// DefaultPace is that of the contract.
func DefaultPace() Pace {
	return Pace{
		Customer: rate.Limit{PerSecond: 5, Burst: 60}, Source: rate.Limit{PerSecond: 20, Burst: 200},
		NamelessSource: rate.Limit{PerSecond: 2, Burst: 100}, NamelessClient: rate.Limit{PerSecond: 50, Burst: 1000},
		CustomerSlow: rate.Slow{From: 10, Window: 10 * time.Minute, Most: time.Minute},
		SourceSlow:   rate.Slow{From: 100, Window: 10 * time.Minute, Most: time.Minute},
	}
}

// pace keeps it. The customer is whoever the request names: for the decoy of an
// unknown id everything is counted as for a real one, so a 429 tells nothing.
type pace struct {
	customers, sources                 *rate.Limiter
	namelessSources, namelessClients   *rate.Limiter
	notPresented                       *rate.Limiter // entries of refused client certificates, of all sources together
	refusedUses                        *rate.Limiter // entries of uses of one session without its key
	customersFailures, sourcesFailures *rate.Failures
	daysFailures                       *rate.Failures // of customers, for rules of the policy; slows nobody

	mu    sync.Mutex
	begun *rate.Recent[string] // attempt → source it was begun from
}

// ofNotPresented is the pace of the entries about client certificates that were refused.
var ofNotPresented = rate.Limit{PerSecond: 5, Burst: 500}

// ofRefusedUses is the pace of the entries about uses of one session without its key: a
// stolen token that opens nothing shall not fill the log either.
var ofRefusedUses = rate.Limit{PerSecond: 1, Burst: 30}

// maxBegun is how many attempts' sources are held, twice at most. An attempt
// whose source was let go of counts for the address of its call.
const maxBegun = 1 << 15

func newPace(p Pace) *pace {
	return &pace{
		customers: rate.NewLimiter(p.Customer), sources: rate.NewLimiter(p.Source),
		namelessSources: rate.NewLimiter(p.NamelessSource), namelessClients: rate.NewLimiter(p.NamelessClient),
		notPresented: rate.NewLimiter(ofNotPresented), refusedUses: rate.NewLimiter(ofRefusedUses),
		daysFailures:      rate.NewFailures(rate.Slow{Window: failuresFor}),
		customersFailures: rate.NewFailures(p.CustomerSlow), sourcesFailures: rate.NewFailures(p.SourceSlow),
		begun: rate.NewRecent[string](maxBegun),
	}
}

// Admit lets one request for a customer from an address pass, or is a
// problem.TooMany that says when to come back. An empty ip is that of the call.
func (s *Service) Admit(by parties.Caller, customer, ip string) error {
	return s.pace.admit(customer, sourceOf(by, ip), s.Now())
}

// Failed counts a refusal against both, of something that Admit let pass and that is
// not judged here.
func (s *Service) Failed(by parties.Caller, customer, ip string) {
	s.pace.failed(customer, sourceOf(by, ip), s.Now())
}

func (p *pace) admit(customer, source string, now time.Time) error {
	return within([]limit{
		{"customer-failures", func() time.Duration { return p.customersFailures.Wait(customer, now) }},
		{"source-failures", func() time.Duration { return p.sourcesFailures.Wait(source, now) }},
		{"source", func() time.Duration { return p.sources.Take(source, now) }},
		{"customer", func() time.Duration { return p.customers.Take(customer, now) }},
	})
}

// admitNameless lets a log-in without a name be begun.
func (p *pace) admitNameless(client, source string, now time.Time) error {
	return within([]limit{
		{"source-failures", func() time.Duration { return p.sourcesFailures.Wait(source, now) }},
		{"source", func() time.Duration { return p.sources.Take(source, now) }},
		{"nameless-source", func() time.Duration { return p.namelessSources.Take(source, now) }},
		{"nameless-client", func() time.Duration { return p.namelessClients.Take(client, now) }},
	})
}

type limit struct {
	kind string
	wait func() time.Duration
}

// within asks each limit in turn, and no other after one that has to be waited for.
func within(limits []limit) error {
	for _, l := range limits {
		if wait := l.wait(); wait > 0 {
			// One text for all: which limit it was is for the metrics.
			return &problem.Error{Code: problem.TooMany, Detail: "too many requests; come back later", RetryAfter: wait, Limit: l.kind}
		}
	}
	return nil
}

// failed counts a refused answer against both. A grant is not counted, and takes
// nothing back: a stranger who guesses beside a customer who logs in stays slow.
func (p *pace) failed(customer, source string, now time.Time) {
	p.customersFailures.Add(customer, now)
	p.daysFailures.Add(customer, now)
	p.sourcesFailures.Add(source, now)
}

// failures are the refused answers of a customer in the last 24 hours, up to a tenth of
// that earlier, since the start.
func (p *pace) failures(customer string, now time.Time) int {
	return p.daysFailures.Count(customer, now)
}

// note keeps where an attempt was begun, for answers that come without an
// address of their own.
func (p *pace) note(attempt, source string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun.Put(attempt, source)
}

// sourceOfAnswer is the address told with the answer, else the one its attempt
// was begun from, else that of the call.
func (p *pace) sourceOfAnswer(cmd AnswerCommand) string {
	if cmd.IP == "" {
		p.mu.Lock()
		source, ok := p.begun.Get(cmd.Attempt)
		p.mu.Unlock()
		if ok {
			return source
		}
	}
	return sourceOf(cmd.Caller, cmd.IP)
}

// maxSource bounds what names a source, in bytes.
const maxSource = 64

// sourceOf writes addresses in one form. Of IPv6 the network counts: a subscriber
// has a /64 of addresses to choose from.
func sourceOf(by parties.Caller, ip string) string {
	text := cmp.Or(ip, by.Source)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return text[:min(len(text), maxSource)]
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}
