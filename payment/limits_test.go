package payment_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mohur/parties"
	"mohur/payment"
	"mohur/problem"
)

// RTS Art. 16: at most five exempt payments, and 150 AZN, since the last proof;
// parallel ones never share a place.
func TestClause5_18_TheExemptionIsCounted(t *testing.T) {
	p := newPayer(t)
	var exempt, asked atomic.Int64
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			v, err := p.b.Payments.Create(t.Context(), p.command("10.00"))
			switch {
			case err != nil:
				t.Error(err)
			case v.Transaction.Exemption != "":
				exempt.Add(1)
			default:
				asked.Add(1)
			}
		})
	}
	work.Wait()
	if exempt.Load() != 5 {
		t.Fatalf("%d exempt, %d asked", exempt.Load(), asked.Load())
	}
	v := p.pay(p.command("60.00"))
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"50.00", "50.00", "50.00"} {
		if v := p.pay(p.command(value)); v.Transaction.Exemption == "" {
			t.Fatalf("after a proof the count starts again: %+v", v.Transaction)
		}
	}
	if v := p.pay(p.command("0.01")); v.Transaction.Exemption != "" {
		t.Fatal("beyond 150 AZN in sum")
	}
}

// Clause 5.26: no proof approves what is held, and a release only asks again.
func TestClause5_26_NothingApprovesAHeldPayment(t *testing.T) {
	p := newPayer(t)
	open := p.pay(p.command("19000.00"))
	held := p.pay(p.command("25000.00"))
	if held.Authentication != nil || held.Transaction.State != payment.Held {
		t.Fatalf("held: %+v", held)
	}
	if _, err := p.b.Payments.Ask(t.Context(), p.b.Front(), held.Transaction.ID, "x", nil, ""); err == nil {
		t.Fatal("a held payment asked for a proof")
	}
	if p.b.Count("transaction.created", "held", "held") != 1 {
		t.Error("no evidence")
	}
	notices, err := p.b.Store.Notices(t.Context(), 100)
	if err != nil || len(notices) == 0 || notices[len(notices)-1].Kind != "payment-held" {
		t.Errorf("the customer was not told: %v", err)
	}
	staff := p.b.Staff()
	released, err := p.b.Payments.Release(t.Context(), staff, held.Transaction.ID, "checked by phone")
	if err != nil || released.Transaction.State != payment.PendingProof || released.Authorization != "" {
		t.Fatalf("released: %+v, %v", released.Transaction, err)
	}
	if _, err := p.b.Payments.Cancel(t.Context(), p.b.Front(), open.Transaction.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.prove(open, p.device.OCRA(question(t, open))); !problem.Is(err, problem.Expired) {
		t.Fatalf("a proof for a cancelled payment: %v", err)
	}
}

// Clause 5.32: payments racing for one limit never pass it together.
func TestClause5_32_TheDaysLimitHoldsInARace(t *testing.T) {
	p := newPayer(t)
	p.b.Rules.DailyPerCustomer = 100_00
	p.b.Rules.LowValueInRow, p.b.Rules.LowValueSum = 1000, 100000_00
	var sum atomic.Int64
	var work sync.WaitGroup
	for range 40 {
		work.Go(func() {
			v, err := p.b.Payments.Create(t.Context(), p.command("7.00"))
			for problem.Is(err, problem.TooMany) { // too many proofs are asked for at once
				time.Sleep(10 * time.Millisecond)
				v, err = p.b.Payments.Create(t.Context(), p.command("7.00"))
			}
			if err != nil {
				t.Error(err)
			} else if v.Transaction.State == payment.Approved {
				sum.Add(7_00)
			}
		})
	}
	work.Wait()
	if sum.Load() != 98_00 {
		t.Fatalf("%d qəpik approved under a limit of 10000", sum.Load())
	}
	v := p.pay(p.command("60.00"))
	got, err := p.prove(v, p.device.OCRA(question(t, v)))
	if err != nil || got.Transaction.State != string(payment.Rejected) || got.Transaction.Authorization != "" {
		t.Fatalf("proven beyond the limit: %+v, %v", got.Transaction, err)
	}
}

// Clause 5.35: the core reports an execution once; what failed gives the limits back, once.
func TestClause5_35_TheCoreReportsOnce(t *testing.T) {
	p := newPayer(t)
	core := parties.Caller{ID: "cl_core", Roles: []parties.Role{parties.Core}, Channels: parties.Channels()}
	v := p.pay(p.command("20.00"))
	jti := authorization(t, p, v.Authorization).ID
	if _, err := p.b.Payments.Report(t.Context(), core, v.Transaction.ID, "au_other", payment.Executed, ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("another authorization: %v", err)
	}
	if _, err := p.b.Payments.Report(t.Context(), core, v.Transaction.ID, jti, payment.Executed, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.b.Payments.Report(t.Context(), core, v.Transaction.ID, jti, payment.Executed, ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("a second execution: %v", err)
	}
	failed := p.pay(p.command("20.00"))
	if used(failed) != 40_00 {
		t.Fatalf("used %d", used(failed))
	}
	back, err := p.b.Payments.Report(t.Context(), core, failed.Transaction.ID, authorization(t, p, failed.Authorization).ID, payment.Failed, "no funds")
	if err != nil || used(back) != 20_00 {
		t.Fatalf("after the failure %d used, %v", used(back), err)
	}
	third := p.pay(p.command("20.00"))
	jti = authorization(t, p, third.Authorization).ID
	var done atomic.Int64
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			state := []payment.State{payment.Failed, payment.Executed}[i%2]
			_, err := p.b.Payments.Report(t.Context(), core, third.Transaction.ID, jti, state, "")
			if err == nil {
				done.Add(1)
			} else if !problem.Is(err, problem.Conflict) {
				t.Error(err)
			}
		})
	}
	work.Wait()
	want := int64(40_00)
	if p.state(third.Transaction.ID) == payment.Failed {
		want = 20_00
	}
	if got := of(p.limits(), payment.Daily).Used; done.Load() != 1 || got != want {
		t.Errorf("reported %d times, %d used and not %d", done.Load(), got, want)
	}
}

// A payment needs a live session, and its proof one that has not been ended.
func TestAttack06_ADeadSessionPaysNothing(t *testing.T) {
	p := newPayer(t)
	v := p.pay(p.command("500.00"))
	if err := p.b.Authn.End(t.Context(), p.b.Front(), p.session, "logout"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.prove(v, p.device.OCRA(question(t, v))); !problem.Is(err, problem.AuthenticationFailed) {
		t.Errorf("a proof after the log-out: %v", err)
	}
	if _, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.SessionEnded) {
		t.Errorf("a payment after the log-out: %v", err)
	}
	p.login()
	p.b.Clock.Forward(5*time.Minute + time.Second)
	if _, err := p.b.Payments.Create(t.Context(), p.command("10.00")); !problem.Is(err, problem.SessionEnded) {
		t.Errorf("a payment from an idle session: %v", err)
	}
}

// Two open transactions of one customer never ask the same question.
func TestQuestionsOfOpenPaymentsDiffer(t *testing.T) {
	p := newPayer(t)
	seen := map[string]bool{}
	for range 20 {
		q := question(t, p.pay(p.command("1500.00")))
		if seen[q] {
			t.Fatalf("question %s twice", q)
		}
		seen[q] = true
	}
}

func TestMoney(t *testing.T) {
	for text, want := range map[string]int64{"10": 1000, "10.0": 1000, "10.00": 1000, "0.01": 1, "1500.5": 150050} {
		got, err := payment.Money{Value: text, Currency: "AZN"}.Minor()
		if err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, m := range []payment.Money{
		{"", "AZN"}, {"0", "AZN"}, {"0.00", "AZN"}, {"-1", "AZN"}, {"+1", "AZN"}, {"1.", "AZN"}, {".5", "AZN"}, {"1.001", "AZN"}, {"01", "AZN"}, {"1e3", "AZN"},
		{"1,5", "AZN"}, {" 1", "AZN"}, {"१", "AZN"}, {"1", "azn"}, {"1", "XXX"}, {"1.0", "JPY"}, {"99999999999999", "AZN"}, {"123456789012345", "AZN"},
	} {
		if n, err := m.Minor(); err == nil {
			t.Errorf("%v was taken for %d", m, n)
		}
	}
	if got := payment.FromMinor(5, "AZN"); got.Value != "0.05" {
		t.Errorf("5 qəpik: %v", got)
	}
}

func FuzzMoney(f *testing.F) {
	for _, s := range []string{"10.00", "0.01", "1", "00", "1.5"} {
		f.Add(s, "AZN")
	}
	f.Fuzz(func(t *testing.T, value, currency string) {
		n, err := payment.Money{Value: value, Currency: currency}.Minor()
		if err != nil {
			return
		}
		again, err := payment.FromMinor(n, currency).Minor()
		if err != nil || again != n || n <= 0 {
			t.Fatalf("%q %q: %d, then %d, %v", value, currency, n, again, err)
		}
	})
}
