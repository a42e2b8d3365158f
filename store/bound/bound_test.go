package bound_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/hsm"
	"mohur/ident"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
	"mohur/store/bound"
	"mohur/tokens"
	"mohur/tokens/pskc"
)

// thief writes a record past the server: the engine takes it, the MAC is the old
// one or none.
func thief(t *testing.T, b *banktest.Bank, e settle.Effect) {
	t.Helper()
	d, err := b.Audit.Draft(t.Context(), audit.Event{Name: "thief", Outcome: "done", Detail: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Engine.Settle(t.Context(), settle.Command{Effects: []settle.Effect{e}, Entries: []audit.Draft{d}})
	if err != nil || r.Outcome != settle.Done {
		t.Fatalf("%s, %v", r.Outcome, err)
	}
}

// get reads a record as it lies on the disk and raises its version.
func get[T any](t *testing.T, read func(context.Context, string) (T, error), id string) T {
	t.Helper()
	r, err := read(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// world is a bank with one person who is logged in and has a payment to prove.
type world struct {
	*banktest.Bank
	t        *testing.T
	customer parties.Customer
	device   *banktest.Device
	session  string
	payment  payment.View
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Bank: banktest.New(t), t: t}
	w.customer, w.device = w.Person(pskc.HOTP, pskc.OCRA)
	v := w.begin(authn.Login, nil)
	w.answer(v, authn.PIN, banktest.PIN)
	got, err := w.answer(v, authn.OTP, w.device.HOTP())
	if err != nil {
		t.Fatal(err)
	}
	w.session = got.Session.Session.ID
	w.payment = w.pay("100.00")
	return w
}

func (w *world) begin(p authn.Purpose, a *authn.NamedAction) string {
	w.t.Helper()
	v, err := w.Authn.Begin(w.t.Context(), authn.BeginCommand{Caller: w.Front(), Customer: w.customer.ID, Purpose: p, Action: a, Channel: parties.Internet})
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Attempt.ID
}

func (w *world) answer(attempt string, m authn.Method, secret string) (authn.View, error) {
	return w.Authn.Answer(w.t.Context(), authn.AnswerCommand{Caller: w.Front(), Attempt: attempt, Method: m, Secret: secret})
}

func (w *world) pay(value string) payment.View {
	w.t.Helper()
	v, err := w.Payments.Create(w.t.Context(), w.command(value))
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) command(value string) payment.CreateCommand {
	party := payment.Party{Name: "A", Account: "AZ1", Bank: "B", Country: "AZ"}
	return payment.CreateCommand{
		Caller: w.Front(), Session: w.session, Reference: "R-" + ident.Text(8), Channel: parties.Internet, Service: "transactional",
		Amount: payment.Money{Value: value, Currency: "AZN"}, Purpose: "p", Payer: party, Payee: party,
		Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "u", DeviceID: "d", Country: "AZ"},
	}
}

// Clause 5.27: what a writer of the database changes grants nothing.
func TestClause5_27_AChangedRecordGrantsNothing(t *testing.T) {
	for name, attack := range map[string]func(t *testing.T, w *world) error{
		"an action's attempt set to granted": func(t *testing.T, w *world) error {
			id := w.begin(authn.Action, &authn.NamedAction{Name: "customer.pin", Data: []byte("{}")})
			a := get(t, w.Engine.Attempt, id)
			a.State, a.Version = authn.Granted, a.Version+1
			thief(t, w.Bank, authn.SaveAttempt{Attempt: a})
			return w.Enrollment.SetPIN(t.Context(), enrollment.PINCommand{Caller: w.Front(), Customer: w.customer.ID, PIN: "582013", Proof: enrollment.Proof{Authentication: id}})
		},
		"a payment's attempt without the PIN": func(t *testing.T, w *world) error {
			a := get(t, w.Engine.Attempt, w.payment.Authentication.Attempt.ID)
			a.ACR, a.Ways, a.Version = authn.Single, [][]authn.Method{{authn.OCRA}}, a.Version+1
			thief(t, w.Bank, authn.SaveAttempt{Attempt: a})
			_, err := w.answer(a.ID, authn.OCRA, w.device.OCRA(a.Offers[0].Question))
			return err
		},
		"a payment of another amount": func(t *testing.T, w *world) error {
			tx := get(t, w.Engine.Transaction, w.payment.Transaction.ID)
			tx.Minor, tx.Version = 99_999_00, tx.Version+1
			thief(t, w.Bank, payment.SaveTransaction{Transaction: tx})
			id := w.payment.Authentication.Attempt.ID
			w.answer(id, authn.PIN, banktest.PIN)
			_, err := w.answer(id, authn.OCRA, w.device.OCRA(w.payment.Authentication.Attempt.Offers[0].Question))
			return err
		},
		"a session of somebody else": func(t *testing.T, w *world) error {
			victim := w.Customer()
			s := get(t, w.Engine.Session, w.session)
			s.Customer, s.Version = victim.ID, s.Version+1
			thief(t, w.Bank, authn.SaveSession{Session: s})
			_, err := w.Payments.Create(t.Context(), w.command("10.00"))
			return err
		},
		"a session bound to the thief's key": func(t *testing.T, w *world) error {
			s := get(t, w.Engine.Session, w.session)
			s.Holder.JKT, s.Version = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", s.Version+1
			thief(t, w.Bank, authn.SaveSession{Session: s})
			_, err := w.Authn.Again(t.Context(), w.Front(), w.session)
			return err
		},
		"a secret of somebody else": func(t *testing.T, w *world) error {
			victim := w.Customer()
			sent, err := w.Enrollment.SendSecret(t.Context(), enrollment.SecretCommand{Caller: w.Staff(), Customer: w.customer.ID, Purpose: "pin", Channel: "sms"})
			if err != nil {
				t.Fatal(err)
			}
			mine, err := w.Engine.OpenSecrets(t.Context(), w.customer.ID, "pin", "")
			if err != nil || len(mine) != 1 {
				t.Fatal(err)
			}
			mine[0].Customer, mine[0].Version = victim.ID, 2
			thief(t, w.Bank, enrollment.SaveSecret{Secret: mine[0]})
			return w.Enrollment.SetPIN(t.Context(), enrollment.PINCommand{Caller: w.Front(), Customer: victim.ID, PIN: "582013", Proof: enrollment.Proof{ActivationSecret: sent.Text}})
		},
		"a token with a better profile": func(t *testing.T, w *world) error {
			tk := get(t, w.Engine.Token, w.device.ID)
			tk.Profile, tk.Version = "oath-pin", tk.Version+1
			thief(t, w.Bank, tokens.SaveToken{Token: tk})
			id := w.begin(authn.Login, nil)
			if v, err := w.answer(id, authn.OTP, w.device.HOTP()); err != nil || v.Session != nil {
				return err
			}
			_, err := w.answer(id, authn.PIN, "999999") // the thief of the token knows no PIN
			return err
		},
		"a revoked token back to suspended": func(t *testing.T, w *world) error {
			move := func(m tokens.Move) error {
				_, err := w.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: w.Staff(), Token: w.device.ID, Move: m, Reason: "r"})
				return err
			}
			if err := move(tokens.Revoke); err != nil {
				t.Fatal(err)
			}
			tk := get(t, w.Engine.Token, w.device.ID)
			tk.State, tk.Version = tokens.Suspended, tk.Version+1
			thief(t, w.Bank, tokens.SaveToken{Token: tk})
			return move(tokens.Resume)
		},
		"a company that one person pays for": func(t *testing.T, w *world) error {
			_, _, err := w.Parties.PutHolder(t.Context(), parties.HolderCommand{
				Caller: w.Staff(), ID: "H-1", Name: "A company", Signers: []string{w.customer.ID, w.Customer().ID}, Rules: []parties.SigningRule{{Required: 2}},
			})
			if err != nil {
				t.Fatal(err)
			}
			cmd := w.command("100.00")
			cmd.Holder = "H-1"
			v, err := w.Payments.Create(t.Context(), cmd)
			if err != nil {
				t.Fatal(err)
			}
			h := get(t, w.Engine.Holder, "H-1")
			h.Rules, h.Version = []parties.SigningRule{{Required: 1}}, h.Version+1
			thief(t, w.Bank, parties.SaveHolder{Holder: h})
			id := v.Authentication.Attempt.ID
			w.answer(id, authn.PIN, banktest.PIN)
			_, err = w.answer(id, authn.OCRA, w.device.OCRA(v.Authentication.Attempt.Offers[0].Question))
			return err
		},
		"a client of the thief's own": func(t *testing.T, w *world) error {
			c := parties.Client{ID: ident.New("cl"), Name: "thief", Roles: parties.Roles(), Channels: parties.Channels(), Version: 1}
			text, key := parties.NewKey(c.ID, w.Clock.Now(), w.Clock.Now().Add(time.Hour))
			c.Keys = []parties.ClientKey{key}
			thief(t, w.Bank, parties.SaveClient{Client: c})
			_, err := w.Parties.Authenticate(t.Context(), text)
			return err
		},
		"a suspended customer set to active": func(t *testing.T, w *world) error {
			c, err := w.Parties.SetState(t.Context(), w.Staff(), w.customer.ID, parties.CustomerSuspended, "4.6", true)
			if err != nil {
				t.Fatal(err)
			}
			c.State, c.Version = parties.CustomerActive, c.Version+1
			thief(t, w.Bank, parties.SaveCustomer{Customer: c})
			_, err = w.Payments.Create(t.Context(), w.command("10.00"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			opened, approved := w.Count("session.opened", "", ""), w.Count("transaction.approved", "", "")
			err := attack(t, w)
			if err == nil {
				t.Fatal("it was granted")
			}
			if !problem.Is(err, problem.Unavailable) && !problem.Is(err, problem.AuthenticationFailed) {
				t.Errorf("refused as %v", err)
			}
			if w.Count("session.opened", "", "") != opened || w.Count("transaction.approved", "", "") != approved {
				t.Error("the log tells of a grant")
			}
			if w.Count("incident.opened", "", "record.tampered") != 1 {
				t.Errorf("%d incidents", w.Count("incident.opened", "", "record.tampered"))
			}
		})
	}
}

// A record is signed anew whenever it is settled, and read back as it was.
func TestRecordsComeBack(t *testing.T) {
	w := newWorld(t)
	if err := w.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	w.Open()
	for name, read := range map[string]func() error{
		"customer":    func() error { _, err := w.Store.Customer(t.Context(), w.customer.ID); return err },
		"token":       func() error { _, err := w.Store.Token(t.Context(), w.device.ID); return err },
		"session":     func() error { _, err := w.Store.Session(t.Context(), w.session); return err },
		"attempt":     func() error { _, err := w.Store.Attempt(t.Context(), w.payment.Authentication.Attempt.ID); return err },
		"transaction": func() error { _, err := w.Store.Transaction(t.Context(), w.payment.Transaction.ID); return err },
	} {
		if err := read(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Authn.Touch(t.Context(), w.Front(), w.session, "", true, nil); err != nil {
		t.Errorf("a touched session: %v", err)
	}
	if _, err := w.Store.Session(t.Context(), w.session); err != nil {
		t.Errorf("a session after its touch: %v", err)
	}
	if _, err := w.Store.Customer(t.Context(), "nobody"); !errors.Is(err, parties.ErrNotFound) || errors.Is(err, bound.ErrTampered) {
		t.Errorf("nobody: %v", err)
	}
}

// macs is a module that answers many MACs otherwise than it should.
type macs struct {
	settle.Module
	answer func([][]byte) [][]byte
}

func (m macs) MACs(ctx context.Context, key hsm.Key, inputs ...hsm.Input) ([][]byte, error) {
	made, err := m.Module.MACs(ctx, key, inputs...)
	return m.answer(made), err
}

// A record goes into the store with its own MAC or not at all.
func TestNoRecordWithoutItsMAC(t *testing.T) {
	b := banktest.New(t)
	c := b.Customer()
	good := b.Store.HSM
	for name, answer := range map[string]func([][]byte) [][]byte{
		"none":      func([][]byte) [][]byte { return nil },
		"too few":   func(m [][]byte) [][]byte { return m[:len(m)-1] },
		"too many":  func(m [][]byte) [][]byte { return append(m, m[0]) },
		"short":     func(m [][]byte) [][]byte { m[0] = m[0][:31]; return m },
		"an absent": func(m [][]byte) [][]byte { m[0] = nil; return m },
	} {
		b.Store.HSM = macs{good, answer}
		if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "4.6", true); err == nil {
			t.Errorf("%s: it was settled", name)
		}
		b.Store.HSM = good
		if got, err := b.Store.Customer(t.Context(), c.ID); err != nil || got.State != parties.CustomerActive {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
