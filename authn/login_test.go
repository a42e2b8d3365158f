package authn_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// begin opens a log-in.
func begin(t *testing.T, b *banktest.Bank, customer string) authn.View {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// answer gives one answer.
func answer(t *testing.T, b *banktest.Bank, attempt string, m authn.Method, secret string) (authn.View, error) {
	t.Helper()
	return b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: attempt, Method: m, Secret: secret})
}

// login logs in with a code of the method and the PIN.
func login(t *testing.T, b *banktest.Bank, customer string, m authn.Method, code, pinText string) (authn.View, error) {
	t.Helper()
	v := begin(t, b, customer)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, pinText); err != nil {
		t.Fatal(err)
	}
	return answer(t, b, v.Attempt.ID, m, code)
}

func refused(err error) bool { return problem.Is(err, problem.AuthenticationFailed) }

func TestClause5_18_LoginNeedsTwoFactors(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v := begin(t, b, c.ID)
	if v.Attempt.ACR != authn.Strong || len(v.Attempt.Ways) != 1 || len(v.Attempt.Ways[0]) != 2 {
		t.Fatalf("offered: %+v", v.Attempt)
	}
	pending, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP())
	if err != nil || pending.Attempt.State != authn.Pending || pending.Session != nil {
		t.Fatalf("an OTP alone: %+v, %v", pending.Attempt, err)
	}
	got, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN)
	if err != nil || got.Attempt.State != authn.Granted || got.Attempt.ACR != authn.Strong || got.Session == nil {
		t.Fatalf("both: %+v, %v", got, err)
	}
	if strings.Join(got.Attempt.AMR, " ") != "otp pin mfa" {
		t.Errorf("amr %v", got.Attempt.AMR)
	}
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), got.Session.AccessToken, nil); err != nil {
		t.Errorf("the session is not live: %v", err)
	}
}

// A PIN cannot be tried without a right possession proof, and no answer tells
// which of the two was wrong.
func TestClause5_22_APINIsNeverJudgedAlone(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v := begin(t, b, c.ID)
	for range 8 {
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, "999999"); err != nil {
			t.Fatalf("a PIN alone must wait: %v", err)
		}
		if _, err := answer(t, b, v.Attempt.ID, authn.OTP, "000000"); !refused(err) {
			t.Fatalf("a wrong code: %v", err)
		}
		b.Clock.Forward(31 * time.Minute)
		v = begin(t, b, c.ID)
	}
	if n := b.Count("pin.judged", "", ""); n != 0 {
		t.Fatalf("the PIN was judged %d times beside wrong codes", n)
	}
	_ = d
}

func TestClause5_22_FiveFailuresLock(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	wrong := func(n int) {
		t.Helper()
		for range n {
			if _, err := login(t, b, c.ID, authn.OTP, "000000", banktest.PIN); !refused(err) {
				t.Fatal(err)
			}
		}
	}
	for i, life := range []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute} {
		wrong(5)
		if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
			t.Fatalf("lock %d: a right code during the lock: %v", i, err)
		}
		b.Clock.Forward(life - 3*time.Second)
		if n := b.Count("authentication.answered", "refused", "credential-locked"); n != i+1 {
			t.Fatalf("lock %d: %d answers refused for the lock", i, n)
		}
		b.Clock.Forward(4 * time.Second)
	}
	if n := b.Count("credential.locked", "locked-last-warning", ""); n != 1 {
		t.Errorf("%d warnings before the lock for good", n)
	}
	wrong(5)
	b.Clock.Forward(365 * 24 * time.Hour)
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
		t.Fatalf("after the lock for good: %v", err)
	}
	if _, err := b.Enrollment.Unlock(t.Context(), b.Staff(), d.ID, "identified at the branch"); err != nil {
		t.Fatal(err)
	}
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Fatalf("after unlocking: %v", err)
	}
	if b.Count("token.unlock", "", "") != 1 {
		t.Error("the unlocking left no evidence")
	}
	notices, err := b.Store.Notices(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	warned := 0
	for _, n := range notices {
		if n.Kind == "credential-locked-last-warning" {
			warned++
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings queued to the customer", warned)
	}
}

// Failures survive a restart.
func TestClause5_22_ARestartForgetsNothing(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	for range 5 {
		if _, err := login(t, b, c.ID, authn.OTP, "000000", banktest.PIN); !refused(err) {
			t.Fatal(err)
		}
		if err := b.Engine.Close(); err != nil {
			t.Fatal(err)
		}
		b.Open()
	}
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
		t.Fatalf("the sixth answer was right, but: %v", err)
	}
}

// The PIN has a lock of its own; it counts only beside right codes.
func TestClause5_22_FiveWrongPINsLockThePIN(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	for range 5 {
		if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), "582013"); !refused(err) {
			t.Fatal(err)
		}
	}
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); !refused(err) {
		t.Fatalf("the PIN is locked, but: %v", err)
	}
	if b.Count("", "", "pin-locked") != 1 || b.Count("pin.locked", "", "") != 1 {
		t.Error("the log does not tell of the lock")
	}
	b.Clock.Forward(61 * time.Second)
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Fatalf("after the lock: %v", err)
	}
}

// 64 goroutines, one valid code, 1,000 presentations over 8 attempts.
func TestAttack08_OneCodeGrantsOnce(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	var attempts []string
	for range 8 {
		v := begin(t, b, c.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
		attempts = append(attempts, v.Attempt.ID)
	}
	code := d.HOTP()
	var granted, refusals, told atomic.Int64
	var work sync.WaitGroup
	for g := range 64 {
		work.Go(func() {
			for i := g; i < 1000; i += 64 {
				v, err := answer(t, b, attempts[i%8], authn.OTP, code)
				switch {
				case err == nil && v.Session != nil:
					granted.Add(1)
				case refused(err):
					refusals.Add(1)
				case problem.Is(err, problem.TooMany):
					told.Add(1)
				default:
					t.Errorf("%+v, %v", v, err)
				}
			}
		})
	}
	work.Wait()
	if granted.Load() != 1 {
		t.Fatalf("%d grants, %d refusals, %d told to wait", granted.Load(), refusals.Load(), told.Load())
	}
	if n := b.Count("session.opened", "", ""); n != 1 {
		t.Fatalf("the log tells of %d sessions", n)
	}
}

// 1,000 guesses at once: the limit is evaluated, and no right code beyond it.
func TestAttack02_ParallelGuessesStopAtTheLimit(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	right := d.HOTP()
	const guesses = 1000
	var attempts []string
	for range 20 {
		v := begin(t, b, c.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
		attempts = append(attempts, v.Attempt.ID)
	}
	var work sync.WaitGroup
	for g := range 50 {
		work.Go(func() {
			for i := g; i < guesses; i += 50 {
				if _, err := answer(t, b, attempts[i%len(attempts)], authn.OTP, "000000"); err == nil {
					t.Error("a guess was granted")
				}
			}
		})
	}
	work.Wait()
	if n := b.Count("authentication.answered", "refused", "wrong-code"); n != 5 {
		t.Fatalf("%d guesses were evaluated, the limit is 5", n)
	}
	if _, err := login(t, b, c.ID, authn.OTP, right, banktest.PIN); !refused(err) {
		t.Fatalf("a right code beyond the limit: %v", err)
	}
}

// Every cause of a refusal is the same refusal.
func TestClause5_22_EveryRefusalIsTheSame(t *testing.T) {
	b := banktest.New(t)
	good, d := b.Person(pskc.HOTP)
	suspended, sd := b.Person(pskc.HOTP)
	if _, err := b.Enrollment.Report(t.Context(), b.Staff(), sd.ID, "lost", ""); err != nil {
		t.Fatal(err)
	}
	blocked, bd := b.Person(pskc.HOTP)
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), blocked.ID, parties.CustomerSuspended, "4.6", true); err != nil {
		t.Fatal(err)
	}
	bare := b.Customer()
	used := d.HOTP()
	if _, err := login(t, b, good.ID, authn.OTP, used, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	var texts = map[string]string{}
	for _, v := range []struct{ name, customer, code, pin, cause string }{
		{"wrong code", good.ID, "000000", banktest.PIN, "wrong-code"},
		{"wrong PIN", good.ID, d.HOTP(), "999999", "wrong-pin"},
		{"both wrong", good.ID, "000001", "999999", "wrong-code"},
		{"replay", good.ID, used, banktest.PIN, ""},
		{"suspended token", suspended.ID, sd.HOTP(), banktest.PIN, "token-suspended"},
		{"suspended customer", blocked.ID, bd.HOTP(), banktest.PIN, "customer-suspended"},
		{"unknown customer", "nobody", "000000", banktest.PIN, "unknown-customer"},
		{"customer with nothing", bare.ID, "000000", banktest.PIN, "no-suitable-credential"},
	} {
		_, err := login(t, b, v.customer, authn.OTP, v.code, v.pin)
		var p *problem.Error
		if !errors.As(err, &p) {
			t.Fatalf("%s: %v", v.name, err)
		}
		texts[p.Error()] += v.name + ", "
		if v.cause != "" && b.Count("authentication.answered", "refused", v.cause) == 0 {
			t.Errorf("%s: the log does not say %s", v.name, v.cause)
		}
	}
	if len(texts) != 1 {
		t.Fatalf("the refusals differ: %v", texts)
	}
}

// While the HSM is away nobody is granted and nothing is counted.
func TestClause5_3_2_AnOutageIsNotAFailure(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v := begin(t, b, c.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	code := d.HOTP()
	b.HSM.FailAll(hsmAway)
	for range 10 {
		if _, err := answer(t, b, v.Attempt.ID, authn.OTP, code); !problem.Is(err, problem.Unavailable) {
			t.Fatalf("with the HSM away: %v", err)
		}
	}
	b.HSM.Heal()
	got, err := answer(t, b, v.Attempt.ID, authn.OTP, code)
	if err != nil || got.Session == nil {
		t.Fatalf("with the HSM back: %v", err)
	}
}

// An attempt ends: after its time with "expired", after its answers with the
// one refusal.
func TestAnAttemptEnds(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v := begin(t, b, c.ID)
	b.Clock.Forward(5*time.Minute + time.Second)
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); !problem.Is(err, problem.Expired) {
		t.Fatalf("late: %v", err)
	}
	v = begin(t, b, c.ID)
	for range 30 {
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); !refused(err) {
		t.Fatalf("the 31st answer: %v", err)
	}
	first := begin(t, b, c.ID)
	for range 20 {
		begin(t, b, c.ID)
	}
	if _, err := answer(t, b, first.Attempt.ID, authn.OTP, "000000"); !problem.Is(err, problem.Expired) {
		t.Fatalf("the oldest of 21 open attempts: %v", err)
	}
}

// What another client began does not exist.
func TestAClientSeesOnlyItsOwn(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v := begin(t, b, c.ID)
	other := b.Front()
	other.ID = "cl_other"
	_, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: other, Attempt: v.Attempt.ID, Method: authn.OTP, Secret: d.HOTP()})
	if !problem.Is(err, problem.NotFound) {
		t.Fatal(err)
	}
	other = b.Front()
	other.Channels = []parties.Channel{parties.Mobile}
	if _, err := b.Authn.LookAttempt(t.Context(), other, v.Attempt.ID); !problem.Is(err, problem.NotFound) {
		t.Fatal(err)
	}
}

// An attempt bound to a browser takes answers from there only.
func TestAttack10_AnswersComeFromWhereTheAttemptBegan(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet, Binding: "cookie-1"})
	if err != nil {
		t.Fatal(err)
	}
	give := func(binding string, m authn.Method, secret string) error {
		_, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: m, Secret: secret, Binding: binding})
		return err
	}
	code := d.HOTP()
	for _, binding := range []string{"", "cookie-2"} {
		if err := give(binding, authn.OTP, code); !refused(err) {
			t.Fatalf("binding %q: %v", binding, err)
		}
	}
	if err := give("cookie-1", authn.OTP, code); err != nil {
		t.Fatal(err)
	}
	if err := give("cookie-1", authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
}

// Clause 5.22, sessions: idle and absolute limits by the server's clock.
func TestClause5_22_SessionsEnd(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	open := func() *authn.SessionGrant {
		t.Helper()
		v, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN)
		if err != nil {
			t.Fatal(err)
		}
		return v.Session
	}
	live := func(g *authn.SessionGrant) bool {
		_, _, err := b.Authn.Live(t.Context(), b.Front(), g.Session.ID)
		if err != nil && !errors.Is(err, authn.ErrDead) {
			t.Fatal(err)
		}
		return err == nil
	}
	g := open()
	b.Clock.Forward(5*time.Minute - 2*time.Second)
	if !live(g) {
		t.Fatal("dead before five idle minutes")
	}
	if _, err := b.Authn.Touch(t.Context(), b.Front(), g.Session.ID, "", false, nil); err != nil {
		t.Fatal(err)
	}
	b.Clock.Forward(3 * time.Second)
	if live(g) {
		t.Fatal("a poll kept the session alive")
	}
	g = open()
	for range 12*15 - 1 {
		b.Clock.Forward(4 * time.Minute)
		if _, err := b.Authn.Touch(t.Context(), b.Front(), g.Session.ID, "", true, nil); err != nil {
			t.Fatal(err)
		}
	}
	b.Clock.Forward(4*time.Minute + time.Second)
	if live(g) {
		t.Fatal("alive after twelve hours")
	}
	g = open()
	if err := b.Authn.End(t.Context(), b.Front(), g.Session.ID, "logout"); err != nil || live(g) {
		t.Fatalf("alive after its end: %v", err)
	}
	g = open()
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "4.6", true); err != nil || live(g) {
		t.Fatalf("alive after the customer was suspended: %v", err)
	}
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerActive, "4.7", true); err != nil {
		t.Fatal(err)
	}
	g = open()
	if _, err := b.Enrollment.Report(t.Context(), b.Staff(), d.ID, "stolen", ""); err != nil || live(g) {
		t.Fatalf("alive after its token was stolen: %v", err)
	}
}

// No token is good for anything before it was activated.
func TestClause5_20_ATokenIsInertUntilActivated(t *testing.T) {
	b := banktest.New(t)
	c, _ := b.Person(pskc.HOTP)
	d := b.Import(1, pskc.TOTP)[0]
	for _, v := range []authn.View{begin(t, b, c.ID)} {
		for _, o := range v.Attempt.Offers {
			for _, cr := range o.Credentials {
				if cr.Kind == string(tokens.TOTP) {
					t.Fatalf("a token in stock is offered: %+v", o)
				}
			}
		}
	}
	if _, err := login(t, b, c.ID, authn.OTP, d.TOTP(), banktest.PIN); !refused(err) {
		t.Fatal(err)
	}
}
