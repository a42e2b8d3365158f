package fido_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"mohur/authn/fido"
)

// anything accepts every key that is well-formed.
var anything = fido.Policy{AllowNone: true, AllowSelf: true, AllowUntrusted: true, AllowSynced: true}

// enrol registers the device and wants it to succeed.
func enrol(t testing.TB, rp *fido.RelyingParty, d *device) fido.Record {
	t.Helper()
	c := challenge("enrol")
	got := register(t, rp, fido.RegistrationInput{Credential: d.create(c, none), Challenge: c, Policy: anything})
	if !got.OK {
		t.Fatalf("%s: %s", got.Reason, got.Detail)
	}
	return got.Record
}

func register(t testing.TB, rp *fido.RelyingParty, in fido.RegistrationInput) fido.Registration {
	t.Helper()
	if in.At.IsZero() {
		in.At = today
	}
	got, err := rp.VerifyRegistration(in)
	if err != nil {
		t.Fatal(err)
	}
	if got.OK != (got.Reason == "") || !got.OK && (got.Record.ID != nil || got.Record.PublicKey != nil) {
		t.Fatalf("half an answer: %+v", got)
	}
	if got.Reason == fido.LibraryFault {
		t.Fatalf("a parser panicked: %s", got.Detail)
	}
	return got
}

func TestRegistrationMakesTheRecord(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256"} {
		for name, attest := range map[string]attester{"none": none, "self": self} {
			rp, d := relyingParty(t), newDevice(t, alg)
			d.count, d.flags = 41, up|uv|be|bs
			d.extensions = map[string]any{"credProps": map[string]any{"rk": true}}
			c := challenge("enrol")
			got := register(t, rp, fido.RegistrationInput{Credential: d.create(c, attest), Challenge: c,
				UserVerification: true, Policy: anything})
			r := got.Record
			if !got.OK || r.Algorithm != alg || !bytes.Equal(r.ID, d.id) || r.RPID != rpID || r.SignCount != 41 ||
				!r.UVInitialized || !r.BackupEligible || !r.BackupState || r.AAGUID != model ||
				!slices.Equal(r.Transports, []string{"nfc", "usb"}) || r.Discoverable == nil || !*r.Discoverable {
				t.Errorf("%s, %s: %+v", alg, name, got)
			}
			if string(r.Attestation.Trust) != name || r.Hardware() {
				t.Errorf("%s: trust %+v", name, r.Attestation)
			}
		}
	}
}

func TestRegistrationAttestedByAMaker(t *testing.T) {
	m := newMaker(t)
	rp, d := relyingParty(t), newDevice(t, "ES256")
	c := challenge("enrol")
	got := register(t, rp, fido.RegistrationInput{Credential: d.create(c, m.packed), Challenge: c,
		Metadata: metadataOf(t, entryFor(m, model))})
	a := got.Record.Attestation
	if !got.OK || a.Trust != fido.Trusted || a.Metadata != 7 || len(a.Chain) != 2 || !got.Record.Hardware() || got.Verdict.Warnings != nil {
		t.Fatalf("%+v", got)
	}
	// A U2F key has no AAGUID; its model goes by the certificate's key.
	d.aaguid, d.flags = another, up
	e := entryFor(m, model, func(e *entry) { e.AAGUID, e.KeyIDs = "", []string{strings.ToUpper(a.KeyIDs[0])} })
	got = register(t, rp, fido.RegistrationInput{Credential: d.create(c, m.u2f), Challenge: c, Metadata: metadataOf(t, e)})
	if !got.OK || !got.Record.AAGUID.IsZero() || got.Record.UVInitialized || got.Record.Attestation.Trust != fido.Trusted {
		t.Fatalf("%+v", got)
	}
}

// registrationCase bends one thing of a good registration.
type registrationCase struct {
	name   string
	reason fido.Reason
	alg    string // ES256 when empty
	attest attester
	bend   func(*device)
	in     func(*fido.RegistrationInput)
}

func clientData(f func(kind, challenge string) string) func(*device) {
	return func(d *device) {
		d.clientData = func(kind string, c []byte) string { return f(kind, b64.EncodeToString(c)) }
	}
}

func inResponse(f func(map[string]any)) func(*device) { return func(d *device) { d.response = f } }
func inObject(f func(map[string]any)) func(*device)   { return func(d *device) { d.object = f } }
func inKey(f func(map[int]any)) func(*device)         { return func(d *device) { f(d.cose) } }

var registrationRefusals = []registrationCase{
	{name: "no JSON", reason: fido.MalformedCredential, in: func(in *fido.RegistrationInput) { in.Credential = []byte("{") }},
	{name: "null", reason: fido.MalformedCredential, in: func(in *fido.RegistrationInput) { in.Credential = []byte("null") }},
	{name: "trailing data", reason: fido.MalformedCredential, in: func(in *fido.RegistrationInput) { in.Credential = append(in.Credential, '{') }},
	{name: "id twice", reason: fido.MalformedCredential, in: replace(`"id":`, `"id":"AAAA","id":`)},
	{name: "id twice, once escaped", reason: fido.MalformedCredential, in: replace(`"id":`, `"\u0069d":"AAAA","id":`)},
	{name: "ID in capitals besides", reason: fido.MalformedCredential, in: replace(`"id":`, `"ID":"AAAA","id":`)},
	{name: "an extra member with duplicates in it", reason: fido.MalformedCredential, in: replace(`"id":`, `"x":{"a":1,"a":2},"id":`)},
	{name: "id that is not rawId", reason: fido.MalformedCredential, in: replace(`"id":"`, `"id":"AAAA`)},
	{name: "padded base64", reason: fido.MalformedCredential, in: replace(`","rawId"`, `=","rawId"`)},
	{name: "line break in base64", reason: fido.MalformedCredential, in: replace(`"id":"`, `"id":"\n`)},
	{name: "bits left over in base64", reason: fido.MalformedCredential, in: func(in *fido.RegistrationInput) {
		at := bytes.Index(in.Credential, []byte(`","rawId"`)) - 1 // 43 characters for 32 bytes: two bits are none's
		in.Credential[at]++
	}},
	{name: "no id", reason: fido.MalformedCredential, in: replace(`"id":`, `"other":`)},
	{name: "wrong type of credential", reason: fido.MalformedCredential, in: replace("public-key", "password")},
	{name: "too long", reason: fido.MalformedCredential, in: replace(`"id":`, `"x":"`+strings.Repeat("A", 70000)+`","id":`)},
	{name: "no attestation object", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { delete(r, "attestationObject") })},
	{name: "transports that are none", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { r["transports"] = "usb" })},
	{name: "many transports", reason: fido.MalformedCredential, bend: inResponse(func(r map[string]any) { r["transports"] = make([]string, 40) })},
	{name: "extension outputs that are none", reason: fido.MalformedCredential, bend: func(d *device) {
		d.extensions = map[string]any{"credProps": true}
	}},

	{name: "client data no object", reason: fido.MalformedClientData, bend: clientData(func(string, string) string { return "[]" })},
	{name: "client data with a type twice", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"webauthn.get","type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `"}`
	})},
	{name: "client data with Type besides", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","Type":"webauthn.get"}`
	})},
	{name: "client data with Challenge only", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","Challenge":"` + c + `","origin":"` + origin + `"}`
	})},
	{name: "byte order mark", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return "\uFEFF" + `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `"}`
	})},
	{name: "client data trailing", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `"}{}`
	})},
	{name: "not UTF-8", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","x":"` + "\xff" + `"}`
	})},
	{name: "crossOrigin in words", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","crossOrigin":"false"}`
	})},
	{name: "topOrigin null", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","topOrigin":null}`
	})},
	{name: "long client data", reason: fido.MalformedClientData, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","x":"` + strings.Repeat("y", 9000) + `"}`
	})},

	{name: "the other ceremony", reason: fido.WrongType, bend: clientData(func(_, c string) string {
		return `{"type":"webauthn.get","challenge":"` + c + `","origin":"` + origin + `"}`
	})},
	{name: "another challenge", reason: fido.WrongChallenge, in: func(in *fido.RegistrationInput) { in.Challenge = challenge("other") }},
	{name: "a phishing page", reason: fido.WrongOrigin, bend: func(d *device) { d.origin = "https://login.bank.example.evil.example" }},
	{name: "another port", reason: fido.WrongOrigin, bend: func(d *device) { d.origin = origin + ":8443" }},
	{name: "no TLS", reason: fido.WrongOrigin, bend: func(d *device) { d.origin = "http://login.bank.example" }},
	{name: "in a frame", reason: fido.CrossOrigin, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","crossOrigin":true}`
	})},
	{name: "top origin without a frame", reason: fido.WrongTopOrigin, bend: clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","topOrigin":"` + origin + `"}`
	})},

	{name: "another relying party", reason: fido.WrongRPID, bend: func(d *device) { d.rpID = "evil.example" }},
	{name: "nobody there", reason: fido.UserNotPresent, bend: func(d *device) { d.flags = uv }},
	{name: "nobody verified", reason: fido.UserNotVerified, bend: func(d *device) { d.flags = up },
		in: func(in *fido.RegistrationInput) { in.UserVerification = true }},
	{name: "U2F cannot verify", reason: fido.UserNotVerified, attest: func(d *device, a, h []byte) (string, map[string]any) {
		return newMaker(d.t).u2f(d, a, h)
	}, in: func(in *fido.RegistrationInput) { in.UserVerification = true }},
	{name: "backed up, not eligible", reason: fido.BackupFlags, bend: func(d *device) { d.flags = up | bs }},
	{name: "no attested data", reason: fido.AttestedData, bend: func(d *device) {
		d.authData = func(a []byte) []byte { a = a[:37]; a[32] &^= at; return a }
	}},
	{name: "attests another ID", reason: fido.WrongCredential, bend: func(d *device) {
		d.authData = func(a []byte) []byte { a[55] ^= 1; return a }
	}},

	{name: "auth data cut", reason: fido.MalformedAuthData, bend: func(d *device) { d.authData = func(a []byte) []byte { return a[:60] } }},
	{name: "auth data too long", reason: fido.MalformedAuthData, bend: func(d *device) { d.authData = func(a []byte) []byte { return append(a, 0) } }},
	{name: "extensions announced, none there", reason: fido.MalformedAuthData, bend: func(d *device) { d.flags |= ed }},
	{name: "no credential ID", reason: fido.MalformedAuthData, bend: func(d *device) {
		d.authData = func(a []byte) []byte { a[53], a[54] = 0, 0; return slices.Delete(a, 55, 55+len(d.id)) }
	}},
	{name: "a credential ID of 1024 bytes", reason: fido.MalformedCredential, bend: func(d *device) { d.id = random(1024) }},

	{name: "attestation that is no map", reason: fido.MalformedAttestation, bend: inResponse(func(r map[string]any) { r["attestationObject"] = "gA" })},
	{name: "attestation with a member more", reason: fido.MalformedAttestation, bend: inObject(func(o map[string]any) { o["AUTHDATA"] = []byte{1} })},
	{name: "attestation in capitals", reason: fido.MalformedAttestation, bend: inObject(func(o map[string]any) { o["AuthData"] = o["authData"]; delete(o, "authData") })},
	{name: "fmt a number", reason: fido.MalformedAttestation, bend: inObject(func(o map[string]any) { o["fmt"] = 1 })},
	{name: "none with a statement", reason: fido.MalformedAttestation, bend: func(d *device) { d.statement = func(s map[string]any) { s["alg"] = -7 } }},
	{name: "statement null", reason: fido.MalformedAttestation, bend: inObject(func(o map[string]any) { o["attStmt"] = nil })},
	{name: "x5c in words, which would be self", reason: fido.MalformedAttestation, attest: self,
		bend: func(d *device) { d.statement = func(s map[string]any) { s["x5c"] = "certificate" } }},
	{name: "x5c empty", reason: fido.MalformedAttestation, attest: self, bend: func(d *device) { d.statement = func(s map[string]any) { s["x5c"] = []any{} } }},
	{name: "ECDAA", reason: fido.MalformedAttestation, attest: self, bend: func(d *device) { d.statement = func(s map[string]any) { s["ecdaaKeyId"] = []byte{1} } }},
	{name: "an unknown format", reason: fido.AttestationFormat, bend: inObject(func(o map[string]any) { o["fmt"] = "packed2" })},
	{name: "SafetyNet", reason: fido.AttestationFormat, bend: inObject(func(o map[string]any) { o["fmt"] = "android-safetynet" })},
	{name: "compound", reason: fido.AttestationFormat, bend: inObject(func(o map[string]any) { o["fmt"] = "compound" })},
	{name: "self by another key", reason: fido.AttestationInvalid, attest: self, bend: func(d *device) { d.signer, _ = newKey(d.t, "ES256") }},
	{name: "self with another algorithm", reason: fido.AttestationInvalid, attest: self, bend: func(d *device) { d.statement = func(s map[string]any) { s["alg"] = -35 } }},
	{name: "SHA-1", reason: fido.AttestationWeak, attest: self, bend: func(d *device) { d.statement = func(s map[string]any) { s["alg"] = -65535 } }},
	{name: "alg positive", reason: fido.AttestationWeak, attest: self, bend: func(d *device) { d.statement = func(s map[string]any) { s["alg"] = 7 } }},
	{name: "a certificate for another model", reason: fido.AttestationInvalid, attest: func(d *device, a, h []byte) (string, map[string]any) {
		d.aaguid = another
		return newMaker(d.t).packed(d, a, h)
	}, bend: func(d *device) { d.aaguid = another }},
	{name: "a certificate that names no bounds", reason: fido.AttestationCertPart, attest: func(d *device, a, h []byte) (string, map[string]any) {
		return newMaker(d.t, noConstraints).packed(d, a, h)
	}},

	{name: "an algorithm not offered", reason: fido.KeyAlgorithm, alg: "RS256", in: nil, bend: nil, attest: none},
	{name: "ES256 on P-384", reason: fido.KeyAlgorithm, alg: "ES384", bend: inKey(func(k map[int]any) { k[3] = -7 })},
	{name: "ES384 said to be P-256", reason: fido.KeyAlgorithm, alg: "ES384", bend: inKey(func(k map[int]any) { k[-1] = 1 })},
	{name: "ES256 without a curve", reason: fido.KeyAlgorithm, bend: inKey(func(k map[int]any) { delete(k, -1) })},
	{name: "ES256 with RSA's name", reason: fido.KeyAlgorithm, bend: inKey(func(k map[int]any) { k[3] = -257 })},
	{name: "ES256 of type RSA", reason: fido.KeyAlgorithm, bend: inKey(func(k map[int]any) { k[1] = 3 })},
	{name: "RSA with ES256's name", reason: fido.KeyAlgorithm, bend: func(d *device) { _, d.cose = rsaKeyOf(2048); d.cose[3] = -7 }},
	{name: "EdDSA with ES256's name", reason: fido.KeyAlgorithm, alg: "EdDSA", bend: inKey(func(k map[int]any) { k[3] = -7 })},
	{name: "off its curve", reason: fido.KeyAlgorithm, bend: inKey(func(k map[int]any) { k[-2] = make([]byte, 32) })},
	{name: "a parameter more", reason: fido.KeyAlgorithm, bend: inKey(func(k map[int]any) { k[-4] = []byte("private") })},
	{name: "no algorithm", reason: fido.KeyAlgorithm, bend: inKey(func(k map[int]any) { delete(k, 3) })},
	{name: "secp256k1", reason: fido.KeyAlgorithm, bend: inKey(func(k map[int]any) { k[3], k[-1] = -47, 8 })},
}

// replace edits the JSON of the credential, once.
func replace(old, new string) func(*fido.RegistrationInput) {
	return func(in *fido.RegistrationInput) {
		in.Credential = bytes.Replace(in.Credential, []byte(old), []byte(new), 1)
	}
}

func TestAttack10_ARegistrationThatIsNotOurs(t *testing.T) {
	rp := relyingParty(t, func(s *fido.Settings) { s.Algorithms = []string{"ES256", "ES384", "EdDSA"} })
	for _, c := range registrationRefusals {
		t.Run(c.name, func(t *testing.T) {
			alg, attest := c.alg, c.attest
			if alg == "" {
				alg = "ES256"
			}
			if attest == nil {
				attest = none
			}
			d := newDevice(t, alg)
			if c.bend != nil {
				c.bend(d)
			}
			text := challenge("enrol")
			in := fido.RegistrationInput{Credential: d.create(text, attest), Challenge: text, Policy: anything}
			if c.in != nil {
				c.in(&in)
			}
			got := register(t, rp, in)
			if got.OK || got.Reason != c.reason {
				t.Fatalf("%q: %s, want %s", got.Reason, got.Detail, c.reason)
			}
			if got.Detail == "" || len(got.Detail) > 300 || strings.ContainsAny(got.Detail, "\n\r\x00") {
				t.Errorf("detail %q", got.Detail)
			}
		})
	}
}

func TestRegistrationToleratesWhatTheStandardAdds(t *testing.T) {
	rp, d := relyingParty(t), newDevice(t, "ES256")
	clientData(func(k, c string) string {
		return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin +
			`","crossOrigin":false,"other_keys_can_be_added_here":"do not compare clientDataJSON against a template","tokenBinding":{"status":"supported"}}`
	})(d)
	inResponse(func(r map[string]any) {
		r["publicKeyAlgorithm"], r["publicKey"], r["authenticatorData"], r["later"] = -7, nil, "AA", map[string]any{"x": 1}
	})(d)
	d.flags |= ed
	d.authData = func(a []byte) []byte { return append(a, encode(t, map[string]any{"credProtect": 2, "new": true})...) }
	enrol(t, rp, d)
}

func TestRegistrationInFrames(t *testing.T) {
	const top = "https://portal.example"
	frame := func(rest string) func(*device) {
		return clientData(func(k, c string) string {
			return `{"type":"` + k + `","challenge":"` + c + `","origin":"` + origin + `","crossOrigin":true` + rest + `}`
		})
	}
	open := relyingParty(t, func(s *fido.Settings) { s.CrossOrigin, s.TopOrigins = true, []string{top} })
	loose := relyingParty(t, func(s *fido.Settings) { s.CrossOrigin, s.TopOrigins, s.TopOriginOptional = true, []string{top}, true })
	for _, c := range []struct {
		name string
		rp   *fido.RelyingParty
		rest string
		want fido.Reason
	}{
		{"named", open, `,"topOrigin":"` + top + `"`, ""},
		{"another", open, `,"topOrigin":"https://evil.example"`, fido.WrongTopOrigin},
		{"not told", open, ``, fido.WrongTopOrigin},
		{"not told, optional", loose, ``, ""},
		{"another, optional", loose, `,"topOrigin":"https://evil.example"`, fido.WrongTopOrigin},
	} {
		d := newDevice(t, "ES256")
		frame(c.rest)(d)
		text := challenge("enrol")
		got := register(t, c.rp, fido.RegistrationInput{Credential: d.create(text, none), Challenge: text, Policy: anything})
		if got.Reason != c.want {
			t.Errorf("%s: %s %s", c.name, got.Reason, got.Detail)
		}
	}
}

func TestRegistrationRSASizes(t *testing.T) {
	rp := relyingParty(t)
	for bits, want := range map[int]fido.Reason{1024: fido.KeyAlgorithm, 2048: "", 4096: "", 4104: fido.KeyAlgorithm} {
		d := newDevice(t, "ES256")
		_, d.cose = rsaKeyOf(bits)
		text := challenge("enrol")
		got := register(t, rp, fido.RegistrationInput{Credential: d.create(text, none), Challenge: text, Policy: anything})
		if got.Reason != want {
			t.Errorf("%d bits: %q %s", bits, got.Reason, got.Detail)
		}
		d.cose[-2] = []byte{3}
		got = register(t, rp, fido.RegistrationInput{Credential: d.create(text, none), Challenge: text, Policy: anything})
		if got.Reason != fido.KeyAlgorithm {
			t.Errorf("exponent 3: %+v", got)
		}
	}
}

// rsaKeyOf makes a public key of a size, which nobody can sign with.
func rsaKeyOf(bits int) (any, map[int]any) {
	n := random(bits / 8)
	n[0] |= 0x80
	n[len(n)-1] |= 1
	return nil, map[int]any{1: 3, 3: -257, -1: n, -2: []byte{1, 0, 1}}
}

func TestRegistrationInputThatIsBrokenIsAnError(t *testing.T) {
	rp := relyingParty(t)
	for name, in := range map[string]fido.RegistrationInput{
		"no challenge": {At: today, Policy: anything},
		"no time":      {Challenge: challenge("x"), Policy: anything},
		"bad policy":   {Challenge: challenge("x"), At: today, Policy: fido.Policy{MinimumLevel: "L9"}},
	} {
		if got, err := rp.VerifyRegistration(in); err == nil || got.OK {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
