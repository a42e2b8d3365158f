package payment_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"mohur/audit"
	"mohur/authn"
	"mohur/banktest"
	"mohur/ident"
	"mohur/parties"
	"mohur/payment"
	"mohur/risk"
	"mohur/risk/policy"
	"mohur/settle"
	"mohur/tokens/pskc"
)

// pastPayments is how many the customer of the benchmark has made.
const pastPayments = 10_000

// BenchmarkDecision is what a decision costs: all facts and the judgement, without the
// write. cpu-µs/op is the processor time of the whole process.
func BenchmarkDecision(b *testing.B) {
	bank := banktest.New(b)
	for _, past := range []int{0, pastPayments / 10, pastPayments} {
		c, d := bank.Person(pskc.HOTP)
		session := benchLogin(b, bank, c, d)
		benchPast(b, bank, c, past)
		cmd := payment.CreateCommand{
			Caller: bank.Front(), Session: session.ID, Reference: "R-1", Channel: parties.Internet, Service: "transactional",
			Amount: payment.Money{Value: "400.00", Currency: "AZN"}, Purpose: "p",
			Payer:   payment.Party{Name: "A", Account: "AZ21NABZ00000000137010001944", Bank: "Bank A"},
			Payee:   payment.Party{Name: "B", Account: "payee-1", Bank: "Bank B", Country: "AZ"},
			Signals: risk.Signals{IP: "192.0.2.1", UserAgent: "test", DeviceID: "d-1", Country: "AZ"},
		}
		for name, p := range map[string]risk.Policy{"shipped": policy.Default(), "recommended": policy.Recommended()} {
			b.Run(fmt.Sprintf("%s, %d payments", name, past), func(b *testing.B) {
				bank.Rules = p
				b.ReportAllocs()
				before := processor(b)
				for b.Loop() {
					if _, err := bank.Payments.Judge(b.Context(), cmd, session, c); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((processor(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	}
}

func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchLogin(b *testing.B, bank *banktest.Bank, c parties.Customer, d *banktest.Device) authn.Session {
	b.Helper()
	v, err := bank.Authn.Begin(b.Context(), authn.BeginCommand{Caller: bank.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		b.Fatal(err)
	}
	var got authn.View
	for _, a := range []authn.AnswerCommand{{Method: authn.PIN, Secret: banktest.PIN}, {Method: authn.OTP, Secret: d.HOTP()}} {
		a.Caller, a.Attempt = bank.Front(), v.Attempt.ID
		if got, err = bank.Authn.Answer(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
	return got.Session.Session
}

// benchPast puts that many approved payments, each to a payee of its own, and what is
// remembered of them.
func benchPast(b *testing.B, bank *banktest.Bank, c parties.Customer, n int) {
	b.Helper()
	now := bank.Clock.Now().Add(-90 * time.Minute)
	v := payment.Velocity{Customer: c.ID}
	for done := 0; done < n; {
		var effects []settle.Effect
		for range min(500, n-done) {
			done++
			at := now.Add(time.Duration(done) * 90 * time.Minute / time.Duration(n))
			v = v.With(at, bank.Payments.Zone, 10_00)
			effects = append(effects, payment.SaveTransaction{Transaction: payment.Transaction{
				ID: ident.New("tx"), Reference: fmt.Sprintf("P-%s-%d", c.ID, done), Customer: c.ID, Minor: 10_00, Home: 10_00, Currency: "AZN", State: payment.Approved,
				CreatedAt: at.UTC(), Version: 1,
			}}, payment.SavePayeeHistory{History: payment.PayeeHistory{Key: fmt.Sprintf("%s-%d", c.ID, done), First: at.UTC(), Last: at.UTC(), Count: 1, Version: 1}})
		}
		v.Version = uint64((done + 499) / 500)
		effects = append(effects, payment.SaveVelocity{Velocity: v})
		r, err := settle.Write(b.Context(), bank.Store, bank.Audit, effects, []audit.Event{{Name: "bench", Outcome: "done", Detail: 1}})
		if err != nil || r.Outcome != settle.Done {
			b.Fatalf("%s, %v", r.Outcome, err)
		}
	}
}
