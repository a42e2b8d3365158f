package authn_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/risk"
	"mohur/settle"
	"mohur/tokens/pskc"
)

// provable are the acts of the contract, and one of a bank's own.
var provable = []string{
	"customer.contacts", "customer.pin", "credential.enroll", "credential.activate", "limits.raise", "payees.add", "approval", "x.cards.block",
}

func act(b *banktest.Bank, customer, name, data string) authn.BeginCommand {
	return authn.BeginCommand{
		Caller: b.Front(), Customer: customer, Purpose: authn.Action, Channel: parties.Internet, Action: &authn.NamedAction{Name: name, Data: []byte(data)},
	}
}

// acted is the id of a granted proof.
func acted(t *testing.T, b *banktest.Bank, customer string, d *banktest.Device, name, data string) string {
	t.Helper()
	v, err := b.Authn.Begin(t.Context(), act(b, customer, name, data))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := prove(t, b, v, d); err != nil || got.Attempt.State != authn.Granted || got.Session != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	return v.Attempt.ID
}

// A proof is for one customer, one act, one thing and one front end, and serves once.
func TestClause2_1_AProofServesItsActionOnly(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	other, _ := b.Person(pskc.HOTP)
	foreign := b.Front()
	foreign.ID = "cl_another"
	const data = `{"account":"AZ77VTBA00000000001234567890","name":"Rəşad"}`
	for _, name := range provable {
		id := acted(t, b, c.ID, d, name, data)
		kept, err := b.Store.Attempt(t.Context(), id)
		if err != nil || kept.Action.Data != nil || len(kept.Action.SHA256) != 32 {
			t.Errorf("%s: the record has %+v, %v", name, kept.Action, err)
		}
		spend := func(by parties.Caller, customer, name, data string) ([]settle.Effect, error) {
			return b.Authn.Spend(t.Context(), by, id, customer, name, []byte(data))
		}
		for _, another := range provable {
			if _, err := spend(b.Front(), c.ID, another, data); (err == nil) != (another == name) {
				t.Errorf("%s as %s: %v", name, another, err)
			}
		}
		for what, err := range map[string]error{
			"other data":        second(spend(b.Front(), c.ID, name, strings.Replace(data, "7890", "7891", 1))),
			"no data":           second(spend(b.Front(), c.ID, name, "")),
			"another person":    second(spend(b.Front(), other.ID, name, data)),
			"another front end": second(spend(foreign, c.ID, name, data)),
		} {
			if !problem.Is(err, problem.ProofRequired) {
				t.Errorf("%s with %s: %v", name, what, err)
			}
		}
		effects, err := spend(b.Front(), c.ID, name, data)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := settle.Write(t.Context(), b.Store, b.Audit, effects, []audit.Event{{Name: "test", Outcome: "spent"}}); err != nil || r.Outcome != settle.Done {
			t.Fatalf("%+v, %v", r, err)
		}
		if _, err := spend(b.Front(), c.ID, name, data); !problem.Is(err, problem.ProofRequired) {
			t.Errorf("%s a second time: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// It is no older than an attempt lives, whenever it was granted, and ends with its
// customer.
func TestClause5_18_AnActionsProofIsFresh(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	id := acted(t, b, c.ID, d, "payees.add", "{}")
	b.Clock.Forward(b.Authn.Settings.AttemptLife - 2*time.Second)
	if _, err := b.Authn.Spend(t.Context(), b.Front(), id, c.ID, "payees.add", []byte("{}")); err != nil {
		t.Errorf("before its end: %v", err)
	}
	b.Clock.Forward(2 * time.Second)
	if _, err := b.Authn.Spend(t.Context(), b.Front(), id, c.ID, "payees.add", []byte("{}")); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("after its end: %v", err)
	}
	id = acted(t, b, c.ID, d, "x.a", "{}")
	if _, err := b.Parties.SetState(t.Context(), b.Staff(), c.ID, parties.CustomerSuspended, "4.6", true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authn.SpendOwn(t.Context(), b.Front(), id, c.ID, authn.NamedAction{Name: "x.a", Data: []byte("{}")}); !problem.Is(err, problem.ProofRequired) {
		t.Errorf("of a suspended customer: %v", err)
	}
}

// No policy lets an act go with one factor.
func TestClause5_18_AnActionTakesTwoFactors(t *testing.T) {
	b := banktest.New(t)
	b.Rules.LoginACR = string(authn.Single)
	c, d := b.Person(pskc.HOTP)
	for _, name := range provable {
		cmd := act(b, c.ID, name, "{}")
		cmd.ACR = authn.Single
		v, err := b.Authn.Begin(t.Context(), cmd)
		if err != nil || v.Attempt.ACR != authn.Strong {
			t.Fatalf("%s: %s, %v", name, v.Attempt.ACR, err)
		}
		if got, err := answer(t, b, v.Attempt.ID, authn.OTP, d.HOTP()); err != nil || got.Attempt.State != authn.Pending {
			t.Errorf("%s: a code alone: %+v, %v", name, got.Attempt.State, err)
		}
		if _, err := b.Authn.Spend(t.Context(), b.Front(), v.Attempt.ID, c.ID, name, []byte("{}")); !problem.Is(err, problem.ProofRequired) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnActionHasAKnownNameAndAnObject(t *testing.T) {
	b := banktest.New(t)
	c, _ := b.Person(pskc.HOTP)
	for name, good := range map[string]bool{
		"limits.raise": true, "x.a": true, "x.cards.block": true, "x.a.b.c": true, "x.open_account-2": true,
		"": false, "limits.lower": false, "Limits.raise": false, "limits.raise ": false, "x": false, "x.": false, "x.A": false, "x.a.": false, "x..a": false, "x.-a": false,
		"x.a.b.c.d": false, "x." + strings.Repeat("a", 21): false, "xa": false, "y.a": false, "x.a\n": false, "x.ə": false,
	} {
		if _, err := b.Authn.Begin(t.Context(), act(b, c.ID, name, "{}")); (err == nil) != good || err != nil && !at(err, "action.name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for data, good := range map[string]bool{
		"{}": true, `{"a":1}`: true, `{"a":"` + strings.Repeat("x", 48<<10-8) + `"}`: true,
		"": false, "[]": false, "null": false, `"a"`: false, "{": false, `{"a":1}x`: false, `{"a":"` + strings.Repeat("x", 48<<10-7) + `"}`: false,
	} {
		if _, err := b.Authn.Begin(t.Context(), act(b, c.ID, "x.a", data)); (err == nil) != good || err != nil && !at(err, "action.data") {
			t.Errorf("%.20q: %v", data, err)
		}
	}
}

// at reports whether a refusal is about that member.
func at(err error, field string) bool {
	var p *problem.Error
	return errors.As(err, &p) && p.Code == problem.Invalid && len(p.Fields) == 1 && p.Fields[0].Field == field
}

// Of many that spend one proof at once, on two nodes, one does.
func TestClause2_1_OfSpendsAtOnceOneServes(t *testing.T) {
	b := banktest.New(t)
	c, d := b.Person(pskc.HOTP)
	nodes := []*authn.Service{b.Authn, node(t, b)}
	id := acted(t, b, c.ID, d, "x.cards.block", `{"card":"7"}`)
	foreign := b.Front()
	foreign.ID = "cl_another"
	own := authn.NamedAction{Name: "x.cards.block", Data: []byte(`{"card":"7"}`)}
	if _, err := b.Authn.SpendOwn(t.Context(), foreign, id, c.ID, own); !problem.Is(err, problem.NotFound) {
		t.Errorf("another front end: %v", err)
	}
	if _, err := b.Authn.SpendOwn(t.Context(), b.Front(), id, c.ID, authn.NamedAction{Name: "limits.raise", Data: own.Data}); !at(err, "action.name") {
		t.Errorf("an act of the house: %v", err)
	}
	var served atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			v, err := nodes[i%2].SpendOwn(t.Context(), b.Front(), id, c.ID, own)
			switch {
			case err == nil && v.Attempt.Spent:
				served.Add(1)
			case !problem.Is(err, problem.ProofRequired):
				t.Errorf("%+v, %v", v.Attempt, err)
			}
		})
	}
	all.Wait()
	if n := served.Load(); n != 1 || b.Count("authentication.spent", "spent", "") != 1 {
		t.Errorf("it was spent %d times", n)
	}
}

// What was computed for one purpose is refused for each other, and a proof that was
// granted for one is no proof of another.
func TestClause2_1_AProofServesItsPurposeOnly(t *testing.T) {
	b := banktest.New(t)
	c, d, g := entered(t, b, pskc.OCRA)
	open := map[authn.Purpose]authn.View{authn.Login: begin(t, b, c.ID)}
	var err error
	if open[authn.Action], err = b.Authn.Begin(t.Context(), act(b, c.ID, "payees.add", "{}")); err != nil {
		t.Fatal(err)
	}
	tx, err := b.Payments.Create(t.Context(), payment.CreateCommand{
		Caller: b.Front(), AccessToken: g.AccessToken, Reference: "R-purpose", Channel: parties.Internet, Service: "transactional",
		Amount: payment.Money{Value: "1500.00", Currency: "AZN"}, Purpose: "invoice 7",
		Payer:   payment.Party{Name: "Aygün Məmmədova", Account: "AZ21NABZ00000000137010001944", Bank: "Bank A"},
		Payee:   payment.Party{Name: "Rəşad Əliyev", Account: "AZ77VTBA00000000001234567890", Bank: "Bank B", Country: "AZ"},
		Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "test", DeviceID: "d-1", Country: "AZ"},
	})
	if err != nil || tx.Authentication == nil {
		t.Fatalf("%+v, %v", tx, err)
	}
	open[authn.Payment] = *tx.Authentication
	question := func(p authn.Purpose) string {
		for _, o := range open[p].Attempt.Offers {
			if o.Method == authn.OCRA {
				return o.Question
			}
		}
		t.Fatalf("%s: no question", p)
		return ""
	}
	for p, v := range open {
		if _, err := answer(t, b, v.Attempt.ID, authn.PIN, banktest.PIN); err != nil {
			t.Fatal(err)
		}
		for q := range open {
			if q == p {
				continue
			}
			if _, err := answer(t, b, v.Attempt.ID, authn.OCRA, d.OCRA(question(q))); !refused(err) {
				t.Errorf("an answer to %s for %s: %v", q, p, err)
			}
		}
		got, err := answer(t, b, v.Attempt.ID, authn.OCRA, d.OCRA(question(p)))
		if err != nil || (got.Session != nil) != (p == authn.Login) || (got.Transaction != nil) != (p == authn.Payment) {
			t.Errorf("%s: %+v, %v", p, got, err)
		}
		if _, err := b.Authn.Spend(t.Context(), b.Front(), v.Attempt.ID, c.ID, "payees.add", []byte("{}")); (err == nil) != (p == authn.Action) {
			t.Errorf("a granted %s as an action: %v", p, err)
		}
	}
}
