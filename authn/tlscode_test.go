package authn_test

import (
	"crypto/x509"
	stdpem "encoding/pem"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/parties"
	"mohur/tokens"
)

func pem(kind string, der []byte) []byte {
	return stdpem.EncodeToMemory(&stdpem.Block{Type: kind, Bytes: der})
}

// present is what the listener does for a browser with this card.
func present(t *testing.T, b *banktest.Bank, c *banktest.Card) string {
	t.Helper()
	code, err := b.Authn.Present(t.Context(), parties.Caller{}, []*x509.Certificate{c.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	if len(code.Text) != 22 || !code.ExpiresAt.After(b.Clock.Now()) {
		t.Fatalf("%+v", code)
	}
	return code.Text
}

func overTLS(t *testing.T, b *banktest.Bank, attempt, code, binding string) (authn.View, error) {
	t.Helper()
	return b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: attempt, Method: authn.Card, Secret: code, TLS: true, Binding: binding})
}

func TestClause4_3_2_ALogInByClientCertificate(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	v := begin(t, b, who.ID)
	got, err := overTLS(t, b, v.Attempt.ID, present(t, b, c), "")
	if err != nil || got.Session == nil || got.Attempt.ACR != authn.Strong || got.Attempt.Shown != tokens.ShownNone || strings.Join(got.Attempt.AMR, " ") != "hwk mfa pin sc" {
		t.Fatalf("%+v, %v", got.Attempt, err)
	}
	// The code is for a log-in: it proves no act and no payment.
	act, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: who.ID, Purpose: authn.Action, Action: &authn.NamedAction{Name: "customer.pin", Data: []byte("{}")}, Channel: parties.Internet,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := overTLS(t, b, act.Attempt.ID, present(t, b, c), ""); !refused(err) || b.Count("authentication.answered", "refused", "tls-is-for-login") != 1 {
		t.Errorf("an act: %v", err)
	}
	p := &payer{Bank: b, t: t, customer: who, card: c, session: got.Session.Session.ID}
	pay := p.pay("r-1", "150.00", "Rəşad Əliyev")
	if _, err := overTLS(t, b, pay.Authentication.Attempt.ID, present(t, b, c), ""); !refused(err) || b.Count("authentication.answered", "refused", "tls-is-for-login") != 2 {
		t.Errorf("a payment: %v", err)
	}
}

// A code serves one answer, good or bad, for a minute, and only that of its own card's
// owner.
func TestAttack08_ACodeServesOnce(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	code := present(t, b, c)
	if _, err := overTLS(t, b, begin(t, b, who.ID).Attempt.ID, code, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := overTLS(t, b, begin(t, b, who.ID).Attempt.ID, code, ""); !refused(err) || b.Count("authentication.answered", "refused", "code-used") != 1 {
		t.Errorf("again: %v", err)
	}
	victim, _ := state.CardHolder()
	code = present(t, b, c)
	if _, err := overTLS(t, b, begin(t, b, victim.ID).Attempt.ID, code, ""); !refused(err) || b.Count("authentication.answered", "refused", string(card.WrongCertificate)) != 1 {
		t.Errorf("another customer: %v", err)
	}
	if _, err := overTLS(t, b, begin(t, b, who.ID).Attempt.ID, code, ""); !refused(err) || b.Count("authentication.answered", "refused", "code-used") != 2 {
		t.Errorf("a code that a bad answer has spent: %v", err)
	}
	code = present(t, b, c)
	b.Clock.Forward(61 * time.Second)
	if _, err := overTLS(t, b, begin(t, b, who.ID).Attempt.ID, code, ""); !refused(err) || b.Count("authentication.answered", "refused", "code-unknown") != 1 {
		t.Errorf("too late: %v", err)
	}
	if _, err := overTLS(t, b, begin(t, b, who.ID).Attempt.ID, "AAAAAAAAAAAAAAAAAAAAAA", ""); !refused(err) {
		t.Errorf("a guess: %v", err)
	}

	code = present(t, b, c)
	const n = 8
	granted := make(chan bool, n)
	for range n {
		id := begin(t, b, who.ID).Attempt.ID
		go func() {
			v, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: id, Method: authn.Card, Secret: code, TLS: true})
			granted <- err == nil && v.Session != nil
		}()
	}
	total := 0
	for range n {
		if <-granted {
			total++
		}
	}
	if total != 1 {
		t.Errorf("one code, %d attempts granted", total)
	}
}

// Fixation: a thief begins an attempt for the victim and has the victim's browser show
// its certificate. The code is in that browser only, where the front end holds the
// victim's own attempt; with a binding the thief's takes no code that came from there.
func TestAttack08_AThiefsAttemptAndAVictimsBrowser(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	victim, c := state.CardHolder()
	start := func(cookie string) authn.View {
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: victim.ID, Purpose: authn.Login, Channel: parties.Internet, Binding: cookie})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	thief, own := start("cookie of the thief"), start("cookie of the victim")
	code := present(t, b, c) // the listener is told of no attempt: nothing happens to the thief's
	for _, id := range []string{thief.Attempt.ID, own.Attempt.ID} {
		if v, err := b.Authn.LookAttempt(t.Context(), b.Front(), id); err != nil || v.Attempt.State != authn.Pending || v.Attempt.Answers != 0 {
			t.Fatalf("%+v, %v", v.Attempt, err)
		}
	}
	// A front end that could be talked into posting the code to the thief's attempt does
	// it with the cookie of the browser that the code is in.
	if _, err := overTLS(t, b, thief.Attempt.ID, code, "cookie of the victim"); !refused(err) || b.Count("authentication.answered", "refused", "binding-mismatch") != 1 {
		t.Errorf("the thief's attempt: %v", err)
	}
	// And the code is not spent by that.
	if got, err := overTLS(t, b, own.Attempt.ID, code, "cookie of the victim"); err != nil || got.Session == nil {
		t.Errorf("the victim's own: %v", err)
	}
}

// What could not log in gets no code, and what is revoked after it got one is refused.
func TestAttack10_CertificatesWithoutACode(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := state.CardHolder()
	for name, other := range map[string]*banktest.Card{"for documents": state.NewSigner("AZ1"), "of a weak key": state.NewCard("AZ2", pkitest.Kind("RSA-1024"))} {
		if _, err := b.Authn.Present(t.Context(), parties.Caller{}, []*x509.Certificate{other.Certificate}); !refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Authn.Present(t.Context(), parties.Caller{}, nil); !refused(err) {
		t.Errorf("none: %v", err)
	}
	code := present(t, b, c)
	state.Responder.Revoke(c.Pair)
	if _, err := overTLS(t, b, begin(t, b, who.ID).Attempt.ID, code, ""); !refused(err) || b.Count("token.suspend", "", string(card.Revoked)) != 1 {
		t.Errorf("revoked since: %v", err)
	}
	if _, err := b.Authn.Present(t.Context(), parties.Caller{}, []*x509.Certificate{c.Certificate}); !refused(err) {
		t.Errorf("revoked: %v", err)
	}
	for _, why := range []card.Reason{card.SigningOnly, card.WeakKey, card.Revoked} {
		if n := b.Count("certificate.presented", "refused", string(why)); n != 1 {
			t.Errorf("%s: %d entries", why, n)
		}
	}
}

// Whoever makes certificates by the thousand does not fill the log with them.
func TestAttack05_RefusedCertificatesFillNoLog(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	stranger := []*x509.Certificate{state.NewSigner("AZ1").Certificate}
	from := b.Clock.Now()
	for range 1000 {
		if _, err := b.Authn.Present(t.Context(), parties.Caller{Source: "192.0.2.1"}, stranger); !refused(err) {
			t.Fatal(err)
		}
	}
	const burst, perSecond = 500, 5
	most := burst + 1 + int(b.Clock.Now().Sub(from).Seconds()*perSecond)
	n := b.Count("certificate.presented", "refused", "")
	if n < burst || n > min(most, 999) {
		t.Errorf("%d entries", n)
	}
	b.Clock.Forward(time.Minute)
	if _, err := b.Authn.Present(t.Context(), parties.Caller{}, stranger); !refused(err) || b.Count("certificate.presented", "refused", "") != n+1 {
		t.Errorf("a minute later: %v", err)
	}
}
