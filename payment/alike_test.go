package payment_test

import (
	"sync"
	"testing"

	"mohur/authn"
	"mohur/payment"
	"mohur/problem"
)

// Payments that are begun at once never wait for one answer together (clauses 5.18,
// 5.27): their questions are drawn, or typed, one after the other.
func TestAttack10_PaymentsBegunAtOnceNeverShareAQuestion(t *testing.T) {
	p := keypad(t, "OCRA-1:HOTP-SHA256-8:C-QN20")
	var work sync.WaitGroup
	var mu sync.Mutex
	var begun []payment.View
	for range 8 {
		cmd := p.command("1500.00")
		work.Go(func() {
			v, err := p.b.Payments.Create(t.Context(), cmd)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				begun = append(begun, v)
			case !problem.Is(err, problem.Conflict):
				t.Error(err)
			}
		})
	}
	work.Wait()
	if len(begun) != 1 {
		t.Fatalf("%d payments wait for one answer", len(begun))
	}
}

// What was cancelled, or is asked for again, does not stand in the way.
func TestACancelledPaymentLeavesItsQuestion(t *testing.T) {
	p := keypad(t, "OCRA-1:HOTP-SHA256-8:C-QN20")
	first := p.pay(p.command("1500.00"))
	if _, err := p.b.Payments.Cancel(t.Context(), p.b.Front(), first.Transaction.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.answer(first.Authentication.Attempt.ID, authn.OCRA, "00000000"); !problem.Is(err, problem.Expired) {
		t.Errorf("the attempt of a cancelled payment: %v", err)
	}
	second := p.pay(p.command("1500.00"))
	session, err := p.b.Authn.Touch(t.Context(), p.b.Front(), p.session, "", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := p.b.Payments.Ask(t.Context(), p.b.Front(), second.Transaction.ID, session.AccessToken, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	o, _ := offered(asked)
	code := p.device.OCRA(o.Question)
	if _, err := p.answer(second.Authentication.Attempt.ID, authn.OCRA, code); !problem.Is(err, problem.Expired) {
		t.Errorf("the attempt before: %v", err)
	}
	if got, err := p.answer(asked.Authentication.Attempt.ID, authn.OCRA, code); err != nil || got.Transaction == nil {
		t.Errorf("the last attempt: %+v, %v", got, err)
	}
}
