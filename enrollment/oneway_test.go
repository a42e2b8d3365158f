package enrollment_test

import (
	"strings"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// ways is a customer who gets his factors by activation secrets.
type ways struct {
	*banktest.Bank
	customer string
}

func (w ways) secret(purpose, channel string) (string, error) {
	sent, err := w.Enrollment.SendSecret(w.T.Context(), enrollment.SecretCommand{Caller: w.Staff(), Customer: w.customer, Purpose: purpose, Channel: channel})
	return sent.Text, err
}

func (w ways) mustSend(purpose, channel string) string {
	w.T.Helper()
	text, err := w.secret(purpose, channel)
	if err != nil {
		w.T.Fatalf("%s by %s: %v", purpose, channel, err)
	}
	return text
}

func (w ways) mustNotSend(purpose, channel string) {
	w.T.Helper()
	if _, err := w.secret(purpose, channel); !problem.Is(err, problem.Conflict) || !strings.Contains(err.Error(), "take ") {
		w.T.Errorf("%s by %s: %v", purpose, channel, err)
	}
}

func (w ways) setPIN(secret, pin string) {
	w.T.Helper()
	if err := w.Enrollment.SetPIN(w.T.Context(), enrollment.PINCommand{Caller: w.Front(), Customer: w.customer, PIN: pin, Proof: enrollment.Proof{ActivationSecret: secret}}); err != nil {
		w.T.Fatal(err)
	}
}

func (w ways) beginApp(secret string) enrollment.PendingApp {
	w.T.Helper()
	app, err := w.Enrollment.BeginApp(w.T.Context(), enrollment.AppCommand{Caller: w.Front(), Customer: w.customer, Kind: tokens.TOTP, Proof: enrollment.Proof{ActivationSecret: secret}})
	if err != nil {
		w.T.Fatal(err)
	}
	return app
}

// proofOf is a granted proof of an act without data.
func proofOf(b *banktest.Bank, customer string, d *banktest.Device, act string) string {
	b.T.Helper()
	v, err := b.Authn.Begin(b.T.Context(), authn.BeginCommand{
		Caller: b.Front(), Customer: customer, Purpose: authn.Action, Channel: parties.Internet, Action: &authn.NamedAction{Name: act, Data: []byte("{}")},
	})
	for _, a := range []authn.AnswerCommand{{Method: authn.PIN, Secret: banktest.PIN}, {Method: authn.OTP, Secret: d.HOTP()}} {
		if err != nil {
			b.T.Fatal(err)
		}
		a.Caller, a.Attempt = b.Front(), v.Attempt.ID
		v, err = b.Authn.Answer(b.T.Context(), a)
	}
	if err != nil || v.Attempt.State != authn.Granted {
		b.T.Fatal(v.Attempt.State, err)
	}
	return v.Attempt.ID
}

func newWays(t *testing.T) ways {
	b := banktest.New(t)
	b.Enrollment.Apps = true
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	return ways{b, b.Customer().ID}
}

// Whoever reads a customer's telephone, or empties his letter-box, gets one factor at
// the most (RTS Art. 25).
func TestClause5_21_TwoFactorsNeverComeByOneChannel(t *testing.T) {
	others := map[string]string{"sms": "letter", "email": "sms", "letter": "email"}
	for channel, other := range others {
		t.Run("the PIN first, by "+channel, func(t *testing.T) {
			w := newWays(t)
			text := w.mustSend("pin", channel)
			w.mustNotSend("enroll", channel) // under way
			w.setPIN(text, "582013")
			w.mustNotSend("enroll", channel)
			w.Clock.Forward(1000 * time.Hour)
			w.mustNotSend("enroll", channel) // however long ago
			app := w.beginApp(w.mustSend("enroll", other))
			if app.ID == "" {
				t.Error("no app by another channel")
			}
		})
		t.Run("the app first, by "+channel, func(t *testing.T) {
			w := newWays(t)
			text := w.mustSend("enroll", channel)
			w.mustNotSend("pin", channel)
			w.beginApp(text)
			w.mustNotSend("pin", channel) // it waits for its first code
			w.Clock.Forward(11 * time.Minute)
			w.mustSend("pin", channel) // it is over, without a first code
		})
		t.Run("a key first, by "+channel, func(t *testing.T) {
			w := newWays(t)
			text := w.mustSend("enroll", channel)
			k := w.NewKey()
			p, err := w.Enrollment.BeginKey(t.Context(), enrollment.KeyCommand{Caller: w.Front(), Customer: w.customer, Proof: enrollment.Proof{ActivationSecret: text}})
			if err != nil {
				t.Fatal(err)
			}
			w.mustNotSend("pin", channel)
			tk, err := w.Enrollment.FinishKey(t.Context(), enrollment.KeyAnswer{Caller: w.Front(), ID: p.ID, Credential: k.Create(p.PublicKey)})
			if err != nil {
				t.Fatal(err)
			}
			w.Clock.Forward(1000 * time.Hour)
			w.mustNotSend("pin", channel) // as long as it lives
			if _, err := w.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: w.Staff(), Token: tk.ID, Move: tokens.Suspend, Reason: "r"}); err != nil {
				t.Fatal(err)
			}
			w.mustNotSend("pin", channel)
			if _, err := w.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: w.Staff(), Token: tk.ID, Move: tokens.Revoke, Reason: "r"}); err != nil {
				t.Fatal(err)
			}
			w.mustSend("pin", channel)
		})
	}
	t.Run("a secret that is over", func(t *testing.T) {
		w := newWays(t)
		w.mustSend("pin", "sms")
		w.Clock.Forward(11 * time.Minute)
		w.mustSend("enroll", "sms")
		w.mustNotSend("pin", "sms")
	})
	t.Run("a PIN set by what he has", func(t *testing.T) {
		b := banktest.New(t)
		b.Enrollment.Apps = true
		c, d := b.Person(pskc.HOTP) // his PIN came by sms
		w := ways{b, c.ID}
		w.mustNotSend("enroll", "sms")
		cmd := enrollment.PINCommand{Caller: b.Front(), Customer: c.ID, PIN: "582013", Proof: enrollment.Proof{Authentication: proofOf(b, c.ID, d, "customer.pin")}}
		if err := b.Enrollment.SetPIN(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
		w.beginApp(w.mustSend("enroll", "sms"))
	})
}

// What was sent before the other factor came that way is not good any more, and told
// to nobody: only the log says why.
func TestClause5_21_ASecretIsAskedAgainWhenItIsUsed(t *testing.T) {
	w := newWays(t)
	app := w.mustSend("enroll", "sms")
	// As if both had been sent: the file is the server's own, of before the rule.
	stray := enrollment.Secret{
		ID: ident.New("as"), Customer: w.customer, Purpose: "pin", Channel: "sms", State: "open", CreatedAt: w.Clock.Now().UTC(), ExpiresAt: w.Clock.Now().Add(time.Minute).UTC(), Version: 1,
	}
	const text = "AAAAAAAAAAAA"
	var err error
	if stray.Digest, err = w.HSM.MAC(t.Context(), hsm.IdempotencyMAC, "activation-secret/v1", []byte(stray.ID), []byte(w.customer), []byte("pin"), nil, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if r, err := settle.Write(t.Context(), w.Store, w.Audit, []settle.Effect{enrollment.SaveSecret{Secret: stray}}, []audit.Event{{Name: "secret.sent"}}); err != nil || r.Outcome != settle.Done {
		t.Fatal(r, err)
	}
	if err := w.Enrollment.SetPIN(t.Context(), enrollment.PINCommand{Caller: w.Front(), Customer: w.customer, PIN: "582013", Proof: enrollment.Proof{ActivationSecret: text}}); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("the second of two secrets: %v", err)
	}
	if w.Count("customer.pin", "refused", "one-channel") != 1 {
		t.Error("the log does not tell why")
	}
	w.beginApp(app)
}
