package fido_test

import (
	"encoding/base64"
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

// A BLOB of the size of the real one: 300 entries with their icons.
func BenchmarkParseBLOB(b *testing.B) {
	m, a := newMaker(b), newAlliance(b)
	p := payload{No: 7, NextUpdate: "2026-04-01"}
	for i := range 300 {
		e := entryFor(m, fido.AAGUID{byte(i), byte(i >> 8), 1})
		e.Statement.Icon = "data:image/png;base64," + base64.StdEncoding.EncodeToString(random(20_000))
		p.Entries = append(p.Entries, e)
	}
	blob := a.sign(b, p)
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		if _, err := fido.ParseBLOB(blob, a.trust, fido.Number{}, today); err != nil {
			b.Fatal(err)
		}
	}
}
