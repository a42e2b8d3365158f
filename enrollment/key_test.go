package enrollment_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/tokens"
)

// keyBank takes keys that attest themselves, as virtualwebauthn's do.
func keyBank(t *testing.T) *banktest.Bank {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	return b
}

// finish completes a registration.
func finish(t *testing.T, b *banktest.Bank, id string, credential []byte) (tokens.Token, error) {
	t.Helper()
	return b.Enrollment.FinishKey(t.Context(), enrollment.KeyAnswer{Caller: b.Front(), ID: id, Credential: credential})
}

// logsIn reports whether the key logs its customer in.
func logsIn(t *testing.T, b *banktest.Bank, customer string, k *banktest.Key) bool {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(v.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.FIDO })
	if i < 0 {
		return false
	}
	v, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.FIDO, Secret: string(k.Get(v.Attempt.Offers[i].Options))})
	if err != nil && !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatal(err)
	}
	return err == nil && v.Session != nil
}

func TestClause4_3_2_AKeyIsEnrolledWithEvidence(t *testing.T) {
	b := keyBank(t)
	c, k := b.Customer(), b.NewKey()
	p := b.BeginKey(c.ID)
	if !strings.Contains(string(p.PublicKey), `"userVerification":"required"`) || p.ExpiresAt.Before(b.Clock.Now()) {
		t.Errorf("%s", p.PublicKey)
	}
	got, err := finish(t, b, p.ID, k.Create(p.PublicKey))
	if err != nil || got.State != tokens.Active || got.Profile != tokens.FIDOProfile || got.Pending != nil || len(got.Credentials) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if b.Count("token.enroll", "pending", "") != 1 || b.Count("token.activate", "active", "") != 1 {
		t.Error("no evidence")
	}
	notices, err := b.Store.Notices(t.Context(), 10)
	if err != nil || !slices.ContainsFunc(notices, func(n notify.Notice) bool { return n.Kind == "key-enrolled" }) {
		t.Errorf("%+v, %v", notices, err)
	}
	if !logsIn(t, b, c.ID, k) {
		t.Error("it does not log in")
	}
	// A second key; the first is not to be registered again.
	second := b.BeginKey(c.ID)
	if !strings.Contains(string(second.PublicKey), `"excludeCredentials":[{`) {
		t.Errorf("%s", second.PublicKey)
	}
	other := b.NewKey()
	if _, err := finish(t, b, second.ID, other.Create(second.PublicKey)); err != nil || !logsIn(t, b, c.ID, other) || !logsIn(t, b, c.ID, k) {
		t.Errorf("a second key: %v", err)
	}
}

func TestClause4_3_2_APendingKeyEnds(t *testing.T) {
	b := keyBank(t)
	c, k := b.Customer(), b.NewKey()
	first := b.BeginKey(c.ID)
	second := b.BeginKey(c.ID)
	if _, err := finish(t, b, first.ID, k.Create(first.PublicKey)); !problem.Is(err, problem.Expired) {
		t.Errorf("an older one: %v", err)
	}
	stranger := b.Front()
	stranger.ID = "cl_other"
	if _, err := b.Enrollment.FinishKey(t.Context(), enrollment.KeyAnswer{Caller: stranger, ID: second.ID, Credential: k.Create(second.PublicKey)}); !problem.Is(err, problem.NotFound) {
		t.Errorf("another client: %v", err)
	}
	b.Clock.Forward(5*time.Minute + time.Second)
	if _, err := finish(t, b, second.ID, k.Create(second.PublicKey)); !problem.Is(err, problem.Expired) {
		t.Errorf("late: %v", err)
	}
	third := b.BeginKey(c.ID)
	for i := range 5 {
		if _, err := finish(t, b, third.ID, k.Create(first.PublicKey)); !problem.Is(err, problem.AuthenticationFailed) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if _, err := finish(t, b, third.ID, k.Create(third.PublicKey)); !problem.Is(err, problem.Expired) {
		t.Errorf("after five: %v", err)
	}
	if b.Count("token.activation", "refused", string(fido.WrongChallenge)) != 5 || logsIn(t, b, c.ID, k) {
		t.Error("what was refused counts for something")
	}
}

// The same key for two people (section 7.1 step 26): the second is refused.
func TestAttack10_AKeyIsEnrolledOnce(t *testing.T) {
	b := keyBank(t)
	_, k := b.Holder()
	thief := b.Customer()
	p := b.BeginKey(thief.ID)
	if _, err := finish(t, b, p.ID, k.Create(p.PublicKey)); !problem.Is(err, problem.AuthenticationFailed) || b.Count("", "refused", "already-enrolled") != 1 {
		t.Errorf("%v", err)
	}
	if logsIn(t, b, thief.ID, k) {
		t.Error("it logs the second one in")
	}
}

// Without a policy that says otherwise nothing is enrolled that proves nothing of
// itself, and without metadata nothing does.
func TestClause4_3_2_TheStrictPolicyRefuses(t *testing.T) {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{})
	k, c := b.NewKey(), b.Customer()
	p := b.BeginKey(c.ID)
	if _, err := finish(t, b, p.ID, k.Create(p.PublicKey)); !problem.Is(err, problem.AuthenticationFailed) || b.Count("", "refused", string(fido.AttestationSelf)) != 1 {
		t.Errorf("%v", err)
	}
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	k.Auth.Options.UserNotVerified = true
	p = b.BeginKey(c.ID)
	if _, err := finish(t, b, p.ID, k.Create(p.PublicKey)); !problem.Is(err, problem.AuthenticationFailed) || b.Count("", "refused", string(fido.UserNotVerified)) != 1 {
		t.Errorf("without verification: %v", err)
	}
	b.Authn.FIDO, b.Enrollment.FIDO = nil, enrollment.FIDO{}
	_, err := b.Enrollment.BeginKey(t.Context(), enrollment.KeyCommand{Caller: b.Front(), Customer: c.ID, Proof: enrollment.Proof{ActivationSecret: "AAAAAAAAAAAA"}})
	if !problem.Is(err, problem.Forbidden) {
		t.Errorf("not configured: %v", err)
	}
}

// Where the bank enrols only what it hands out, a key of one's own is refused before
// anything is asked, and one of its own only to whom it was handed.
func TestClause4_3_2_OnlyKeysThatWereHandedOut(t *testing.T) {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{Enterprise: fido.Enterprise{Required: true}}})
	c := b.Customer()
	proof := enrollment.Proof{ActivationSecret: "AAAAAAAAAAAA"}
	if _, err := b.Enrollment.BeginKey(t.Context(), enrollment.KeyCommand{Caller: b.Front(), Customer: c.ID, Proof: proof}); !problem.Is(err, problem.Invalid) {
		t.Errorf("a key of his own: %v", err)
	}
	for name, ref := range map[string]string{"token-unknown": "tk_none", "token-not-handed-out": b.Import(1, "hotp")[0].ID} {
		sent, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: c.ID, Purpose: "enroll", Channel: "sms"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Enrollment.BeginKey(t.Context(), enrollment.KeyCommand{Caller: b.Front(), Customer: c.ID, Token: ref, Proof: enrollment.Proof{ActivationSecret: sent.Text}})
		if !problem.Is(err, problem.AuthenticationFailed) || b.Count("token.enroll", "refused", name) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A BLOB that reports a model revoked suspends its keys within one refresh; an older,
// stale, wrongly signed or absent one opens nothing and suspends nothing.
func TestClause5_3_6_ARevokedModelIsSuspended(t *testing.T) {
	b := keyBank(t)
	a := b.NewAlliance()
	bad := fido.AAGUID{1, 2, 3}
	holder := func(model fido.AAGUID) (parties.Customer, *banktest.Key) {
		c, k := b.Customer(), b.NewKey()
		k.Auth.Aaguid = model
		b.Enrol(k, c.ID)
		return c, k
	}
	c, k := holder(bad)
	other, fine := holder(fido.AAGUID{4, 5, 6})
	a.Publish(7, banktest.Model{AAGUID: bad, Statuses: []string{"FIDO_CERTIFIED_L1"}})
	l := a.Loader()
	check := func(want int) {
		t.Helper()
		got, err := b.Enrollment.RecheckKeys(t.Context(), l.Current())
		if err != nil || got.Suspended != want || got.Keys != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	check(0) // nothing is loaded yet
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(0)
	session := logsIn(t, b, c.ID, k)

	revoked := banktest.Model{AAGUID: bad, Statuses: []string{"FIDO_CERTIFIED_L1", "REVOKED"}}
	a.Publish(6, revoked)
	if changed, err := l.Refresh(t.Context()); changed || err == nil {
		t.Errorf("a BLOB rolled back: %t, %v", changed, err)
	}
	b.NewAlliance().Publish(8, revoked) // under another root, at the same place
	if changed, err := l.Refresh(t.Context()); changed || err == nil {
		t.Errorf("a BLOB of somebody else: %t, %v", changed, err)
	}
	check(0)
	a.Publish(9, revoked)
	if changed, err := l.Refresh(t.Context()); !changed || err != nil {
		t.Fatalf("%t, %v", changed, err)
	}
	check(1)
	check(0) // and not again
	if !session || logsIn(t, b, c.ID, k) || !logsIn(t, b, other.ID, fine) {
		t.Error("the wrong key was suspended")
	}
	list, _, err := b.Store.Incidents(t.Context(), "", 10)
	if err != nil || len(list) != 1 || list[0].Kind != "credential.compromised" || list[0].Cause != string(fido.ModelCompromised) {
		t.Errorf("%+v, %v", list, err)
	}
	if b.Count("token.suspend", "suspended", "") != 1 {
		t.Error("no evidence")
	}
	notices, err := b.Store.Notices(t.Context(), 100)
	if err != nil || !slices.ContainsFunc(notices, func(n notify.Notice) bool { return n.Kind == "credential-suspended" && n.Customer == c.ID }) {
		t.Errorf("no notice: %v", err)
	}
	b.Enrollment.FIDO.Metadata = l.Current
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: k.Token.ID, Move: tokens.Resume, Reason: "asked for it"}); !problem.Is(err, problem.Conflict) {
		t.Errorf("resumed: %v", err)
	}
	thief := b.Customer()
	fresh := b.NewKey()
	fresh.Auth.Aaguid = bad
	p := b.BeginKey(thief.ID)
	if _, err := finish(t, b, p.ID, fresh.Create(p.PublicKey)); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("a new key of that model: %v", err)
	}
}

// Clause 5.11: a registration that ends after its last refused response is told of, as
// every end of a token is.
func TestClause5_11_ARegistrationThatEndsIsRecorded(t *testing.T) {
	b := keyBank(t)
	c, k := b.Customer(), b.NewKey()
	wrong := k.Create(b.BeginKey(b.Customer().ID).PublicKey) // for another challenge
	p := b.BeginKey(c.ID)
	before := len(b.Entries())
	for range 5 {
		if _, err := finish(t, b, p.ID, wrong); err == nil {
			t.Fatal("a response to another challenge enrols a key")
		}
	}
	var ended, refused int
	for _, h := range b.Entries()[before:] {
		switch {
		case h.Event == "token.activation" && h.Outcome == "refused":
			refused++
		case h.Outcome == string(tokens.Revoked):
			ended++
		}
	}
	if refused != 5 || ended != 1 {
		t.Errorf("%d refusals and %d ends are told of", refused, ended)
	}
}
