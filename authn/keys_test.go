package authn_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/store/bolttest"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// keyBank takes keys that attest themselves, as virtualwebauthn's do.
func keyBank(t *testing.T, unverified bool) *banktest.Bank {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}, Unverified: unverified})
	return b
}

// offer returns what an attempt asks of FIDO2 keys.
func offer(t *testing.T, v authn.View) authn.Offer {
	t.Helper()
	i := slices.IndexFunc(v.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.FIDO })
	if i < 0 {
		t.Fatalf("no key is offered: %+v", v.Attempt.Offers)
	}
	return v.Attempt.Offers[i]
}

// loginByKey logs in with the key's response to the options.
func loginByKey(t *testing.T, b *banktest.Bank, customer string, k *banktest.Key) (authn.View, error) {
	t.Helper()
	v := begin(t, b, customer)
	return answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options)))
}

func TestClause5_18_AKeyThatVerifiesIsTwoFactors(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	v := begin(t, b, c.ID)
	if len(v.Attempt.Ways) != 1 || len(v.Attempt.Ways[0]) != 1 || !strings.Contains(string(offer(t, v).Options), `"userVerification":"required"`) {
		t.Fatalf("offered: %v %s", v.Attempt.Ways, offer(t, v).Options)
	}
	got, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options)))
	if err != nil || got.Attempt.ACR != authn.Strong || got.Session == nil || strings.Join(got.Attempt.AMR, " ") != "mfa pop user" || got.Attempt.Shown != tokens.ShownNone {
		t.Fatalf("%+v, %v", got.Attempt, err)
	}
	k.Auth.Options.UserNotVerified = true
	if _, err := loginByKey(t, b, c.ID, k); !refused(err) || b.Count("authentication.answered", "refused", string(fido.UserNotVerified)) != 1 {
		t.Errorf("without verification: %v", err)
	}
	k.Auth.Options.UserNotVerified = false
	if _, err := loginByKey(t, b, c.ID, k); err != nil {
		t.Errorf("verified again: %v", err)
	}
}

// A key without verification takes the PIN, in either order, and stays one factor
// when it begins to verify: a thief can set a PIN on it.
func TestClause5_18_AKeyThatDoesNotVerifyIsOneFactor(t *testing.T) {
	b := keyBank(t, true)
	c, k := b.Customer(), b.NewKey()
	k.Auth.Options.UserNotVerified = true
	b.Enrol(k, c.ID)
	v := begin(t, b, c.ID)
	if v.Attempt.Cause != "no-suitable-credential" {
		t.Fatalf("one factor was offered for two: %+v", v.Attempt)
	}
	b.SetPIN(c.ID, banktest.PIN)
	for _, verified := range []bool{false, true} {
		k.Auth.Options.UserNotVerified = !verified
		for _, first := range []authn.Method{authn.PIN, authn.FIDO} {
			v = begin(t, b, c.ID)
			if len(v.Attempt.Ways) != 1 || len(v.Attempt.Ways[0]) != 2 {
				t.Fatalf("ways %v", v.Attempt.Ways)
			}
			secret := map[authn.Method]string{authn.PIN: banktest.PIN, authn.FIDO: string(k.Get(offer(t, v).Options))}
			second := map[authn.Method]authn.Method{authn.PIN: authn.FIDO, authn.FIDO: authn.PIN}[first]
			if got, err := answer(t, b, v.Attempt.ID, first, secret[first]); err != nil || got.Attempt.State != authn.Pending {
				t.Fatalf("%s alone: %+v, %v", first, got.Attempt, err)
			}
			got, err := answer(t, b, v.Attempt.ID, second, secret[second])
			if err != nil || got.Attempt.ACR != authn.Strong || strings.Join(got.Attempt.AMR, " ") != "mfa pin pop" {
				t.Fatalf("both: %+v, %v", got.Attempt, err)
			}
		}
	}
	v = begin(t, b, c.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.PIN, "999999"); err != nil {
		t.Fatal(err)
	}
	text := string(k.Get(offer(t, v).Options))
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, text); !refused(err) || b.Count("pin.judged", "wrong", "") != 1 {
		t.Errorf("a wrong PIN: %v", err)
	}
	// The same response vouches for no second PIN, and is no copy of the key either.
	_, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN)
	_, again := answer(t, b, v.Attempt.ID, authn.FIDO, text)
	if !refused(err) || !refused(again) || b.Count("pin.judged", "", "") != 5 {
		t.Errorf("another PIN: %v, %v, %d judged", err, again, b.Count("pin.judged", "", ""))
	}
	if _, err := b.Enrollment.Token(t.Context(), k.Token.ID); err != nil || b.Count("token.suspend", "", "") != 0 {
		t.Error("the key was suspended")
	}
}

// A customer with both kinds may use either: each key says for itself what it takes.
func TestClause5_18_KeysOfBothKinds(t *testing.T) {
	b := keyBank(t, true)
	c, k := b.Holder()
	b.SetPIN(c.ID, banktest.PIN)
	plain := b.NewKey()
	plain.Auth.Options.UserNotVerified = true
	b.Enrol(plain, c.ID)
	v := begin(t, b, c.ID)
	if o := offer(t, v); len(v.Attempt.Ways) != 2 || len(o.Keys) != 2 || !strings.Contains(string(o.Options), `"preferred"`) {
		t.Fatalf("%v %s", v.Attempt.Ways, o.Options)
	}
	if got, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(k.Get(offer(t, v).Options))); err != nil || got.Session == nil {
		t.Fatalf("the key that verifies: %v", err)
	}
	k.Auth.Options.UserNotVerified = true
	if _, err := loginByKey(t, b, c.ID, k); !refused(err) {
		t.Errorf("it must verify where two factors are asked for: %v", err)
	}
	v = begin(t, b, c.ID)
	if got, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(plain.Get(offer(t, v).Options))); err != nil || got.Attempt.State != authn.Pending {
		t.Fatalf("the other alone: %+v, %v", got.Attempt, err)
	}
}

func TestClause5_3_6_WhatAKeyAnsweredServesOnce(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	v := begin(t, b, c.ID)
	text := string(k.Get(offer(t, v).Options))
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, text); err != nil {
		t.Fatal(err)
	}
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, text); !refused(err) {
		t.Errorf("sent twice: %v", err)
	}
	other := begin(t, b, c.ID)
	if _, err := answer(t, b, other.Attempt.ID, authn.FIDO, text); !refused(err) || b.Count("authentication.answered", "refused", string(fido.WrongChallenge)) != 1 {
		t.Errorf("for another attempt: %v", err)
	}
	if _, err := loginByKey(t, b, c.ID, k); err != nil {
		t.Errorf("the key is as good as before: %v", err)
	}
}

// Phishing (attack 9): a page of somebody else's, with our challenge.
func TestAttack09_AnotherOriginOrRPID(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	site := k.Site
	k.Site.Origin = "https://bank.test.evil.example"
	if _, err := loginByKey(t, b, c.ID, k); !refused(err) || b.Count("", "refused", string(fido.WrongOrigin)) != 1 {
		t.Errorf("another origin: %v", err)
	}
	k.Site = site
	k.Site.ID = "evil.example"
	if _, err := loginByKey(t, b, c.ID, k); !refused(err) || b.Count("", "refused", string(fido.WrongRPID)) != 1 {
		t.Errorf("another RP ID: %v", err)
	}
	k.Site = site
	stranger := b.NewKey()
	stranger.Cred.ID = k.Cred.ID
	stranger.Cred.Counter = k.Cred.Counter + 10
	if _, err := loginByKey(t, b, c.ID, stranger); !refused(err) || b.Count("", "refused", string(fido.WrongSignature)) != 1 {
		t.Errorf("another key under its id: %v", err)
	}
	if _, err := loginByKey(t, b, c.ID, k); err != nil {
		t.Errorf("the real one: %v", err)
	}
	_, other := b.Holder()
	v := begin(t, b, c.ID)
	if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(other.Get(offer(t, v).Options))); !refused(err) {
		t.Errorf("a key of another customer: %v", err)
	}
}

// A copy (attack 10): whichever of two devices comes second with a counter that is
// not higher, the key is suspended at once.
func TestAttack10_ACounterThatGoesBack(t *testing.T) {
	for name, counter := range map[string]uint32{"lower": 5, "the same": 9, "nought": 0} {
		t.Run(name, func(t *testing.T) {
			b := keyBank(t, false)
			c, k := b.Holder()
			k.Cred.Counter = 9
			session, err := loginByKey(t, b, c.ID, k)
			if err != nil {
				t.Fatal(err)
			}
			k.Cred.Counter = counter
			if counter == 0 {
				k.Cred.Counter = ^uint32(0) // it counts before it signs
			}
			if _, err := loginByKey(t, b, c.ID, k); !refused(err) {
				t.Fatal(err)
			}
			suspended(t, b, k, "credential.cloned")
			if _, _, err := b.Authn.LiveToken(t.Context(), b.Front(), session.Session.AccessToken, nil); err == nil {
				t.Error("the session outlives the suspension of its key")
			}
			k.Cred.Counter = 100
			if _, err := loginByKey(t, b, c.ID, k); !refused(err) || b.Count("", "refused", "token-suspended") == 0 {
				t.Errorf("after the suspension: %v", err)
			}
		})
	}
}

// suspended checks that a key is out of use, with an incident and a notice.
func suspended(t *testing.T, b *banktest.Bank, k *banktest.Key, kind string) {
	t.Helper()
	now, err := b.Enrollment.Token(t.Context(), k.Token.ID)
	if err != nil || now.State != tokens.Suspended {
		t.Fatalf("token: %s, %v", now.State, err)
	}
	list, _, err := b.Store.Incidents(t.Context(), "", 10)
	if err != nil || len(list) != 1 || list[0].Kind != kind {
		t.Errorf("incidents: %+v, %v", list, err)
	}
	notices, err := b.Store.Notices(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, n := range notices {
		if n.Kind == "credential-suspended" {
			told++
		}
	}
	if told == 0 || b.Count("token.suspend", "", "") != 1 || b.Count("incident.opened", "", kind) != 1 {
		t.Errorf("%d notices, %d entries", told, b.Count("token.suspend", "", ""))
	}
}

func TestAttack10_EligibilityForBackupChanges(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	k.Auth.Options.BackupEligible = true
	if _, err := loginByKey(t, b, c.ID, k); !refused(err) || b.Count("", "refused", string(fido.EligibilityChanged)) == 0 {
		t.Fatal(err)
	}
	suspended(t, b, k, "credential.cloned")
}

// A thief at the disk puts the row of a key back, so that an older counter is good
// again; or puts his own public key into the record.
func TestAttack10_ARecordOrRowPutBack(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	cred := k.Token.Credentials[0]
	var old []byte
	b.Edit(func(f bolttest.File) { old = bytes.Clone(f.Get("hot", cred)) })
	if _, err := loginByKey(t, b, c.ID, k); err != nil {
		t.Fatal(err)
	}
	b.Edit(func(f bolttest.File) { f.Put("hot", cred, old) })
	if _, err := loginByKey(t, b, c.ID, k); !refused(err) || b.Count("credential.quarantined", "", "row-changed") != 1 {
		t.Errorf("a row put back: %v", err)
	}

	c, k = b.Holder()
	_, other := b.Holder()
	b.Edit(func(f bolttest.File) {
		f.Put("credential", k.Token.Credentials[0], f.Get("credential", other.Token.Credentials[0]))
	})
	_, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet})
	if !problem.Is(err, problem.Unavailable) {
		t.Errorf("another's record: %v", err)
	}
}

func TestClause5_27_AKeysChallengeIsThePayment(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	session, err := loginByKey(t, b, c.ID, k)
	if err != nil {
		t.Fatal(err)
	}
	pay := func(ref, value string) payment.View {
		t.Helper()
		v, err := b.Payments.Create(t.Context(), payment.CreateCommand{
			Caller: b.Front(), Session: session.Session.Session.ID, Reference: ref, Channel: parties.Internet, Service: "transactional",
			Amount: payment.Money{Value: value, Currency: "AZN"}, Purpose: "invoice 7",
			Payer:   payment.Party{Name: "Aygün Məmmədova", Account: "AZ21NABZ00000000137010001944", Bank: "Bank A"},
			Payee:   payment.Party{Name: "Rəşad Əliyev", Account: "AZ77VTBA00000000001234567890", Bank: "Bank B", Country: "AZ"},
			Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "test", DeviceID: "d-1", Country: "AZ"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if v.Authentication == nil {
			t.Fatalf("no proof is asked for: %+v", v)
		}
		return v
	}
	first, second := pay("r-1", "150.00"), pay("r-2", "9500.00")
	text := string(k.Get(offer(t, *first.Authentication).Options))
	if _, err := answer(t, b, second.Authentication.Attempt.ID, authn.FIDO, text); !refused(err) {
		t.Errorf("the response to one amount for another: %v", err)
	}
	login := begin(t, b, c.ID)
	if _, err := answer(t, b, first.Authentication.Attempt.ID, authn.FIDO, string(k.Get(offer(t, login).Options))); !refused(err) {
		t.Errorf("a log-in's response for a payment: %v", err)
	}
	got, err := answer(t, b, first.Authentication.Attempt.ID, authn.FIDO, string(k.Get(offer(t, *first.Authentication).Options)))
	if err != nil || got.Attempt.ACR != authn.Linked || got.Attempt.Shown != tokens.ShownNone || got.Transaction == nil || got.Transaction.Authorization == "" {
		t.Fatalf("%+v, %v", got.Attempt, err)
	}
}

// Many responses with one counter, at once, over many attempts: one is granted, and
// the others are a clone's.
func TestClause5_3_6_OneCounterGrantsOnce(t *testing.T) {
	b := keyBank(t, false)
	c, k := b.Holder()
	k.Cred.Counter = 7
	const n = 8
	granted := make(chan bool, n)
	for range n {
		v := begin(t, b, c.ID)
		k.Cred.Counter = 7
		text := string(k.Get(offer(t, v).Options))
		go func() {
			got, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.FIDO, Secret: text})
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
	suspended(t, b, k, "credential.cloned")
}

// Some ids that nobody has are asked for a key, and always for the same one.
func TestDecoysHaveKeys(t *testing.T) {
	b := keyBank(t, false)
	b.Holder()
	with, only := 0, 0
	for i := range 64 {
		id := "nobody-" + time.Duration(i).String()
		v, again := begin(t, b, id), begin(t, b, id)
		if !v.Attempt.Decoy || len(v.Attempt.Offers) != len(again.Attempt.Offers) {
			t.Fatalf("%+v", v.Attempt)
		}
		for j, o := range v.Attempt.Offers {
			if o.Method != authn.FIDO {
				continue
			}
			with++
			if len(v.Attempt.Offers) == 1 {
				only++
			}
			if !bytes.Equal(o.Keys[0].ID, again.Attempt.Offers[j].Keys[0].ID) || o.Credentials[0] != again.Attempt.Offers[j].Credentials[0] {
				t.Error("a decoy's key changes")
			}
			if _, err := answer(t, b, v.Attempt.ID, authn.FIDO, string(b.NewKey().Get(o.Options))); !refused(err) {
				t.Error(err)
			}
		}
	}
	if with == 0 || only == 0 || with == 64 {
		t.Errorf("%d of 64 have a key, %d nothing else", with, only)
	}
}

// Beside a generator a key is one more way, and keys are one factor of no other's.
func TestKeyBesideAGenerator(t *testing.T) {
	b := keyBank(t, false)
	c, d := b.Person(pskc.HOTP)
	k := b.NewKey()
	b.Enrol(k, c.ID)
	if _, err := login(t, b, c.ID, authn.OTP, d.HOTP(), banktest.PIN); err != nil {
		t.Error(err)
	}
	if _, err := loginByKey(t, b, c.ID, k); err != nil {
		t.Error(err)
	}
	v := begin(t, b, c.ID)
	if _, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.OTP, Credential: k.Token.Credentials[0], Secret: "123456"}); !refused(err) {
		t.Errorf("a code for a key: %v", err)
	}
}
