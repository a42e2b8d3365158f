package authn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// tally counts what the HSM is asked to do.
type tally struct {
	hsm.Module
	calls map[string]int
}

func (c *tally) MAC(ctx context.Context, key hsm.Key, label string, parts ...[]byte) ([]byte, error) {
	c.calls["MAC"]++
	return c.Module.MAC(ctx, key, label, parts...)
}

func (c *tally) MACs(ctx context.Context, key hsm.Key, inputs ...hsm.Input) ([][]byte, error) {
	c.calls["MAC"] += len(inputs)
	return c.Module.MACs(ctx, key, inputs...)
}

func (c *tally) HMACUnless(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, enough func([]byte) bool, messages ...[]byte) ([][]byte, error) {
	c.calls["HMAC"]++
	return c.Module.HMACUnless(ctx, seed, h, enough, messages...)
}

func (c *tally) HMAC(ctx context.Context, seed hsm.WrappedSeed, h hsm.Hash, messages ...[]byte) ([][]byte, error) {
	c.calls["HMAC"]++
	return c.Module.HMAC(ctx, seed, h, messages...)
}

func (c *tally) Sign(ctx context.Context, key hsm.Key, digest []byte) ([]byte, error) {
	c.calls["Sign"]++
	return c.Module.Sign(ctx, key, digest)
}

func (c *tally) Seal(ctx context.Context, key hsm.Key, place string, b []byte) ([]byte, error) {
	c.calls["Seal"]++
	return c.Module.Seal(ctx, key, place, b)
}

func (c *tally) Open(ctx context.Context, key hsm.Key, place string, b []byte) ([]byte, error) {
	c.calls["Open"]++
	return c.Module.Open(ctx, key, place, b)
}

// nobodyWithAKey is an id that nobody has and that is asked for a key alone.
func nobodyWithAKey(t *testing.T, b *banktest.Bank) string {
	t.Helper()
	for i := range 100 {
		id := fmt.Sprint("C-nobody-", i)
		if v := begin(t, b, id); len(v.Attempt.Offers) == 1 && v.Attempt.Offers[0].Method == authn.FIDO {
			return id
		}
	}
	t.Fatal("no decoy has a key")
	return ""
}

// asked returns what the HSM is asked for while f runs.
func asked(b *banktest.Bank, f func()) map[string]int {
	was := b.HSM.Module
	defer func() { b.HSM.Module = was }()
	c := &tally{Module: was, calls: map[string]int{}}
	b.HSM.Module = c
	f()
	return c.calls
}

func hotRow(t *testing.T, b *banktest.Bank, credential string) settle.Hot {
	t.Helper()
	rows, err := b.Store.Hot(t.Context(), credential)
	if err != nil {
		t.Fatal(err)
	}
	return rows[0].Hot
}

// forged is the response of a key of somebody else's that claims to be this one.
func forged(b *banktest.Bank, k *banktest.Key, options []byte) string {
	thief := b.NewKey()
	thief.Site, thief.Cred.ID, thief.Cred.Counter = k.Site, k.Cred.ID, k.Cred.Counter+100
	return string(thief.Get(options))
}

// Attack 3: nothing can be guessed at a key, so whoever begins log-ins for its holder
// and sends bad responses does not lock it, however many they are. Each attempt takes
// its 30, and the pace slows him down as it does any other.
func TestAttack03_BadResponsesLockNoKey(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	before := hotRow(t, b, k.Token.Credentials[0])
	for range 4 {
		v := begin(t, b, c.ID)
		for range 15 {
			if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, forged(b, k, offer(t, v).Options)); !refused(err) {
				t.Fatal(err)
			}
		}
	}
	if now := hotRow(t, b, k.Token.Credentials[0]); now != before {
		t.Errorf("the row is %+v, was %+v", now, before)
	}
	if n := b.Count("credential.locked", "", ""); n != 0 || b.Count("", "refused", string(fido.WrongSignature)) != 60 {
		t.Errorf("%d locks, %d refusals", n, b.Count("", "refused", string(fido.WrongSignature)))
	}
	for _, e := range b.Entries() {
		if e.Reason == string(fido.WrongSignature) && (e.Credential == "" || e.Version != 0) {
			t.Fatalf("the log does not say at which key: %+v", e)
		}
	}
	v := begin(t, b, c.ID)
	for range b.Authn.Settings.MaxAnswers {
		if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, forged(b, k, offer(t, v).Options)); !refused(err) {
			t.Fatal(err)
		}
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options))); !refused(err) || b.Count("", "refused", "attempt-closed") != 1 {
		t.Errorf("after 30 answers the attempt is over: %v", err)
	}
	if _, err := loginByKey(t, b, c.ID, k); err != nil {
		t.Errorf("the right response: %v", err)
	}
}

// What slows down is the pace, with a wait that ends.
func TestAttack03_BadResponsesSlowDown(t *testing.T) {
	b := paced(t, slow)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	c, k := b.Holder()
	bad := func() error {
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: "internet"})
		if err != nil {
			return err
		}
		_, err = answer(t, b, v.Attempt.ID, authn.FIDO, forged(b, k, offer(t, v).Options))
		return err
	}
	for i := range 10 {
		if err := bad(); !refused(err) {
			t.Fatalf("response %d: %v", i, err)
		}
	}
	if wait, limit := told(bad()); wait == 0 || wait > time.Minute || limit != "customer-failures" {
		t.Errorf("the eleventh waits %s for %q", wait, limit)
	}
	b.Clock.Forward(time.Minute)
	if _, err := loginByKey(t, b, c.ID, k); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

// The PIN beside a key can be guessed: it counts, beside a right response only, and a
// key that was locked before stays so.
func TestClause5_22_ThePINBesideAKeyCounts(t *testing.T) {
	b := keyBank(t, true)
	c, k := b.Customer(), b.NewKey()
	k.Auth.Options.UserNotVerified = true
	b.Enrol(k, c.ID)
	b.SetPIN(c.ID, banktest.PIN)
	guess := func(pin string, response func(options []byte) string) error {
		t.Helper()
		v := begin(t, b, c.ID)
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, pin); err != nil {
			t.Fatal(err)
		}
		_, err := answer(t, b, v.Attempt.ID, authn.FIDO, response(offer(t, v).Options))
		return err
	}
	bad := func(options []byte) string { return forged(b, k, options) }
	good := func(options []byte) string { return string(k.Get(options)) }
	for range 8 {
		if err := guess("999999", bad); !refused(err) {
			t.Fatal(err)
		}
	}
	if n := b.Count("pin.judged", "", ""); n != 0 {
		t.Fatalf("%d PINs were judged beside bad responses", n)
	}
	for range 5 {
		if err := guess("999999", good); !refused(err) {
			t.Fatal(err)
		}
	}
	if err := guess(banktest.PIN, good); !refused(err) || b.Count("pin.locked", "locked", "") != 1 || b.Count("", "refused", "pin-locked") != 1 {
		t.Errorf("after five wrong PINs: %v", err)
	}
	b.Clock.Forward(time.Minute)
	if err := guess(banktest.PIN, good); err != nil {
		t.Errorf("after the lock: %v", err)
	}

	hot := hotRow(t, b, k.Token.Credentials[0]).Next()
	hot.LockedUntil = settle.LockedForGood
	hot, err := hot.Sign(t.Context(), b.HSM)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settle.Write(t.Context(), b.Engine, b.Audit, []settle.Effect{settle.SwapHot{Hot: hot}}, []audit.Event{{Name: "test", Outcome: "done"}}); err != nil {
		t.Fatal(err)
	}
	if err := guess(banktest.PIN, good); !refused(err) || b.Count("", "refused", "credential-locked") != 1 {
		t.Errorf("a key that is locked: %v", err)
	}
}

// A bad response costs what every other refusal costs, and says what they say.
func TestClause5_22_ABadResponseCostsWhatADecoyCosts(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	other, lost := b.Holder()
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: lost.Token.ID, Move: tokens.Suspend, Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	var told, costs []string
	decoy := nobodyWithAKey(t, b)
	for i, at := range []struct {
		customer string
		key      *banktest.Key
	}{{decoy, k}, {decoy, k}, {c.ID, k}, {other.ID, lost}} {
		v := begin(t, b, at.customer)
		text := forged(b, at.key, offer(t, v).Options)
		for range 2 {
			var err error
			cost := asked(b, func() { _, err = answer(t, b, v.Attempt.ID, authn.FIDO, text) })
			if i == 0 { // what is always the same is remembered from now on
				continue
			}
			var p *problem.Error
			if !errors.As(err, &p) {
				t.Fatal(err)
			}
			words, _ := json.Marshal(p)
			told, costs = append(told, string(words)), append(costs, fmt.Sprint(cost))
		}
	}
	if reason := strings.Join(told, "\n"); strings.Count(reason, told[0]) != len(told) {
		t.Errorf("they differ:\n%s", reason)
	}
	if slices.ContainsFunc(costs, func(cost string) bool { return cost != costs[0] }) {
		t.Errorf("the HSM was asked for %q", costs)
	}
}

// settling counts what is settled.
type settling struct {
	settle.Store
	n int
}

func (s *settling) Settle(ctx context.Context, c settle.Command) (settle.Result, error) {
	s.n++
	return s.Store.Settle(ctx, c)
}
