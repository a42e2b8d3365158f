package authn_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens/pskc"
)

const page = "https://shop.example/do"

// heldLogin logs in with a session bound to a key.
func heldLogin(t *testing.T, b *banktest.Bank, k *banktest.HolderKey) authn.SessionGrant {
	t.Helper()
	c, d := b.Person(pskc.HOTP)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet, Possession: possession(k.Proof("POST", page, "")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
		t.Fatal(err)
	}
	if v, err = answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); err != nil {
		t.Fatal(err)
	}
	return *v.Session
}

func possession(proof string) *authn.Possession {
	return &authn.Possession{DPoP: proof, Method: "POST", URL: page}
}

// Of many that bring one proof at once to the nodes of a store, one is served, and none
// after a restart.
func TestAttack06_AProofServesOnceOnAllNodes(t *testing.T) {
	b := banktest.New(t)
	k := b.NewHolderKey()
	g := heldLogin(t, b, k)
	// Another node of the same bank has the store and the HSM in common, and no memory.
	other := &authn.Service{
		Store: b.Store, Settler: b.Store, HSM: b.HSM, Keys: b.Keys, Bank: b.Key, Audit: b.Audit, Policy: b.Authn.Policy, Settings: b.Authn.Settings, Stops: b.Stops, Now: b.Clock.Now,
	}
	if err := other.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes := []*authn.Service{b.Authn, other}
	proof := k.Proof("POST", page, g.AccessToken)
	var served atomic.Int32
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			_, _, err := nodes[i%2].LiveToken(t.Context(), b.Front(), g.AccessToken, possession(proof))
			switch {
			case err == nil:
				served.Add(1)
			case !problem.Is(err, problem.InvalidProof):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := served.Load(); n != 1 {
		t.Errorf("one proof was served %d times", n)
	}
	if err := b.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	b.Open()
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, possession(proof)); !problem.Is(err, problem.InvalidProof) {
		t.Errorf("after a restart: %v", err)
	}
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, possession(k.Proof("POST", page, g.AccessToken))); err != nil {
		t.Errorf("a new proof after a restart: %v", err)
	}
}

// What was judged for a request is judged once for it, and for no other token.
func TestAttack06_APossessionIsOfOneRequest(t *testing.T) {
	b := banktest.New(t)
	k := b.NewHolderKey()
	g, second := heldLogin(t, b, k), heldLogin(t, b, k)
	p := possession(k.Proof("POST", page, g.AccessToken))
	for range 2 { // as a payment that is settled at the second try
		if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, p); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), second.AccessToken, p); !problem.Is(err, problem.InvalidProof) {
		t.Errorf("for another session of the same key: %v", err)
	}
	if _, _, err := b.Authn.Live(t.Context(), b.Front(), g.Session.ID); !problem.Is(err, problem.InvalidProof) {
		t.Errorf("by its name alone: %v", err)
	}
}

// A proof that was made long ago, by who had the key for a moment, serves no more than
// two minutes after the nonce it carries was handed out.
func TestAttack06_ANonceGrowsOld(t *testing.T) {
	b := banktest.New(t)
	k := b.NewHolderKey()
	b.Clock.Forward(time.Minute - time.Duration(b.Clock.Now().UnixNano()%int64(time.Minute))) // the steps are whole minutes
	g := heldLogin(t, b, k)
	use := func(nonce any) error {
		c := k.Claims("POST", page, g.AccessToken)
		c["nonce"] = nonce
		_, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, possession(k.Sign(c)))
		return err
	}
	old := k.Claims("POST", page, "")["nonce"]
	if err := use(old); err != nil {
		t.Fatal(err)
	}
	b.Clock.Forward(time.Minute)
	if err := use(old); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	b.Clock.Forward(time.Minute)
	if err := use(old); !problem.Is(err, problem.UseNonce) {
		t.Errorf("two minutes later: %v", err)
	}
	b.Authn.Settings.DPoPNonce = false
	if err := use("anything"); err != nil {
		t.Errorf("where none is asked for: %v", err)
	}
	if n, err := b.Authn.Nonce(t.Context()); n != "" || err != nil {
		t.Errorf("where none is asked for, it is %q, %v", n, err)
	}
}

// Where a proof cannot be remembered it is not served, and nothing is granted.
func TestAttack06_WithoutTheStoreNoProofServes(t *testing.T) {
	b := banktest.New(t)
	k := b.NewHolderKey()
	g := heldLogin(t, b, k)
	b.Disk.ReadOnly(true)
	p := possession(k.Proof("POST", page, g.AccessToken))
	for range 2 {
		if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, p); !problem.Is(err, problem.Unavailable) {
			t.Fatalf("%v", err)
		}
	}
	b.Disk.ReadOnly(false)
	if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, p); err != nil {
		t.Errorf("it was not used up: %v", err)
	}
}

// The key is part of what the session's MAC covers, and of what its tokens say.
func TestAttack06_TheKeyOfASessionCannotBeTakenOut(t *testing.T) {
	b := banktest.New(t)
	k := b.NewHolderKey()
	g := heldLogin(t, b, k)
	for name, edit := range map[string]func(*authn.Session){
		"taken out": func(s *authn.Session) { s.Holder = authn.Holder{} }, "another": func(s *authn.Session) { s.Holder.JKT = b.NewHolderKey().JKT },
	} {
		s, err := b.Engine.Session(t.Context(), g.Session.ID)
		if err != nil {
			t.Fatal(err)
		}
		edit(&s)
		b.Authn.Store = edited{b.Store, s}
		if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), g.AccessToken, nil); !errors.Is(err, authn.ErrDead) {
			t.Errorf("%s, the token says another key than the record: %v", name, err)
		}
	}
}

// edited shows one session as it is not.
type edited struct {
	authn.Store
	session authn.Session
}

func (e edited) Session(context.Context, string) (authn.Session, error) { return e.session, nil }

// Staff show their token to this server, which asks them for no proof: so their sessions
// are bound to no key, and one that were would open nothing.
func TestStaffSessionsAreBoundToNoKey(t *testing.T) {
	b := banktest.New(t)
	k := b.NewHolderKey()
	_, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: "~ayla", Purpose: authn.Login, Channel: parties.Internet, Possession: possession(k.Proof("POST", page, "")),
	})
	if !problem.Is(err, problem.Invalid) {
		t.Errorf("%v", err)
	}
}

// The key that comes with the first half of a log-in is the session's, whatever the
// second half says of it: nothing, and it stays; another one, and it is refused.
func TestAttack06_TheFirstHalfsKeyStays(t *testing.T) {
	b := banktest.New(t)
	for name, second := range map[string]*banktest.HolderKey{"no key": nil, "another key": b.NewHolderKey()} {
		first := b.NewHolderKey()
		c, d := b.Person(pskc.HOTP)
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet})
		if err != nil {
			t.Fatal(err)
		}
		say := func(m authn.Method, s string, k *banktest.HolderKey) (authn.View, error) {
			cmd := authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: m, Secret: s}
			if k != nil {
				cmd.Possession = possession(k.Proof("POST", page, ""))
			}
			return b.Authn.Answer(t.Context(), cmd)
		}
		if _, err := say(authn.PIN, banktest.PIN, first); err != nil {
			t.Fatal(err)
		}
		got, err := say(authn.OTP, d.HOTP(), second)
		switch {
		case second != nil && !refused(err):
			t.Errorf("%s: %v, %+v", name, err, got.Session)
		case second == nil && (err != nil || got.Session.Session.Holder.JKT != first.JKT):
			t.Errorf("%s: %v, bound to %q", name, err, got.Session.Session.Holder.JKT)
		}
	}
}
