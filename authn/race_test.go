package authn_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/store/bolttest"
	"mohur/tokens/pskc"
)

// leaving is an HSM at whose first HMAC the caller goes away.
type leaving struct {
	hsm.Module
	leave context.CancelFunc
}

func (l *leaving) HMACUnless(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, enough func([]byte) bool, messages ...[]byte) ([][]byte, error) {
	l.leave()
	return l.Module.HMACUnless(ctx, seed, h, enough, messages...)
}

// Clause 5.22: who goes away after his guess was evaluated is counted.
func TestClause5_22_ADisconnectIsCounted(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v := begin(t, b, c.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ctx, leave := context.WithCancel(t.Context())
		b.Authn.HSM = &leaving{b.HSM, leave}
		b.Authn.Answer(ctx, authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Secret: "000000"})
		leave()
	}
	b.Authn.HSM = b.HSM
	if n := b.Count("authentication.answered", "refused", "wrong-code"); n != 5 {
		t.Fatalf("%d of 5 guesses were counted", n)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); !refused(err) {
		t.Fatalf("a right code after five guesses: %v", err)
	}
}

// between is a store before whose first settling something else happens.
type between struct {
	settle.Store
	once sync.Once
	do   func()
}

func (s *between) Settle(ctx context.Context, c settle.Command) (settle.Result, error) {
	s.once.Do(s.do)
	return s.Store.Settle(ctx, c)
}

// Clause 4.6: a suspension between evaluation and verdict wins.
func TestClause4_6_ASuspensionBeatsAVerdict(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v := begin(t, b, c.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	b.Authn.Settler = &between{Store: b.Store, do: func() {
		if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "4.6", true); err != nil {
			t.Error(err)
		}
	}}
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); !refused(err) {
		t.Fatalf("granted after the suspension: %v", err)
	}
	if b.Count("session.opened", "", "") != 0 {
		t.Fatal("a session was opened")
	}
	// The attempt does not come back to life with the customer.
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerActive, "4.7", true); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); !refused(err) {
		t.Fatalf("an attempt from before the suspension: %v", err)
	}
}

// A decoy is final, whatever becomes true after it was opened.
func TestADecoyIsFinal(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "4.6", true); err != nil {
		t.Fatal(err)
	}
	v := begin(t, b, c.ID)
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerActive, "4.7", true); err != nil {
		t.Fatal(err)
	}
	answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN)
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); !refused(err) {
		t.Fatal(err)
	}
}

// A PIN that is changed while somebody logs in is not tampering: it is right or
// wrong, and nothing is quarantined.
func TestAPINChangedMeanwhileIsNotTampering(t *testing.T) {
	b := banktest.New(t)
	b.Enrollment.PINRules.History = 1
	b.Authn.Settings.Limits.Failures = 255
	c, d := b.Person(pskc.HOTP)
	var work sync.WaitGroup
	work.Go(func() {
		for range 5 {
			b.SetPIN(c.ID, "728195")
			b.SetPIN(c.ID, banktest.PIN)
		}
	})
	for range 10 {
		if v, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); (err != nil || v.Session == nil) && !refused(err) {
			t.Fatal(err)
		}
	}
	work.Wait()
	v, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN)
	if err != nil || v.Session == nil || b.Count("credential.quarantined", "", "") != 0 {
		t.Fatalf("%v, %d quarantines", err, b.Count("credential.quarantined", "", ""))
	}
}

// Seeing is not acting: a client of the bank's people cannot answer or use what
// another system began.
func TestClause5_3_4_SeeingIsNotActing(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	desk := parties.Caller{ID: "cl_desk", Roles: []parties.Role{parties.Frontend, parties.Helpdesk}, Channels: parties.Channels()}
	v := begin(t, b, c.ID)
	if _, err := b.Authn.LookAttempt(t.Context(), desk, v.Attempt.ID); err != nil {
		t.Fatalf("the helpdesk may look: %v", err)
	}
	if _, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: desk, Attempt: v.Attempt.ID, Method: authn.OTP, Secret: d.HOTP()}); !problem.Is(err, problem.NotFound) {
		t.Fatalf("the helpdesk answered: %v", err)
	}
	got, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Authn.LiveToken(t.Context(), desk, got.Session.AccessToken, nil); err == nil {
		t.Fatal("the helpdesk used the customer's session")
	}
	if _, _, err := b.Authn.Introspect(t.Context(), desk, got.Session.Session.ID); err != nil {
		t.Fatalf("the helpdesk may see that it is live: %v", err)
	}
}

// With several tokens a wrong code counts on one of them, and none is guessed at
// beyond its own limit.
func TestClause5_22_SeveralTokensAreNotMoreGuesses(t *testing.T) {
	b := banktest.New(t)
	c, first := b.Person(pskc.HOTP)
	second := b.Import(1, pskc.HOTP)[0]
	b.Hand(second, c.ID)
	for range 5 {
		if _, err := login(t, b, c.ID, authn.OTP, "000000", banktest.PIN); !refused(err) {
			t.Fatal(err)
		}
	}
	// The newer token is the one an unnamed answer is judged against: it is locked,
	// and unnamed answers are not evaluated on the other.
	for range 3 {
		if _, err := login(t, b, c.ID, authn.OTP, first.HOTP(), banktest.PIN); !refused(err) {
			t.Fatal(err)
		}
	}
	if n := b.Count("authentication.answered", "refused", "wrong-code"); n != 5 {
		t.Fatalf("%d guesses were evaluated", n)
	}
	// Named, the other token still serves its owner.
	v := begin(t, b, c.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	got, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{
		Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Credential: credentialOf(t, b, first), Secret: first.HOTP(),
	})
	if err != nil || got.Session == nil {
		t.Fatalf("the other token, named: %v", err)
	}
}

// A credential record that was removed is tampering, not an outage.
func TestClause5_3_2_AMissingCredentialIsQuarantined(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := credentialOf(t, b, d)
	b.Edit(func(f bolttest.File) { f.Delete("credential", id) })
	nobody(t, b, c.ID, d)
}

// A proof does not outlive a suspension: neither an action's nor a secret.
func TestClause4_6_ProofsDoNotOutliveASuspension(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: c.ID, Purpose: authn.Action, Channel: parties.Internet, Action: &authn.NamedAction{Name: "customer.pin", Data: []byte("{}")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); err != nil {
		t.Fatal(err)
	}
	sent, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: c.ID, Purpose: "pin", Channel: "letter"})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []parties.CustomerState{parties.CustomerSuspended, parties.CustomerActive} {
		if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, to, "4.6", true); err != nil {
			t.Fatal(err)
		}
		for name, proof := range map[string]enrollment.Proof{"an action": {Authentication: v.Attempt.ID}, "a secret": {ActivationSecret: sent.Text}} {
			if err := b.Enrollment.SetPIN(t.Context(), enrollment.PINCommand{Caller: b.Front(), Customer: c.ID, PIN: "582013", Proof: proof}); err == nil {
				t.Errorf("%s: %s of before set a PIN", to, name)
			}
		}
	}
}

// The floor of time is waited for outside of the queue: who guesses on attempts
// of his own does not keep the customer waiting.
func TestGuessesDoNotFillTheQueue(t *testing.T) {
	b := banktest.New(t)
	b.Authn.Settings.FloorPIN, b.Authn.Settings.FloorRefusal = 300*time.Millisecond, 300*time.Millisecond
	c, _ := b.Person(pskc.HOTP)
	var attempts []string
	for range 18 {
		v := begin(t, b, c.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, "999999"); err != nil {
			t.Fatal(err)
		}
		attempts = append(attempts, v.Attempt.ID)
	}
	mine := begin(t, b, c.ID)
	var work sync.WaitGroup
	for _, id := range attempts {
		work.Go(func() { answer(t, b, id, authn.OTP, "000000") })
	}
	time.Sleep(150 * time.Millisecond) // all of them are judged and wait for their floor
	_, err := answer(t, b, mine.Attempt.ID, authn.PIN, banktest.PIN)
	work.Wait()
	var p *problem.Error
	if errors.As(err, &p) && p.Limit == "queue" {
		t.Fatalf("the customer was told to wait: %v", err)
	}
}
