package authn_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mohur/authn"
	"mohur/authn/fido"
	"mohur/banktest"
	"mohur/enrollment"
	"mohur/parties"
	"mohur/rate"
	"mohur/tokens/pskc"
)

// cpu is the user and system time of the process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOTPAnswer is a log-in with a right code, from challenge to verdict:
// judged in the HSM, settled with its entry on the disk, the access token signed.
// The PIN is left out: Argon2id would hide the rest. An operation is a log-in: it is begun and answered.
func BenchmarkOTPAnswer(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) { benchAnswers(b, callers, right, byCode) })
	}
}

// BenchmarkWrongAnswer is the same with a wrong code; it is counted durably too.
func BenchmarkWrongAnswer(b *testing.B) {
	b.Run("16 callers", func(b *testing.B) { benchAnswers(b, 16, wrong, byCode) })
}

// BenchmarkFIDOAnswer is a log-in with a key. The client signs in the same process:
// BenchmarkKeyOfAClient says what that takes.
func BenchmarkFIDOAnswer(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) { benchAnswers(b, callers, right, byKey) })
	}
}

// BenchmarkKeyOfAClient is the client's part of BenchmarkFIDOAnswer.
func BenchmarkKeyOfAClient(b *testing.B) {
	bank := banktest.New(b)
	bank.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	c, k := bank.Holder()
	v, err := bank.Authn.Begin(b.Context(), authn.BeginCommand{Caller: bank.Front(), Customer: c.ID, Purpose: authn.Login, Channel: parties.Internet})
	if err != nil {
		b.Fatal(err)
	}
	began := cpu(b)
	for b.Loop() {
		k.Get(v.Attempt.Offers[0].Options)
	}
	b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
}

// person is a customer and how he answers.
type person struct {
	customer string
	answer   func(authn.View) (authn.Method, string)
}

func byCode(bank *banktest.Bank) person {
	c, d := bank.Person(pskc.HOTP)
	return person{c.ID, func(authn.View) (authn.Method, string) { return authn.OTP, d.HOTP() }}
}

func byKey(bank *banktest.Bank) person {
	c, k := bank.Holder()
	return person{c.ID, func(v authn.View) (authn.Method, string) {
		return authn.FIDO, string(k.Get(v.Attempt.Offers[0].Options))
	}}
}

type verdict bool

const (
	right verdict = true
	wrong verdict = false
)

func benchAnswers(b *testing.B, callers int, want verdict, by func(*banktest.Bank) person) {
	bank := banktest.New(b)
	bank.AllowKeys(enrollment.FIDO{Policy: fido.Policy{AllowSelf: true}})
	open := rate.Limit{PerSecond: 1 << 30, Burst: 1 << 30}
	bank.Authn.Settings.Pace = authn.Pace{Customer: open, Source: open, CustomerSlow: rate.Slow{From: 1 << 30, Window: time.Minute}, SourceSlow: rate.Slow{From: 1 << 30, Window: time.Minute}}
	bank.Authn.Settings.Limits.Failures = 255
	if err := bank.Authn.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	bank.Rules.LoginACR = string(authn.Single)
	people := make([]person, callers)
	for i := range people {
		people[i] = by(bank)
	}
	var judged atomic.Int64
	var work sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	var spent time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	began := cpu(b)
	for _, p := range people {
		work.Go(func() {
			for left.Add(-1) >= 0 {
				v, err := bank.Authn.Begin(b.Context(), authn.BeginCommand{Caller: bank.Front(), Customer: p.customer, Purpose: authn.Login, Channel: parties.Internet})
				if err != nil {
					b.Error(err)
					return
				}
				method, code := authn.OTP, "000000"
				if want == right {
					method, code = p.answer(v)
				}
				got, err := bank.Authn.Answer(b.Context(), authn.AnswerCommand{Caller: bank.Front(), Attempt: v.Attempt.ID, Method: method, Secret: code})
				if (got.Session != nil) != bool(want) {
					b.Errorf("%+v, %v", got, err)
					return
				}
				judged.Add(1)
			}
		})
	}
	work.Wait()
	spent = cpu(b) - began
	b.StopTimer()
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(judged.Load())/b.Elapsed().Seconds(), "log-ins/s")
}
