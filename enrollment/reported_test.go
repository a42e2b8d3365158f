package enrollment_test

import (
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/problem"
	"mohur/stoplist"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

func reported(t *testing.T, b *banktest.Bank, customer, kind string) {
	t.Helper()
	r := stoplist.New(stoplist.CustomerReport, b.Clock.Now())
	r.Customer, r.Kind, r.Channel, r.Caller = customer, kind, "phone", "cl_desk"
	if _, err := b.Enrollment.Take(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// Attack 6: keys and cards that wait end with the customer's report, a card that is
// renewed included, and what was in use before stays as the report leaves it.
func TestAttack06_KeysAndCardsThatWaitEndWithAReport(t *testing.T) {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	state := b.AllowCards()
	for kind, ends := range map[string]bool{"unauthorised": true, "suspected_access": true, "technical": false} {
		c, k := b.Customer(), b.NewKey()
		p := b.BeginKey(c.ID)
		reported(t, b, c.ID, kind)
		if _, err := finish(t, b, p.ID, k.Create(p.PublicKey)); (err == nil) == ends || ends && !problem.Is(err, problem.Expired) {
			t.Errorf("a key after %s: %v", kind, err)
		}
	}
	who, old := b.Customer(), state.NewCard("AZ100")
	b.EnrolCard(old, who.ID, tokens.UseLogin)
	renewal := b.BeginCard(who.ID, "", old.Token.ID)
	reported(t, b, who.ID, "stolen")
	b.Clock.Forward(time.Second)
	if _, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: old.Token.ID, Move: tokens.Resume, Reason: "found"}); err != nil {
		t.Fatal(err)
	}
	if _, err := state.NewCard("AZ100").Give(renewal); !problem.Is(err, problem.Expired) {
		t.Errorf("a renewal of a card that was found again: %v", err)
	}
	if !cardLogsIn(t, b, who.ID, old) {
		t.Error("the card that was found again does not log in")
	}
}

// Attack 6: a key and a card are not finished once the token that proved is, or was, out
// of use.
func TestAttack06_KeysAndCardsNeedTheirProof(t *testing.T) {
	b := banktest.New(t)
	b.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	state := b.AllowCards()
	proven := func(c string, d *banktest.Device) enrollment.Proof {
		v, err := b.Authn.Begin(t.Context(), authn.BeginCommand{
			Caller: b.Front(), Customer: c, Purpose: authn.Action, Action: &authn.NamedAction{Name: "credential.enroll", Data: []byte("{}")}, Channel: parties.Mobile,
		})
		if err != nil {
			t.Fatal(err)
		}
		for m, secret := range map[authn.Method]string{authn.PIN: banktest.PIN, authn.OTP: d.HOTP()} {
			if v, err = b.Authn.Answer(t.Context(), authn.AnswerCommand{Caller: b.Front(), Attempt: v.Attempt.ID, Method: m, Secret: secret}); err != nil {
				t.Fatal(err)
			}
		}
		return enrollment.Proof{Authentication: v.Attempt.ID}
	}
	suspended := func(c string, d *banktest.Device) error {
		_, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: d.ID, Move: tokens.Suspend, Reason: "x"})
		return err
	}
	for name, x := range map[string]struct {
		then func(string, *banktest.Device) error
		good bool
	}{
		"nothing":   {func(string, *banktest.Device) error { return nil }, true},
		"the token": {suspended, false},
		"the token, for a while": {func(c string, d *banktest.Device) error {
			if err := suspended(c, d); err != nil {
				return err
			}
			_, err := b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: b.Staff(), Token: d.ID, Move: tokens.Resume, Reason: "x"})
			return err
		}, false},
		"the channel": {func(c string, _ *banktest.Device) error {
			_, err := b.Parties.Suspend(t.Context(), b.Staff(), c, parties.Halt{Reason: "x", Channels: []parties.Channel{parties.Mobile}})
			return err
		}, false},
	} {
		c, d := b.Person(pskc.HOTP)
		k := b.NewKey()
		asked, err := b.Enrollment.BeginKey(t.Context(), enrollment.KeyCommand{Caller: b.Front(), Customer: c.ID, Proof: proven(c.ID, d), Data: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		card, err := b.Enrollment.BeginCard(t.Context(), enrollment.CardCommand{Caller: b.Front(), Customer: c.ID, Proof: proven(c.ID, d), Data: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		b.Clock.Forward(time.Second)
		if err := x.then(c.ID, d); err != nil {
			t.Fatal(err)
		}
		if _, err := finish(t, b, asked.ID, k.Create(asked.PublicKey)); (err == nil) != x.good || !x.good && !oneRefusal(err) {
			t.Errorf("a key after %s: %v", name, err)
		}
		if _, err := state.NewCard("AZ" + c.ID).Give(card); (err == nil) != x.good || !x.good && !oneRefusal(err) {
			t.Errorf("a card after %s: %v", name, err)
		}
	}
}
