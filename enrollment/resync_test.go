package enrollment_test

import (
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens/pskc"
)

// Time codes that were noted down are worth nothing by a resynchronisation: through
// a front end no code counts whose time is over, and the token's clock never goes
// back. The bank's own people bring a slow clock back.
func TestClause5_23_ResyncRevivesNothing(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.TOTP)
	b.Clock.Forward(2 * time.Minute)
	var seen []string
	for range 4 {
		seen = append(seen, d.TOTP())
		b.Clock.Forward(30 * time.Second)
	}
	resync := func(by parties.Caller, codes ...string) error {
		b.T.Helper()
		_, err := b.Enrollment.Resync(t.Context(), enrollment.ResyncCommand{Caller: by, Token: d.ID, Customer: c.ID, Codes: [2]string(codes)})
		return err
	}
	// One and a half minutes on, all four are within the search and none in the window.
	b.Clock.Forward(90 * time.Second)
	for i := range 3 {
		if err := resync(b.Front(), seen[i], seen[i+1]); !problem.Is(err, problem.AuthenticationFailed) {
			t.Errorf("codes %d and %d: %v", i, i+1, err)
		}
	}
	if n := b.Count("token.resync", "refused", "too-late"); n != 3 {
		t.Errorf("the log tells %d times that it was too late", n)
	}
	for i, code := range seen {
		if entersBy(b, c.ID, banktest.PIN, code) {
			t.Errorf("code %d opens", i)
		}
	}
	b.Clock.Forward(11 * time.Minute) // the pace and the lock of the wrong codes are over
	if !entersBy(b, c.ID, banktest.PIN, d.TOTP()) {
		t.Error("the customer's own present code does not open")
	}

	// A clock that is four steps slow.
	b.Clock.Forward(2 * time.Minute)
	slow := []string{d.TOTP()}
	for range 2 {
		b.Clock.Forward(30 * time.Second)
		slow = append(slow, d.TOTP())
	}
	b.Clock.Forward(2 * time.Minute)
	if err := resync(b.Front(), slow[0], slow[1]); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("a slow clock through a front end: %v", err)
	}
	if err := resync(b.Staff(), slow[0], slow[1]); err != nil {
		t.Errorf("a slow clock by staff: %v", err)
	}
	if !entersBy(b, c.ID, banktest.PIN, slow[2]) {
		t.Error("the next code of a slow clock that staff brought back does not open")
	}
}

// What locks a token out names its customer, and goes at the pace of its source: a
// stranger who has only serials locks nobody out, and one who has more is slow.
func TestAttack05_ResyncIsPacedByItsSource(t *testing.T) {
	b := banktest.New(t)
	slow := authn.DefaultPace()
	b.Authn.Settings.Pace.SourceSlow = slow.SourceSlow
	b.Authn.Settings.Pace.SourceSlow.From = 10
	if err := b.Authn.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, d := b.Person(pskc.HOTP)
	wrong := func(customer, ip string) error {
		_, err := b.Enrollment.Resync(t.Context(), enrollment.ResyncCommand{Caller: b.Front(), Token: "serial:" + d.Serial, Customer: customer, IP: ip, Codes: [2]string{"000000", "000001"}})
		return err
	}
	if err := wrong("", "192.0.2.1"); !problem.Is(err, problem.Invalid) {
		t.Errorf("by the serial alone: %v", err)
	}
	for range 10 { // another customer each time: of the token, nothing is counted
		if err := wrong(b.Customer().ID, "192.0.2.1"); !problem.Is(err, problem.AuthenticationFailed) {
			t.Errorf("another customer's: %v", err)
		}
	}
	tk, err := b.Enrollment.Token(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := b.Store.Hot(t.Context(), tk.Credentials...)
	if err != nil || rows[0].Hot.Fails != 0 || rows[0].Hot.Locks != 0 {
		t.Errorf("%d failures, %d locks are counted, %v", rows[0].Hot.Fails, rows[0].Hot.Locks, err)
	}
	if err := wrong(c.ID, "192.0.2.1"); !problem.Is(err, problem.TooMany) {
		t.Errorf("the source is not slowed down: %v", err)
	}
	// From elsewhere it is judged, and counted; the owner's next code opens.
	if err := wrong(c.ID, "192.0.2.99"); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("from another source: %v", err)
	}
	if !entersBy(b, c.ID, banktest.PIN, d.HOTP()) {
		t.Error("the owner does not get in")
	}
	// Staff need not say whose it is.
	if _, err := b.Enrollment.Resync(t.Context(), enrollment.ResyncCommand{Caller: b.Staff(), Token: d.ID, Codes: [2]string{"000000", "000001"}}); problem.Is(err, problem.Invalid) {
		t.Errorf("by staff: %v", err)
	}
}
