package enrollment_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/card"
	"mohur/authn/pkitest"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/notify"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// cardLogsIn reports whether the card logs its customer in.
func cardLogsIn(t *testing.T, b *banktest.Bank, customer string, c *banktest.Card) bool {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{Caller: b.Front(), Customer: customer, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(v.Attempt.Offers, func(o authn.Offer) bool { return o.Method == authn.Card })
	if i < 0 {
		return false
	}
	v, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.Card, Secret: string(c.Answer(v.Attempt.Offers[i].Nonce))})
	if err != nil && !problem.Is(err, problem.AuthenticationFailed) {
		t.Fatal(err)
	}
	return err == nil && v.Session != nil
}

func oneRefusal(err error) bool { return problem.Is(err, problem.AuthenticationFailed) }

func TestClause4_3_2_ACardIsEnrolledWithEvidence(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := b.Customer(), state.NewCard("AZ100")
	p := b.BeginCard(who.ID, "", "")
	sum := sha256.Sum256(p.Text)
	if p.Nonce != base64.StdEncoding.EncodeToString(sum[:]) || p.Origin != banktest.Issuer || !strings.Contains(string(p.Text), `"typ":"action"`) || !strings.Contains(string(p.Text), `"credential.enroll"`) {
		t.Errorf("%+v %s", p, p.Text)
	}
	if text, err := b.Enrollment.Text(t.Context(), sum[:]); err != nil || string(text) != string(p.Text) {
		t.Errorf("an agent finds %s, %v", text, err)
	}
	got, err := c.Give(p)
	if err != nil || got.State != tokens.Active || got.Profile != tokens.CardProfile || got.Pending != nil || len(got.Credentials) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	cred, err := b.Store.Credential(t.Context(), got.Credentials[0])
	if err != nil || cred.Kind != tokens.Card || cred.CardUse != tokens.UseLogin || !strings.Contains(string(cred.Card), "AZ100") {
		t.Fatalf("%+v, %v", cred, err)
	}
	notices, err := b.Store.Notices(t.Context(), 100)
	if err != nil || !slices.ContainsFunc(notices, func(n notify.Notice) bool { return n.Kind == "card-enrolled" }) {
		t.Errorf("the customer is not told: %v", err)
	}
	if !cardLogsIn(t, b, who.ID, c) {
		t.Error("it does not log in")
	}
	if _, err := c.Give(p); !problem.Is(err, problem.Expired) {
		t.Errorf("a second answer: %v", err)
	}
	b.Clock.Forward(6 * time.Minute)
	if _, err := b.Enrollment.Text(t.Context(), sum[:]); !problem.Is(err, problem.NotFound) {
		t.Errorf("the text after its time: %v", err)
	}
}

// A refused answer spends the nonce: the next one is asked for, and the fifth refusal
// ends the enrolment.
func TestAttack08_AnEnrolmentsNonceServesOneAnswer(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := b.Customer(), state.NewCard("AZ100")
	p := b.BeginCard(who.ID, "", "")
	bad := func(id string) error {
		_, err := b.Enrollment.FinishCard(t.Context(), enrollment.CardAnswer{Caller: b.Front(), ID: id, Token: []byte(`{"no":"token"}`)})
		return err
	}
	if err := bad(p.ID); !oneRefusal(err) || b.Count("token.activation", "refused", string(card.MalformedToken)) != 1 {
		t.Fatalf("%v", err)
	}
	if _, err := c.Give(p); !oneRefusal(err) || b.Count("token.activation", "refused", string(card.WrongSignature)) != 1 {
		t.Errorf("the spent nonce: %v", err)
	}
	st, err := b.Enrollment.Standing(t.Context(), b.Front(), p.ID)
	if err != nil || st.State != "pending" || st.Card == nil || st.Card.Nonce == p.Nonce {
		t.Fatalf("%+v, %v", st, err)
	}
	if text, err := b.Enrollment.Text(t.Context(), sumOf(st.Card.Text)); err != nil || string(text) != string(st.Card.Text) {
		t.Errorf("the next text: %v", err)
	}
	stranger := b.Front()
	stranger.ID = "cl_other"
	if _, err := b.Enrollment.Standing(t.Context(), stranger, p.ID); !problem.Is(err, problem.NotFound) {
		t.Errorf("another front end: %v", err)
	}
	if _, err := c.Give(*st.Card); err != nil {
		t.Errorf("the next nonce: %v", err)
	}
	if st, err := b.Enrollment.Standing(t.Context(), b.Front(), p.ID); err != nil || st.State != "completed" || st.Card != nil {
		t.Errorf("%+v, %v", st, err)
	}

	other := b.Customer()
	p = b.BeginCard(other.ID, "", "")
	for n := range 5 {
		if err := bad(p.ID); !oneRefusal(err) {
			t.Fatalf("%d: %v", n, err)
		}
	}
	if err := bad(p.ID); !problem.Is(err, problem.Expired) {
		t.Errorf("a sixth: %v", err)
	}
	if st, err := b.Enrollment.Standing(t.Context(), b.Front(), p.ID); err != nil || st.State != "ended" {
		t.Errorf("%+v, %v", st, err)
	}
}

func sumOf(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:]
}

// A person is one customer's: his certificate, and every other one with his key.
func TestClause4_3_2_APersonIsEnrolledForOneCustomer(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := b.Customer(), state.NewCard("AZ100")
	b.EnrolCard(c, who.ID, tokens.UseLogin)
	if _, err := c.Give(b.BeginCard(who.ID, "", "")); !oneRefusal(err) || b.Count("token.activation", "refused", "already-enrolled") != 1 {
		t.Errorf("twice: %v", err)
	}
	thief := b.Customer()
	for name, other := range map[string]*banktest.Card{"the certificate": c, "another of the same person": state.NewCard("AZ100")} {
		had := b.Count("token.activation", "refused", "subject-of-another")
		if _, err := other.Give(b.BeginCard(thief.ID, "", "")); !oneRefusal(err) || b.Count("token.activation", "refused", "subject-of-another") != had+1 {
			t.Errorf("%s for another customer: %v", name, err)
		}
	}
	if _, err := state.NewCard("AZ200").Give(b.BeginCard(who.ID, "", "")); !oneRefusal(err) || b.Count("token.activation", "refused", "subject-differs") != 1 {
		t.Errorf("another person's card: %v", err)
	}
	if cardLogsIn(t, b, thief.ID, c) {
		t.Error("it logs another customer in")
	}
	// What was revoked gives its person up: he may have been enrolled for the wrong one.
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: c.Token.ID, Move: tokens.Revoke, Reason: "wrong customer"}); err != nil {
		t.Fatal(err)
	}
	right := state.NewCard("AZ100")
	b.EnrolCard(right, thief.ID, tokens.UseLogin)
	if !cardLogsIn(t, b, thief.ID, right) || cardLogsIn(t, b, who.ID, c) {
		t.Error("after the revocation")
	}
}

// Two enrolments of one person at the same moment, for two customers: one is done.
func TestClause5_3_6_OnePersonTwoCustomersAtOnce(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	const n = 4
	done := make(chan bool, n)
	for range n {
		p, c := b.BeginCard(b.Customer().ID, "", ""), state.NewCard("AZ100")
		answer := c.Answer(p.Nonce)
		go func() {
			_, err := b.Enrollment.FinishCard(context.WithoutCancel(t.Context()), enrollment.CardAnswer{Caller: b.Front(), ID: p.ID, Token: answer})
			done <- err == nil
		}()
	}
	total := 0
	for range n {
		if <-done {
			total++
		}
	}
	if total != 1 {
		t.Errorf("%d customers have the person", total)
	}
}

// The person in the certificate is the one the bank has identified, where the profile
// says so.
func TestClause4_3_2_ThePersonIsTheOneIdentified(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	b.Enrollment.Cards.SubjectIs = map[string]string{banktest.CardProfile: enrollment.SubjectKYCRef}
	who := b.Customer()
	if _, err := state.NewCard("AZ100").Give(b.BeginCard(who.ID, "", "")); !oneRefusal(err) || b.Count("token.activation", "refused", "subject-is-not-the-customer") != 1 {
		t.Errorf("another person: %v", err)
	}
	if who.KYCRef == "" {
		t.Fatal("the customer was not identified")
	}
	c := state.NewCard(who.KYCRef)
	if _, err := c.Give(b.BeginCard(who.ID, "", "")); err != nil {
		t.Errorf("the person: %v", err)
	}
}

// The bank's own authority names the token, so a customer may have several, and a
// certificate is enrolled on its own token only.
func TestClause4_3_2_TheCertificateNamesItsToken(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	b.Enrollment.Cards.SubjectIs = map[string]string{banktest.CardProfile: enrollment.SubjectToken}
	who := b.Customer()
	mine := []tokens.Token{eToken(t, b, "E-1", who.ID), eToken(t, b, "E-2", who.ID)}
	for i, tk := range mine {
		if tk, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: tk.ID, Move: tokens.Deliver}); err != nil || tk.State != tokens.Delivered {
			t.Fatal(err)
		}
		if _, err := state.NewCard(mine[1-i].ID).Give(b.BeginCard(who.ID, "", tk.ID)); !oneRefusal(err) || b.Count("token.activation", "refused", "subject-is-not-the-token") != i+1 {
			t.Fatalf("another token's: %v", err)
		}
		got, err := state.NewCard(tk.ID).Give(b.BeginCard(who.ID, "", tk.ID))
		if err != nil || got.State != tokens.Active || got.Profile != "acos5" || got.ID != tk.ID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}

// What an answer is refused for; the log has the cause.
func TestAttack10_CertificatesThatAreNotEnrolled(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	revoked := state.NewCard("AZ1")
	state.Responder.Revoke(revoked.Pair)
	other := pkitest.Root(t, "Another State")
	for name, try := range map[string]struct {
		card  *banktest.Card
		use   string
		cause card.Reason
	}{
		"revoked":                {revoked, tokens.UseLogin, card.Revoked},
		"expired":                {state.NewCard("AZ2", pkitest.Dates(pkitest.From, pkitest.From.AddDate(1, 0, 0))), tokens.UseLogin, card.Expired},
		"a weak key":             {state.NewCard("AZ3", pkitest.Kind("RSA-1024")), tokens.UseLogin, card.WeakKey},
		"for documents":          {state.NewSigner("AZ4"), tokens.UseLogin, card.SigningOnly},
		"not for documents":      {state.NewCard("AZ5"), tokens.UseSign, card.NotForSigning},
		"of another authority":   {&banktest.Card{}, tokens.UseLogin, card.NotTrusted},
		"without the person key": {state.NewCard("AZ6", pkitest.Subject("2.5.4.3=AZ6")), tokens.UseLogin, card.SubjectMissing},
	} {
		t.Run(name, func(t *testing.T) {
			c := try.card
			if c.Pair == nil {
				c = state.NewCard("AZ7")
				c.Pair = other.Card(t, "AZ7")
			}
			p := b.BeginCard(b.Customer().ID, try.use, "")
			if _, err := c.Give(p); !oneRefusal(err) || b.Count("token.activation", "refused", string(try.cause)) != 1 {
				t.Errorf("%v; the log: %s", err, b.Entries()[len(b.Entries())-1].Reason)
			}
		})
	}
	state.Responder.Change(func(a *pkitest.Answer) { a.Failure = 3 })
	if _, err := state.NewCard("AZ8").Give(b.BeginCard(b.Customer().ID, "", "")); !oneRefusal(err) || b.Count("token.activation", "refused", string(card.StatusUnavailable)) != 1 {
		t.Errorf("away: %v", err)
	}
}

// Renewal: a new certificate takes the place of the old one on the same card, with the
// proof of the old one, and beside it there is one for documents.
func TestClause4_3_2_ACardIsRenewed(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, old := b.Customer(), state.NewCard("AZ100")
	b.EnrolCard(old, who.ID, tokens.UseLogin)

	data := []byte(`{"customer":"` + who.ID + `","kind":"card","token":"` + old.Token.ID + `"}`)
	v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: who.ID, Purpose: authn.Action, Action: &authn.NamedAction{Name: "credential.enroll", Data: data}, Channel: parties.Internet,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: authn.Card, Secret: string(old.Answer(v.Attempt.Offers[0].Nonce))}); err != nil {
		t.Fatal(err)
	}
	p, err := b.Enrollment.BeginCard(t.Context(), enrollment.CardCommand{
		Caller: b.Front(), Customer: who.ID, Token: old.Token.ID, Proof: enrollment.Proof{Authentication: v.Attempt.ID}, Data: data,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !cardLogsIn(t, b, who.ID, old) {
		t.Error("the old certificate is out of use before the new one is there")
	}
	next := state.NewCard("AZ100")
	got, err := next.Give(p)
	if err != nil || got.ID != old.Token.ID || got.State != tokens.Active || len(got.Credentials) != 1 || !slices.Contains(got.Former, old.Token.Credentials[0]) {
		t.Fatalf("%+v, %v", got, err)
	}
	if cardLogsIn(t, b, who.ID, old) || !cardLogsIn(t, b, who.ID, next) {
		t.Error("the new certificate is not in the place of the old one")
	}
	rows, err := b.Store.Hot(t.Context(), old.Token.Credentials[0])
	if err != nil || rows[0].Hot.State != settle.HotRevoked {
		t.Errorf("the old one: %+v, %v", rows, err)
	}
	signer, asked := state.NewSigner("AZ100", pkitest.Kind("P-384")), b.BeginCard(who.ID, tokens.UseSign, old.Token.ID)
	long := sha512.Sum384(asked.Text)
	if text, err := b.Enrollment.Text(t.Context(), long[:]); err != nil || string(text) != string(asked.Text) {
		t.Errorf("by the hash of its key: %v", err)
	}
	got, err = signer.Give(asked)
	if err != nil || len(got.Credentials) != 2 {
		t.Fatalf("beside it: %+v, %v", got, err)
	}
	if !cardLogsIn(t, b, who.ID, next) {
		t.Error("the one for documents has pushed it out")
	}
	again := state.NewCard("AZ100")
	if got, err = again.Give(b.BeginCard(who.ID, "", old.Token.ID)); err != nil || len(got.Credentials) != 2 || !cardLogsIn(t, b, who.ID, again) || cardLogsIn(t, b, who.ID, next) {
		t.Errorf("renewed once more: %+v, %v", got, err)
	}
	// Never on somebody else's card, nor on one that is out of use.
	stranger := b.Customer()
	if err := begins(t, b, stranger.ID, old.Token.ID); !oneRefusal(err) || b.Count("token.enroll", "refused", "token-not-handed-out") != 1 {
		t.Errorf("a stranger's card: %v", err)
	}
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: old.Token.ID, Move: tokens.Suspend, Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	if err := begins(t, b, who.ID, old.Token.ID); !oneRefusal(err) || b.Count("token.enroll", "refused", "token-not-handed-out") != 2 {
		t.Errorf("a suspended card: %v", err)
	}
}

func begins(t *testing.T, b *banktest.Bank, customer, token string) error {
	t.Helper()
	sent, err := b.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: b.Staff(), Customer: customer, Purpose: "enroll", Channel: "email"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Enrollment.BeginCard(t.Context(), enrollment.CardCommand{
		Caller: b.Front(), Customer: customer, Token: token, Proof: enrollment.Proof{ActivationSecret: sent.Text}, Data: []byte("{}"),
	})
	return err
}

func TestACardBegunAnewEndsTheOneBefore(t *testing.T) {
	b := banktest.New(t)
	state := b.AllowCards()
	who, c := b.Customer(), state.NewCard("AZ100")
	first, second := b.BeginCard(who.ID, "", ""), b.BeginCard(who.ID, "", "")
	if _, err := c.Give(first); !problem.Is(err, problem.Expired) {
		t.Errorf("the first: %v", err)
	}
	if _, err := c.Give(second); err != nil {
		t.Errorf("the second: %v", err)
	}
	b.Enrollment.Cards = enrollment.Cards{}
	if err := begins(t, b, who.ID, ""); !problem.Is(err, problem.Forbidden) {
		t.Errorf("a bank that takes no cards: %v", err)
	}
}

// A profile of the bank's may bind its tokens to one issuer.
func TestClause4_3_2_ATokenOfAnotherIssuer(t *testing.T) {
	list, err := tokens.LoadProfiles(strings.NewReader(`{"profiles": [{"name": "own-card", "title": "Own card", "kinds": ["card"], "hashes": [], "digits": [],
		"pin_on_device": true, "software": false, "binds": true, "shown": "none", "issuer": "own"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := tokens.UseProfiles(list); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tokens.UseProfiles(nil); err != nil {
			t.Error(err)
		}
	})
	b := banktest.New(t)
	state := b.AllowCards()
	who := b.Customer()
	job := runs(t, b, []byte("serial\nO-1\n"), enrollment.ImportCommand{Format: enrollment.FormatSerials, Profile: "own-card"})
	if job.State != tokens.ImportCompleted || job.Imported != 1 {
		t.Fatalf("%+v", job)
	}
	var tk tokens.Token
	for _, m := range []tokens.Move{tokens.Assign, tokens.Deliver} {
		if tk, err = b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: "serial:O-1", Move: m, Customer: who.ID}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := state.NewCard("AZ100").Give(b.BeginCard(who.ID, "", tk.ID)); !oneRefusal(err) || b.Count("token.activation", "refused", "issuer-of-another-token") != 1 {
		t.Errorf("another issuer's: %v", err)
	}
}
