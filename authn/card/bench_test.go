package card_test

import (
	"context"
	"syscall"
	"testing"

	"mohur/authn/card"
	"mohur/authn/pkitest"
)

// cpu is the process's time on a processor so far, in nanoseconds: unlike the
// wall's it does not count what else the machine does.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func measure(b *testing.B, once func() card.Verdict) {
	b.Helper()
	once() // the first one asks the responder
	start := cpu(b)
	for b.Loop() {
		if got := once(); !got.OK {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
}

// One log-in's verification, the root, the authority and the card on the same kind
// of key; the status comes from the cache.
func BenchmarkVerifyToken(b *testing.B) {
	for _, kind := range []string{"P-256", "P-384", "RSA-2048", "RSA-3072"} {
		b.Run(kind, func(b *testing.B) {
			bank := bankBelow(b, pkitest.Root(b, "State Root", pkitest.Kind(kind)), pkitest.Kind(kind))
			v, p, n := bank.verifier(b), bank.middle.Card(b, person, pkitest.Kind(kind)), nonce("x")
			in := card.TokenInput{Token: p.Token(b, origin, n), Nonce: n, At: today}
			measure(b, func() card.Verdict { return v.VerifyToken(context.Background(), in) })
		})
	}
}

// One payment's confirmation, with the CMS.
func BenchmarkVerifySignature(b *testing.B) {
	for _, kind := range []string{"P-256", "RSA-2048"} {
		b.Run(kind, func(b *testing.B) {
			bank := bankBelow(b, pkitest.Root(b, "State Root", pkitest.Kind(kind)), pkitest.Kind(kind))
			v, p := bank.verifier(b, signing), bank.middle.SigningCard(b, person, pkitest.Kind(kind))
			in := card.SignatureInput{Response: p.Signature(b, text), Text: text, At: today}
			measure(b, func() card.Verdict { return v.VerifySignature(context.Background(), in) })
		})
	}
}
