package authn_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
	"mohur/rate"
	"mohur/risk"
	"mohur/stoplist"
	"mohur/store/bolttest"
	"mohur/tokens"
)

// passkeyBank asks keys to keep the account themselves.
func passkeyBank(t *testing.T, unverified bool) *banktest.Bank {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}, Resident: fido.Preferred, Unverified: unverified})
	return b
}

// nameless begins a log-in of somebody who does not say who he is.
func nameless(t *testing.T, b *banktest.Bank) authn.View {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func enter(t *testing.T, b *banktest.Bank, k *banktest.Key) (authn.View, error) {
	t.Helper()
	v := nameless(t, b)
	return answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options)))
}

// wontEnter checks that a log-in is refused for that cause, once, and that the attempt is
// nobody's as before.
func wontEnter(t *testing.T, b *banktest.Bank, k *banktest.Key, cause string) {
	t.Helper()
	before := b.Count("authentication.answered", "refused", cause)
	v := nameless(t, b)
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options))); !refused(err) {
		t.Errorf("%s: %v", cause, err)
	}
	if n := b.Count("authentication.answered", "refused", cause); n != before+1 {
		t.Errorf("%d refusals for %s, were %d", n, cause, before)
	}
	a, err := b.Store.Attempt(t.Context(), v.Attempt.ID)
	if err != nil || a.Customer != "" || a.Decoy || a.Cause != "" || a.State != authn.Pending || a.Answers != 1 || len(a.Offers[0].Credentials)+len(a.Offers[0].Keys) != 0 {
		t.Errorf("%s: what is stored is %+v, %v", cause, a, err)
	}
}

func TestClause5_18_ALogInWithoutAName(t *testing.T) {
	b := passkeyBank(t, false)
	b.Rules.LoginACR = string(authn.Single)
	c, k := b.Holder()
	b.Holder()
	v := nameless(t, b)
	o := offer(t, v)
	if len(v.Attempt.Offers) != 1 || len(o.Credentials) != 0 || strings.Contains(string(o.Options), "allowCredentials") || !strings.Contains(string(o.Options), `"userVerification":"required"`) {
		t.Fatalf("offered: %+v %s", v.Attempt.Offers, o.Options)
	}
	var text map[string]any
	if err := json.Unmarshal(v.Text, &text); err != nil || text["typ"] != "login" {
		t.Fatalf("%s, %v", v.Text, err)
	}
	if _, named := text["sub"]; named || v.Attempt.ACR != authn.Strong {
		t.Errorf("%s, %s", v.Text, v.Attempt.ACR)
	}
	got, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(o.Options)))
	if err != nil || got.Session == nil || got.Session.Session.Customer != c.ID || got.Attempt.Customer != c.ID || got.Attempt.ACR != authn.Strong {
		t.Fatalf("%+v, %v", got, err)
	}
	session, who, err := b.Authn.LiveToken(t.Context(), b.Front(), got.Session.AccessToken, nil)
	if err != nil || who.ID != c.ID || session.Credential != k.Token.Credentials[0] {
		t.Errorf("the session is %+v, %v", session, err)
	}
	look, err := b.Authn.LookAttempt(t.Context(), b.Front(), v.Attempt.ID)
	if err != nil || look.Attempt.Customer != c.ID || look.Attempt.State != authn.Granted {
		t.Errorf("later: %+v, %v", look.Attempt, err)
	}
	for _, e := range b.Entries() {
		if (e.Event == "authentication.answered" || e.Event == "session.opened") && e.Subject != c.Pseudonym {
			t.Errorf("%s is about %q", e.Event, e.Subject)
		}
	}
	if _, err := enter(t, b, k); err != nil {
		t.Errorf("again: %v", err)
	}
}

// Whatever is wrong, it is the one refusal, and the attempt stays nobody's.
func TestAttack09_WhoDoesNotSayWhoHeIs(t *testing.T) {
	b := passkeyBank(t, true)
	c, k := b.Holder()
	other, theirs := b.Holder()
	wontEnter(t, b, b.NewKey(), "unknown-credential")

	k.Auth.Options.UserHandle = tokens.UserHandle(other.Pseudonym)
	wontEnter(t, b, k, string(fido.WrongUserHandle))
	k.Auth.Options.UserHandle = nil
	wontEnter(t, b, k, string(fido.WrongUserHandle))
	k.Auth.Options.UserHandle = tokens.UserHandle(c.Pseudonym)

	site := k.Site
	k.Site.ID = "evil.example"
	wontEnter(t, b, k, string(fido.WrongRPID))
	k.Site = site
	k.Site.Origin = "https://bank.test.evil.example"
	wontEnter(t, b, k, string(fido.WrongOrigin))
	k.Site = site
	k.Auth.Options.UserNotVerified = true
	wontEnter(t, b, k, string(fido.UserNotVerified))
	k.Auth.Options.UserNotVerified = false

	stranger := b.NewKey()
	stranger.Cred.ID, stranger.Auth.Options.UserHandle = k.Cred.ID, k.Auth.Options.UserHandle
	wontEnter(t, b, stranger, string(fido.WrongSignature))

	v := nameless(t, b)
	text := string(k.Get(offer(t, v).Options))
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, text); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, text); !refused(err) || b.Count("", "refused", "attempt-closed") != 1 {
		t.Errorf("sent twice: %v", err)
	}
	again := nameless(t, b)
	if _, err := answer(t, b, again.Attempt.ID, authn.FIDO, text); !refused(err) || b.Count("", "refused", string(fido.WrongChallenge)) != 1 {
		t.Errorf("for another attempt: %v", err)
	}
	// An attempt at which somebody failed is still good for somebody else.
	if got, err := answer(t, b, again.Attempt.ID, authn.FIDO, string(theirs.Get(offer(t, again).Options))); err != nil || got.Session.Session.Customer != other.ID {
		t.Errorf("the next one: %v", err)
	}
	for _, m := range []authn.Method{authn.OTP, authn.PIN, authn.OCRA} {
		if _, err := answer(t, b, nameless(t, b).Attempt.ID, m, "123456"); !refused(err) {
			t.Errorf("%s: %v", m, err)
		}
	}
	v = nameless(t, b)
	for id, want := range map[string]bool{theirs.Token.Credentials[0]: false, k.Token.Credentials[0]: true} {
		_, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.FIDO, Credential: id, Secret: string(k.Get(offer(t, v).Options))})
		if !want && !refused(err) {
			t.Errorf("under another's id: %v", err)
		}
	}

	plain := b.NewKey()
	plain.Auth.Options.UserNotVerified = true
	b.Enrol(plain, c.ID)
	wontEnter(t, b, plain, string(fido.UserNotVerified))
	plain.Auth.Options.UserNotVerified = false
	wontEnter(t, b, plain, string(fido.VerificationNew))
}

// Whoever may not log in with his name does not without it.
func TestClause4_6_NobodySuspendedEntersWithoutAName(t *testing.T) {
	b := passkeyBank(t, false)
	c, k := b.Holder()
	state := func(to parties.CustomerState) {
		t.Helper()
		if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, to, "4.6", true); err != nil {
			t.Fatal(err)
		}
	}
	before := nameless(t, b)
	state(parties.CustomerSuspended)
	wontEnter(t, b, k, "customer-suspended")
	b.Clock.Forward(time.Second)
	state(parties.CustomerActive)
	if _, err := answer(t, b, before.Attempt.ID, authn.FIDO, string(k.Get(offer(t, before).Options))); !refused(err) || b.Count("", "refused", "begun-before-suspension") != 1 {
		t.Errorf("begun before: %v", err)
	}
	b.Clock.Forward(time.Second)
	if _, err := enter(t, b, k); err != nil {
		t.Fatal(err)
	}
	// Between evaluation and verdict a suspension wins as well.
	v := nameless(t, b)
	b.Authn.Settler = &between{Store: b.Store, do: func() { state(parties.CustomerSuspended) }}
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options))); !refused(err) {
		t.Errorf("suspended meanwhile: %v", err)
	}
	b.Authn.Settler = b.Store
	b.Clock.Forward(time.Second)
	state(parties.CustomerActive)
	b.Clock.Forward(time.Second)

	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: k.Token.ID, Move: tokens.Suspend, Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	wontEnter(t, b, k, "token-suspended")
	_, k = b.Holder()
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: k.Token.ID, Move: tokens.Revoke, Reason: "gone"}); err != nil {
		t.Fatal(err)
	}
	wontEnter(t, b, k, "token-revoked")
}

// What was reported while a part was away is obeyed before it is settled; a row that was
// put back is found.
func TestClause5_17_3_TheStopListHoldsWithoutAName(t *testing.T) {
	b := passkeyBank(t, false)
	c, k := b.Holder()
	_, other := b.Holder()
	cred := other.Token.Credentials[0]
	old := slices.Clone(row(b, "hot", cred))
	if _, err := enter(t, b, other); err != nil {
		t.Fatal(err)
	}
	put(b, "hot", cred, old)
	wontEnter(t, b, other, "quarantined")
	if n := b.Count("credential.quarantined", "", "row-changed"); n != 1 {
		t.Errorf("%d quarantines", n)
	}
	if _, err := b.Stops.Append(stoplist.Report{Act: stoplist.CustomerReport, Kind: "stolen", Customer: c.ID}, stoplist.Repeat{}); err != nil {
		t.Fatal(err)
	}
	wontEnter(t, b, k, "stop-list")
}

func TestAttack10_ACopyIsFoundWithoutAName(t *testing.T) {
	b := passkeyBank(t, false)
	_, k := b.Holder()
	k.Cred.Counter = 9
	if _, err := enter(t, b, k); err != nil {
		t.Fatal(err)
	}
	k.Cred.Counter = 5
	wontEnter(t, b, k, string(fido.CounterWentBack))
	suspended(t, b, k, "credential.cloned")
}

// A thief at the disk has the name of his key lead to the victim's, gives the victim's
// key to himself, or puts its row back: nobody gets in.
func TestAttack10_TheIndexOfKeysDecidesNothing(t *testing.T) {
	b := passkeyBank(t, false)
	_, victim := b.Holder()
	_, thief := b.Holder()
	name := func(k *banktest.Key) string {
		id := tokens.FIDOKeyID(k.Cred.ID)
		return fmt.Sprintf("%c%s%c%c%s", len(tokens.FIDOMaker), tokens.FIDOMaker, 0, len(id), id)
	}
	b.Edit(func(f bolttest.File) {
		if f.Get("unique-key-id", name(thief)) == nil {
			t.Fatal("the index is kept otherwise")
		}
		f.Put("unique-key-id", name(thief), []byte(victim.Token.Credentials[0]))
	})
	wontEnter(t, b, thief, string(fido.WrongCredential))
	if got, err := enter(t, b, victim); err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	b.Edit(func(f bolttest.File) {
		f.Put("unique-key-id", name(thief), []byte(thief.Token.Credentials[0]))
		f.Put("token", thief.Token.ID, bytesReplaced(f.Get("token", thief.Token.ID), thief.Token.Customer, victim.Token.Customer))
	})
	v := nameless(t, b)
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(thief.Get(offer(t, v).Options))); !problem.Is(err, problem.Unavailable) {
		t.Errorf("a token given to another customer: %v", err)
	}
	// Nor is an attempt that was edited to be somebody's.
	v = nameless(t, b)
	b.Edit(func(f bolttest.File) {
		f.Put("attempt", v.Attempt.ID, bytesReplaced(f.Get("attempt", v.Attempt.ID), `"customer":""`, `"customer":"C"`))
	})
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(victim.Get(offer(t, v).Options))); !problem.Is(err, problem.Unavailable) {
		t.Errorf("an edited attempt: %v", err)
	}
}

func bytesReplaced(row []byte, old, now string) []byte {
	return []byte(strings.ReplaceAll(string(row), old, now))
}

// Many responses at once, to one attempt or to many, with one counter: one is granted.
func TestClause5_3_6_OneCounterEntersOnce(t *testing.T) {
	for name, same := range map[string]bool{"one attempt": true, "many": false} {
		t.Run(name, func(t *testing.T) {
			b := passkeyBank(t, false)
			_, k := b.Holder()
			const n = 8
			granted := make(chan bool, n)
			v := nameless(t, b)
			k.Cred.Counter = 7
			text := string(k.Get(offer(t, v).Options))
			for range n {
				id, text := v.Attempt.ID, text
				if !same {
					other := nameless(t, b)
					k.Cred.Counter = 7
					id, text = other.Attempt.ID, string(k.Get(offer(t, other).Options))
				}
				go func() {
					got, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: id, Method: authn.FIDO, Secret: text})
					granted <- err == nil && got.Session != nil
				}()
			}
			total := 0
			for range n {
				if <-granted {
					total++
				}
			}
			if total != 1 {
				t.Errorf("%d were granted", total)
			}
		})
	}
}

// A begin without a name is for a log-in only, and where keys keep accounts. One for a
// member of staff is refused whatever his key says.
func TestWhereANameIsNeeded(t *testing.T) {
	begun := func(b *banktest.Bank, p authn.Purpose, a *authn.NamedAction) error {
		_, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Purpose: p, Action: a, Channel: parties.Internet})
		return err
	}
	b := passkeyBank(t, false)
	if err := begun(b, authn.Login, nil); err != nil {
		t.Error(err)
	}
	if err := begun(b, authn.Action, &authn.NamedAction{Name: "limits.raise", Data: []byte("{}")}); !problem.Is(err, problem.Invalid) {
		t.Errorf("an action: %v", err)
	}
	if _, _, _, err := b.Authn.Open(t.Context(), authn.Opening{Caller: b.Front(), Purpose: authn.Payment, Channel: parties.Internet}); err == nil {
		t.Error("a payment was opened")
	}
	if err := begun(banktest.New(t), authn.Login, nil); !problem.Is(err, problem.Invalid) {
		t.Errorf("without keys: %v", err)
	}
	if err := begun(keyBank(t, false), authn.Login, nil); !problem.Is(err, problem.Invalid) {
		t.Errorf("where keys do not keep accounts: %v", err)
	}
}

// Unknown and known keys slow down alike; the holder of a key that strangers name waits
// no longer than when they name him.
func TestAttack03_KeysOfNobodySlowDown(t *testing.T) {
	b := paced(t, slow)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}, Resident: fido.Preferred})
	c, k := b.Holder()
	fails := func(claim *banktest.Key, ip string) (waits []time.Duration) {
		for done := 0; done < 15; {
			v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: from(b, ip), Purpose: authn.Login, Channel: parties.Internet})
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: from(b, ip), Attempt: v.Attempt.ID, Method: authn.FIDO, Secret: forged(b, claim, offer(t, v).Options)})
			wait, limit := told(err)
			switch {
			case refused(err):
				done++
			case wait > 0 && limit == "customer-failures":
				waits = append(waits, wait.Round(time.Second))
				b.Clock.Forward(wait)
			default:
				t.Fatal(err)
			}
		}
		return waits
	}
	known, unknown := fails(k, "192.0.2.1"), fails(b.NewKey(), "192.0.2.2")
	if len(known) != 5 || fmt.Sprint(known) != fmt.Sprint(unknown) {
		t.Errorf("a known key waits %v, an unknown one %v", known, unknown)
	}
	if n := b.Count("credential.locked", "", ""); n != 0 {
		t.Errorf("%d locks", n)
	}
	b.Clock.Forward(time.Minute)
	if got, err := enter(t, b, k); err != nil || got.Session.Session.Customer != c.ID {
		t.Errorf("the holder: %v", err)
	}
}

// There is no customer whose open attempts could be counted: each source and each
// client begins so many, and what has expired is removed like the rest.
func TestAttack03_LogInsWithoutANameDoNotFillTheStore(t *testing.T) {
	b := paced(t, func(p *authn.Pace) {
		p.NamelessSource, p.NamelessClient = rate.Limit{PerSecond: 1, Burst: 5}, rate.Limit{PerSecond: 1, Burst: 8}
	})
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}, Resident: fido.Required})
	begun := func(ip string) (string, error) {
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Purpose: authn.Login, Channel: parties.Internet, Signals: risk.Signals{IP: ip}})
		_, limit := told(err)
		if limit == "" && err != nil {
			t.Fatal(err)
		}
		return v.Attempt.ID, err
	}
	var ids []string
	for range 5 {
		id, _ := begun("192.0.2.1")
		ids = append(ids, id)
	}
	if _, err := begun("192.0.2.1"); limitOf(err) != "nameless-source" {
		t.Errorf("the sixth of a source: %v", err)
	}
	for range 3 {
		begun("192.0.2.2")
	}
	if _, err := begun("192.0.2.3"); limitOf(err) != "nameless-client" {
		t.Errorf("the ninth of a client: %v", err)
	}
	if _, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: "C-1", Purpose: authn.Login, Channel: parties.Internet, Signals: signals("192.0.2.1")}); err != nil {
		t.Errorf("with a name: %v", err)
	}
	b.Clock.Forward(2 * time.Hour)
	if _, err := b.Engine.Sweep(t.Context(), b.Clock.Now(), 1000); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(ids, func(id string) bool { _, err := b.Store.Attempt(t.Context(), id); return err == nil }) {
		t.Error("what has expired is still there")
	}
}

func limitOf(err error) string {
	_, limit := told(err)
	return limit
}

// A key that nobody has costs the HSM and the disk what a known one costs, and the
// refusal is the same.
func TestClause5_22_AKeyOfNobodyCostsWhatAKnownOneCosts(t *testing.T) {
	b := passkeyBank(t, false)
	_, k := b.Holder()
	_, lost := b.Holder()
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: lost.Token.ID, Move: tokens.Suspend, Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	settles := &settling{Store: b.Store}
	b.Authn.Settler = settles
	var costs []string
	for i, claim := range []*banktest.Key{b.NewKey(), b.NewKey(), k, lost} {
		v := nameless(t, b)
		text := forged(b, claim, offer(t, v).Options)
		settles.n = 0
		var err error
		cost := asked(b, func() { _, err = answer(t, b, v.Attempt.ID, authn.FIDO, text) })
		if !refused(err) {
			t.Fatal(err)
		}
		if i > 0 {
			costs = append(costs, fmt.Sprintf("%v, %d commits", cost, settles.n))
		}
	}
	if slices.ContainsFunc(costs, func(cost string) bool { return cost != costs[0] }) {
		t.Errorf("%q", costs)
	}
}
