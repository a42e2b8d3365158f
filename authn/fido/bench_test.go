package fido_test

import (
	"testing"

	"mohur/authn/fido"
)

// One log-in's verification, without store, HSM and audit.
func BenchmarkVerifyAssertion(b *testing.B) {
	for _, alg := range []string{"ES256", "ES384", "EdDSA", "RS256"} {
		b.Run(alg, func(b *testing.B) {
			rp, d := relyingParty(b), newDevice(b, alg)
			d.count = 1
			record := enrol(b, rp, d)
			text := challenge("login")
			d.count = 2
			in := fido.AssertionInput{Credential: d.get(text), Challenge: text, Allowed: [][]byte{d.id}, UserHandle: handle, UserVerification: true}
			for b.Loop() {
				if got, err := rp.VerifyAssertion(record, in); err != nil || !got.OK {
					b.Fatal(got, err)
				}
			}
		})
	}
}

func BenchmarkVerifyRegistration(b *testing.B) {
	m := newMaker(b)
	rp, d := relyingParty(b), newDevice(b, "ES256")
	text := challenge("enrol")
	in := fido.RegistrationInput{Credential: d.create(text, m.packed), Challenge: text, Metadata: metadataOf(b, entryFor(m, model)), At: today}
	for b.Loop() {
		if got, err := rp.VerifyRegistration(in); err != nil || !got.OK {
			b.Fatal(got, err)
		}
	}
}
