package payment_test

import (
	"context"
	"sync"
	"testing"

	"mohur/enrollment"
	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
	"mohur/settle"
	"mohur/store/bolttest"
	"mohur/tokens"
)

// Clause 5.27: who can write to the database does not get more payments without
// a proof: a count that is edited, removed or put back exempts nothing any more.
func TestClause5_27_TheCountOfExemptionsIsNotResetByAThief(t *testing.T) {
	for name, rob := range map[string]func(f bolttest.File, id string, old []byte){
		"removed":  func(f bolttest.File, id string, _ []byte) { f.Delete("hot", id) },
		"put back": func(f bolttest.File, id string, old []byte) { f.Put("hot", id, old) },
		"edited": func(f bolttest.File, id string, _ []byte) {
			row := f.Get("hot", id)
			row[9] = 0 // the count
			f.Put("hot", id, row)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t)
			id := "allowance/" + p.customer.ID
			p.pay(p.command("10.00"))
			var old []byte
			p.b.Edit(func(f bolttest.File) { old = f.Get("hot", id) })
			for range 4 {
				p.pay(p.command("10.00"))
			}
			p.b.Edit(func(f bolttest.File) { rob(f, id, old) })
			for range 3 {
				v := p.pay(p.command("10.00"))
				if v.Transaction.State != payment.PendingProof || v.Transaction.Exemption != "" {
					t.Fatalf("exempt after the theft: %+v", v.Transaction)
				}
			}
			if n := p.b.Count("incident.opened", "", "allowance.quarantined"); n != 1 {
				t.Errorf("%d incidents", n)
			}
			v := p.pay(p.command("60.00"))
			if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
				t.Fatalf("a proof still serves: %v", err)
			}
		})
	}
}

// between is a store before whose next settling something else happens.
type between struct {
	settle.Store
	once sync.Once
	do   func()
}

func (s *between) Settle(ctx context.Context, c settle.Command) (settle.Result, error) {
	s.once.Do(s.do)
	return s.Store.Settle(ctx, c)
}

// Clause 5.17.3: a token that is reported stolen while a payment is decided does
// not pay any more, not even what would be exempt; found again, it does not
// bring the session back.
func TestClause5_17_3_ATheftBeatsAPayment(t *testing.T) {
	p := newPayer(t)
	whole := p.b.Payments.Settler
	p.b.Payments.Settler = &between{Store: whole, do: func() {
		if _, err := p.b.Enrollment.Report(t.Context(), p.b.Staff(), p.device.ID, "stolen", ""); err != nil {
			t.Error(err)
		}
	}}
	if v, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.SessionEnded) {
		t.Fatalf("%+v, %v", v.Transaction, err)
	}
	p.b.Payments.Settler = whole
	if _, err := p.b.Enrollment.Move(t.Context(), enrollment.MoveCommand{Caller: p.b.Staff(), Token: p.device.ID, Move: tokens.Resume, Reason: "found"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.SessionEnded) {
		t.Fatalf("the session came back with the token: %v", err)
	}
	p.login()
	p.pay(p.command("10.00"))
}

// A payment is cancelled by the front end that began it.
func TestOnlyItsFrontEndCancels(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("500.00"))
	core := parties.Caller{ID: "cl_other", Roles: []parties.Role{parties.Frontend, parties.Core}, Channels: parties.Channels()}
	if _, err := p.b.Payments.Cancel(t.Context(), core, v.Transaction.ID); !problem.Is(err, problem.NotFound) {
		t.Fatal(err)
	}
	if _, err := p.b.Payments.Cancel(t.Context(), p.b.Front(), v.Transaction.ID); err != nil {
		t.Fatal(err)
	}
}
