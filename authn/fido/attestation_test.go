package fido_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
	"time"

	"mohur/authn/fido"
)

func attested(t testing.TB, m *maker, in fido.RegistrationInput) fido.Registration {
	t.Helper()
	d := newDevice(t, "ES256")
	in.Challenge = challenge("enrol")
	in.Credential = d.create(in.Challenge, m.packed)
	if in.Metadata == nil {
		in.Metadata = metadataOf(t, entryFor(m, model))
	}
	return register(t, relyingParty(t), in)
}

func extensions(list ...pkix.Extension) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = list }
}

// Section 8.2.1, and what go-webauthn leaves of it to its caller.
func TestAttestationCertificates(t *testing.T) {
	named := octets(oidAAGUID, model[:])
	critical := named
	critical.Critical = true
	trailing := named
	trailing.Value = append(slices.Clone(named.Value), 5, 0)
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   fido.Reason
	}{
		"as it should be":          {func(*x509.Certificate) {}, ""},
		"names no model":           {extensions(), ""}, // its root serves this one only
		"names another":            {extensions(octets(oidAAGUID, another[:])), fido.AttestationInvalid},
		"names it critically":      {extensions(critical), fido.AttestationInvalid},
		"names nothing":            {extensions(octets(oidAAGUID, nil)), fido.AttestationCertPart},
		"names half of it":         {extensions(octets(oidAAGUID, model[:8])), fido.AttestationInvalid},
		"names it and more":        {extensions(trailing), fido.AttestationCertPart},
		"a serial that is none":    {extensions(named, pkix.Extension{Id: oidSernum, Value: []byte{2, 1, 1}}), fido.AttestationCertPart},
		"a serial that is long":    {extensions(named, octets(oidSernum, make([]byte, 65))), fido.AttestationCertPart},
		"an authority":             {func(c *x509.Certificate) { c.IsCA = true; c.KeyUsage |= x509.KeyUsageCertSign }, fido.AttestationInvalid},
		"no basic constraints":     {noConstraints, fido.AttestationCertPart},
		"another unit":             {func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"Servers"} }, fido.AttestationInvalid},
		"no such country":          {func(c *x509.Certificate) { c.Subject.Country = []string{"Azerbaijan"} }, fido.AttestationInvalid},
		"no organisation":          {func(c *x509.Certificate) { c.Subject.Organization = nil }, fido.AttestationInvalid},
		"no name":                  {func(c *x509.Certificate) { c.Subject.CommonName = "" }, fido.AttestationInvalid},
		"over":                     {func(c *x509.Certificate) { c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }, fido.AttestationInvalid},
		"an unknown critical part": {extensions(named, pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}), fido.AttestationUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			got := attested(t, newMaker(t, c.change), fido.RegistrationInput{})
			if got.Reason != c.want {
				t.Errorf("%q: %s, want %q", got.Reason, got.Detail, c.want)
			}
		})
	}
}

func TestAttestationChains(t *testing.T) {
	root := newAuthority(t, "Maker Root", nil)
	middle := newAuthority(t, "Maker CA", root)
	deep := makerUnder(t, middle)
	deep.x5c = append(deep.x5c, middle.cert)
	top := entryFor(&maker{root: root}, model)

	if got := attested(t, deep, fido.RegistrationInput{Metadata: metadataOf(t, top)}); !got.OK || len(got.Record.Attestation.Chain) != 3 {
		t.Errorf("to the root: %+v", got)
	}
	if got := attested(t, deep, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(&maker{root: middle}, model))}); !got.OK {
		t.Errorf("to an intermediate that is the anchor: %+v", got)
	}
	leafOnly := &maker{root: &authority{cert: deep.x5c[0]}}
	if got := attested(t, deep, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(leafOnly, model))}); !got.OK {
		t.Errorf("to the attestation certificate that is the anchor: %+v", got)
	}
	for name, c := range map[string]struct {
		maker *maker
		in    fido.RegistrationInput
		want  fido.Reason
	}{
		"intermediate left out": {&maker{key: deep.key, x5c: deep.x5c[:1]}, fido.RegistrationInput{Metadata: metadataOf(t, top)}, fido.AttestationUntrusted},
		"another root":          {deep, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(newMaker(t), model))}, fido.AttestationUntrusted},
		"before its time":       {deep, fido.RegistrationInput{Metadata: metadataOf(t, top), At: time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC)}, fido.AttestationUntrusted},
		"another model's root":  {deep, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(newMaker(t), model), entryFor(&maker{root: root}, another))}, fido.AttestationUntrusted},
		"a model not listed":    {deep, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(&maker{root: root}, another))}, fido.ModelUnknown},
		"a model that attests itself": {deep, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(&maker{root: root}, model,
			func(e *entry) { e.Statement.Types = []string{"basic_surrogate"} }))}, fido.ModelUnknown},
		"a model without roots": {deep, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(&maker{root: root}, model,
			func(e *entry) { e.Statement.Roots = nil }))}, fido.ModelUnknown},
	} {
		got := attested(t, c.maker, c.in)
		if got.OK || got.Reason != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
	// The refusal by time must not hide behind a library that reads the clock.
	if got := register(t, relyingParty(t), func() fido.RegistrationInput {
		d, text := newDevice(t, "ES256"), challenge("enrol")
		return fido.RegistrationInput{Credential: d.create(text, deep.packed), Challenge: text, Policy: anything}
	}()); !got.OK || got.Record.Attestation.Trust != fido.TrustUntrusted || got.Record.Attestation.Doubt != fido.MetadataMissing {
		t.Errorf("without metadata: %+v", got)
	}
}

// crypto/x509 takes RSA-1024 and P-224 for good; 112 bits of strength are asked
// of the signer and of all above it but the root.
func TestAttestationKeysTooShort(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(key crypto.Signer, alg int) attester {
		m := newMaker(t)
		m.x5c[0] = m.root.issue(attestationTemplate(model), key.Public())
		return func(d *device, data, hash []byte) (string, map[string]any) {
			return "packed", map[string]any{"alg": alg, "sig": signWith(t, key, slices.Concat(data, hash)), "x5c": ders(m.x5c)}
		}
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rp := relyingParty(t)
	for name, attest := range map[string]attester{"RSA-1024": sign(short, -257), "P-224": sign(p224, -7)} {
		d, text := newDevice(t, "ES256"), challenge("enrol")
		got := register(t, rp, fido.RegistrationInput{Credential: d.create(text, attest), Challenge: text, Policy: anything})
		if got.Reason != fido.AttestationWeak {
			t.Errorf("%s: %+v", name, got)
		}
	}

	root := newAuthority(t, "Maker Root", nil)
	weak := &authority{t: t, key: short}
	weak.cert = root.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "Weak CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, short.Public())
	m := makerUnder(t, weak)
	m.x5c = append(m.x5c, weak.cert)
	got := attested(t, m, fido.RegistrationInput{Metadata: metadataOf(t, entryFor(&maker{root: root}, model))})
	if got.Reason != fido.AttestationUntrusted {
		t.Errorf("below RSA-1024: %+v", got)
	}
}

// A certificate that names no model proves one only under a root of that model
// alone.
func TestAttestationUnderASharedRoot(t *testing.T) {
	m := newMaker(t, extensions())
	shared := metadataOf(t, entryFor(m, model), entryFor(m, another))
	if got := attested(t, m, fido.RegistrationInput{Metadata: shared}); got.Reason != fido.AAGUIDUnproven {
		t.Errorf("%+v", got)
	}
	if got := attested(t, makerUnder(t, m.root), fido.RegistrationInput{Metadata: shared}); !got.OK {
		t.Errorf("named: %+v", got)
	}
}

func TestAttestationMustSignThisCredential(t *testing.T) {
	m := newMaker(t)
	rp, text := relyingParty(t), challenge("enrol")
	md := metadataOf(t, entryFor(m, model))
	for name, bend := range map[string]func(*device){
		"another's data": func(d *device) {
			d.object = func(o map[string]any) {
				other := newDevice(t, "ES256")
				other.id = d.id
				o["authData"] = other.data(true)
			}
		},
		"UV added behind the signature": func(d *device) {
			d.flags = up
			d.object = func(o map[string]any) { b := slices.Clone(o["authData"].([]byte)); b[32] |= uv; o["authData"] = b }
		},
		"BE taken out behind the signature": func(d *device) {
			d.flags |= be
			d.object = func(o map[string]any) { b := slices.Clone(o["authData"].([]byte)); b[32] &^= be; o["authData"] = b }
		},
	} {
		d := newDevice(t, "ES256")
		bend(d)
		got := register(t, rp, fido.RegistrationInput{Credential: d.create(text, m.packed), Challenge: text, Metadata: md})
		if got.Reason != fido.AttestationInvalid {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// U2F signs the key, the ID and the relying party.
	u2f := metadataOf(t, entryFor(m, model, func(e *entry) { e.AAGUID, e.KeyIDs = "", []string{keyID(m.x5c[0])} }))
	d := newDevice(t, "ES256")
	d.flags = up
	d.object = func(o map[string]any) {
		other := newDevice(t, "ES256")
		other.id, other.flags = d.id, up
		o["authData"] = other.data(true)
	}
	if got := register(t, rp, fido.RegistrationInput{Credential: d.create(text, m.u2f), Challenge: text, Metadata: u2f}); got.Reason != fido.AttestationInvalid {
		t.Errorf("U2F: %+v", got)
	}
}

// A device may have an entry for each protocol. The one for U2F vouches for no
// AAGUID, but what it reports is of the same device.
func TestAttestationOfADeviceWithTwoEntries(t *testing.T) {
	m := newMaker(t)
	u2f := func(reports ...report) entry {
		return entryFor(m, model, func(e *entry) { e.AAGUID, e.KeyIDs = "", []string{keyID(m.x5c[0])}; e.Reports = reports })
	}
	for want, md := range map[fido.Reason]*fido.Metadata{
		fido.ModelUnknown:     metadataOf(t, u2f(report{Status: "FIDO_CERTIFIED"})),
		"":                    metadataOf(t, u2f(report{Status: "FIDO_CERTIFIED"}), entryFor(m, model)),
		fido.ModelCompromised: metadataOf(t, u2f(report{Status: "REVOKED"}), entryFor(m, model)),
	} {
		if got := attested(t, m, fido.RegistrationInput{Metadata: md}); got.Reason != want {
			t.Errorf("%q: %+v", want, got)
		}
	}
}
