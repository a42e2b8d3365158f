package revocation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn/pkitest"
	"mohur/authn/revocation"
)

// bench is an authority with a card, its responder and its list over HTTP, and a
// checker that asks them.
type bench struct {
	*testing.T
	ca, card *pkitest.Pair
	ocsp     *pkitest.Responder
	crl      *pkitest.List
	rules    revocation.Rules
	checker  *revocation.Checker
	now      atomic.Pointer[time.Time]
	server   *httptest.Server
	instead  atomic.Pointer[http.HandlerFunc] // of both
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newBench has rules with OCSP alone.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, ca: pkitest.Root(t, "CA"), checker: &revocation.Checker{Timeout: time.Minute}}
	b.now.Store(&start)
	b.ocsp, b.crl = b.ca.OCSP(), b.ca.CRL()
	b.ocsp.Clock(b.clock)
	b.crl.Clock(b.clock)
	b.checker.Now = b.clock
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch instead := b.instead.Load(); {
		case instead != nil:
			(*instead)(w, r)
		case r.URL.Path == "/ocsp":
			b.ocsp.ServeHTTP(w, r)
		case r.URL.Path == "/ca.crl":
			b.crl.ServeHTTP(w, r)
		default:
			t.Errorf("somebody asks for %s", r.URL)
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(b.server.Close)
	b.card = b.ca.Card(t, "PNOAZ-1")
	b.rules = revocation.Rules{OCSP: true, Responders: []string{b.server.URL + "/ocsp"}}
	return b
}

// newListBench has rules with a list alone.
func newListBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.rules = revocation.Rules{CRLs: []string{b.server.URL + "/ca.crl"}}
	return b
}

// within is the bench for a subtest, with a checker that knows nothing yet.
func (b *bench) within(t *testing.T) *bench {
	b.T, b.checker = t, &revocation.Checker{Now: b.clock, Timeout: time.Minute}
	return b
}

func (b *bench) clock() time.Time { return *b.now.Load() }

// later moves the clock of all.
func (b *bench) later(d time.Duration) {
	at := b.clock().Add(d)
	b.now.Store(&at)
}

// away makes the server answer 503; back ends that.
func (b *bench) away() {
	f := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "away", http.StatusServiceUnavailable)
	})
	b.instead.Store(&f)
}

func (b *bench) back() { b.instead.Store(nil) }

func (b *bench) check() revocation.Status {
	b.Helper()
	return b.checker.Check(b.Context(), b.card.Certificate, b.ca.Certificate, b.rules, b.clock())
}

// good fails unless the card is good now.
func (b *bench) good() revocation.Status {
	b.Helper()
	s := b.check()
	if !s.Good() || s.Reason != "" {
		b.Fatalf("%v, want good", s)
	}
	return s
}

// refused fails unless the card is refused now, for the reason.
func (b *bench) refused(state revocation.State, reason revocation.Reason) revocation.Status {
	b.Helper()
	s := b.check()
	if s.Good() || s.State != state || s.Reason != reason {
		b.Fatalf("%v, want %s because %s", s, state, reason)
	}
	if s.Detail == "" {
		b.Error("the refusal says nothing of itself")
	}
	return s
}

// names makes a certificate name an address for both, OCSP and the list.
func names(address string) pkitest.Change {
	return func(c *pkitest.Template) {
		c.OCSPServer, c.CRLDistributionPoints = []string{address}, []string{address}
	}
}

func TestZeroRulesRefuse(t *testing.T) {
	b := newBench(t)
	b.rules = revocation.Rules{}
	b.refused(revocation.Unavailable, revocation.NoSource)
	if b.rules.Validate() == nil {
		t.Error("rules without a source are valid")
	}
	if (revocation.Status{}).Good() {
		t.Error("the zero status is good")
	}
	if s := b.checker.Check(t.Context(), nil, nil, revocation.Rules{OCSP: true}, start); s.Good() {
		t.Error("no certificate is good")
	}
	// A good answer under rules is none under others.
	b.rules = revocation.Rules{OCSP: true, Responders: []string{b.server.URL + "/ocsp"}}
	b.good()
	b.rules.Responders = nil
	b.refused(revocation.Unavailable, revocation.NoSource)
}

func TestRulesValidate(t *testing.T) {
	fine := revocation.Rules{OCSP: true, Responders: []string{"http://ocsp.bank.test"}, CRLs: []string{"https://crl.bank.test/a/"}, Grace: time.Hour, Keep: -1}
	if err := fine.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*revocation.Rules){
		"no responder":  func(r *revocation.Rules) { r.Responders = nil },
		"ldap":          func(r *revocation.Rules) { r.CRLs[0] = "ldap://crl.bank.test/a" },
		"user":          func(r *revocation.Rules) { r.Responders[0] = "http://ocsp.bank.test@evil.test/" },
		"no host":       func(r *revocation.Rules) { r.Responders[0] = "http:///a" },
		"dots":          func(r *revocation.Rules) { r.Responders[0] = "http://ocsp.bank.test/a/../b" },
		"negative":      func(r *revocation.Rules) { r.Grace = -1 },
		"endless grace": func(r *revocation.Rules) { r.Grace = 365 * 24 * time.Hour },
		"long keep":     func(r *revocation.Rules) { r.Keep = 48 * time.Hour },
	} {
		r := fine
		r.Responders, r.CRLs = slices.Clone(fine.Responders), slices.Clone(fine.CRLs)
		change(&r)
		if r.Validate() == nil {
			t.Errorf("%s: valid", name)
		}
	}
}

// An address in a certificate leads out only where the rules allow it.
func TestOnlyAllowedAddresses(t *testing.T) {
	b := newBench(t)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("an address of the certificate was contacted: %s", r.URL)
	}))
	t.Cleanup(evil.Close)
	for name, address := range map[string]string{
		"another host":     evil.URL + "/ocsp",
		"allowed as user":  "http://" + b.server.Listener.Addr().String() + "@" + evil.Listener.Addr().String() + "/ocsp",
		"like the path":    b.server.URL + "/ocspx",
		"out of the path":  b.server.URL + "/ocsp/../ca.crl",
		"out, encoded":     b.server.URL + "/ocsp/%2e%2e/ca.crl",
		"scheme":           "https://" + b.server.Listener.Addr().String() + "/ocsp",
		"another of these": "ldap://" + b.server.Listener.Addr().String() + "/ocsp",
		"unreadable":       "http://[::1",
	} {
		t.Run(name, func(t *testing.T) {
			b.card = b.ca.Card(t, "PNOAZ-1", names(address))
			if s := b.good(); s.Address != b.server.URL+"/ocsp" {
				t.Errorf("asked %s", s.Address)
			}
		})
	}
	// One below what is allowed is asked itself.
	below := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ocsp/az" {
			t.Errorf("asked %s", r.URL)
		}
		b.ocsp.ServeHTTP(w, r)
	})
	b.instead.Store(&below)
	b.card = b.ca.Card(t, "PNOAZ-1", names(b.server.URL+"/ocsp/az"))
	if s := b.good(); s.Address != b.server.URL+"/ocsp/az" {
		t.Errorf("asked %s", s.Address)
	}
}

func BenchmarkCached(b *testing.B) {
	ca := pkitest.Root(b, "CA")
	card := ca.Card(b, "PNOAZ-1")
	crl := httptest.NewServer(ca.CRL())
	defer crl.Close()
	rules := revocation.Rules{CRLs: []string{crl.URL}}
	c := &revocation.Checker{}
	at := time.Now()
	for b.Loop() {
		if s := c.Check(context.Background(), card.Certificate, ca.Certificate, rules, at); !s.Good() {
			b.Fatal(s)
		}
	}
}
