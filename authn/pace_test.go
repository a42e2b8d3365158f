package authn_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
	"mohur/rate"
	"mohur/risk"
	"mohur/tokens/pskc"
)

// paced is a bank with the slow-down of the contract, or another pace.
func paced(t *testing.T, change func(*authn.Pace)) *banktest.Bank {
	t.Helper()
	b := banktest.New(t)
	p := b.Authn.Settings.Pace
	change(&p)
	b.Authn.Settings.Pace = p
	if err := b.Authn.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func slow(p *authn.Pace) {
	d := authn.DefaultPace()
	p.CustomerSlow, p.SourceSlow = d.CustomerSlow, d.SourceSlow
}

// from is a front end that tells no address: the call's own counts.
func from(b *banktest.Bank, ip string) parties.Caller {
	by := b.Front()
	by.Source = ip
	return by
}

// try logs in from an address and returns what came of it.
func try(t *testing.T, b *banktest.Bank, customer, ip, code string) error {
	t.Helper()
	by := from(b, ip)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: by, Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		return err
	}
	if _, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: by, Attempt: v.Attempt.ID, Method: authn.PIN, Secret: banktest.PIN}); err == nil {
		_, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: by, Attempt: v.Attempt.ID, Method: authn.OTP, Secret: code})
	}
	return err
}

// told returns how long somebody is told to wait, and for what limit.
func told(err error) (time.Duration, string) {
	var p *problem.Error
	if errors.As(err, &p) && p.Code == problem.TooMany {
		return p.RetryAfter, p.Limit
	}
	return 0, ""
}

// fail makes n refused answers, waiting as told, and returns the waits.
func fail(t *testing.T, b *banktest.Bank, n int, customer, ip string) (waits []time.Duration) {
	t.Helper()
	for done := 0; done < n; {
		err := try(t, b, customer, ip, "000000")
		wait, _ := told(err)
		switch {
		case refused(err):
			done++
		case wait > 0:
			waits = append(waits, wait.Round(time.Second))
			b.Clock.Forward(wait)
		default:
			t.Fatalf("failure %d: %v", done, err)
		}
	}
	return waits
}

// Attack 3: from ten failures on who guesses is slowed down, longer each time and
// never beyond a minute; a wait is not judged, not counted, and ends. An id that
// nobody has is slowed down in just the same way.
func TestAttack03_GuessingSlowsDownAndNeverLocks(t *testing.T) {
	b := paced(t, slow)
	c, _ := b.Person(pskc.HOTP)
	real := fail(t, b, 18, c.ID, "192.0.2.1")
	if got := fmt.Sprint(real); got != "[1s 2s 4s 8s 16s 32s 1m0s 1m0s]" {
		t.Errorf("waits %s", got)
	}
	if decoy := fail(t, b, 18, "C-nobody", "192.0.2.2"); fmt.Sprint(decoy) != fmt.Sprint(real) {
		t.Errorf("an unknown id waits %v, a known one %v", decoy, real)
	}
	judged := b.Count("authentication.answered", "refused", "")
	for range 20 {
		if wait, limit := told(try(t, b, "C-nobody", "192.0.2.3", "000000")); wait == 0 || wait > time.Minute || limit != "customer-failures" {
			t.Fatalf("wait %s for %q", wait, limit)
		}
	}
	if n := b.Count("authentication.answered", "refused", ""); n != judged {
		t.Errorf("%d answers were judged that should wait", n-judged)
	}
	// Another customer is not affected, from wherever.
	other, od := b.Person(pskc.HOTP)
	if err := try(t, b, other.ID, "192.0.2.1", od.HOTP()); err != nil {
		t.Errorf("another customer: %v", err)
	}
	// The customer himself gets his turn within the minute, unless his token is
	// locked: then with a token of his that nobody guessed at.
	spare := b.Import(1, pskc.HOTP)[0]
	b.Hand(spare, c.ID)
	b.Clock.Forward(time.Minute)
	if err := try(t, b, c.ID, "192.0.2.9", spare.HOTP()); err != nil {
		t.Errorf("the customer after a minute: %v", err)
	}
}

// A source that guesses at everybody is slowed down; others are not.
func TestAttack03_ASourceThatGuessesAtAllSlowsDown(t *testing.T) {
	b := paced(t, slow)
	for i := range 100 {
		if err := try(t, b, fmt.Sprint("C-", i), "192.0.2.66", "000000"); !refused(err) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if wait, limit := told(try(t, b, "C-next", "192.0.2.66", "000000")); wait <= 0 || wait > time.Second || limit != "source-failures" {
		t.Errorf("wait %s for %q", wait, limit)
	}
	if err := try(t, b, "C-next", "192.0.2.67", "000000"); !refused(err) {
		t.Errorf("another source: %v", err)
	}
	c, d := b.Person(pskc.HOTP)
	if err := try(t, b, c.ID, "192.0.2.68", d.HOTP()); err != nil {
		t.Errorf("a customer from another source: %v", err)
	}
	b.Clock.Forward(11 * time.Minute)
	if err := try(t, b, c.ID, "192.0.2.66", d.HOTP()); err != nil {
		t.Errorf("from there, later: %v", err)
	}
}

// Successes are not counted: who logs in all day is not slowed down.
func TestSuccessesDoNotSlowDown(t *testing.T) {
	b := paced(t, slow)
	c, d := b.Person(pskc.HOTP)
	for i := range 25 {
		if err := try(t, b, c.ID, "192.0.2.1", d.HOTP()); err != nil {
			t.Fatalf("log-in %d: %v", i, err)
		}
	}
}

func TestRatesOfCustomerAndSource(t *testing.T) {
	b := paced(t, func(p *authn.Pace) {
		p.Customer, p.Source = rate.Limit{PerSecond: 1, Burst: 10}, rate.Limit{PerSecond: 1, Burst: 30}
	})
	begin := func(customer, ip string) error {
		_, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet, Signals: signals(ip)})
		return err
	}
	for range 10 {
		if err := begin("C-1", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	if wait, limit := told(begin("C-1", "192.0.2.2")); limit != "customer" || wait <= 0 || wait > time.Second {
		t.Errorf("the 11th of a customer: %s for %q", wait, limit)
	}
	for i := range 20 {
		if err := begin(fmt.Sprint("C-", i+2), "::ffff:192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, limit := told(begin("C-99", "192.0.2.1")); limit != "source" {
		t.Errorf("the 31st of a source: %q", limit)
	}
	for i := range 30 {
		if err := begin(fmt.Sprint("C-", i+200), fmt.Sprintf("2001:db8::%x", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, limit := told(begin("C-300", "2001:db8::ffff")); limit != "source" {
		t.Errorf("a network of IPv6 is no source: %q", limit)
	}
	if err := begin("C-300", "2001:db8:0:1::1"); err != nil {
		t.Errorf("another network: %v", err)
	}
	b.Clock.Forward(2 * time.Second)
	if err := begin("C-1", "192.0.2.1"); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

// An answer without an address counts for the one its attempt was begun from: not
// for the front end, behind which is everybody.
func TestAnAnswerCountsWhereItsAttemptWasBegun(t *testing.T) {
	b := paced(t, func(p *authn.Pace) { p.Source = rate.Limit{PerSecond: 1, Burst: 5} })
	for i := range 20 {
		ip := fmt.Sprintf("192.0.2.%d", i)
		by := from(b, "198.51.100.1")
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: by, Customer: fmt.Sprint("C-", i), Purpose: authn.Login, Channel: parties.Internet, Signals: signals(ip)})
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if _, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: by, Attempt: v.Attempt.ID, Method: authn.PIN, Secret: "1"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, limit := told(func() error {
			_, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: by, Attempt: v.Attempt.ID, Method: authn.PIN, Secret: "1"})
			return err
		}()); limit != "source" {
			t.Errorf("the sixth request: %q", limit)
		}
	}
}

// Causes go to whoever counts them, and to nobody else.
func TestOutcomesAreObserved(t *testing.T) {
	b := banktest.New(t)
	seen := map[string]int{}
	b.Authn.Observe = func(outcome, reason string) { seen[outcome+" "+reason]++ }
	c, d := b.Person(pskc.HOTP)
	_ = try(t, b, c.ID, "192.0.2.1", "000000")
	_ = try(t, b, "C-nobody", "192.0.2.1", "000000")
	if err := try(t, b, c.ID, "192.0.2.1", d.HOTP()); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(seen) != "map[granted :1 pending :3 refused unknown-customer:1 refused wrong-code:1]" {
		t.Errorf("%v", seen)
	}
}

func signals(ip string) risk.Signals { return risk.Signals{IP: ip} }
